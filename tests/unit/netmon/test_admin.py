"""The admin: every model, cheap lists, and a record of every write."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib import admin as django_admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from inventory import device_actions
from inventory.models import CredentialUse, Device, Interface, ManagementEndpoint, Prefix, Tag, TargetRule
from monitoring.models import Check, DeviceFact, DeviceState, Heartbeat, Outage
from netmon.accounts.models import User
from netmon.accounts.services import invites, keys
from netmon.audit import services as audit
from netmon.audit.models import AuditEvent
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from tests import factories, people

pytestmark = pytest.mark.django_db

SECRET = "a community that no page may show"
_numbers = itertools.count(1)


def _check() -> Any:
    return factories.make_check(factories.make_endpoint(factories.make_device()))


def _job() -> Any:
    person = people.make_person(f"asker-{next(_numbers)}", "operator")
    return jobs.start(kind="test", key=jobs.unique_key(), task="x", user=person, deadline_seconds=60)[0]


def _full_device() -> Any:
    return factories.make_flat(
        tenant=factories.make_tenant(), site=factories.make_site(), snmp_community=SECRET, vendor="ACME"
    )


def _use() -> Any:
    row, now = factories.make_endpoint(factories.make_device()), timezone.now()
    credential = factories.make_credential()
    return CredentialUse.objects.create(credential=credential, endpoint=row, first_used_at=now, last_used_at=now)


def _series() -> Any:
    device = factories.make_device()
    return factories.make_series(device, interface=factories.make_interface(device))


def _key() -> Any:
    return keys.make(user=people.make_person(f"owner-{next(_numbers)}", "viewer"), name="k", scopes=["read"])[0]


def _address() -> Any:
    interface = factories.make_interface(factories.make_device())
    return factories.make_address(interface, tenant=factories.make_tenant())


MAKERS: dict[str, Callable[[], Any]] = {
    "inventory.Tenant": factories.make_tenant,
    "inventory.Tag": lambda: Tag.objects.create(
        name=f"t{next(_numbers)}", slug=f"t{next(_numbers)}", tenant=factories.make_tenant()
    ),
    "inventory.Site": lambda: factories.make_site(tenant=factories.make_tenant()),
    "inventory.Prefix": lambda: Prefix.objects.create(
        cidr=f"10.{next(_numbers) % 250}.0.0/24", site=factories.make_site()
    ),
    "inventory.Device": _full_device,
    "inventory.Interface": lambda: factories.make_interface(factories.make_device()),
    "inventory.IPAddress": _address,
    "inventory.Credential": lambda: factories.make_credential(device=factories.make_device(), secret=SECRET),
    "inventory.ManagementEndpoint": lambda: factories.make_endpoint(
        factories.make_device(), protocol="snmp", credential=factories.make_credential(secret=SECRET)
    ),
    "inventory.TargetRule": lambda: TargetRule.objects.create(
        cidr=f"10.{next(_numbers) % 250}.0.0/16", action="allow", tenant=factories.make_tenant()
    ),
    "inventory.CredentialUse": _use,
    "inventory.HostKey": lambda: factories.make_host_key(
        factories.make_ssh_endpoint(), factories.driver_host_key(next(_numbers))
    ),
    "monitoring.DeviceEvent": lambda: factories.make_event(factories.make_device()),
    "monitoring.ExpectedNeighbour": lambda: factories.make_neighbour(factories.make_device()),
    "monitoring.Check": _check,
    "monitoring.DeviceState": lambda: factories.watch(factories.make_device()),
    "monitoring.Outage": lambda: factories.make_outage(factories.make_device(), timezone.now(), None),
    "monitoring.Series": _series,
    "monitoring.DeviceFact": lambda: DeviceFact.objects.create(
        device=factories.make_device(), kind="system", collected_at=timezone.now(), data={}
    ),
    "monitoring.ConfigVersion": lambda: factories.make_config(factories.make_device(), f"password {SECRET}\n"),
    "monitoring.Heartbeat": lambda: Heartbeat.objects.create(
        process="worker", host=f"h{next(_numbers)}", pid=1, started_at=timezone.now(), at=timezone.now()
    ),
    "accounts.User": lambda: people.make_person(f"person-{next(_numbers)}", "viewer"),
    "accounts.ApiKey": _key,
    "accounts.Invite": lambda: invites.make(by=people.make_person(f"host-{next(_numbers)}", "admin"), role="viewer")[0],
    "audit.AuditEvent": lambda: audit.record("test", factories.make_device()),
    "jobs.Job": _job,
    "django_celery_beat.PeriodicTask": lambda: PeriodicTask.objects.create(
        name=f"task {next(_numbers)}",
        task="netmon.jobs.tasks.reconcile_jobs",
        interval=IntervalSchedule.objects.create(every=1000 + next(_numbers), period="seconds"),
    ),
    "django_celery_beat.IntervalSchedule": lambda: IntervalSchedule.objects.create(
        every=1000 + next(_numbers), period="seconds"
    ),
    "django_celery_beat.CrontabSchedule": lambda: CrontabSchedule.objects.create(minute=str(next(_numbers) % 60)),
}
MODELS = {model._meta.label: model for model in django_admin.site._registry}


@pytest.fixture
def admin(cast: people.Cast, _clean_cache: None) -> Any:
    return people.client_for(cast.ada)


def page(row: Any, view: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{view}", args=[row.pk])


def listing(label: str) -> str:
    return reverse(f"admin:{label.lower().replace('.', '_')}_changelist")


def last(row: Any) -> AuditEvent:
    return AuditEvent.objects.filter(object_type=row._meta.label_lower, object_id=str(row.pk)).first()  # type: ignore[return-value]


def events(row: Any) -> list[str]:
    rows = AuditEvent.objects.filter(object_type=row._meta.label_lower, object_id=str(row.pk)).order_by("pk")
    return [event.action for event in rows]


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


# --- writes ---------------------------------------------------------------------------------------------------------

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


# --- actions on devices ---------------------------------------------------------------------------------------------


def act(admin: Any, action: str, *devices: Device) -> Any:
    chosen = {"action": action, "_selected_action": [str(device.pk) for device in devices]}
    return admin.post(listing("inventory.Device"), chosen, follow=action != "export_csv")


def test_chosen_devices_are_polled_paused_resumed_and_retired(admin: Any) -> None:
    one, two = factories.make_flat(name="core <b>1"), factories.make_flat()
    answer = act(admin, "poll_now", one, two).content.decode()
    for job in Job.objects.filter(kind="device.poll"):
        assert f'<a href="/jobs/{job.pk}/">' in answer
    assert Job.objects.count() == 2 and "core &lt;b&gt;1" in answer
    paused = act(admin, "pause_checks", one).content.decode()
    count = Check.objects.filter(endpoint__device=one).count()
    assert f"{count} checks paused" in paused
    assert set(Check.objects.filter(endpoint__device=one).values_list("status", flat=True)) == {"paused"}
    assert not Check.objects.filter(endpoint__device=two, status="paused").exists()
    assert AuditEvent.objects.filter(action="pause").count() == count
    assert b"0 checks resumed" in act(admin, "resume_checks", two).content
    act(admin, "resume_checks", one)
    assert not Check.objects.filter(status="paused").exists()
    act(admin, "retire", one, two)
    assert set(Device.objects.values_list("status", flat=True)) == {"retired"}
    assert last(one).after == {"status": "retired"} and last(one).before == {"status": "active"}


def test_chosen_devices_are_backed_up(admin: Any) -> None:
    one, bare = factories.make_ssh_endpoint().device, factories.make_device(name="bare <b>1")
    answer = act(admin, "backup_now", one, bare).content.decode()
    job = Job.objects.get(kind="config.backup")
    assert f'Backing up <a href="/jobs/{job.pk}/">{one.name}</a>' in answer
    assert "has no SSH endpoint" in answer and "<b>1" not in answer and events(one)[-1] == "backup"


def test_a_configuration_is_shown_masked(admin: Any, settings: Any) -> None:
    row = MAKERS["monitoring.ConfigVersion"]()
    shown = admin.get(page(row)).content.decode()
    assert "password &lt;masked:" in shown and SECRET not in shown
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    assert "does not decrypt" in admin.get(page(row)).content.decode()


def test_chosen_devices_are_exported(admin: Any) -> None:
    device = factories.make_flat(name="=core", snmp_community=SECRET)
    factories.make_flat(name="other")
    answer = act(admin, "export_csv", device)
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert len(lines) == 2 and lines[1].startswith("'=core,router") and SECRET not in lines[1]
    assert AuditEvent.objects.get(action="export").detail == "1 devices as csv"


def test_the_list_of_devices_leads_to_import_and_export(admin: Any) -> None:
    text = admin.get(listing("inventory.Device")).content.decode()
    assert 'href="/import/"' in text and "devices/export/?format=csv" in text


def test_an_action_has_one_owner() -> None:
    assert {"poll_now", "pause_checks", "resume_checks"} <= set(device_actions.ACTIONS)
    with pytest.raises(ValueError, match="twice"):
        device_actions.register("poll_now", "Other", print)


# --- schedules ------------------------------------------------------------------------------------------------------


def test_a_schedule_changed_in_the_admin_reaches_beat(admin: Any) -> None:
    task = PeriodicTask.objects.get(name="Dispatch polls")
    slow = IntervalSchedule.objects.create(every=30, period="seconds")
    before = PeriodicTasks.last_change()
    form = {
        "name": task.name, "regtask": "", "task": task.task, "enabled": "on", "interval": slow.pk,
        "description": task.description, "args": "[]", "kwargs": "{}", "expire_seconds": "30",
    }  # fmt: skip
    answer = admin.post(page(task), form)
    assert answer.status_code == 302, answer.context["errors"]
    task.refresh_from_db()
    assert task.interval == slow
    assert before is None or PeriodicTasks.last_change() > before
    assert PeriodicTasks.last_change() is not None and last(task).after["interval"] == slow.pk  # type: ignore[index]
    before = PeriodicTasks.last_change()
    chosen = {"action": "disable_tasks", "_selected_action": [str(task.pk)]}
    admin.post(listing("django_celery_beat.PeriodicTask"), chosen)
    task.refresh_from_db()
    assert not task.enabled and PeriodicTasks.last_change() > before and events(task)[-1] == "update"


def test_a_schedule_in_use_is_kept(admin: Any) -> None:
    interval = PeriodicTask.objects.get(name="Dispatch polls").interval
    assert b"Dispatch polls" in admin.get(page(interval, "delete")).content
    admin.post(page(interval, "delete"), {"post": "yes"})
    assert IntervalSchedule.objects.filter(pk=interval.pk).exists()


def test_autocompletion_says_whose_interface_it_is(admin: Any) -> None:
    device = factories.make_device(name="core-1")
    factories.make_interface(device, name="eth0")
    query = {"app_label": "inventory", "model_name": "ipaddress", "field_name": "interface", "term": "eth0"}
    assert admin.get("/admin/autocomplete/", query).json()["results"][0]["text"] == "core-1 · eth0"
    assert Outage._meta.label in MODELS
