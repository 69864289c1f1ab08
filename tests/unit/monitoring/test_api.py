"""The monitoring API over stored samples: shapes, gaps, orders, numbers of queries."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from inventory.models import Device
from monitoring.models import Series
from monitoring.store.write import SampleWrite, write_many
from tests import alerts, machines, people
from tests import factories as make

pytestmark = pytest.mark.django_db

COUNTS = Path(__file__).resolve().parents[2] / "query_counts.json"


@pytest.fixture
def now() -> int:
    return int(time.time()) // 60 * 60


@pytest.fixture
def router(now: int) -> Device:
    """An hour of minutes: 10 failed ones, an interface with 8 Mbit/s in, errors, and a gap of 5 minutes."""
    device = make.make_flat(name="core1")
    make.watch(device, hours=1)
    system = make.make_series(device, metric_set="snmp.system")
    eth0 = make.make_interface(device, name="eth0", if_index=1, if_speed_bps=10**9)
    traffic = make.make_series(device, metric_set="if.counters", interface=eth0)
    samples = []
    for minute in range(60):
        slot = now - 60 * (60 - minute)
        failed = 20 <= minute < 30
        samples.append(SampleWrite(system.pk, slot, [None, None, 0.0] if failed else [2.0, 1000.0 + minute * 60, 1.0]))
        if not failed and not 40 <= minute < 45:
            samples.append(SampleWrite(traffic.pk, slot, [8e6, 4e6, 100, 50, 0.5, 0, 0, 0, 0, 0, 1]))
    write_many(samples)
    started = datetime.fromtimestamp(now - 60 * 40, UTC)
    make.make_outage(device, started, 10, cause="SNMP: no answer")
    return device


def test_metrics_are_newest_first_and_failures_have_no_values(api: APIClient, router: Device) -> None:
    body = api.get(f"/api/v1/routers/{router.pk}/metrics/?hours=2&limit=45").json()
    assert body["device"]["name"] == "core1" and body["count"] == len(body["metrics"]) == 45
    times = [entry["timestamp"] for entry in body["metrics"]]
    assert times == sorted(times, reverse=True)
    newest, failed = body["metrics"][0], [entry for entry in body["metrics"] if not entry["is_reachable"]]
    assert newest["is_reachable"] and newest["response_time_ms"] == 2.0 and newest["uptime_seconds"] == 1000 + 59 * 60
    assert newest["interfaces"][0]["interface"] == "eth0" and newest["interfaces"][0]["in_bps"] == 8e6
    assert len(failed) == 10
    assert all(entry["response_time_ms"] is None and entry["uptime_seconds"] is None for entry in failed)
    assert all(entry["interfaces"][0]["in_bps"] is None for entry in failed)


def test_availability_counts_up_down_and_unknown_apart(api: APIClient, router: Device) -> None:
    body = api.get(f"/api/v1/devices/{router.pk}/availability/?hours=2").json()
    assert (body["total_checks"], body["successful_checks"], body["failed_checks"]) == (60, 50, 10)
    assert body["average_response_time_ms"] == 2.0
    assert body["down_seconds"] == 600 and body["maintenance_seconds"] == 0
    assert body["unknown_seconds"] == pytest.approx(3600, abs=90), "the hour before it was watched"
    assert body["availability_percent"] == pytest.approx(100 * 3000 / 3600, abs=1)
    (outage,) = body["outages"]
    assert outage["cause"] == "SNMP: no answer" and outage["ended_at"] is not None


def test_a_ping_that_was_switched_off_does_not_empty_the_reports(api: APIClient, router: Device, now: int) -> None:
    ping = make.make_series(router, metric_set="icmp", last_at=datetime.fromtimestamp(now - 7200, UTC))
    Series.objects.filter(metric_set="snmp.system").update(last_at=datetime.fromtimestamp(now, UTC))
    assert api.get(f"/api/v1/devices/{router.pk}/availability/?hours=2").json()["total_checks"] == 60
    assert api.get(f"/api/v1/devices/{router.pk}/metrics/?hours=2").json()["count"] > 0
    assert ping.pk


def test_nothing_measured_is_null_not_0_or_100(api: APIClient) -> None:
    device = make.make_flat()
    body = api.get(f"/api/v1/devices/{device.pk}/availability/").json()
    assert body["availability_percent"] is None and body["total_checks"] == 0
    assert body["average_response_time_ms"] is None
    assert api.get(f"/api/v1/devices/{device.pk}/metrics/").json()["metrics"] == []
    assert api.get(f"/api/v1/devices/{device.pk}/bandwidth/").json()["p95"] == {"in_bps": None, "out_bps": None}


def test_bandwidth_has_rates_in_both_units_and_the_95th_percentile(api: APIClient, router: Device) -> None:
    body = api.get(f"/api/v1/devices/{router.pk}/bandwidth/?hours=2&interface=eth0").json()
    assert body["data_points"] == len(body["bandwidth_data"]) == 45
    assert {(entry["in_bps"], entry["out_mbps"]) for entry in body["bandwidth_data"]} == {(8e6, 4.0)}
    assert body["p95"] == {"in_bps": 8e6, "out_bps": 4e6}
    assert api.get(f"/api/v1/devices/{router.pk}/bandwidth/?interface=nothing").json()["data_points"] == 0


def test_errors_are_counts_within_each_step(api: APIClient, router: Device) -> None:
    body = api.get(f"/api/v1/devices/{router.pk}/errors/?hours=2").json()
    entry = body["error_data"][0]
    assert entry["in_errors"] == 30.0 and entry["out_errors"] == 0.0
    assert entry["oper_status"] == 1 and entry["status_text"] == "up"


def test_series_data_has_nulls_for_gaps(api: APIClient, router: Device, now: int) -> None:
    series = Series.objects.get(metric_set="if.counters")
    url = f"/api/v1/series/{series.pk}/data/?from={now - 3600}&to={now}&step=60&columns=in_bps"
    body = api.get(url).json()
    assert body["columns"] == ["time", "in_bps"] and body["units"] == {"in_bps": "bit/s"} and body["step"] == 60
    assert len(body["data"]) == 60
    missing = [position for position, (_, value) in enumerate(body["data"]) if value is None]
    assert missing == [*range(20, 30), *range(40, 45)]
    table = b"".join(api.get(url + "&format=csv").streaming_content).decode().splitlines()
    assert table[0] == "time,in_bps" and len(table) == 61 and table[21].endswith(",")


def test_overview_has_totals_and_a_line_per_device(api: APIClient, router: Device) -> None:
    silent = make.make_flat(name="silent")
    body = api.get("/api/v1/monitoring/overview/").json()
    assert body["total"] == 2 and body["by_state"] == {"unknown": 1, "up": 1, "degraded": 0, "down": 0}
    lines = {line["name"]: line for line in body["devices"]}
    assert lines["core1"]["availability_24h_percent"] == pytest.approx(83.3, abs=1.5)
    assert lines["silent"]["availability_24h_percent"] is None and lines["silent"]["id"] == silent.pk


def test_what_was_up_long_ago_is_no_data_now(api: APIClient) -> None:
    device = make.make_flat()
    make.watch(device, last_poll_at=timezone.now() - timedelta(hours=3))
    (line,) = api.get("/api/v1/monitoring/overview/").json()["devices"]
    assert line["state"] == "unknown"


def test_checks_can_be_paused_resumed_and_changed(api: APIClient, router: Device) -> None:
    check = api.get(f"/api/v1/checks/?device={router.pk}&module=snmp.system").json()["results"][0]
    url = f"/api/v1/checks/{check['id']}/"
    assert api.post(url + "pause/").json()["status"] == "paused"
    assert api.post(url + "resume/").json()["status"] == "unknown"
    changed = api.patch(url, {"interval_seconds": 300}).json()
    assert changed["interval_seconds"] == 300
    due = datetime.fromisoformat(changed["next_run_at"].replace("Z", "+00:00"))
    assert due <= timezone.now() + timedelta(seconds=300)


def test_health_tells_what_is_missing(api: APIClient) -> None:
    answer = api.get("/api/v1/health/")
    assert answer.status_code == 503
    body = answer.json()
    assert body["status"] == "degraded" and body["checks"]["database"] == "ok"
    assert body["checks"]["worker"] == "missing" and body["checks"]["beat"] == "missing"
    from monitoring.services import health

    health.beat("worker")
    health.beat("worker")
    health.beat("beat")
    assert api.get("/api/v1/health/").json()["checks"]["worker"] == "ok"


LISTS = (
    "devices", "routers", "interfaces", "ip-addresses", "endpoints", "credentials", "checks", "series", "sites",
    "ssh-keys", "tenants", "prefixes", "jobs", "monitoring/overview", "dependencies", "alerts", "alert-rules",
    "severity-modifiers", "silences", "maintenance-windows", "channels", "contacts", "escalation-policies",
    "notifications", "alerts/summary", "indicators", "actions", "actions/available", "action-runs",
    "vyos-routers", "dhcp-pools", "port-pools", "quotas", "vms", "dhcp-reservations", "port-forwards",
    "config-changes", "ports/status",
)  # fmt: skip


def _alerting(device: Device) -> None:
    cause = alerts.make_alert(make.make_device(name=f"parent of {device.name}"))
    alerts.make_dependency(device, cause.device)  # type: ignore[arg-type]
    alert = alerts.make_alert(device, rule=alerts.make_rule(device=device), cause=cause)
    contact = alerts.make_contact(alerts.make_channel())
    alerts.make_policy(contact, alerts.make_contact())
    alerts.make_notification(alert, contact=contact)
    alerts.make_silence()
    alerts.make_window()
    alerts.make_modifier()


def _acting(device: Device) -> None:
    rule = alerts.make_rule(device=device)
    action = make.make_action(device=device, approved_by=people.make_person(f"approver of {device.name}", "admin"))
    action.remedies.add(rule)
    asked = people.make_person(f"asker of {device.name}", "operator")
    make.make_run(device, action, requested_by=asked, approved_by=action.approved_by)
    make.make_indicator(device, created_by=asked)


def test_no_list_asks_more_queries_for_more_rows(api: APIClient, settings: Any, tmp_path: Path) -> None:
    """The counts are kept in tests/query_counts.json; UPDATE_QUERY_COUNTS=1 writes them anew, and the diff is read."""
    import os

    settings.ACTIONS_DIR = tmp_path

    found: dict[str, int] = {}
    for size in (3, 9):
        while Device.objects.count() < size:
            device = make.make_flat()
            make.make_series(device)
            make.make_endpoint(device, protocol="ssh", credential=make.make_ssh_key())
            make.make_site(tenant=make.make_tenant())
            _alerting(device)
            _acting(device)
            machines.make_estate(word=f"e{device.pk}", owner=people.make_person(f"owner-{device.pk}", "operator"))
        for name in LISTS:
            with CaptureQueriesContext(connection) as captured:
                assert api.get(f"/api/v1/{name}/").status_code == 200, name
            assert found.setdefault(name, len(captured)) == len(captured), f"{name}: one query per row"
    if os.environ.get("UPDATE_QUERY_COUNTS"):
        COUNTS.write_text(json.dumps(found, indent=2) + "\n")
    baseline: dict[str, Any] = json.loads(COUNTS.read_text())
    assert found == baseline
