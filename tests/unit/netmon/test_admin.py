"""The admin: a page for every model, cheap lists, no secret on any page."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib import admin as django_admin
from django.db import connection
from django.test.utils import CaptureQueriesContext

from monitoring.models import Outage
from tests import factories
from tests.unit.netmon.admin_site import MAKERS, MODELS, SECRET, listing, page

pytestmark = pytest.mark.django_db


def test_every_page_of_the_admin_is_tested_here() -> None:
    assert set(MODELS) == set(MAKERS)
    assert not {"rest.IdempotentRequest", "token_blacklist.OutstandingToken", "auth.Group"} & set(MODELS)


def queries(admin: Any, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as caught:
        answer = admin.get(path)
    assert answer.status_code == 200 and SECRET not in answer.content.decode()
    return len(caught)


@pytest.mark.parametrize("label", MAKERS)
def test_a_list_costs_the_same_for_three_rows_and_for_nine(label: str, admin: Any) -> None:
    for _ in range(3):
        MAKERS[label]()
    admin.get(listing(label))  # content types are read once
    few = queries(admin, listing(label))
    for _ in range(6):
        MAKERS[label]()
    assert queries(admin, listing(label)) <= few


@pytest.mark.parametrize("label", MAKERS)
def test_every_object_has_its_page_and_its_history(label: str, admin: Any) -> None:
    row = MAKERS[label]()
    for path in (page(row), page(row, "history"), f"{listing(label)}?q=a"):
        if path.endswith("?q=a") and not django_admin.site._registry[MODELS[label]].search_fields:
            continue
        answer = admin.get(path)
        assert answer.status_code == 200, path
        text = answer.content.decode()
        assert SECRET not in text and "<style" not in text
        assert not [part for part in text.split("<script")[1:] if "src=" not in part.split(">")[0]], "inline script"


@pytest.mark.parametrize("label", MAKERS)
def test_every_relation_is_searched_not_listed(label: str) -> None:
    page_class = django_admin.site._registry[MODELS[label]]
    if "scope" in label or not page_class.has_change_permission.__qualname__.startswith("BaseModelAdmin"):
        return
    shown = page_class.get_autocomplete_fields(None)  # type: ignore[arg-type]
    left_out = {*(page_class.exclude or ()), *page_class.readonly_fields}
    for field in MODELS[label]._meta.get_fields():
        is_relation = (field.many_to_one or field.one_to_one or field.many_to_many) and not field.auto_created
        if is_relation and getattr(field, "editable", False) and field.name not in left_out:
            in_form = page_class.fieldsets is None or any(
                field.name in options["fields"] for _, options in page_class.fieldsets
            )
            assert field.name in shown or not in_form, f"{label}.{field.name}"


def test_a_configuration_is_shown_masked(admin: Any, settings: Any) -> None:
    row = MAKERS["monitoring.ConfigVersion"]()
    shown = admin.get(page(row)).content.decode()
    assert "password &lt;masked:" in shown and SECRET not in shown
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    assert "does not decrypt" in admin.get(page(row)).content.decode()


def test_autocompletion_says_whose_interface_it_is(admin: Any) -> None:
    device = factories.make_device(name="core-1")
    factories.make_interface(device, name="eth0")
    query = {"app_label": "inventory", "model_name": "ipaddress", "field_name": "interface", "term": "eth0"}
    assert admin.get("/admin/autocomplete/", query).json()["results"][0]["text"] == "core-1 · eth0"
    assert Outage._meta.label in MODELS
