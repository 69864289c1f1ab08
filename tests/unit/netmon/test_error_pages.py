"""The pages that appear when something went wrong, and the static files as a release serves them."""

import json

import pytest
from django.core.management import call_command
from django.template.loader import render_to_string
from django.test import RequestFactory, override_settings
from rest_framework.test import APIClient

from netmon.common.exception_handler import csrf_failure
from tests import people


@pytest.mark.django_db
def test_a_page_that_is_not_there_says_so():
    answer = people.client_for(None).get("/nothing/here/")
    assert answer.status_code == 404 and b"There is nothing here" in answer.content


@pytest.mark.django_db
def test_a_forbidden_page_says_why(cast):
    answer = people.client_for(cast.vera).get("/devices/add/")
    assert answer.status_code == 403 and b"Your role does not allow this" in answer.content


@pytest.mark.django_db
def test_a_guesser_is_locked_out_with_a_page(_clean_cache, cast):
    client = people.client_for(None)
    for _ in range(6):
        answer = client.post("/login/", {"username": "vera", "password": "wrong"})
    assert answer.status_code == 429 and b"Locked out for a while" in answer.content
    assert 50 <= int(answer["Retry-After"]) <= 61


def test_the_page_of_a_fault_needs_neither_request_nor_database():
    assert "A fault in netmon" in render_to_string("500.html")


def test_every_static_file_finds_what_it_refers_to(tmp_path):
    storages = {"staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}}
    with override_settings(STATIC_ROOT=tmp_path, STORAGES=storages):
        call_command("collectstatic", interactive=False, verbosity=0)
        text = next(tmp_path.glob("netmon.*.css")).read_text(encoding="utf-8")
    assert "vendor/inter/inter-latin-wght-normal." in text and "normal.woff2)" not in text


@pytest.mark.django_db
def test_the_policy_is_loose_on_the_two_reference_pages_only(cast):
    client = people.client_for(cast.vera)
    policies = {
        url: client.get(url)["Content-Security-Policy"] for url in ("/", "/api/docs/", "/api/redoc/", "/api/v1/")
    }
    assert all("script-src 'self';" in policy and "default-src 'none'" in policy for policy in policies.values())
    assert [url for url, policy in policies.items() if "unsafe-inline" in policy] == ["/api/redoc/"]
    assert [url for url, policy in policies.items() if "data:" in policy] == ["/api/docs/", "/api/redoc/"]


@pytest.mark.django_db
@pytest.mark.parametrize("status", [401, 404])
def test_a_problem_is_a_page_for_a_browser_and_json_for_a_program(cast, status):
    client = people.client_for(cast.vera if status == 404 else None)
    page = client.get("/api/v1/devices/999999/", headers={"accept": "text/html"})
    assert page.status_code == status and page["Content-Type"].startswith("text/html")
    assert client.get("/api/v1/devices/999999/")["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_an_unknown_address_of_the_api_is_a_problem_for_every_method(method):
    client = APIClient(enforce_csrf_checks=True)
    answer = getattr(client, method)("/api/v1/nothing/")
    assert answer.status_code == 404 and answer["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
def test_a_form_without_its_token_gets_a_page_or_a_problem():
    client = APIClient(enforce_csrf_checks=True)
    answer = client.post("/login/", {"username": "vera", "password": "wrong"})
    assert answer.status_code == 403 and b"This form is no longer valid" in answer.content
    problem = csrf_failure(RequestFactory().post("/api/v1/form/"), reason="no cookie.")
    assert problem.status_code == 403 and problem["Content-Type"] == "application/problem+json"
    assert json.loads(problem.content)["code"] == "csrf_failed"
