"""Checks that fit their endpoint, and what becomes of a device when one is deleted: by API and by admin alike."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from inventory.models import Device
from monitoring.models import Check, DeviceState, Outage
from monitoring.services import states
from tests import factories as make
from tests import people

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(cast: people.Cast) -> Client:
    client = Client()
    client.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def degraded(db: None) -> Device:
    """Ping is down, SNMP is up."""
    device = make.make_flat()
    make.make_check(make.make_endpoint(device))
    Check.objects.filter(endpoint__device=device).update(status="up", last_run_at=timezone.now())
    Check.objects.filter(endpoint__device=device, module="icmp").update(status="down", last_error_code="timeout")
    states.evaluate([device.pk], timezone.now())
    assert DeviceState.objects.get(device=device).state == "degraded"
    return device


@pytest.mark.parametrize("module", ["snmp.system", "icmpp", ""])
def test_a_module_must_exist_and_fit_the_protocol(module: str) -> None:
    check = Check(endpoint=make.make_endpoint(make.make_device()), module=module)
    with pytest.raises(ValidationError) as caught:
        check.full_clean()
    assert "module" in caught.value.message_dict
    check.module = "icmp"
    check.full_clean()


def test_a_check_without_an_endpoint_is_refused_with_words() -> None:
    with pytest.raises(ValidationError) as caught:
        Check(module="icmp").full_clean()
    assert set(caught.value.message_dict) == {"endpoint"}


def test_the_admin_and_the_api_refuse_alike(admin: Client, api: APIClient) -> None:
    endpoint = make.make_endpoint(make.make_device())
    body = {"endpoint": endpoint.pk, "module": "snmp.system", "interval_seconds": 60, "retries": 3}
    text = "No such module for this endpoint. Known are: icmp."
    page = admin.post("/admin/monitoring/check/add/", body)
    assert page.status_code == 200 and text in page.content.decode()
    answer = api.post("/api/v1/checks/", body)
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/module"
    assert answer.json()["errors"][0]["detail"] == text
    assert not Check.objects.exists()


@pytest.mark.parametrize(("module", "expected"), [("icmp", 90), ("long.gone", 60)])
def test_the_list_of_the_admin_changes_intervals(admin: Client, module: str, expected: int) -> None:
    check = make.make_check(make.make_endpoint(make.make_device()), module=module)
    body = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": check.pk, "form-0-interval_seconds": 90}
    assert admin.post("/admin/monitoring/check/", {**body, "_save": "Save"}).status_code in (200, 302)
    check.refresh_from_db()
    assert (check.interval_seconds, check.module) == (expected, module)


def by_api(check: Check, admin: Client, api: APIClient) -> Any:
    return api.delete(f"/api/v1/checks/{check.pk}/")


def by_page(check: Check, admin: Client, api: APIClient) -> Any:
    return admin.post(f"/admin/monitoring/check/{check.pk}/delete/", {"post": "yes"})


def by_list(check: Check, admin: Client, api: APIClient) -> Any:
    body = {"action": "delete_selected", "_selected_action": check.pk, "post": "yes"}
    return admin.post("/admin/monitoring/check/", body)


@pytest.mark.parametrize("delete", [by_api, by_page, by_list])
def test_a_deleted_check_does_not_hold_its_device_down(
    degraded: Device, admin: Client, api: APIClient, delete: Any
) -> None:
    check = Check.objects.get(endpoint__device=degraded, module="icmp")
    assert delete(check, admin, api).status_code in (204, 302)
    assert not Check.objects.filter(pk=check.pk).exists()
    assert DeviceState.objects.get(device=degraded).state == "up"
    assert not Outage.objects.filter(device=degraded, ended_at=None).exists()
