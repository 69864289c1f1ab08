"""The pages of alerting: who sees and does what, across tenants, with hostile texts, in a bounded number of queries."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import search
from inventory.models import Device
from monitoring import alert_pages, alert_story
from monitoring.models import (
    Alert,
    AlertRule,
    Channel,
    Contact,
    EscalationPolicy,
    MaintenanceWindow,
    Notification,
    Silence,
)
from monitoring.notifying import configs
from netmon.audit.models import AuditEvent
from tests import alarms, factories, people, scenes
from tests.alarms import rule_values, text_of

pytestmark = pytest.mark.django_db

LISTS = [
    "/alerts/", "/alerts/?state=resolved&days=30", "/alerts/rules/", "/alerts/silences/", "/alerts/contacts/",
    "/alerts/policies/", "/alerts/severity/", "/alerts/log/", "/maintenance/", "/maintenance/?month=2026-02",
    "/account/alerts/", "/",
]  # fmt: skip
OPERATORS = ["/alerts/channels/", "/alerts/rules/add/", "/alerts/contacts/add/", "/alerts/policies/add/"]
OPERATORS += ["/maintenance/add/", "/alerts/severity/add/"]
ADMINS = [f"/alerts/channels/add/?kind={kind}" for kind in configs.FIELDS]


def ours(made: dict[str, Any]) -> list[str]:
    cause = made["cause"]
    pages = [f"/alerts/{one.pk}/" for one in made.values() if isinstance(one, Alert)]
    pages += [f"/devices/{cause.device_id}/{tab}" for tab in ("", "alerts/", "drill/", "?panel=Alerts")]
    return [*pages, f"/alerts/rules/{made['down'].pk}/", f"/maintenance/{MaintenanceWindow.objects.first().pk}/"]  # type: ignore[union-attr]


@pytest.mark.parametrize(("role", "more"), [("viewer", 0), ("operator", 1), ("admin", 2)])
def test_everybody_sees_what_their_role_allows(cast: people.Cast, made: dict[str, Any], role: str, more: int) -> None:
    client = people.client_for(cast.by_role(role))
    forms = [f"/alerts/contacts/{made['noc'].pk}/", f"/alerts/policies/{made['policy'].pk}/"]
    for path in [*LISTS, *ours(made)]:
        text_of(client, path)
    for path in [*OPERATORS, *forms]:
        assert client.get(path).status_code == (200 if more >= 1 else 403), path
    for path in [*ADMINS, f"/alerts/channels/{made['pager'].pk}/"]:
        assert client.get(path).status_code == (200 if more >= 2 else 403), path


def test_nobody_is_sent_to_the_log_in(made: dict[str, Any]) -> None:
    for path in [*LISTS, *OPERATORS, *ADMINS, *ours(made)]:
        assert people.client_for(None).get(path).status_code == 302, path


def test_a_viewer_changes_nothing(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.vera)
    cause, window = made["cause"], MaintenanceWindow.objects.latest("pk")
    silence = Silence.objects.create(rule=made["down"], ends_at=timezone.now() + timedelta(hours=1))
    verbs = ("acknowledge", "unacknowledge", "silence", "unsilence", "resolve", "comment")
    posts = [f"/alerts/{cause.pk}/{verb}/" for verb in verbs]
    posts += ["/alerts/bulk/", f"/alerts/log/{Notification.objects.latest('pk').pk}/resend/", "/alerts/silences/"]
    posts += [f"/alerts/rules/{made['down'].pk}/{verb}" for verb in ("", "switch/", "delete/", "rehearse/")]
    posts += ["/alerts/rules/add/", "/alerts/rules/rehearse/", f"/alerts/silences/{silence.pk}/end/"]
    posts += [f"/alerts/contacts/{made['noc'].pk}/{verb}" for verb in ("", "delete/")]
    posts += [f"/alerts/policies/{made['policy'].pk}/{verb}" for verb in ("", "delete/")]
    posts += [f"/alerts/channels/{made['mail'].pk}/{verb}" for verb in ("", "test/", "delete/")]
    posts += [f"/maintenance/{window.pk}/{verb}" for verb in ("", "preview/", "end/", "delete/")]
    posts += ["/maintenance/add/", "/maintenance/preview/"]
    posts += [f"/devices/{cause.device_id}/{verb}/" for verb in ("maintenance", "parents")]
    before = AuditEvent.objects.count()
    for path in posts:
        assert client.post(path, {"alert": cause.pk, "do": "acknowledge"}).status_code == 403, path
    assert AuditEvent.objects.count() == before
    page = text_of(client, f"/alerts/{cause.pk}/")
    assert "/acknowledge/" not in page and "Send again" not in page
    assert 'name="alert"' not in text_of(client, "/alerts/")


def test_an_operator_changes_no_channel(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.omar)
    for verb in ("", "test/", "delete/"):
        assert client.post(f"/alerts/channels/{made['mail'].pk}/{verb}").status_code == 403


def test_what_is_of_another_tenant_is_not_there(cast: people.Cast, made: dict[str, Any]) -> None:
    tenant = factories.make_tenant()
    mine = factories.make_flat(name="mine", tenant=tenant)
    own = alarms.make_alert(mine, cause=made["cause"], state="unreachable")
    bound = people.make_person("bo", "operator")
    bound.tenants.set([tenant])
    client = people.client_for(bound)
    for path in ours(made)[:-2]:
        assert client.get(path).status_code == 404, path
    page = text_of(client, "/alerts/")
    # Its cause is not theirs to see, so it stands for itself.
    assert f"/alerts/{own.pk}/" in page and "core" not in page and "leaf" not in page
    detail = text_of(client, f"/alerts/{own.pk}/")
    assert "core" not in detail and "do not see" in detail
    assert client.post("/alerts/bulk/", {"alert": made["cause"].pk, "do": "resolve"}).status_code == 302
    made["cause"].refresh_from_db()
    assert made["cause"].is_open
    for verb in ("acknowledge", "resolve", "silence"):
        assert client.post(f"/alerts/{made['cause'].pk}/{verb}/").status_code == 404
    # Rows of everybody are read and not changed.
    assert client.post(f"/alerts/rules/{made['down'].pk}/switch/", {"on": "0"}).status_code == 403
    assert client.post(f"/alerts/contacts/{made['noc'].pk}/delete/").status_code == 403
    assert client.get(f"/devices/{made['cause'].device_id}/drill/").status_code == 404
    assert "leaf" not in text_of(client, f"/devices/{mine.pk}/drill/")
    assert "core" not in text_of(client, "/maintenance/")
    # A rule of theirs is bound to their tenant, and to what they see.
    answer = client.post("/alerts/rules/add/", {**rule_values(), "tenant": "", "device": "core"})
    assert answer.status_code == 400 and not AlertRule.objects.filter(name="Load").exists()
    answer = client.post("/alerts/rules/add/", {**rule_values(), "tenant": tenant.pk, "device": "mine"})
    assert answer.status_code == 302
    assert AlertRule.objects.get(name="Load").tenant == tenant


def test_hostile_texts_stay_texts(cast: people.Cast, made: dict[str, Any]) -> None:
    bad = scenes.HOSTILE
    cause = made["cause"]
    Alert.objects.filter(pk=cause.pk).update(
        summary=bad, detail=bad, subject=bad, comment=bad, acknowledged_at=cause.started_at
    )
    Device.objects.filter(pk=cause.device_id).update(name=bad)
    Notification.objects.update(to=bad, last_error=bad)
    AlertRule.objects.filter(pk=made["down"].pk).update(name=bad, note=bad)
    MaintenanceWindow.objects.update(name=bad, reason=bad)
    Contact.objects.filter(pk=made["noc"].pk).update(name=bad)
    EscalationPolicy.objects.update(name=bad)
    Channel.objects.update(last_error=bad)
    factories.make_event(cause.device, at=cause.started_at, subject=bad, detail=bad)
    Silence.objects.create(fingerprint=cause.fingerprint, reason=bad, ends_at=timezone.now() + timedelta(hours=1))
    client = people.client_for(cast.ada)
    for path in [*LISTS, *OPERATORS, *ours(made), f"/alerts/channels/{made['pager'].pk}/"]:
        page = text_of(client, path)
        assert "<script>alert" not in page and "<img src=x" not in page, path


# --- the list


def test_consequences_stand_under_their_cause(cast: people.Cast, made: dict[str, Any]) -> None:
    view = alert_pages.alert_list(cast.vera, alert_pages.filters_of({}))
    [row] = [row for _, rows in view.sections for row in rows if row.pk == made["cause"].pk]
    assert row.behind == (("unreachable", 5),) and len(row.children) == 5
    assert [title for title, _ in view.sections][:2] == ["Open", "Not yet confirmed"]
    assert view.sections[0][1][0].severity == "critical"
    assert view.open_count == 7
    # Who looks for something finds it wherever it stands.
    found = alert_pages.alert_list(cast.vera, alert_pages.filters_of({"q": "leaf-03"}))
    assert found.total == 1
    assert alert_pages.alert_list(cast.vera, alert_pages.filters_of({"cause": str(made["cause"].pk)})).total == 5


@pytest.mark.parametrize(
    ("filters", "number"),
    [
        ({"severity": "critical"}, 1), ({"state": "flapping"}, 1), ({"state": "unreachable"}, 5),
        ({"acknowledged": "yes"}, 1), ({"state": "resolved", "days": "30"}, 3), ({"state": "resolved", "days": "1"}, 0),
        ({"q": "/var"}, 1), ({"q": "disk nearly"}, 1), ({"state": "nonsense", "q": "no such"}, 0), ({"kind": "vm"}, 0),
    ],
)  # fmt: skip
def test_filters(cast: people.Cast, made: dict[str, Any], filters: dict[str, str], number: int) -> None:
    assert alert_pages.alert_list(cast.vera, alert_pages.filters_of(filters)).total == number


@pytest.mark.parametrize(
    "query", ["site=x", "site=99999999999999999999", "tenant=%00", "tag=-1", "cause=1e9", "days=0"]
)
def test_what_cannot_be_meant_is_no_error(cast: people.Cast, query: str) -> None:
    text_of(people.client_for(cast.vera), f"/alerts/?{query}")


def test_nothing_wrong_says_what_is_watched(cast: people.Cast) -> None:
    factories.make_flat()
    page = text_of(people.client_for(cast.vera), "/alerts/")
    assert "Nothing is wrong" in page and "1 device is watched by" in page


def test_the_list_asks_the_same_of_the_database_however_long_it_is(cast: people.Cast) -> None:
    rule = AlertRule.objects.get(template="device.down")
    client = people.client_for(cast.omar)

    def add(number: int) -> None:
        for n in range(number):
            device = factories.make_device(site=factories.make_site())
            cause = alarms.make_alert(device, rule=rule, severity="high" if n % 2 else "low")
            alarms.make_alert(factories.make_device(), rule=rule, state="unreachable", cause=cause)

    def queries() -> int:
        with CaptureQueriesContext(connections["default"]) as seen:
            text_of(client, "/alerts/", HTTP_HX_REQUEST="true")
        return len(seen)

    add(3)
    few = queries()
    add(40)
    assert queries() == few <= 10


def test_five_hundred_rows_are_all_there(cast: people.Cast) -> None:
    site, rule = factories.make_site(), AlertRule.objects.get(template="device.down")
    now = timezone.now()
    devices = Device.objects.bulk_create(
        Device(name=f"d{n:04}", name_key=f"d{n:04}", kind="router", site=site) for n in range(500)
    )
    Alert.objects.bulk_create(
        Alert(
            device=device, rule=rule, source="device.down", state="firing", summary="Down", fingerprint=f"f{device.pk}",
            severity="high", started_at=now, acknowledged_by=cast.omar, acknowledged_at=now,
        )
        for device in devices
    )  # fmt: skip
    client = people.client_for(cast.omar)
    page = text_of(client, "/alerts/", HTTP_HX_REQUEST="true")
    assert page.count("data-alert=") == 500


def test_unchanged_rows_are_not_sent_again(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.omar)
    for path in ("/alerts/", f"/alerts/{made['cause'].pk}/"):
        first = client.get(path, HTTP_HX_REQUEST="true")
        again = client.get(path, HTTP_HX_REQUEST="true", HTTP_IF_NONE_MATCH=first["ETag"])
        if again.status_code == 200:  # the minute turned
            again = client.get(path, HTTP_HX_REQUEST="true", HTTP_IF_NONE_MATCH=again["ETag"])
        assert again.status_code == 304
        client.post(f"/alerts/{made['disk'].pk}/acknowledge/")
        client.post(f"/alerts/{made['cause'].pk}/comment/", {"comment": "I look"})
        assert client.get(path, HTTP_HX_REQUEST="true", HTTP_IF_NONE_MATCH=again["ETag"]).status_code == 200


# --- what people do


def test_verbs_of_one_alert_are_done_and_recorded(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.omar)
    alert = made["cause"]
    here = f"/alerts/{alert.pk}"
    assert client.post(f"{here}/acknowledge/", {"comment": "mine"})["Location"] == f"{here}/"
    alert.refresh_from_db()
    assert alert.acknowledged_by == cast.omar and alert.comment == "mine" and alert.escalate_at is None
    assert "omar" in text_of(client, f"{here}/")
    client.post(f"{here}/unacknowledge/")
    client.post(f"{here}/silence/", {"minutes": "240"})
    alert.refresh_from_db()
    assert alert.acknowledged_at is None
    assert timedelta(minutes=239) < alert.silenced_until - timezone.now() <= timedelta(minutes=240)
    client.post(f"{here}/unsilence/")
    until = (timezone.now() + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M")
    client.post(f"{here}/silence/", {"minutes": "until", "until": until})
    alert.refresh_from_db()
    assert abs((alert.silenced_until - timezone.now()) - timedelta(hours=3)) < timedelta(minutes=2)
    client.post(f"{here}/comment/", {"comment": "power is back"})
    client.post(f"{here}/resolve/")
    alert.refresh_from_db()
    assert not alert.is_open
    verbs = set(AuditEvent.objects.filter(object_type="monitoring.alert").values_list("action", flat=True))
    assert verbs == {"acknowledge", "unacknowledge", "silence", "unsilence", "comment", "resolve"}
    assert "power is back" in text_of(client, f"{here}/")
    page = client.post(f"{here}/resolve/", follow=True).content.decode()
    assert "resolved already" in page


@pytest.mark.parametrize("until", ["", "yesterday", "2020-01-01T00:00", "2999-01-01T00:00"])
def test_a_silence_ends_at_a_time_that_can_be(cast: people.Cast, made: dict[str, Any], until: str) -> None:
    client = people.client_for(cast.omar)
    data = {"minutes": "until" if until else "999999999", "until": until}
    client.post(f"/alerts/{made['cause'].pk}/silence/", data)
    made["cause"].refresh_from_db()
    assert made["cause"].silenced_until is None


def test_many_at_once(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.omar)
    ids = [made["cause"].pk, made["disk"].pk, 999999]
    answer = client.post(
        "/alerts/bulk/", {"alert": ids, "do": "acknowledge", "comment": "storm", "next": "/alerts/?severity=high"}
    )
    assert answer["Location"] == "/alerts/?severity=high"
    assert set(Alert.objects.filter(comment="storm").values_list("pk", flat=True)) == set(ids[:2])
    client.post("/alerts/bulk/", {"alert": ids, "do": "silence", "minutes": "15"})
    assert Silence.objects.count() == 2
    client.post("/alerts/bulk/", {"alert": ids, "do": "resolve"})
    assert not Alert.objects.open().filter(pk__in=ids).exists()
    for bad in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        answer = client.post("/alerts/bulk/", {"alert": ids, "do": "resolve", "next": bad})
        assert answer["Location"] == "/alerts/"


def test_a_message_is_sent_again(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.omar)
    dead = Notification.objects.get(status="dead")
    client.post(f"/alerts/log/{dead.pk}/resend/")
    again = Notification.objects.get(data__again_of=dead.pk)
    assert again.status == "pending" and again.channel == dead.channel
    assert AuditEvent.objects.filter(action="resend").count() == 1
    client.post(f"/alerts/log/{again.pk}/resend/")
    assert Notification.objects.filter(data__again_of=again.pk).count() == 0


def test_what_changed_before_is_told_nearest_first(cast: people.Cast, made: dict[str, Any]) -> None:
    found = alert_story.story(cast.vera, alert_story.load(cast.vera, made["cause"].pk))  # type: ignore[arg-type]
    assert [change.distance for change in found.changes] == sorted(change.distance for change in found.changes)
    assert found.changes[0].device == "core" and "edge" in {change.device for change in found.changes}
    assert found.behind and found.behind.total == 5
    assert found.told == ["NOC by mail", "NOC by #noc"]
    assert found.escalation and found.escalation.contacts == ["Team lead"]
    assert len(found.earlier) == 3


def test_the_chart_has_the_limit(cast: people.Cast) -> None:
    scene = scenes.make_scene(hours=3)
    rule = AlertRule.objects.get(template="icmp.loss")
    alert = alarms.make_alert(scene["core1.fra"], rule=rule, source="metric", minutes=60)
    data = people.client_for(cast.vera).get(f"/alerts/{alert.pk}/chart.json").json()
    assert data["threshold"] == 20 and data["clear"] == 5
    assert data["columns"] == [{"label": "Loss", "unit": "%"}] and data["times"]
    assert data["start"] <= data["alerts"][0]["start"] <= data["end"]
    utilisation = AlertRule.objects.get(template="if.utilisation")
    port = scene["core1.fra"].interfaces.get(name="eth0")
    alert = alarms.make_alert(scene["core1.fra"], rule=utilisation, source="metric", interface=port, subject="eth0")
    data = people.client_for(cast.vera).get(f"/alerts/{alert.pk}/chart.json").json()
    assert data["columns"][0]["unit"] == "%" and any(value is not None for value in data["average"][0])
    other = alarms.make_alert(None, source="poller.behind")
    assert people.client_for(cast.vera).get(f"/alerts/{other.pk}/chart.json").status_code == 404


def test_the_search_finds_alerts(cast: people.Cast, made: dict[str, Any]) -> None:
    groups = {group["key"]: group for group in search.search(cast.vera, "core")}
    assert groups["alerts"]["results"][0]["url"] == f"/alerts/{made['cause'].pk}/"


def test_the_overview_says_an_alert_once(cast: people.Cast, made: dict[str, Any]) -> None:
    factories.watch(made["cause"].device, state="down", cause="No answer to ping")
    page = text_of(people.client_for(cast.vera), "/")
    assert "5 unreachable because of it" in page and "No answer to ping" not in page
    assert "5 unreachable" in page
