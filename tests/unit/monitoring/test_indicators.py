"""Observations at devices: over HTTP, on the page, as events and alerts, and their end."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from inventory.models import Device
from monitoring import retention
from monitoring.alerting import engine, events, templates
from monitoring.models import Alert, AlertRule, DeviceEvent, Indicator
from monitoring.services import indicators
from netmon.accounts.services import keys
from netmon.audit.models import AuditEvent
from tests import alerts, factories, people

pytestmark = pytest.mark.django_db(databases="__all__")
URL = "/api/v1/indicators/"
HOSTILE = '<script>alert("x")</script>\u202egnp.exe'


@pytest.fixture
def device(_clean_cache: None) -> Device:
    return factories.make_device(name="core")


@pytest.fixture
def omar(cast: people.Cast, device: Device) -> Any:
    return people.client_for(cast.omar)


def body(device: Device, **over: Any) -> dict[str, Any]:
    return {"device": device.pk, "kind": "smell", "value": "disk smells burnt", **over}


def kinds() -> list[str]:
    return list(DeviceEvent.objects.order_by("pk").values_list("kind", flat=True))


def say(**over: Any) -> Indicator:
    values = {"kind": "smell", "value": "burnt", "source": "omar", "severity": "critical", **over}
    return indicators.keep(Indicator(**values))


def open_alerts() -> list[str]:
    events.consume()
    engine.advance()
    return sorted(Alert.objects.open().values_list("rule__name", flat=True))


# --- over HTTP


def test_a_person_notes_what_was_observed(omar: Any, device: Device) -> None:
    answer = omar.post(URL, body(device, severity="warning", note="at the back"), format="json")
    assert answer.status_code == 201, answer.content
    said = answer.json()
    assert (said["source"], said["created_by"], said["device_name"]) == ("omar", "omar", "core")
    assert (said["cleared_at"], said["expires_at"], said["external_id"]) == (None, None, "")
    assert answer.headers["Location"] == f"{URL}{said['id']}/"
    assert omar.get(f"{URL}{said['id']}/").json() == said
    changed = omar.patch(f"{URL}{said['id']}/", {"severity": "critical"}, format="json").json()
    assert changed["severity"] == "critical" and changed["note"] == "at the back"
    assert omar.delete(f"{URL}{said['id']}/").status_code == 204
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == ["create", "update", "delete"]
    assert not Indicator.objects.exists()


def test_the_list_is_filtered_and_brief(omar: Any, device: Device) -> None:
    other = factories.make_device()
    mine = factories.make_indicator(device, severity="critical")
    factories.make_indicator(other, kind="vulnerability", source="scanner")
    for query in (f"device={device.pk}", "severity=critical", "kind=smell", "source=omar", "value__contains=burnt"):
        found = omar.get(f"{URL}?{query}").json()["results"]
        assert mine.pk in [row["id"] for row in found], query
    assert [row["id"] for row in omar.get(f"{URL}?device={device.pk}").json()["results"]] == [mine.pk]
    brief = omar.get(f"{URL}?brief=1&source__in=omar").json()["results"]
    assert brief == [
        {"id": mine.pk, "device": device.pk, "kind": "smell", "severity": "critical", "value": "disk smells burnt"}
    ]
    assert omar.get(f"{URL}?created_by=1").status_code == 400


def test_viewers_read_and_write_nothing(cast: people.Cast, device: Device) -> None:
    row, vera = factories.make_indicator(device), people.client_for(cast.vera)
    assert vera.get(f"{URL}{row.pk}/").status_code == 200
    assert vera.post(URL, body(device), format="json").status_code == 403
    assert vera.patch(f"{URL}{row.pk}/", {"note": "x"}, format="json").status_code == 403
    assert vera.delete(f"{URL}{row.pk}/").status_code == 403
    assert vera.post(f"/devices/{device.pk}/indicators/", {"kind": "a", "value": "b"}).status_code == 403
    assert vera.post(f"/devices/{device.pk}/indicators/", {"row": row.pk}).status_code == 403
    assert Indicator.objects.count() == 1


def test_a_program_says_the_same_again(cast: people.Cast, device: Device) -> None:
    key = keys.make(user=cast.omar, name="ticket system", scopes=["monitoring:write"])[1]
    client = people.client_for(None)
    client.credentials(HTTP_X_API_KEY=key)
    first = client.post(URL, body(device, external_id="4711", severity="warning", note="new"), format="json")
    assert first.status_code == 201 and first.json()["source"] == "ticket system", first.content
    again = client.post(URL, body(device, external_id="4711", value="it burns", severity="critical"), format="json")
    assert again.status_code == 200, again.content
    said = again.json()
    assert (said["id"], said["value"], said["severity"], said["note"]) == (
        first.json()["id"], "it burns", "critical", "",
    )  # fmt: skip
    assert said["observed_at"] >= first.json()["observed_at"]
    # Another source, another device or no number at all: another indicator.
    assert client.post(URL, body(device, external_id="4711", source="scanner"), format="json").status_code == 201
    other = body(factories.make_device(), external_id="4711")
    assert client.post(URL, other, format="json").status_code == 201
    for number in ("", "  "):
        assert client.post(URL, body(device, external_id=number), format="json").status_code == 201
    assert Indicator.objects.count() == 5
    clash = client.patch(f"{URL}{said['id']}/", {"source": "scanner"}, format="json")
    assert clash.status_code == 409 and Indicator.objects.count() == 5


def test_many_at_once_and_the_same_again(omar: Any, device: Device) -> None:
    items = [body(device, external_id=str(number)) for number in (1, 2, 1)]
    answer = omar.post(f"{URL}bulk/", items, format="json")
    assert answer.status_code == 201, answer.content
    assert Indicator.objects.count() == 2
    ids = [row["id"] for row in answer.json()]
    assert ids[0] == ids[2]
    assert omar.delete(f"{URL}bulk/", ids[:2], format="json").status_code == 204
    assert not Indicator.objects.exists()


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"kind": "Two words"}, "kind"),
        ({"kind": "cleared"}, ""),
        ({"kind": ""}, "kind"),
        ({"value": " "}, "value"),
        ({"value": "\u202e\u202e"}, "value"),
        ({"severity": "fatal"}, "severity"),
        ({"source": ""}, "source"),
        ({"observed_at": (timezone.now() + timedelta(hours=1)).isoformat()}, "observed_at"),
        ({"expires_at": (timezone.now() - timedelta(hours=1)).isoformat()}, ""),
        ({"external_id": 4711}, "external_id"),
        ({"device": 0}, "device"),
        ({"color": "red"}, "color"),
    ],
)
def test_what_makes_no_sense_is_refused(omar: Any, device: Device, over: dict[str, Any], field: str) -> None:
    answer = omar.post(URL, {**body(device), **over}, format="json")
    assert answer.status_code == 400, answer.content
    assert [error["pointer"].strip("/") for error in answer.json()["errors"]] == [field]
    assert not Indicator.objects.exists() and not DeviceEvent.objects.exists()


def test_it_stays_at_its_device(omar: Any, device: Device) -> None:
    row, other = factories.make_indicator(device), factories.make_device()
    assert omar.patch(f"{URL}{row.pk}/", {"device": other.pk}, format="json").status_code == 400
    assert omar.patch(f"{URL}{row.pk}/", {"device": device.pk}, format="json").status_code == 200


def test_people_bound_to_a_tenant_say_nothing_of_others(cast: people.Cast, device: Device) -> None:
    ours = factories.make_tenant()
    ours.members.add(cast.omar)
    own = factories.make_device(tenant=ours)
    row = factories.make_indicator(device, external_id="7")
    omar = people.client_for(cast.omar)
    assert omar.get(URL).json()["count"] == 0
    assert omar.get(f"{URL}{row.pk}/").status_code == 404
    assert omar.post(URL, body(device, external_id="7"), format="json").status_code == 400
    assert omar.post(f"/devices/{device.pk}/indicators/", {"kind": "a", "value": "b"}).status_code == 404
    assert omar.post(f"/devices/{own.pk}/indicators/", {"row": row.pk}).status_code == 404
    assert omar.post(URL, body(own, external_id="7"), format="json").status_code == 201
    assert Indicator.objects.get(pk=row.pk).value == "disk smells burnt"


# --- events and alerts


def test_what_is_grave_is_an_event_and_what_is_not_is_none(device: Device) -> None:
    say(device=device, severity="info")
    assert kinds() == []
    say(device=device, severity="warning", kind="noise", note="the\nfan", value="it\trattles")
    event = DeviceEvent.objects.get()
    assert (event.kind, event.source, event.severity) == ("indicator_noise", "indicator", "warning")
    assert (event.subject, event.detail, event.is_noted) == ("it rattles", "omar: the fan", False)


def test_a_critical_indicator_is_an_alert_until_it_is_deleted(device: Device) -> None:
    templates.seed()
    row = say(device=device)
    assert open_alerts() == ["Critical indicator"]
    alert = Alert.objects.get()
    assert (alert.severity, alert.state, alert.summary) == ("critical", "firing", "Indicator smell: burnt")
    row.note = "the same"
    indicators.keep(row)
    assert kinds() == ["indicator_smell"]
    indicators.delete(row)
    assert kinds() == ["indicator_smell", "indicator_cleared"]
    assert open_alerts() == []
    assert Alert.objects.get().state == "resolved"


def test_a_warning_raises_only_rules_about_its_kind(device: Device) -> None:
    templates.seed()
    alerts.make_rule(name="Any", source="event", match="indicator_*")
    row = say(device=device, severity="warning")
    assert open_alerts() == ["Any"]
    row.severity = "critical"
    indicators.keep(row)
    assert open_alerts() == ["Any", "Critical indicator"]
    row.severity = "warning"
    indicators.keep(row)
    assert open_alerts() == ["Any"]
    row.severity = "info"
    indicators.keep(row)
    assert open_alerts() == []


def test_an_alert_lasts_while_another_says_the_same(device: Device) -> None:
    templates.seed()
    one, two = say(device=device), say(device=device, source="ada")
    say(device=factories.make_device())
    assert len(open_alerts()) == 2
    indicators.delete(one)
    assert Alert.objects.open().filter(device=device).exists() and len(open_alerts()) == 2
    indicators.delete(two)
    assert len(open_alerts()) == 1


def test_another_value_is_another_alert(device: Device) -> None:
    templates.seed()
    row = say(device=device)
    assert len(open_alerts()) == 1
    row.value = "water on the floor"
    indicators.keep(row)
    assert len(open_alerts()) == 1
    assert Alert.objects.open().get().subject == "water on the floor"


def test_it_ends_when_it_expires_and_lives_again_when_said_again(omar: Any, device: Device) -> None:
    templates.seed()
    now = timezone.now()
    row = say(device=device, expires_at=now + timedelta(hours=1), external_id="7")
    assert indicators.expire() == 0 and len(open_alerts()) == 1
    Indicator.objects.update(observed_at=now - timedelta(hours=2), expires_at=now - timedelta(hours=1))
    assert (indicators.expire(), indicators.expire()) == (1, 0)
    row.refresh_from_db()
    assert row.cleared_at is not None and open_alerts() == []
    assert (
        omar.post(URL, body(device, external_id="7", value="burnt", severity="critical"), format="json").json()["id"]
        == row.pk
    )
    row.refresh_from_db()
    assert row.cleared_at is None and row.expires_at is None and len(open_alerts()) == 1


def test_what_was_over_before_it_came_alarms_nobody(omar: Any, device: Device) -> None:
    now = timezone.now()
    times = {
        "observed_at": (now - timedelta(hours=2)).isoformat(),
        "expires_at": (now - timedelta(hours=1)).isoformat(),
    }
    answer = omar.post(URL, body(device, severity="critical", **times), format="json")
    assert answer.status_code == 201 and answer.json()["cleared_at"] is not None
    assert kinds() == []


def test_a_rehearsal_sees_them_come_and_go(omar: Any, device: Device) -> None:
    row = say(device=device)
    indicators.delete(row)
    DeviceEvent.objects.update(at=timezone.now() - timedelta(hours=1))
    templates.seed()
    rule = AlertRule.objects.get(template="indicator.critical")
    answer = omar.post(f"/api/v1/alert-rules/{rule.pk}/rehearse/", {"days": 1}, format="json")
    assert answer.status_code == 200 and answer.json()["count"] == 1, answer.json()


def test_retention_takes_what_is_old_and_what_is_too_much(device: Device, settings: Any) -> None:
    templates.seed()
    settings.EVENTS_DAYS = 30
    now = timezone.now()
    say(device=device, observed_at=now - timedelta(days=31))
    kept = [say(device=device, value=str(number), severity="info") for number in range(3)]
    assert len(open_alerts()) == 1
    assert retention.prune_events() == 1
    assert open_alerts() == [] and Indicator.objects.count() == 3
    assert indicators.prune(now - timedelta(days=30), of_device=1) == 2
    assert list(Indicator.objects.all()) == [kept[-1]]


# --- the page


def test_the_page_lists_them_and_escapes_what_they_say(omar: Any, device: Device) -> None:
    say(device=device, value=HOSTILE, note=HOSTILE, source=HOSTILE)
    factories.make_indicator(device, value="long over", expires_at=timezone.now() + timedelta(seconds=1))
    Indicator.objects.filter(value="long over").update(
        observed_at=timezone.now() - timedelta(hours=2), expires_at=timezone.now() - timedelta(hours=1)
    )
    page = omar.get(f"/devices/{device.pk}/").content.decode()
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    lists = page.partition('id="indicator-list"')[2]
    assert "\u202e" not in lists.partition("says")[0] and "long over" not in lists
    assert "Smell is over" in page and "Add an indicator" in page
    DeviceEvent.objects.update(subject=HOSTILE)
    assert "<script>alert" not in omar.get(f"/devices/{device.pk}/facts/").content.decode()


def test_operators_add_and_delete_on_the_page(omar: Any, cast: people.Cast, device: Device) -> None:
    url = f"/devices/{device.pk}/indicators/"
    form = {"kind": "smell", "value": "disk smells burnt", "severity": "warning", "note": ""}
    live = f"/devices/{device.pk}/live/"
    before = omar.get(live)["ETag"]
    assert omar.post(url, form).status_code == 302
    assert omar.get(live)["ETag"] != before
    page = omar.get(f"/devices/{device.pk}/").content.decode()
    assert "Noted at core" in page and "Smell, warning, says omar" in page
    row = Indicator.objects.get()
    assert row.created_by == cast.omar and kinds() == ["indicator_smell"]
    seen = people.client_for(cast.vera).get(f"/devices/{device.pk}/").content.decode()
    assert "disk smells burnt" in seen and "Add an indicator" not in seen and url not in seen
    omar.post(url, {"row": row.pk})
    assert not Indicator.objects.exists() and kinds()[-1] == "indicator_cleared"
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == ["create", "delete"]


@pytest.mark.parametrize(
    ("field", "value"), [("kind", "Two words"), ("value", ""), ("severity", "x"), ("note", "\x00"), ("kind", "cleared")]
)
def test_the_page_says_what_is_wrong_and_keeps_what_was_typed(
    omar: Any, device: Device, field: str, value: str
) -> None:
    form = {"kind": "smell", "value": "<b>burnt</b>", "severity": "warning", "note": "behind the rack", field: value}
    answer = omar.post(f"/devices/{device.pk}/indicators/", form)
    page = answer.content.decode()
    assert answer.status_code == 400 and not Indicator.objects.exists()
    assert 'class="error"' in page and (value == "cleared" or f'id="indicator-{field}_error"' in page)
    kept = {"kind": f'value="{form["kind"]}"', "value": "&lt;b&gt;burnt&lt;/b&gt;", "note": "behind the rack"}
    assert all(text in page for name, text in kept.items() if name != field)
    assert field == "severity" or '<option value="warning" selected>' in page


def test_the_admin_tells_rules_too(cast: people.Cast, device: Device) -> None:
    admin, when = people.client_for(cast.ada), timezone.now() - timedelta(days=1)
    form = {
        "device": device.pk, "kind": "smell", "value": "burnt", "severity": "critical", "source": "ada", "note": "",
        "observed_at_0": when.date().isoformat(), "observed_at_1": "00:00:00", "expires_at_0": "", "expires_at_1": "",
        "external_id": "",
    }  # fmt: skip
    answer = admin.post("/admin/monitoring/indicator/add/", form)
    assert answer.status_code == 302, answer.context["errors"]
    row = Indicator.objects.get()
    assert row.created_by is not None and kinds() == ["indicator_smell"]
    admin.post(f"/admin/monitoring/indicator/{row.pk}/change/", {**form, "severity": "info"})
    admin.post(f"/admin/monitoring/indicator/{row.pk}/delete/", {"post": "yes"})
    assert kinds() == ["indicator_smell", "indicator_cleared"] and not Indicator.objects.exists()
