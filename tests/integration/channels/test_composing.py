"""Rows of the outbox as messages: what surrounds an alert, and what a group must not cost."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import cv2
import numpy as np
import pytest
from django.utils import timezone

from inventory.models import Dependency, Device
from monitoring.models import Alert, AlertRule, MaintenanceWindow, Notification, Series
from monitoring.notifying import composing, pictures
from monitoring.notifying.messages import Message
from monitoring.store import write
from netmon.audit import services as audit
from tests import factories as make
from tests.fleet import make_channel, make_contact
from tests.messages import HOSTILE
from tests.people import make_person

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0)
BEGAN = NOW - timedelta(minutes=2)


def before(minutes: float) -> Any:
    return BEGAN - timedelta(minutes=minutes)


def make_alert(device: Device | None, **over: Any) -> Alert:
    values = {
        "source": "device.down", "device": device, "fingerprint": f"f{Alert.objects.count()}", "state": "firing",
        "severity": "critical", "summary": "Down", "started_at": BEGAN, "fired_at": NOW, **over,
    }  # fmt: skip
    return Alert.objects.create(**values)


def make_row(alert: Alert, **over: Any) -> Notification:
    if "contact" not in over:
        over["contact"] = make_contact()
        over["channel"] = over["contact"].channels.get()
    key = composing.key_of(alert.pk, Notification.objects.count())
    values = {"alert": alert, "kind": "firing", "dedupe_key": key, "message_key": key, "severity": alert.severity}
    return Notification.objects.create(**{**values, "created_at": NOW, "next_at": NOW, **over})


def compose(alert: Alert, **over: Any) -> Message:
    return composing.compose([make_row(alert, **over)], NOW)


def make_path() -> tuple[Device, Device, Device]:
    """A leaf behind a switch behind a router."""
    leaf, switch, router = (make.make_device(name=name) for name in ("leaf", "switch", "router"))
    Dependency.objects.create(device=leaf, parent=switch)
    Dependency.objects.create(device=switch, parent=router)
    return leaf, switch, router


def test_what_changed_on_the_way_nearest_first() -> None:
    leaf, switch, router = make_path()
    aside = make.make_device(name="aside")
    make.make_event(router, at=before(1), kind="bgp_down", subject="192.0.2.9", detail="hold timer")
    make.make_event(switch, at=before(50), source="config", kind="config_changed", subject="running",
                    detail="2 lines", data={"who": "omar"})  # fmt: skip
    make.make_event(switch, at=before(61))
    make.make_event(leaf, at=before(30), kind="link_down", source="interface", subject="eth0")
    make.make_event(leaf, at=BEGAN + timedelta(seconds=1))
    make.make_event(aside, at=before(5))
    [item] = compose(make_alert(leaf)).items
    told = [(change.device, change.text, change.by) for change in item.changes]
    assert told == [
        ("leaf", "Link down eth0", ""),
        ("switch", "Config changed running: 2 lines", "omar"),
        ("router", "BGP down 192.0.2.9: hold timer", ""),
    ]


def test_what_people_changed_by_the_names_of_columns_only() -> None:
    leaf, switch, _ = make_path()
    omar = make_person("omar", "operator")
    event = audit.record("update", switch, before={"location": "hush-a"}, after={"location": "hush-b"}, user=omar)
    assert event is not None
    type(event).objects.filter(pk=event.pk)._raw_delete("default")
    event.pk, event.at = None, before(10)
    event.save()
    [item] = compose(make_alert(leaf)).items
    [change] = item.changes
    assert (change.device, change.text, change.by) == ("switch", "device switch changed: location", "omar")
    assert "hush" not in repr(item)


def test_of_anothers_device_on_the_way_only_the_kind_is_told() -> None:
    leaf, switch, router = make_path()
    mine, theirs = make.make_tenant(), make.make_tenant()
    Device.objects.filter(pk=leaf.pk).update(tenant=mine)
    Device.objects.filter(pk=switch.pk).update(tenant=theirs)
    make.make_event(switch, at=before(5), subject="hush", detail="hush", data={"who": "hush"})
    make.make_event(router, at=before(5), subject="192.0.2.2")
    [item] = compose(make_alert(leaf)).items
    assert [change.text for change in item.changes] == ["BGP down", "BGP down 192.0.2.2"]
    assert "hush" not in repr(item)


def test_maintenance_that_began_on_the_way() -> None:
    leaf, _, router = make_path()
    MaintenanceWindow.objects.create(name="Swap", device=router, starts_at=before(15), ends_at=NOW + timedelta(hours=1))
    MaintenanceWindow.objects.create(name="Old", device=router, starts_at=before(90), ends_at=NOW + timedelta(hours=1))
    [item] = compose(make_alert(leaf)).items
    assert [(change.device, change.text) for change in item.changes] == [("router", "Maintenance began: Swap")]


def test_ten_changes_are_enough() -> None:
    leaf, *_ = make_path()
    for minute in range(30):
        make.make_event(leaf, at=before(minute + 1), subject=f"peer {minute}")
    [item] = compose(make_alert(leaf)).items
    assert [change.text for change in item.changes] == [f"BGP down peer {minute}" for minute in range(10)]


def test_who_is_behind_by_name_as_far_as_they_are_ones_own() -> None:
    leaf, switch, router = make_path()
    [item] = compose(make_alert(router, data={"behind": 2})).items
    assert (item.behind, item.behind_names) == (2, ("leaf", "switch"))
    mine = make.make_tenant()
    Device.objects.filter(pk__in=[router.pk, leaf.pk]).update(tenant=mine)
    [item] = compose(make_alert(Device.objects.get(pk=router.pk), data={"behind": 2})).items
    assert (item.behind, item.behind_names) == (2, ("leaf",))
    [item] = compose(make_alert(switch)).items
    assert (item.behind, item.behind_names) == (0, ())


def test_an_alert_without_a_device() -> None:
    [item] = compose(make_alert(None, source="poller.blind", summary="Blind")).items
    assert (item.device, item.changes, item.picture) == ("", (), b"")


def measured(device: Device, values: list[float], *, metric_set: str = "icmp", labels: str = "") -> Series:
    """A series whose every minute of the last hour and a half had these values."""
    series = make.make_series(device, metric_set=metric_set, labels=labels)
    end = int(NOW.timestamp()) // 60 * 60
    write.write_many([write.SampleWrite(series.pk, end - 60 * minute, values) for minute in range(90)])
    return series


def shape_of(png: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)


def curve(values: list[float], **over: Any) -> pictures.Curve:
    times = NOW.timestamp() - 60.0 * np.arange(len(values))[::-1]
    asked = {"title": "Load", "unit": "", "times": times, "values": np.array(values, float), **over}
    return pictures.Curve(**asked)


@pytest.mark.parametrize(
    "values",
    [[1, 2, 3], [0, 0, 0], [float("nan"), 1, float("nan")], [1e12, -1e12], [5], [float("inf"), 1], [1e-9, 2e-9]],
)
def test_any_curve_can_be_drawn(values: list[float]) -> None:
    image = shape_of(pictures.draw(curve(values, limit=2.0, title="Größe 🔥 of <b>", marks=(NOW.timestamp(),))))
    assert image.shape == (pictures.HEIGHT, pictures.WIDTH, 3)
    assert (image == 255).all(axis=2).mean() > 0.8  # light


def test_the_limit_is_drawn_where_it_is() -> None:
    image = shape_of(pictures.draw(curve([1.0] * 60, limit=10.0)))
    red = (image[:, :, 2] > 180) & (image[:, :, 0] < 90)
    blue = (image[:, :, 0] > 150) & (image[:, :, 2] < 90)
    assert red.any() and blue.any() and np.nonzero(red)[0].mean() < np.nonzero(blue)[0].mean()


def test_what_fails_to_draw_costs_no_message(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    leaf, *_ = make_path()

    def broken(*args: Any) -> bytes:
        raise cv2.error("no memory")

    monkeypatch.setattr(pictures, "curve_of", lambda alert, now: curve([1.0]))
    monkeypatch.setattr(pictures, "draw", broken)
    [item] = compose(make_alert(leaf)).items
    assert item.picture == b"" and "no picture for alert" in caplog.text


def test_a_group_costs_a_handful_of_queries(django_assert_max_num_queries: Callable[[int], Any]) -> None:
    contact = make_contact(make_channel())
    channel = contact.channels.get()
    over = {"contact": contact, "channel": channel}
    rows = [make_row(make_alert(make.make_device(tenant=make.make_tenant())), **over) for _ in range(50)]
    fresh = list(Notification.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk"))
    with django_assert_max_num_queries(4):
        message = composing.compose(fresh, NOW)
    assert len(message.items) == 50 and not any(item.changes or item.picture for item in message.items)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_texts_of_devices_become_clean_lines(text: str) -> None:
    stored = text.replace("\x00", "").encode("utf-8", "ignore").decode()
    leaf, switch, _ = make_path()
    Device.objects.filter(pk=switch.pk).update(name=stored[:100])
    make.make_event(switch, at=before(3), subject=stored[:255], detail=stored[:500], data={"who": stored})
    message = compose(make_alert(leaf, summary=stored[:300], detail=stored[:1000], subject=stored[:255]))
    [item] = message.items
    lines = [message.title, item.summary, item.detail, item.subject]
    lines += [part for change in item.changes for part in (change.device, change.text, change.by)]
    assert len(item.changes) == 1
    for line in lines:
        assert line.isprintable() and not any(mark in line for mark in "\u202e\u2066\u200f")


def test_a_metric_alert_shows_its_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    leaf, *_ = make_path()
    measured(leaf, [10.0, 0.4, 0.5, *[1.0] * 9], metric_set="host")
    rule = AlertRule.objects.create(name="Load", source="metric", metric="host.load5", raise_value=4.0)
    seen: list[pictures.Curve] = []
    monkeypatch.setattr(pictures, "draw", lambda one: seen.append(one) or b"png")
    compose(make_alert(leaf, rule=rule, source="metric"))
    [found] = seen
    assert (found.title, found.limit) == ("Load, 5 min", 4.0)
    assert set(found.values[np.isfinite(found.values)]) == {0.5}


def test_other_alerts_show_the_response_time() -> None:
    leaf, *_ = make_path()
    measured(leaf, [12.0, 0.0, 1.0])
    [item] = compose(make_alert(leaf)).items
    assert shape_of(item.picture).shape == (pictures.HEIGHT, pictures.WIDTH, 3)
