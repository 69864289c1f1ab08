"""Rules, modifiers, silences, windows, drills over HTTP."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from monitoring.alerting import rehearsal, situation
from monitoring.models import AlertRule, MaintenanceWindow, Silence
from tests import alerts, factories

pytestmark = pytest.mark.django_db


def test_a_shipped_rule_is_switched_off_not_deleted(api: Any) -> None:
    rule = AlertRule.objects.get(template="device.down")
    url = f"/api/v1/alert-rules/{rule.pk}/"
    answer = api.delete(url)
    assert answer.status_code == 409 and "switch it off" in answer.json()["detail"]
    assert api.delete("/api/v1/alert-rules/bulk/", [rule.pk], format="json").status_code == 409
    assert api.patch(url, {"is_enabled": False, "template": "mine"}).json()["template"] == "device.down"
    assert AlertRule.objects.get(pk=rule.pk).is_enabled is False
    own = alerts.make_rule()
    assert api.delete(f"/api/v1/alert-rules/{own.pk}/").status_code == 204


def test_what_a_rule_cannot_mean_names_the_field(api: Any) -> None:
    def fields(**body: Any) -> set[str]:
        answer = api.post("/api/v1/alert-rules/", {"name": "r", **body})
        assert answer.status_code == 400, answer.content
        return {error["pointer"].lstrip("/") for error in answer.json()["errors"]}

    assert fields(source="nothing") == {"source"}
    assert fields(source="metric", metric="no.such", raise_value=1) == {"metric"}
    assert fields(source="metric", metric="icmp.rtt_ms") == {"raise_value"}
    assert fields(source="metric", metric="icmp.rtt_ms", raise_value=1, clear_value=2) == {"clear_value"}
    assert fields(source="device.down", raise_value=1) == {"raise_value"}
    assert fields(source="device.down", match="x") == {"match"}
    assert fields(source="event", for_seconds=5) == {"for_seconds"}
    assert fields(source="device.down", kind="toaster") == {"kind"}
    body = b'{"name": "r", "source": "metric", "metric": "icmp.rtt_ms", "raise_value": 1e999}'
    assert api.post("/api/v1/alert-rules/", body, content_type="application/json").status_code == 400


def test_a_rule_is_kept_from_being_overwritten(api: Any) -> None:
    url = f"/api/v1/alert-rules/{alerts.make_rule().pk}/"
    tag = api.get(url).headers["ETag"]
    assert api.patch(url, {"note": "a"}, HTTP_IF_MATCH=tag).status_code == 200
    assert api.patch(url, {"note": "b"}, HTTP_IF_MATCH=tag).status_code == 412
    made = api.post("/api/v1/alert-rules/bulk/", [{"name": "x", "source": "device.down"}] * 2, format="json")
    assert made.status_code == 409 and not AlertRule.objects.filter(name="x").exists()


def test_sources_and_metrics_are_told(api: Any) -> None:
    found = api.get("/api/v1/alert-rules/sources/").json()
    sources = {one["key"]: one for one in found["sources"]}
    assert {"metric", "device.down", "check.down", "event", "manual"} <= set(sources)
    assert "raise_value" in sources["metric"]["fields"] and "for_seconds" not in sources["event"]["fields"]
    metrics = {one["name"]: one for one in found["metrics"]}
    assert metrics["if.counters.utilisation_percent"]["unit"] == "%" and metrics["icmp.rtt_ms"]["unit"] == "ms"
    for key, source in sources.items():
        known = {field.name for field in AlertRule._meta.fields}
        assert set(source["fields"]) <= known, key


def test_a_rule_is_rehearsed_saved_or_not(api: Any) -> None:
    device = factories.make_device(name="core")
    factories.make_outage(device, timezone.now() - timedelta(hours=5), 30)
    factories.make_outage(device, timezone.now() - timedelta(hours=2), 30, kind="maintenance")
    alerts.make_contact(alerts.make_channel(name="hook"), name="Duty")
    rule = alerts.make_rule(for_seconds=60)
    found = api.post(f"/api/v1/alert-rules/{rule.pk}/rehearse/", {"days": 1}).json()
    assert (found["count"], found["is_supported"], found["looked_at"]) == (1, True, 1)
    assert found["raised"][0]["device_name"] == "core" and found["told"] == [{"to": "Duty by hook", "messages": 1}]
    count = AlertRule.objects.count()
    url = "/api/v1/alert-rules/rehearse/"
    body = {"source": "device.down", "for_seconds": 3600, "days": 1}
    assert api.post(url, body).json()["count"] == 0
    assert api.post(url, {**body, "source": "expiry", "for_seconds": 0}).json()["is_supported"] is False
    assert api.post(url, {"source": "metric", "metric": "icmp.rtt_ms"}).status_code == 400
    assert api.post(url, {**body, "days": 91}).status_code == 400
    assert AlertRule.objects.count() == count


def test_a_rehearsal_that_is_too_wide_says_how_to_narrow_it(api: Any, monkeypatch: Any) -> None:
    device = factories.make_device()
    factories.make_series(device, metric_set="icmp")
    monkeypatch.setattr(rehearsal, "MAX_SERIES", 0)
    body = {"source": "metric", "metric": "icmp.rtt_ms", "raise_value": 1}
    answer = api.post("/api/v1/alert-rules/rehearse/", body)
    assert answer.status_code == 400 and "narrow it by site" in answer.json()["detail"]


def test_a_silence_names_something(api: Any) -> None:
    until = (timezone.now() + timedelta(hours=1)).isoformat()
    answer = api.post("/api/v1/silences/", {"ends_at": until})
    assert answer.status_code == 400 and "silence everything" in answer.json()["detail"]
    alert = alerts.make_alert(factories.make_device())
    made = api.post("/api/v1/silences/", {"ends_at": until, "alert": alert.pk}).json()
    assert (made["fingerprint"], made["device"], made["is_active"], made["created_by"]) == (
        alert.fingerprint, alert.device_id, True, "omar",
    )  # fmt: skip
    url = f"/api/v1/silences/{made['id']}/"
    assert api.patch(url, {"alert": alert.pk}).status_code == 400
    scoped = alerts.make_silence(kind="camera")
    assert api.patch(f"/api/v1/silences/{scoped.pk}/", {"kind": ""}).status_code == 400
    assert api.patch(f"/api/v1/silences/{scoped.pk}/", {"ends_at": "2020-01-01T00:00:00Z"}).status_code == 400
    Silence.objects.filter(pk=scoped.pk).update(
        starts_at=timezone.now() - timedelta(hours=2), ends_at=timezone.now() - timedelta(hours=1)
    )
    assert [row["id"] for row in api.get("/api/v1/silences/?active=true").json()["results"]] == [made["id"]]
    assert [row["id"] for row in api.get("/api/v1/silences/?active=false").json()["results"]] == [scoped.pk]


def test_windows_come_open_and_end(api: Any) -> None:
    now = timezone.now()
    body = {"name": "nightly", "starts_at": (now - timedelta(minutes=10)).isoformat(), "recurrence": "daily",
            "ends_at": (now + timedelta(minutes=10)).isoformat(), "kind": "camera"}  # fmt: skip
    made = api.post("/api/v1/maintenance-windows/", body).json()
    assert made["present"] is not None and made["created_by"] == "omar"
    upcoming = api.get("/api/v1/maintenance-windows/upcoming/?days=3").json()
    assert [one["is_open"] for one in upcoming] == [True, False, False, False]
    url = f"/api/v1/maintenance-windows/{made['id']}/"
    ended = api.post(f"{url}end/").json()
    assert ended["present"] is None and ended["ended_at"] is not None
    assert api.post(f"{url}end/").status_code == 409
    assert [one["is_open"] for one in api.get("/api/v1/maintenance-windows/upcoming/?days=3").json()] == [False] * 3
    for wrong, field in (({"weekdays": "1"}, "weekdays"), ({"time_zone": "Mars/Base"}, "time_zone"),
                         ({"recurrence": "yearly"}, "recurrence"), ({"until": "9999-12-31T23:59:59Z"}, "until"),
                         ({"ends_at": (now + timedelta(days=2)).isoformat()}, "ends_at")):  # fmt: skip
        answer = api.patch(url, wrong)
        assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == f"/{field}", wrong


def test_a_window_tells_what_it_covers_and_what_is_down_already(api: Any) -> None:
    router, host, other = (factories.make_device(name=name) for name in ("router", "host", "other"))
    alerts.make_dependency(host, router)
    factories.watch(router)
    factories.watch(host, state="down")
    window = alerts.make_window(device=router)
    url = f"/api/v1/maintenance-windows/{window.pk}/affects/"
    found = api.get(url).json()
    assert [(one["name"], one["is_child"]) for one in found["devices"]] == [("host", True), ("router", False)]
    assert [one["name"] for one in found["not_up"]] == ["host"] and found["count"] == 2
    MaintenanceWindow.objects.filter(pk=window.pk).update(include_children=False)
    assert api.get(url).json()["count"] == 1 and other.pk


def test_what_hangs_on_a_device_and_who_would_hear_of_it(api: Any) -> None:
    edge, core, host = (factories.make_device(name=name) for name in ("edge", "core", "host"))
    alerts.make_dependency(core, edge)
    alerts.make_dependency(host, core)
    alerts.make_contact(alerts.make_channel(name="hook"), name="Duty")
    found = api.get(f"/api/v1/devices/{core.pk}/dependencies/").json()
    assert [[node["name"] for node in layer] for layer in found["path"]] == [["edge"]]
    assert (found["behind_count"], found["behind"][0]["name"]) == (1, "host")
    drill = api.post(f"/api/v1/routers/{core.pk}/drill/").json()
    assert [(one["device_name"], one["state"]) for one in drill["faults"]] == [("core", "firing")]
    assert drill["faults"][0]["told"][0]["contact"] == "Duty" and [one["name"] for one in drill["behind"]] == ["host"]
    both = api.post("/api/v1/alert-drill/", {"devices": [edge.pk, core.pk]}).json()
    assert {one["device_name"]: one["state"] for one in both["faults"]} == {"edge": "firing", "core": "unreachable"}
    assert api.post("/api/v1/alert-drill/", {"devices": []}).status_code == 400
    assert api.post("/api/v1/alert-drill/", {"devices": [99999]}).status_code == 400


def test_rehearsals_have_a_limit_of_their_own(api: Any) -> None:
    rule = AlertRule.objects.filter(template="device.down").get()
    paths = [f"/api/v1/alert-rules/{rule.pk}/rehearse/", "/api/v1/alert-rules/rehearse/"]
    for turn in range(10):  # refused ones count too
        assert api.post(paths[turn % 2], {"days": 1000}).status_code == 400
    answer = api.post(paths[0], {"days": 1})
    assert answer.status_code == 429 and answer.json()["code"] == "throttled", answer.content
    assert 0 < int(answer["Retry-After"]) <= 61 and answer["RateLimit-Limit"] == "10"
    assert api.get(f"/api/v1/alert-rules/{rule.pk}/").status_code == 200


def test_a_window_of_several_devices_covers_these_and_never_everything(api: Any) -> None:
    devices = [factories.make_device() for _ in range(3)]
    now = timezone.now()
    body = {"name": "Swap", "starts_at": now.isoformat(), "ends_at": (now + timedelta(hours=1)).isoformat()}
    url = "/api/v1/maintenance-windows/"
    made = api.post(url, {**body, "devices": [devices[0].pk, devices[1].pk]}).json()
    assert made["devices"] == [devices[0].pk, devices[1].pk] and made["is_listed"] is True
    here = f"{url}{made['id']}/"
    assert {row["id"] for row in api.get(f"{here}affects/").json()["devices"]} == set(made["devices"])
    covered = situation.covered(timezone.now(), situation.load_graph())
    assert set(covered) == set(made["devices"])
    assert api.patch(here, {"devices": [devices[2].pk, devices[0].pk]}).json()["devices"] == [
        devices[0].pk,
        devices[2].pk,
    ]
    for wrong in ({"device": devices[1].pk}, {"devices": [999999]}, {"devices": "all"}, {"devices": [None]}):
        assert api.patch(here, wrong).status_code == 400, wrong
    answer = api.post(url, {**body, "devices": [devices[0].pk] * 501})
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/devices"
    devices[0].delete()
    devices[2].delete()
    assert api.get(here).json()["devices"] == [] and api.get(here).json()["is_listed"] is True
    assert situation.covered(timezone.now(), situation.load_graph()) == {}
