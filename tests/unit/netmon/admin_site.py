"""A row of every model that the admin shows, the addresses of its pages, and what is on record of it."""

import itertools
from collections.abc import Callable
from typing import Any

from django.contrib import admin as django_admin
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from inventory.models import CredentialUse, Prefix, Tag, TargetRule
from monitoring.models import DeviceFact, Heartbeat
from netmon.accounts.services import invites, keys
from netmon.audit import services as audit
from netmon.audit.models import AuditEvent
from netmon.jobs import services as jobs
from provisioning.models import DriftItem, Quota, RuleClaim, RunningConfig
from tests import alerts, factories, people, scans

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


def _place() -> dict[str, Any]:
    """A router and a network of a machine's own: another's address may not be in the inventory already."""
    router = factories.make_vyos_router()
    factories.make_dhcp_pool(router, cidr=f"10.{next(_numbers) % 250}.1.0/24")
    owner = people.make_person(f"renter-{next(_numbers)}", "operator")
    return {"router": router, "user": owner}


def _vm() -> Any:
    return factories.make_vm(ports=["ssh"], **_place())


def _change() -> Any:
    person = people.make_person(f"changer-{next(_numbers)}", "operator")
    change = factories.make_change(requested_by=person, lines=["set <b>"], diff=["+ <b>"])
    for name in ("web-1", "web-2"):
        change.items.create(vm_name=name, error_detail="<i>")
    return change


def _drift() -> Any:
    vm = _vm()
    return DriftItem.objects.create(
        router=vm.router, vm=vm, kind="differs", label=f"rule {next(_numbers)}", words=["<u>"], lines=["set <b>"]
    )


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
    "provisioning.Action": factories.make_action,
    "provisioning.ActionRun": lambda: factories.make_run(
        factories.make_device(), requested_by=people.make_person(f"runner-{next(_numbers)}", "operator")
    ),
    "provisioning.VyosRouter": factories.make_vyos_router,
    "provisioning.DhcpPool": factories.make_dhcp_pool,
    "provisioning.PortPool": factories.make_port_pool,
    "provisioning.Quota": lambda: Quota.objects.create(tenant=factories.make_tenant(), max_vms=5),
    "provisioning.Vm": lambda: factories.make_vm(**_place()),
    "provisioning.DhcpReservation": lambda: factories.make_vm(**_place()).reservation,
    "provisioning.PortForward": lambda: factories.make_vm(ports=["ssh"], **_place()).forwards.get(),
    "provisioning.ConfigChange": _change,
    "provisioning.RunningConfig": lambda: RunningConfig.objects.create(
        router=factories.make_vyos_router(), read_at=timezone.now(), nat={"key": SECRET}, interfaces=["eth0"]
    ),
    "provisioning.DriftItem": _drift,
    "provisioning.PortClaim": lambda: _vm().forwards.get().port_claims.get(),
    "provisioning.RuleClaim": lambda: RuleClaim.objects.get(forward=_vm().forwards.get()),
    "scanning.Scan": lambda: scans.make_scan(requested_by=people.make_person(f"asker-{next(_numbers)}", "operator")),
    "scanning.ScanHost": lambda: scans.make_scan().hosts.get(),
    "scanning.OpenPort": lambda: scans.make_scan().hosts.get().ports.get(),
    "scanning.SeenHost": lambda: scans.make_seen(device=factories.make_device()),
    "scanning.SeenPort": lambda: scans.make_seen().ports.get(),
    "scanning.PresencePeriod": lambda: scans.make_seen().periods.get(),
    "scanning.ScanSchedule": lambda: scans.make_schedule(tenant=factories.make_tenant()),
    "scanning.ScanExclusion": lambda: scans.make_exclusion(tenant=factories.make_tenant()),
    "scanning.ExpectedPort": lambda: scans.make_expected(factories.make_device()),
    "monitoring.DeviceEvent": lambda: factories.make_event(factories.make_device()),
    "monitoring.ExpectedNeighbour": lambda: factories.make_neighbour(factories.make_device()),
    "monitoring.Indicator": lambda: factories.make_indicator(factories.make_device()),
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
    "inventory.Dependency": lambda: alerts.make_dependency(factories.make_device(), factories.make_device()),
    "monitoring.Alert": lambda: alerts.make_alert(factories.make_device()),
    "monitoring.AlertRule": lambda: alerts.make_rule(tenant=factories.make_tenant()),
    "monitoring.SeverityModifier": lambda: alerts.make_modifier(tenant=factories.make_tenant()),
    "monitoring.Silence": lambda: alerts.make_silence(rule=alerts.make_rule()),
    "monitoring.MaintenanceWindow": lambda: alerts.make_window(tenant=factories.make_tenant()),
    "monitoring.Channel": lambda: alerts.make_channel(
        config={"url": "https://hooks.example.com/x", "secret": SECRET}, tenant=factories.make_tenant()
    ),
    "monitoring.Contact": lambda: alerts.make_contact(alerts.make_channel(), tenant=factories.make_tenant()),
    "monitoring.EscalationPolicy": lambda: alerts.make_policy(alerts.make_contact(), tenant=factories.make_tenant()),
    "monitoring.Notification": lambda: alerts.make_notification(alerts.make_alert(factories.make_device())),
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


def page(row: Any, view: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{view}", args=[row.pk])


def listing(label: str) -> str:
    return reverse(f"admin:{label.lower().replace('.', '_')}_changelist")


def last(row: Any) -> AuditEvent:
    return AuditEvent.objects.filter(object_type=row._meta.label_lower, object_id=str(row.pk)).first()  # type: ignore[return-value]


def events(row: Any) -> list[str]:
    rows = AuditEvent.objects.filter(object_type=row._meta.label_lower, object_id=str(row.pk)).order_by("pk")
    return [event.action for event in rows]
