"""The demonstration's share of alerting: what is behind what, who is told and by what, work that is planned."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from inventory.models import Dependency, Device, Site, Tag
from monitoring.models import (
    AlertRule,
    Channel,
    Contact,
    EscalationPolicy,
    EscalationStep,
    MaintenanceWindow,
    SeverityModifier,
)
from monitoring.notifying import configs

# What is reached through what: the school hangs on its core, the data centre on either of two edge routers.
PARENTS = {
    "fw-school": ("core-sw-01",),
    "dist-sw-01": ("core-sw-01",),
    "dist-sw-02": ("core-sw-01",),
    "acc-sw-a1": ("dist-sw-01",),
    "acc-sw-b1": ("dist-sw-02",),
    "acc-sw-gym": ("dist-sw-01", "dist-sw-02"),
    "ap-library": ("acc-sw-a1",),
    "ap-hall": ("acc-sw-a1",),
    "ap-canteen": ("acc-sw-b1",),
    "ap-yard": ("acc-sw-b1",),
    "printer-admin": ("acc-sw-gym",),
    "ups-01": ("core-sw-01",),
    "tor-sw-04": ("edge-rt-01", "edge-rt-02"),
    "tor-sw-05": ("edge-rt-01", "edge-rt-02"),
    "vpn-rt-01": ("tor-sw-04",),
    "hv-01": ("tor-sw-04", "tor-sw-05"),
    "backup-01": ("tor-sw-05",),
    "frr-rt-01": ("tor-sw-04",),
    "frr-rt-02": ("tor-sw-05",),
    "web-01": ("hv-01",),
    "mail-01": ("hv-01",),
}
SENDER, NIGHT_SHIFT, BOSS = "netmon@demo.example", "night-shift@demo.example", "boss@demo.example"


def ports(mail_port: int, web_port: int) -> None:
    """Point the channels of an earlier start at the ports of this one."""
    for name, kind, change in (
        ("Demo mailbox", Channel.Kind.EMAIL, {"port": mail_port}),
        ("Demo webhook", Channel.Kind.WEBHOOK, {"url": f"http://127.0.0.1:{web_port}/hook"}),
    ):
        channel = Channel.objects.filter(name=name, kind=kind).first()
        if channel is not None:
            configs.seal(channel, {**configs.opened(channel), **change})
            channel.save()


@transaction.atomic
def populate(mail_port: int, web_port: int) -> None:
    """At the first start only: what somebody deletes stays deleted."""
    if Channel.objects.filter(name="Demo mailbox").exists() or Contact.objects.exists():
        ports(mail_port, web_port)
        return
    devices = {device.name: device for device in Device.objects.all()}
    Dependency.objects.bulk_create(
        [
            Dependency(device=devices[name], parent=devices[parent])
            for name, parents in PARENTS.items()
            for parent in parents
            if name in devices and parent in devices
        ],
        ignore_conflicts=True,
    )
    if {"backup-01", "tor-sw-04"} <= devices.keys():
        Dependency.objects.create(
            device=devices["backup-01"], parent=devices["tor-sw-04"], source="gateway", is_confirmed=False
        )
    mail = _channel(
        "Demo mailbox",
        "email",
        {"host": "127.0.0.1", "port": mail_port, "security": "none", "from_address": SENDER},
    )
    hook = _channel("Demo webhook", "webhook", {"url": f"http://127.0.0.1:{web_port}/hook", "secret": "w" * 32})
    shift = Contact.objects.create(name="Night shift", emails=[NIGHT_SHIFT], summary_hour=0, repeat_seconds=1800)
    shift.channels.set([mail, hook])
    boss = Contact.objects.create(
        name="Head of operations",
        emails=[BOSS],
        min_severity="high",
        quiet_from="22:00",
        quiet_to="07:00",
        summary_hour=7,
    )
    boss.channels.set([mail])
    policy = EscalationPolicy.objects.create(name="Everything")
    for number, (after, contact) in enumerate(((0, shift), (900, boss))):
        step = EscalationStep.objects.create(policy=policy, number=number, after_seconds=after)
        step.contacts.add(contact)
    core = Tag.objects.filter(slug="core", tenant=None).first()
    if core is not None:
        SeverityModifier.objects.create(name="Core and edge are worse", tag=core, delta=1)
    AlertRule.objects.create(
        name="Uplink above half",
        source="metric",
        metric="if.counters.utilisation_percent",
        interface_pattern="*uplink*, *transit*",
        comparator="gt",
        raise_value=50,
        clear_value=40,
        for_seconds=60,
        severity="low",
        note="Only to show a rule of one's own: ask the provider for more.",
    )
    _work()


def _channel(name: str, kind: str, config: dict[str, object]) -> Channel:
    channel = Channel(name=name, kind=kind)
    configs.seal(channel, configs.merge(kind, config))
    channel.save()
    return channel


def _work() -> None:
    """A window every Sunday night, and one tomorrow."""
    site = Site.objects.order_by("pk").first()
    now = timezone.now()
    night = datetime(now.year, now.month, now.day, 2, tzinfo=now.tzinfo) + timedelta(days=(6 - now.weekday()) % 7)
    MaintenanceWindow.objects.create(
        name="Sunday updates",
        site=site,
        starts_at=night,
        ends_at=night + timedelta(hours=2),
        recurrence="weekly",
        reason="Firmware and restarts.",
    )
    ups = Device.objects.filter(name="ups-01").first()
    if ups is not None:
        MaintenanceWindow.objects.create(
            name="Batteries are changed",
            device=ups,
            starts_at=now + timedelta(hours=20),
            ends_at=now + timedelta(hours=22),
            ends_when_back=True,
        )
