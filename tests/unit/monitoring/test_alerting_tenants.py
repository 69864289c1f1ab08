"""Alerting and tenants: nobody hears of, hushes or explains away what is not theirs."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from inventory.models import Device
from monitoring.alerting import engine, situation
from monitoring.models import Alert, AlertRule, MaintenanceWindow, Notification, Silence
from tests import alerts, factories, people

pytestmark = pytest.mark.django_db
WORD = "zzforeign"


class Two:
    """Two tenants with a device each, and an operator of the first."""

    def __init__(self) -> None:
        self.ours, self.theirs = factories.make_tenant(), factories.make_tenant(name=WORD)
        self.person = people.make_person("bound", "operator")
        self.ours.members.add(self.person)
        self.stranger = people.make_person(WORD, "operator")
        self.theirs.members.add(self.stranger)
        self.mine = factories.make_device(name="mine", tenant=self.ours)
        self.foreign = factories.make_device(name=f"{WORD} device", tenant=self.theirs, site=factories.make_site())
        self.client: Any = people.client_for(self.person)
        self.until = (timezone.now() + timedelta(hours=1)).isoformat()


@pytest.fixture
def two(db: None, _clean_cache: None) -> Two:
    return Two()


def test_what_somebody_bound_writes_carries_one_of_their_tenants(two: Two) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "alert-rules": {"name": "r", "source": "device.down"},
        "silences": {"ends_at": two.until, "kind": "camera"},
        "maintenance-windows": {"name": "w", "starts_at": timezone.now().isoformat(), "ends_at": two.until},
        "severity-modifiers": {"name": "m", "delta": 1},
        "contacts": {"name": "c"},
    }
    for path, body in bodies.items():
        made = two.client.post(f"/api/v1/{path}/", body)
        assert made.status_code == 201 and made.json()["tenant"] == two.ours.pk, (path, made.content)
        url = f"/api/v1/{path}/{made.json()['id']}/"
        for wrong in ({"tenant": None}, {"tenant": two.theirs.pk}):
            assert two.client.patch(url, wrong).status_code == 400, (path, wrong)
        assert two.client.post(f"/api/v1/{path}/", {**body, "name": "n", "tenant": two.theirs.pk}).status_code == 400
        if path != "contacts":
            for wrong in ({"device": two.foreign.pk}, {"site": two.foreign.site_id}):
                assert two.client.patch(url, wrong).status_code == 400, (path, wrong)
    second = factories.make_tenant()
    second.members.add(two.person)
    client = people.client_for(type(two.person).objects.get(pk=two.person.pk))
    for path, body in bodies.items():
        assert client.post(f"/api/v1/{path}/", {**body, "name": "another"}).status_code == 400, path


def test_what_is_everybodys_is_read_and_not_written(two: Two) -> None:
    rows = {
        "alert-rules": alerts.make_rule(), "silences": alerts.make_silence(),
        "maintenance-windows": alerts.make_window(kind="camera"), "severity-modifiers": alerts.make_modifier(),
        "contacts": alerts.make_contact(), "escalation-policies": alerts.make_policy(alerts.make_contact()),
    }  # fmt: skip
    for path, row in rows.items():
        url = f"/api/v1/{path}/{row.pk}/"
        assert two.client.get(url).status_code == 200, path
        for answer in (two.client.patch(url, {}), two.client.delete(url),
                       two.client.patch(url, {"tenant": two.ours.pk})):  # fmt: skip
            assert answer.status_code == 403, path
        bulk = two.client.delete(f"/api/v1/{path}/bulk/", [row.pk], format="json")
        assert bulk.status_code == 403, path
    assert two.client.post(f"/api/v1/maintenance-windows/{rows['maintenance-windows'].pk}/end/").status_code == 403


def test_nobody_hushes_what_is_not_theirs(two: Two) -> None:
    alert, nobodys = alerts.make_alert(two.foreign, summary=WORD), alerts.make_alert(None, summary=WORD)
    acts: dict[str, dict[str, Any]] = {
        "acknowledge": {}, "unacknowledge": {}, "silence": {"minutes": 5}, "resolve": {}, "comment": {"text": "x"},
    }  # fmt: skip
    for pk in (alert.pk, nobodys.pk):
        for action, body in acts.items():
            assert two.client.post(f"/api/v1/alerts/{pk}/{action}/", body).status_code == 404
        assert two.client.post("/api/v1/silences/", {"ends_at": two.until, "alert": pk}).status_code == 400
    assert two.client.post("/api/v1/alerts/acknowledge-all/", {}).json() == {"acknowledged": 0}
    for filters in ({"device": two.foreign.pk}, {"tenant": two.theirs.pk}, {"site": two.foreign.site_id}):
        assert two.client.post("/api/v1/alerts/acknowledge-all/", {"filters": filters}).status_code == 400
    for body in ({"device": two.foreign.pk}, {"tenant": two.theirs.pk}):
        assert two.client.post("/api/v1/alerts/", {"summary": "s", **body}).status_code == 400
    made = two.client.post("/api/v1/alerts/", {"summary": "s"}).json()
    assert made["tenant"] == two.ours.pk
    assert Alert.objects.get(pk=alert.pk).acknowledged_at is None and not Silence.objects.exists()


def test_filters_texts_and_numbers_reach_no_further(two: Two) -> None:
    foreign = alerts.make_alert(two.foreign, summary=WORD, subject=WORD)
    mine = alerts.make_alert(two.mine, state="unreachable", cause=foreign)
    peer = alerts.make_contact(name=WORD, user=two.stranger)
    alerts.make_notification(foreign, to=WORD, contact=peer)
    alerts.make_notification(kind="summary", to=WORD)
    found = two.client.get(f"/api/v1/alerts/{mine.pk}/").json()
    assert found["cause"] is None
    for path in (f"alerts/?q={WORD}", f"alerts/?device={two.foreign.pk}", f"alerts/?tenant={two.theirs.pk}",
                 f"notifications/?alert={foreign.pk}", "notifications/?kind=summary", "contacts/"):  # fmt: skip
        assert two.client.get(f"/api/v1/{path}").json()["results"] == [], path
    assert two.client.get(f"/api/v1/alerts/?cause={foreign.pk}").status_code == 400
    assert two.client.get("/api/v1/alerts/summary/").json()["open"] == 1
    assert two.client.get(f"/api/v1/search/?q={WORD}").json()["groups"] == []
    body = {"name": "x", "steps": [{"after_seconds": 0, "contacts": [peer.pk]}]}
    assert two.client.post("/api/v1/escalation-policies/", body).status_code == 400
    assert Notification.objects.count() == 2


def test_a_rehearsal_and_a_drill_tell_of_ones_own(two: Two) -> None:
    for device in (two.mine, two.foreign):
        factories.make_outage(device, timezone.now() - timedelta(hours=5), 30)
    alerts.make_dependency(two.foreign, two.mine)
    shared = AlertRule.objects.get(template="device.down")
    found = two.client.post(f"/api/v1/alert-rules/{shared.pk}/rehearse/", {"days": 1})
    assert found.json()["count"] == 1 and WORD not in found.content.decode()
    body = {"source": "device.down", "days": 1, "device": two.foreign.pk}
    assert two.client.post("/api/v1/alert-rules/rehearse/", body).status_code == 400
    assert two.client.post("/api/v1/alert-rules/rehearse/", {"source": "device.down"}).json()["looked_at"] == 1
    drill = two.client.post(f"/api/v1/devices/{two.mine.pk}/drill/")
    assert drill.status_code == 200 and drill.json()["behind_count"] == 0 and WORD not in drill.content.decode()
    assert two.client.post("/api/v1/alert-drill/", {"devices": [two.foreign.pk]}).status_code == 400
    around = two.client.get(f"/api/v1/devices/{two.mine.pk}/dependencies/")
    assert around.json()["behind"] == [] and WORD not in around.content.decode()
    window = alerts.make_window(device=two.mine)
    affects = two.client.get(f"/api/v1/maintenance-windows/{window.pk}/affects/")
    assert [one["name"] for one in affects.json()["devices"]] == ["mine"] and WORD not in affects.content.decode()


def test_a_parent_of_somebody_else_is_not_named(two: Two) -> None:
    row = alerts.make_dependency(two.mine, two.foreign)
    found = two.client.get(f"/api/v1/dependencies/{row.pk}/")
    assert found.json()["parent"] is None and WORD not in found.content.decode()
    assert two.client.get(f"/api/v1/dependencies/?parent={two.foreign.pk}").json()["results"] == []
    around = two.client.get(f"/api/v1/devices/{two.mine.pk}/dependencies/").json()
    assert around["path"] == []
    body = {"device": two.mine.pk, "parent": two.foreign.pk}
    row.delete()
    assert two.client.post("/api/v1/dependencies/", body).status_code == 400
    reverse = {"device": two.foreign.pk, "parent": two.mine.pk}
    assert two.client.post("/api/v1/dependencies/", reverse).status_code == 400


def test_a_tenants_window_covers_and_explains_its_own_devices_only(two: Two) -> None:
    child = factories.make_device(name="child", tenant=two.ours)
    for device in (child, two.foreign):
        alerts.make_dependency(device, two.mine)
    window = alerts.make_window(tenant=two.ours, device=two.mine)
    now, graph = timezone.now(), situation.load_graph()
    assert set(situation.covered(now, graph)) == {two.mine.pk, child.pk}
    assert not situation.look(now).is_cut(two.foreign.pk)  # its own fault would be told
    MaintenanceWindow.objects.filter(pk=window.pk).update(tenant=None)
    assert set(situation.covered(now, graph)) == {two.mine.pk, child.pk, two.foreign.pk}
    assert situation.look(now).is_cut(two.foreign.pk)
    MaintenanceWindow.objects.filter(pk=window.pk).update(tenant=two.ours)
    Device.objects.filter(pk=two.foreign.pk).update(tenant=two.ours)
    assert situation.look(now).is_cut(two.foreign.pk)


@pytest.mark.parametrize("whose", ["ours", "theirs", None])
def test_what_cuts_a_device_off_is_named_to_its_own_tenant_only(two: Two, whose: str | None) -> None:
    parent = factories.make_device(name=f"{WORD} router", tenant=getattr(two, whose) if whose else None)
    alerts.make_dependency(two.mine, parent)
    for device in (parent, two.mine):
        factories.make_check(factories.make_endpoint(device), last_success_at=timezone.now() - timedelta(hours=1))
        factories.watch(device, state="down", since=timezone.now() - timedelta(minutes=10))
    rule = AlertRule.objects.get(template="device.down")
    cause = alerts.make_alert(parent, rule=rule)
    mine = alerts.make_alert(
        two.mine, rule=rule, state="pending", fired_at=None, bad_checks=5, due_at=timezone.now(), seq=2
    )
    engine.advance(timezone.now())
    mine.refresh_from_db()
    assert (mine.state, mine.cause) == ("unreachable", cause)
    found = two.client.get(f"/api/v1/alerts/{mine.pk}/").content.decode()
    found += two.client.get(f"/api/v1/alerts/{mine.pk}/events/").content.decode()
    assert (WORD in found) is (whose == "ours")
