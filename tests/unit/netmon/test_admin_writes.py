"""Every write of the admin is on record, and what services rule is left to them."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from inventory.models import Device, Interface, ManagementEndpoint
from monitoring.models import Check, DeviceState
from netmon.accounts.models import User
from netmon.audit.models import AuditEvent
from tests import factories
from tests.unit.netmon.admin_site import MAKERS, MODELS, SECRET, events, last, listing, page

pytestmark = pytest.mark.django_db

FORMS: dict[str, tuple[dict[str, Any], str, str]] = {
    "inventory.Tenant": (
        {"name": "Lycée", "slug": "lycee", "host_key_policy": "approve"},
        "name",
        "Lycée",
    ),
    "inventory.Tag": ({"name": "Core", "slug": "core", "description": ""}, "name", "Core"),
    "inventory.Site": ({"name": "Paris"}, "name", "Paris"),
    "inventory.Prefix": ({"cidr": "192.0.2.0/24", "description": ""}, "cidr", "192.0.2.0/24"),
    "inventory.TargetRule": ({"cidr": "198.51.100.0/24", "action": "refuse", "note": "why"}, "note", "why"),
    "inventory.IPAddress": ({"address": "192.0.2.9", "dns_name": "", "prefix_length": ""}, "address", "192.0.2.9"),
    "django_celery_beat.IntervalSchedule": ({"every": "77", "period": "minutes"}, "every", "77"),
    "django_celery_beat.CrontabSchedule": (
        {"minute": "5", "hour": "4", "day_of_month": "*", "month_of_year": "*", "day_of_week": "*", "timezone": "UTC"},
        "minute",
        "5",
    ),
}


@pytest.mark.parametrize("label", FORMS)
def test_making_changing_and_deleting_are_on_record(label: str, admin: Any) -> None:
    form, name, value = FORMS[label]
    answer = admin.post(f"{listing(label)}add/", form)
    assert answer.status_code == 302, answer.context["errors"]
    row = MODELS[label]._base_manager.order_by("-pk").first()
    made = last(row)
    assert (made.action, made.username, made.via, made.before) == ("create", "ada", "session", None)
    assert str(made.after[name]) == value  # type: ignore[index]
    other = MAKERS[label]()
    answer = admin.post(page(other), {**form, **({"slug": "other"} if "slug" in form else {}), name: value + "0"})
    if answer.status_code == 302:
        changed = last(other)
        assert changed.action == "update" and changed.before and changed.after
        assert changed.before[name] != changed.after[name]
    admin.post(page(row, "delete"), {"post": "yes"})
    assert last(row).action == "delete" and last(row).before
    chosen = {"action": "delete_selected", "_selected_action": [str(other.pk)], "post": "yes"}
    assert admin.post(listing(label), chosen).status_code == 302
    assert events(other)[-1] == "delete" and not MODELS[label]._base_manager.filter(pk=other.pk).exists()


def device_form(device: Device, **over: Any) -> dict[str, Any]:
    form: dict[str, Any] = {
        "name": device.name, "kind": device.kind, "status": device.status, "location": device.location,
        "primary_ip": device.primary_ip_id or "", "tenant": device.tenant_id or "",
    }  # fmt: skip
    for prefix, rows in (("endpoints", device.endpoints.all()), ("interfaces", device.interfaces.all())):
        form |= {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": len(rows)}
        for number, row in enumerate(rows):
            form |= {f"{prefix}-{number}-id": row.pk, f"{prefix}-{number}-device": device.pk}
            if isinstance(row, ManagementEndpoint):
                form |= {
                    f"{prefix}-{number}-protocol": row.protocol, f"{prefix}-{number}-port": row.port or "",
                    f"{prefix}-{number}-credential": row.credential_id or "",
                    f"{prefix}-{number}-options": '{"version": "2c"}', f"{prefix}-{number}-is_enabled": "on",
                }  # fmt: skip
            else:
                form |= {f"{prefix}-{number}-name": row.name, f"{prefix}-{number}-if_index": row.if_index or ""}
    return {**form, **over}


def test_a_device_its_inlines_and_its_bulk_delete_are_on_record(admin: Any) -> None:
    device = factories.make_flat(snmp_community=SECRET)
    extra = factories.make_interface(device, name="eth7")
    endpoint = device.endpoints.get()
    rows = list(device.interfaces.all())
    number = rows.index(extra)
    form = device_form(device, location="rack 7", **{f"interfaces-{number}-DELETE": "on", "endpoints-0-port": "1161"})
    answer = admin.post(page(device), form)
    assert answer.status_code == 302, answer.context["errors"]
    assert (last(device).action, last(device).after["location"]) == ("update", "rack 7")  # type: ignore[index]
    assert last(extra).action == "delete" and last(extra).parent_id == str(device.pk)
    assert last(endpoint).after["port"] == 1161  # type: ignore[index]
    history = admin.get(page(device, "history")).content.decode()
    assert "rack 7" in history and "eth7" in history and "1161" in history
    form = device_form(device, **{"endpoints-0-DELETE": "on"})
    assert admin.post(page(device), form).status_code == 302
    assert events(endpoint)[-1] == "delete" and not Check.objects.filter(endpoint=endpoint.pk).exists()
    chosen = {"action": "delete_selected", "_selected_action": [str(device.pk)], "post": "yes"}
    assert admin.post(listing("inventory.Device"), chosen).status_code == 302
    assert events(device)[-1] == "delete" and not Device.objects.exists()
    told = "".join(LogEntry.objects.values_list("change_message", flat=True))
    told += "".join(str([event.before, event.after]) for event in AuditEvent.objects.all())
    assert SECRET not in told


def test_what_services_delete_is_deleted_by_services(admin: Any) -> None:
    device = factories.make_flat()
    interface, endpoint = device.interfaces.get(), device.endpoints.get()
    series = factories.make_series(device, interface=interface)
    chosen = {"action": "delete_selected", "_selected_action": [str(interface.pk)], "post": "yes"}
    admin.post(listing("inventory.Interface"), chosen)
    assert not Interface.objects.exists() and not type(series).objects.filter(pk=series.pk).exists()
    factories.watch(device)
    admin.post(page(endpoint, "delete"), {"post": "yes"})
    assert events(endpoint) == ["delete"] and DeviceState.objects.get(device=device).state == "unknown"


def test_a_host_of_virtual_machines_is_kept_with_a_reason(admin: Any) -> None:
    host = factories.make_device(kind="server")
    factories.make_device(kind="vm", hypervisor=host, name="guest-1")
    assert b"guest-1" in admin.get(page(host, "delete")).content
    assert admin.post(page(host, "delete"), {"post": "yes"}).status_code in (200, 403)
    assert Device.objects.filter(pk=host.pk).exists()


def test_credentials_and_their_secrets(admin: Any) -> None:
    form = {"name": "shared", "kind": "snmp_community", "secret": SECRET, "username": "", "comment": ""}
    assert admin.post(f"{listing('inventory.Credential')}add/", form).status_code == 302
    row = MODELS["inventory.Credential"]._base_manager.get(name="shared")
    assert last(row).after["secret_set"] is True  # type: ignore[index]
    assert admin.post(page(row), {**form, "name": "renamed", "secret": ""}).status_code == 302
    assert last(row).before == {"name": "shared"} and SECRET not in admin.get(page(row, "history")).content.decode()
    refused = admin.post(f"{listing('inventory.Credential')}add/", {**form, "name": ""})
    assert refused.status_code == 200 and SECRET not in refused.content.decode()
    admin.post(page(row, "delete"), {"post": "yes"})
    assert last(row).action == "delete"
    told = str(list(LogEntry.objects.values())) + str(list(AuditEvent.objects.values()))
    assert SECRET not in told


def test_people_are_on_record_without_passwords(admin: Any) -> None:
    form = {
        "username": "ivo", "email": "i@example.net", "role": "viewer", "usable_password": "true",
        "password1": "correct horse battery", "password2": "correct horse battery",
    }  # fmt: skip
    assert admin.post(f"{listing('accounts.User')}add/", form).status_code == 302
    ivo = User.objects.get(username="ivo")
    assert events(ivo) == ["create"] and "correct horse" not in str(last(ivo).after)
    answer = admin.post(page(ivo), {"username": "ivo", "email": "i@example.net", "role": "operator"})
    assert answer.status_code == 302, answer.context["errors"]
    assert events(ivo) == ["create", "update"] and last(ivo).after["role"] == "operator"  # type: ignore[index]
    admin.post(page(ivo, "delete"), {"post": "yes"})
    assert events(ivo) == ["create", "update", "delete"]


def test_a_list_of_checks_edited_is_on_record(admin: Any) -> None:
    check = factories.make_flat().endpoints.get().checks.first()
    assert check is not None
    rows = list(Check.objects.all())
    form: dict[str, Any] = {"form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": len(rows), "_save": "Save"}
    for number, row in enumerate(rows):
        form |= {f"form-{number}-id": row.pk, f"form-{number}-interval_seconds": 90 if row == check else 60}
    assert admin.post(listing("monitoring.Check"), form).status_code == 302
    assert last(check).after["interval_seconds"] == 90  # type: ignore[index]
    chosen = {"action": "pause", "_selected_action": [str(check.pk)]}
    admin.post(listing("monitoring.Check"), chosen)
    admin.post(listing("monitoring.Check"), {**chosen, "action": "resume"})
    assert events(check)[-2:] == ["pause", "resume"]
    admin.post(page(check, "delete"), {"post": "yes"})
    assert events(check)[-1] == "delete"


@pytest.mark.parametrize(
    "label",
    [
        "audit.AuditEvent",
        "jobs.Job",
        "monitoring.Outage",
        "accounts.ApiKey",
        "monitoring.DeviceEvent",
        "inventory.HostKey",
        "monitoring.ConfigVersion",
    ],
)
def test_what_happened_is_not_edited(label: str, admin: Any) -> None:
    row = MAKERS[label]()
    assert admin.get(page(row)).status_code == 200
    assert admin.post(page(row), {}).status_code == 403
    assert admin.get(page(row, "delete")).status_code == 403
    assert admin.get(f"{listing(label)}add/").status_code == 403
