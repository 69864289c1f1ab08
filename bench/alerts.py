"""Alert rules against a fleet, a cut that opens ten thousand alerts at once, and the page that shows five hundred.

CPU seconds of this process, which for a page on SQLite is nearly all that who waits for it counts.
`make bench-alerts`. The yardstick is what one writes first: every rule asked of every value, in a loop over plain
objects, without a database; run side by side on a tenth of the devices.
"""

import gc
import os
import statistics
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["NETMON_VAR_DIR"] = tempfile.mkdtemp(prefix="netmon-bench-")
os.environ["NETMON_GROUP_WAIT_SECONDS"] = "0"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netmon.settings")

import django

django.setup()

# ruff: noqa: E402
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.utils import timezone

from inventory.models import Dependency, Device, ManagementEndpoint, Site
from monitoring import metrics, notifiers
from monitoring.alerting import duties, engine, observing, rulebook
from monitoring.models import Alert, AlertRule, Channel, Check, Contact, DeviceState, Notification, Series, Silence
from monitoring.notifiers import Outcome
from monitoring.notifying import outbox
from monitoring.notifying.messages import Message
from netmon.accounts.models import User

DEVICES, RULES, BATCH, ROUNDS = 10_000, 1_000, 50, 5
CPU_TARGET, STORED_TARGET = 3.0, 10.0
ROWS, PAGE_TARGET = 500, 0.150
SHARE = 10  # of the devices, for the yardstick


class Clock:
    """The time of the product, turned by hand."""

    def __init__(self) -> None:
        self.now = datetime.now(tz=timezone.get_default_timezone())
        timezone.now = lambda: self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def prepare(clock: Clock) -> list[Check]:
    for alias in connections:
        call_command("migrate", database=alias, verbosity=0)
    AlertRule.objects.exclude(template="device.down").delete()
    sites = Site.objects.bulk_create(Site(name=f"site {n}", name_key=f"site {n}") for n in range(20))
    devices = Device.objects.bulk_create(
        (
            Device(name=f"host-{n:05}", name_key=f"host-{n:05}", kind=("server", "router")[n % 2], site=sites[n % 20])
            for n in range(DEVICES)
        ),
        batch_size=500,
    )
    endpoints = ManagementEndpoint.objects.bulk_create(
        (ManagementEndpoint(device=device, protocol="icmp") for device in devices), batch_size=500
    )
    Check.objects.bulk_create(
        (Check(endpoint=endpoint, module="icmp", status="up", last_success_at=clock.now) for endpoint in endpoints),
        batch_size=500,
    )
    DeviceState.objects.bulk_create(
        (DeviceState(device=device, state="up", watched_since=clock.now, since=clock.now) for device in devices),
        batch_size=500,
    )
    Series.objects.bulk_create((Series(device=device, metric_set="host") for device in devices), batch_size=500)
    AlertRule.objects.bulk_create(
        AlertRule(
            name=f"rule {n}",
            name_key=f"rule {n}",
            source="metric",
            metric=("host.cpu_percent", "host.load5", "host.memory_used_percent", "host.swap_used_percent")[n % 4],
            comparator=("gt", "lt")[n % 8 == 7],
            raise_value=(70 + n * 7919 % 300 / 10) if n % 8 != 7 else -1,  # 70 to 99.9
            for_seconds=300,
            site=sites[n % 20] if n % 3 else None,
            kind=("", "server", "router")[n % 3],
        )
        for n in range(RULES)
    )
    return list(Check.objects.select_related("endpoint__device").order_by("pk"))


def readings(checks: list[Check], series: dict[int, Series], turn: int) -> list[observing.Seen]:
    """One poll of these. One host in a hundred is beyond one limit in ten."""
    columns = metrics.get("host").names
    found = []
    for check in checks:
        busy = 73.0 if (check.pk + turn) % 100 == 0 else 30.0 + check.pk % 40
        values: list[float | None] = [None] * len(columns)
        for name in ("cpu_percent", "load5", "memory_used_percent", "swap_used_percent"):
            values[columns.index(name)] = busy
        found.append(observing.Seen(check, series[check.endpoint.device_id], values))
    return found


