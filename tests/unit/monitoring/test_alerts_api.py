"""Alerts over HTTP: lists and their filters, what people do with them, the delivery log, the search."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.alerting import duties
from monitoring.models import Alert, AlertEvent, Notification, Silence
from monitoring.notifying import planning
from netmon.audit.models import AuditEvent
from tests import alerts, factories, people

pytestmark = pytest.mark.django_db
URL = "/api/v1/alerts/"


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_a_list_is_filtered_by_what_people_ask_for(api: Any) -> None:
    site = factories.make_site()
    tenant = factories.make_tenant()
    here = factories.make_device(name="core-r1", site=site, tenant=tenant)
    old = alerts.make_alert(
        here, severity="low", summary="fan slow", started_at=timezone.now() - timedelta(days=2),
        state="resolved", resolved_at=timezone.now(),
    )  # fmt: skip
    new = alerts.make_alert(here, severity="critical", summary="power lost", acknowledged_at=timezone.now())
    lone = alerts.make_alert(None, source="manual", tenant=tenant, state="pending", summary="water")
    since = (timezone.now() - timedelta(days=1)).isoformat().replace("+", "%2B")
    expected = {
        "state=firing": [new], "state=firing&state=pending": [new, lone], "severity=low": [old],
        f"device={here.pk}": [new, old], f"site={site.pk}": [new, old], f"tenant={tenant.pk}": [new, lone, old],
        "acknowledged=true": [new], "acknowledged=false": [lone, old], f"since={since}": [new, lone],
        "q=power": [new], "q=CORE-R1": [new, old], "source=manual": [lone], "open=true": [new, lone],
        "open=false": [old], "ordering=started_at&limit=1": [old],
    }  # fmt: skip
    for query, rows in expected.items():
        assert sorted(ids(api.get(f"{URL}?{query}"))) == sorted(row.pk for row in rows), query
    assert api.get(f"{URL}?severty=low").status_code == 400
    assert set(api.get(f"{URL}?brief=1").json()["results"][0]) == {"id", "state", "severity", "summary", "device"}
    assert api.put(f"{URL}{new.pk}/", {}).status_code == api.delete(f"{URL}{new.pk}/").status_code == 405


def test_one_is_raised_by_hand_once(api: Any) -> None:
    device = factories.make_device()
    body = {"summary": "Water in the room", "severity": "critical", "device": device.pk, "subject": "rack 3"}
    made = api.post(URL, body, HTTP_IDEMPOTENCY_KEY="k1")
    assert made.status_code == 201 and made.headers["Location"].endswith(f"/{made.json()['id']}/")
    assert (made.json()["state"], made.json()["source"], made.json()["device_name"]) == (
        "firing",
        "manual",
        device.name,
    )
    assert api.post(URL, body, HTTP_IDEMPOTENCY_KEY="k1").json() == made.json()
    again = api.post(URL, body)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert Alert.objects.count() == 1
    for wrong, field in (({}, "summary"), ({"summary": "x", "severity": "fatal"}, "severity"),
                         ({"summary": "x", "device": 99999}, "device")):  # fmt: skip
        answer = api.post(URL, wrong)
        assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == f"/{field}"


def test_acknowledging_is_said_taken_back_and_on_record(api: Any, cast: people.Cast) -> None:
    alert = alerts.make_alert(factories.make_device())
    url = f"{URL}{alert.pk}/"
    said = api.post(f"{url}acknowledge/", {"comment": "mine"}).json()
    assert (said["acknowledged_by"], said["comment"], said["version"]) == ("omar", "mine", 3)
    assert api.post(f"{url}acknowledge/", {"comment": "still mine"}).json()["comment"] == "still mine"
    assert api.post(f"{url}unacknowledge/").json()["acknowledged_at"] is None
    assert api.post(f"{url}unacknowledge/").status_code == 409
    assert api.post(f"{url}comment/", {"text": "the provider knows"}).status_code == 201
    assert api.post(f"{url}comment/", {"text": "  "}).status_code == 400
    assert api.post(f"{url}resolve/", {"comment": "mended"}).json()["state"] == "resolved"
    for action in ("acknowledge", "unacknowledge", "resolve"):
        assert api.post(f"{url}{action}/").status_code == 409, action
    kinds = [(row["kind"], row["user"]) for row in api.get(f"{url}events/").json()["results"]]
    assert kinds[2:] == [("acknowledged", "omar"), ("acknowledged", "omar"), ("unacknowledged", "omar"),
                         ("comment", "omar"), ("resolved", "omar")]  # fmt: skip
    actions = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["acknowledge", "acknowledge", "unacknowledge", "comment", "resolve"]
    assert people.client_for(cast.vera).post(f"{url}comment/", {"text": "x"}).status_code == 403


def test_a_silence_begins_and_ends(api: Any) -> None:
    alert = alerts.make_alert(factories.make_device())
    url = f"{URL}{alert.pk}/silence/"
    said = api.post(url, {"minutes": 60, "reason": "known"}).json()
    assert said["silenced_until"] is not None
    assert Silence.objects.get().fingerprint == alert.fingerprint
    assert api.post(url, {"minutes": 0}).json()["silenced_until"] is None
    assert not Silence.objects.filter(ends_at__gt=timezone.now() + timedelta(minutes=1)).exists()
    for minutes in (-1, 43201, "x", None):
        assert api.post(url, {"minutes": minutes}).status_code == 400, minutes


def test_many_are_acknowledged_at_once_and_it_says_how_many(api: Any) -> None:
    one, two = factories.make_device(), factories.make_device()
    rows = [alerts.make_alert(one, severity="low"), alerts.make_alert(two, severity="low"), alerts.make_alert(one)]
    over = alerts.make_alert(one, state="resolved", resolved_at=timezone.now(), severity="low")
    url = f"{URL}acknowledge-all/"
    body = {"filters": {"severity": ["low"], "device": one.pk}, "comment": "known"}
    assert api.post(url, body).json() == {"acknowledged": 1}
    assert api.post(url, body).json() == {"acknowledged": 0}
    assert api.post(url, {}).json() == {"acknowledged": 2}
    assert all(Alert.objects.get(pk=row.pk).acknowledged_at for row in rows)
    assert Alert.objects.get(pk=over.pk).acknowledged_at is None
    wrong = api.post(url, {"filters": {"severty": ["low"]}})
    assert wrong.status_code == 400 and wrong.json()["errors"][0]["pointer"] == "/filters/severty"


def test_the_summary_counts_by_state_and_severity(api: Any) -> None:
    assert api.get(f"{URL}summary/").json()["oldest"] is None
    device = factories.make_device()
    oldest = alerts.make_alert(device, severity="critical", started_at=timezone.now() - timedelta(hours=3))
    alerts.make_alert(device, state="flapping", acknowledged_at=timezone.now())
    alerts.make_alert(device, state="pending", severity="low")
    alerts.make_alert(device, state="unreachable", started_at=timezone.now() - timedelta(days=1))
    found = api.get(f"{URL}summary/").json()
    assert (found["open"], found["unacknowledged"], found["oldest"]["id"]) == (4, 1, oldest.pk)
    assert found["by_state"] == {
        "pending": 1, "firing": 1, "flapping": 1, "unreachable": 1, "maintenance": 0, "blind": 0,
    }  # fmt: skip
    assert found["by_severity"] == {"info": 0, "low": 0, "medium": 0, "high": 1, "critical": 1}


def test_messages_are_listed_filtered_and_sent_again(api: Any) -> None:
    alert = alerts.make_alert(factories.make_device())
    channel, contact = alerts.make_channel(), alerts.make_contact()
    row = alerts.make_notification(alert, channel=channel, contact=contact, last_code="250")
    waiting = alerts.make_notification(alert, channel=channel, status="retry", sent_at=None)
    digest = alerts.make_notification(kind="summary", channel=channel, data={"title": "t", "body": "b"})
    assert [one["id"] for one in api.get(f"{URL}{alert.pk}/notifications/").json()["results"]] == [waiting.pk, row.pk]
    for query, rows in {
        f"alert={alert.pk}": [waiting, row], f"channel={channel.pk}": [digest, waiting, row], "kind=summary": [digest],
        f"contact={contact.pk}": [row], "status=retry": [waiting], "status=dead": [],
    }.items():  # fmt: skip
        assert ids(api.get(f"/api/v1/notifications/?{query}")) == [one.pk for one in rows], query
    again = api.post(f"/api/v1/notifications/{row.pk}/resend/")
    assert (again.status_code, again.json()["again_of"], again.json()["status"]) == (201, row.pk, "pending")
    assert api.post(f"/api/v1/notifications/{waiting.pk}/resend/").status_code == 409
    api.post(f"/api/v1/notifications/{digest.pk}/resend/")
    assert Notification.objects.filter(kind="summary").order_by("pk").last().data["body"] == "b"  # type: ignore[union-attr]
    channel.delete()
    assert api.post(f"/api/v1/notifications/{row.pk}/resend/").status_code == 409


def test_the_search_finds_alerts_the_open_first(api: Any) -> None:
    device = factories.make_device(name="edge-9")
    over = alerts.make_alert(device, summary="flooded", state="resolved", resolved_at=timezone.now())
    still = alerts.make_alert(device, summary="flooded again", started_at=timezone.now() - timedelta(days=9))
    for _ in range(12):
        alerts.make_alert(device)
    (group,) = [one for one in api.get("/api/v1/search/?q=flooded").json()["groups"] if one["key"] == "alerts"]
    assert [one["id"] for one in group["results"]] == [still.pk, over.pk]
    assert group["results"][0]["url"] == f"/alerts/{still.pk}/"
    (group,) = [one for one in api.get("/api/v1/search/?q=edge-9").json()["groups"] if one["key"] == "alerts"]
    assert len(group["results"]) == 8


def test_the_overview_says_why_a_device_is_excused(api: Any) -> None:
    device = factories.make_device()
    factories.watch(device, state="down", excuse="unreachable")
    factories.make_outage(device, timezone.now() - timedelta(hours=2), None, kind="unreachable")
    (line,) = api.get("/api/v1/monitoring/overview/").json()["devices"]
    assert (line["state"], line["excuse"]) == ("down", "unreachable")
    found = api.get(f"/api/v1/devices/{device.pk}/availability/?hours=10").json()
    assert found["availability_percent"] == 100 and found["down_seconds"] == 0
    assert found["unreachable_seconds"] == pytest.approx(7200, abs=5)
    assert (found["maintenance_seconds"], found["blind_seconds"]) == (0, 0)


def test_history_is_paged(api: Any) -> None:
    alert = alerts.make_alert(factories.make_device())
    for seq in range(3, 9):
        AlertEvent.objects.create(alert=alert, seq=seq, kind="comment", text=str(seq))
    page = api.get(f"{URL}{alert.pk}/events/?limit=2&offset=3").json()
    assert page["count"] == 8 and [row["seq"] for row in page["results"]] == [4, 5]
    assert api.get(f"{URL}{alert.pk}/events/?kind=comment").status_code == 400


def test_what_a_silence_by_scope_hides_says_so_in_as_many_queries(api: Any, django_assert_max_num_queries: Any) -> None:
    until = timezone.now() + timedelta(hours=1)
    site, tag = factories.make_site(), factories.make_tag()
    quiet_by_site, quiet_by_tag = factories.make_device(site=site), factories.make_device()
    quiet_by_tag.tags.add(tag)
    rule = alerts.make_rule()
    silent = [
        alerts.make_alert(quiet_by_site), alerts.make_alert(quiet_by_tag), alerts.make_alert(None, source="manual"),
        alerts.make_alert(factories.make_device(), rule=rule),
    ]  # fmt: skip
    loud = alerts.make_alert(factories.make_device())
    over = alerts.make_alert(quiet_by_site, state="resolved", resolved_at=timezone.now())
    for scope in ({"site": site}, {"tag": tag}, {"rule": rule}, {"kind": "camera"}):
        alerts.make_silence(**{"kind": "", **scope, "ends_at": until})
    api.post(f"{URL}{silent[2].pk}/silence/", {"minutes": 60})
    with CaptureQueriesContext(connection) as seen:
        found = {row["id"]: row for row in api.get(URL).json()["results"]}
        few = len(seen)
    assert {pk for pk, row in found.items() if row["is_silenced"]} == {alert.pk for alert in silent}
    assert found[loud.pk]["silenced_until"] is None and found[over.pk]["silenced_until"] is None
    assert found[silent[1].pk]["silenced_until"] == until.isoformat().replace("+00:00", "Z")
    assert api.get(f"{URL}summary/").json()["silenced"] == 4
    for _ in range(5):
        alerts.make_alert(factories.make_device(site=site))
    with django_assert_max_num_queries(few):
        assert sum(row["is_silenced"] for row in api.get(URL).json()["results"]) == 9


def test_a_silence_that_ends_early_lets_speak_what_fired_in_it(api: Any) -> None:
    site = factories.make_site()
    silence = alerts.make_silence(kind="", site=site)
    alert = alerts.make_alert(
        factories.make_device(site=site),
        silenced_until=silence.ends_at,
        is_told=False,
        fired_at=timezone.now(),
        data={planning.SILENT: True},
    )
    other = alerts.make_alert(factories.make_device(), silenced_until=silence.ends_at + timedelta(hours=1))
    earlier = silence.ends_at - timedelta(minutes=30)
    assert api.patch(f"/api/v1/silences/{silence.pk}/", {"ends_at": earlier.isoformat()}).status_code == 200
    alert.refresh_from_db()
    assert alert.silenced_until == earlier
    assert api.delete(f"/api/v1/silences/{silence.pk}/").status_code == 204
    assert api.get(f"{URL}{alert.pk}/").json()["is_silenced"] is False
    assert api.get(f"{URL}{other.pk}/").json()["is_silenced"] is True
    assert duties.tell_after_silence(timezone.now()) == 1