def a_minute(checks: list[Check], series: dict[int, Series], clock: Clock, turn: int) -> float:
    """All devices polled once, in batches as workers write them, and the engine every five seconds."""
    batches = [checks[first : first + BATCH] for first in range(0, len(checks), BATCH)]
    seen = [readings(batch, series, turn) for batch in batches]
    began = time.process_time()
    for number, batch in enumerate(batches):
        observing.observe_poll(seen[number], batch, clock.now)
        if number % (len(batches) // 12) == 0:
            clock.turn(5)
            engine.advance(clock.now)
            duties.perform(clock.now)
    return time.process_time() - began


def yardstick(checks: list[Check], series: dict[int, Series]) -> float:
    """Every rule asked of every value, once; scaled up to the whole fleet."""
    rules = [rule for rule in rulebook.load().by_id.values() if rule.metric]
    part = checks[::SHARE]
    columns = metrics.get("host").names
    places = rulebook.places_of([check.endpoint.device_id for check in part], with_tags=False)
    rows = [(places[one.check.endpoint.device_id], dict(zip(columns, one.values, strict=True)))
            for one in readings(part, series, 0)]  # fmt: skip
    began, bad = time.process_time(), 0
    for place, values in rows:
        for rule in rules:
            value = values[rule.metric.rpartition(".")[2]]
            if value is not None and rule.scope.holds(place):
                bad += value > rule.raise_value if rule.comparator == "gt" else value < rule.raise_value
    return (time.process_time() - began) * SHARE


def cut(checks: list[Check], clock: Clock, *, with_core: bool) -> dict[str, Any]:
    """Everything falls silent. With a core that all hang on it is one fault; without, ten thousand."""
    Notification.objects.all().delete()
    Alert.objects.all().delete()
    Dependency.objects.all().delete()
    ids = [check.endpoint.device_id for check in checks]
    if with_core:
        Dependency.objects.bulk_create((Dependency(device_id=pk, parent_id=ids[0]) for pk in ids[1:]), batch_size=500)
    clock.turn(3600)
    DeviceState.objects.update(state="down", since=clock.now - timedelta(minutes=10))
    Check.objects.update(last_success_at=clock.now - timedelta(minutes=10))
    wall, cpu = time.perf_counter(), time.process_time()
    for first in range(0, len(checks), BATCH):
        observing.observe_poll([], checks[first : first + BATCH], clock.now)
    while engine.advance(clock.now):
        pass
    stored = time.perf_counter() - wall
    messages = 0
    clock.turn(60)
    while rows := outbox.claim(clock.now):
        outbox.send(rows)
        messages += 1
    return {
        "stored": stored,
        "delivered": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "firing": Alert.objects.filter(state="firing").count(),
        "unreachable": Alert.objects.filter(state="unreachable").count(),
        "messages": messages,
    }


def page_of_alerts(clock: Clock, number: int) -> dict[str, float]:
    """The list of alerts with so many rows, some silent by scope, with work that excuses some. Seconds, and KB."""
    Notification.objects.all().delete()
    Alert.objects.all().delete()
    rule = AlertRule.objects.get(template="device.down")
    devices = list(Device.objects.order_by("pk")[: number * 2])
    causes = Alert.objects.bulk_create(
        Alert(
            device=device, rule=rule, source="device.down", summary="Down", state=("firing", "pending")[n % 5 == 4],
            severity=("critical", "high", "medium", "low")[n % 4], fingerprint=f"cause-{n}",
            started_at=clock.now - timedelta(minutes=n), detail="No answer by ping.",
        )
        for n, device in enumerate(devices[:number])
    )  # fmt: skip
    Alert.objects.bulk_create(
        Alert(
            device=device, rule=rule, source="device.down", summary="Down", state="unreachable", severity="high",
            fingerprint=f"behind-{n}", started_at=clock.now, cause=causes[n % 20],
        )
        for n, device in enumerate(devices[number:])
    )  # fmt: skip
    until = clock.now + timedelta(hours=1)
    for site in Site.objects.all()[:5]:
        Silence.objects.create(site=site, starts_at=clock.now - timedelta(hours=1), ends_at=until)
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # hashed names need collectstatic
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    gc.collect()
    gc.freeze()  # a web process does not hold the fleet of this bench in its memory
    client = Client(headers={"HX-Request": "true"}, SERVER_NAME="localhost")
    client.force_login(User.objects.create_user(username="night", password=None, role="operator"))
    spent, size, same = [], 0, []
    for _ in range(ROUNDS + 2):
        began = time.process_time()
        answer = client.get("/alerts/")
        spent.append(time.process_time() - began)
        size = len(answer.content)
        assert answer.status_code == 200 and answer.content.count(b"data-alert=") == number, answer.status_code
        began = time.process_time()
        assert client.get("/alerts/", headers={"If-None-Match": answer["ETag"]}).status_code == 304
        same.append(time.process_time() - began)
    return {"page": statistics.median(spent[2:]), "same": statistics.median(same[2:]), "kb": size / 1000}


def take(message: Message, config: Any) -> Outcome:
    return Outcome("200")


def main() -> int:
    clock = Clock()
    checks = prepare(clock)
    series = {row.device_id: row for row in Series.objects.all()}
    a_minute(checks, series, clock, 0)
    minutes = [a_minute(checks, series, clock, turn) for turn in range(1, ROUNDS + 1)]
    plain = statistics.median(yardstick(checks, series) for _ in range(3))
    cpu = statistics.median(minutes)
    print(f"{RULES} rules, {DEVICES} devices, one minute of polls: {cpu:.2f} CPU s (target {CPU_TARGET})")
    print(f"  every rule asked of every value: {plain:.2f} CPU s; ratio {cpu / plain:.2f}")
    AlertRule.objects.filter(source="metric").delete()
    contact = Contact.objects.create(name="noc")
    contact.channels.add(Channel.objects.create(name="hook", kind="webhook", config="{}", max_per_minute=600))
    notifiers.NOTIFIERS["webhook"] = take
    worst = 0.0
    for with_core in (True, False):
        found = cut(checks, clock, with_core=with_core)
        worst = max(worst, found["stored"])
        print(
            f"{DEVICES} devices cut, {'behind one core' if with_core else 'with nothing in common'}: "
            f"stored in {found['stored']:.1f} s, delivered in {found['delivered']:.1f} s wall, "
            f"{found['cpu']:.1f} CPU s; "
            f"{found['firing']} firing, {found['unreachable']} unreachable, {found['messages']} messages "
            f"(target {STORED_TARGET:.0f} s)"
        )
    found = page_of_alerts(clock, ROWS)
    print(
        f"{ROWS} rows on the page of alerts, as many folded: {found['page'] * 1000:.0f} CPU ms, {found['kb']:.0f} KB; "
        f"unchanged {found['same'] * 1000:.0f} ms (target {PAGE_TARGET * 1000:.0f} ms)"
    )
    return 0 if cpu <= CPU_TARGET and worst <= STORED_TARGET and found["page"] <= PAGE_TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
