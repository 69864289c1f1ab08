"""What is told of a router and a host between two readings, also across answers that were not understood."""

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from monitoring import charts, retention
from monitoring.models import Check, DeviceEvent, DeviceFact
from monitoring.modules import Collected, ssh_routing
from monitoring.services import routing_events, ssh_results
from netmon.drivers.platforms import changes, frr, frr_routing
from netmon.drivers.platforms.shapes import Presence, Reading
from tests import factories
from tests.unit.drivers.platforms.captures import r1

pytestmark = pytest.mark.django_db(databases="__all__")
T0 = 1_790_000_000.0
UNREAD = {"presence": "not_parsed", "reason": "Half an answer.", "value": None}
DEAD = {"presence": "not_running", "reason": "bgpd is not running.", "value": None}
WORDS = {
    "bgp_summary": frr_routing.bgp_summary(r1("show_bgp_vrf_all_summary.json")),
    "ospf_neighbors": frr_routing.ospf_neighbors(r1("show_ip_ospf_neighbor.json"), 2),
    "interfaces": frr.interfaces(r1("show_interface.json")),
}  # fmt: skip


@pytest.fixture
def check(db: None) -> Check:
    return factories.make_check(factories.make_ssh_endpoint(), module="ssh.routing")


def whole() -> dict[str, Any]:
    """Router r1 at rest, its interfaces with counters."""
    found = {kind: deepcopy(reading.as_dict()) for kind, reading in WORDS.items()}
    for one in found["interfaces"]["value"]:
        one["in_packets"] = 100
    return found


def read(check: Check, at: float, facts: Mapping[str, Any]) -> list[str]:
    """One reading at T0 + at, written as a run writes it; the kinds of its events. Uptimes grow by themselves."""
    facts = deepcopy(dict(facts))
    for one in (facts.get("ospf_neighbors", {}).get("value") or {}).get("neighbors", ()):
        one["uptime_seconds"] += at
    old = set(DeviceEvent.objects.values_list("pk", flat=True))
    collected = Collected(collected_at=T0 + at, monotonic_at=at, facts=facts)
    routing_events.tell(check, collected)
    check.save()
    check.refresh_from_db()
    for kind, data in collected.facts.items():
        DeviceFact.objects.update_or_create(
            device=check.endpoint.device,
            kind=kind,
            defaults={"data": data, "collected_at": datetime.fromtimestamp(T0 + at, UTC)},
        )
    return sorted(DeviceEvent.objects.exclude(pk__in=old).values_list("kind", flat=True))


def health(check: Check) -> Any:
    return DeviceFact.objects.get(device=check.endpoint.device, kind="routing_health").data


def established(facts: Mapping[str, Any]) -> Any:
    return next(peer for peer in facts["bgp_summary"]["value"]["peers"] if peer["is_established"])


def fallen() -> dict[str, Any]:
    facts = whole()
    established(facts).update(is_established=False, state="Idle")
    return facts


@pytest.mark.parametrize("gap", [UNREAD, {**UNREAD, "presence": "unknown"}, DEAD])
@pytest.mark.parametrize("gaps", [1, 3])
def test_a_session_that_fell_during_unread_answers_is_told(check: Check, gap: dict[str, Any], gaps: int) -> None:
    assert read(check, 0, whole()) == []
    for number in range(gaps):
        told = read(check, 60 + number, {**whole(), "bgp_summary": gap})
        assert "bgp_down" not in told
    assert "bgp_down" in read(check, 120, fallen())
    assert "bgp_down" not in read(check, 180, fallen())
    assert check.memory["base"] == {}, "the fact itself holds the value again"


def test_adjacencies_are_not_restarted_by_a_gap(check: Check) -> None:
    """Their uptimes grew for as long as the last reading with a value is ago."""
    read(check, 0, whole())
    read(check, 60, {**whole(), "ospf_neighbors": UNREAD})
    assert read(check, 120, moved(whole(), 9)) == []


def test_a_part_too_big_to_be_kept_twice_is_left_out(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing_events, "MAX_BASE", 1)
    read(check, 0, whole())
    read(check, 60, {**whole(), "bgp_summary": UNREAD})
    assert "bgp_summary" not in check.memory["base"]
    assert read(check, 120, moved(fallen(), 9)) == []


def test_a_daemon_that_died_during_an_unread_answer_is_told(check: Check) -> None:
    read(check, 0, whole())
    assert read(check, 60, {**whole(), "bgp_summary": UNREAD}) == []
    assert read(check, 120, {**whole(), "bgp_summary": DEAD}) == ["daemon_stopped"]
    assert read(check, 180, {**whole(), "bgp_summary": UNREAD}) == []
    assert read(check, 240, {**whole(), "bgp_summary": DEAD}) == []
    assert read(check, 300, moved(whole(), 9)) == ["daemon_back"]


def test_a_neighbour_known_to_be_down_is_not_told_again_after_a_gap(check: Check) -> None:
    name = established(whole())["address"]
    factories.make_neighbour(check.endpoint.device, neighbour=name)
    read(check, 0, whole())
    facts = whole()
    for peer in facts["bgp_summary"]["value"]["peers"]:
        if peer["address"] == name:
            peer.update(is_established=False, state="Idle")
    assert "neighbour_down" in read(check, 60, facts)
    for gap in ({**facts, "bgp_summary": UNREAD}, {"interfaces": facts["interfaces"]}):
        assert read(check, 120, gap) == []
        assert health(check)["neighbours"]["bgp"]["down"] == [name]
    assert read(check, 180, facts) == []
    assert "neighbour_back" in read(check, 240, whole())


@pytest.mark.parametrize("presence", ["not_running", "not_configured"])
def test_a_dead_daemon_has_lost_all_its_neighbours(check: Check, presence: str) -> None:
    names = sorted({peer["address"] for peer in whole()["bgp_summary"]["value"]["peers"] if peer["is_established"]})
    for name in names:
        factories.make_neighbour(check.endpoint.device, neighbour=name)
    read(check, 0, whole())
    dead = {**whole(), "bgp_summary": {**DEAD, "presence": presence}}
    assert read(check, 60, dead).count("neighbour_missing") == len(names)
    assert health(check)["neighbours"]["bgp"]["missing"] == names
    assert "neighbour_missing" not in read(check, 120, dead)
    assert read(check, 180, whole()).count("neighbour_back") == len(names)


def test_missing_neighbours_are_counted_alike() -> None:
    """A daemon that is dead has none; one that was not allowed to answer tells nothing."""
    found = ssh_routing._Found("frr")
    counts = {}
    for presence in Presence:
        found.readings["bgp_summary"] = Reading(presence)
        counts[presence.value] = found._missing({"bgp": ["192.0.2.1", "192.0.2.2"]})
    del counts["running"]
    assert {presence for presence, count in counts.items() if count == 2} == set(routing_events.LOST)
    assert {count for presence, count in counts.items() if presence not in routing_events.LOST} == {None}


def cuts_without_ospf() -> list[dict[str, Any]]:
    after = {part: whole()[kind]["value"] for kind, part in routing_events.PARTS.items() if kind in WORDS}
    nobody: Any = {"neighbors": []}
    return [dict(cut) for cut in changes.silent_cut(after["bgp"], after["ospf"], nobody, after["interfaces"])]


def link() -> str:
    """A link of r1 with an adjacency and a directly connected established peer."""
    return str(cuts_without_ospf()[0]["interface"])


def peers(name: str) -> list[str]:
    return [cut["peer"] for cut in cuts_without_ospf() if cut["interface"] == name]


def moved(facts: dict[str, Any], packets: int, *, but: str = "") -> dict[str, Any]:
    for one in facts["interfaces"]["value"]:
        one["in_packets"] += 0 if one["name"] == but else packets
    return facts


def without_ospf(facts: dict[str, Any], name: str) -> dict[str, Any]:
    ospf = facts["ospf_neighbors"]["value"]
    ospf["neighbors"] = [one for one in ospf["neighbors"] if one["interface"] != name]
    return facts


def cut_links(check: Check) -> set[str]:
    return {cut["interface"] for cut in health(check)["silent_cuts"]}


def test_a_silent_cut_lasts_through_extra_readings(check: Check) -> None:
    name = link()
    read(check, 0, whole())
    assert "silent_cut" in read(check, 40, moved(whole(), 5, but=name))
    for at in (45, 50, 55, 65):
        assert read(check, at, moved(whole(), at - 35, but=name)) == []
        assert cut_links(check) == {name}
    assert read(check, 70, {**whole(), "ospf_neighbors": UNREAD}) == []
    assert read(check, 75, moved(whole(), 50, but=name)) == []
    assert set(read(check, 80, moved(whole(), 60))) == {"silent_cut_over"}


def test_counters_are_held_against_a_reading_long_enough_ago(check: Check) -> None:
    """Readings in a row, each too close to the one before, still see that nothing came in for half a minute."""
    name = link()
    told = [set(read(check, at, moved(whole(), at, but=name))) for at in range(0, 41, 10)]
    assert told == [set(), set(), set(), {"silent_cut"}, set()]


def test_a_cut_is_over_when_ospf_is_back_on_the_link(check: Check) -> None:
    name = link()
    read(check, 0, whole())
    assert "silent_cut" in read(check, 5, without_ospf(whole(), name))
    assert read(check, 8, without_ospf(whole(), name)) == []
    assert "silent_cut_over" in read(check, 10, whole())


def told_of_the_end(check: Check) -> set[str]:
    return set(DeviceEvent.objects.filter(kind="silent_cut_over").values_list("detail", flat=True))


class TestTheEndOfASilentCut:
    """It says what is true: that traffic is back only where it is."""

    @pytest.fixture(autouse=True)
    def cut(self, check: Check) -> str:
        name = link()
        read(check, 0, whole())
        assert "silent_cut" in read(check, 5, without_ospf(whole(), name))
        return name

    def test_traffic_is_back(self, check: Check) -> None:
        read(check, 60, moved(whole(), 10))
        assert told_of_the_end(check) == {"Traffic is back."}

    def test_bgp_fell_as_well(self, check: Check, cut: str) -> None:
        facts = without_ospf(whole(), cut)
        for peer in facts["bgp_summary"]["value"]["peers"]:
            peer.update(is_established=False, state="Active")
        assert "bgp_down" in read(check, 60, facts)
        assert told_of_the_end(check) and all("may still be cut" in text for text in told_of_the_end(check))

    def test_the_interface_went_down(self, check: Check, cut: str) -> None:
        facts = without_ospf(whole(), cut)
        next(one for one in facts["interfaces"]["value"] if one["name"] == cut)["oper_status"] = "down"
        read(check, 60, facts)
        assert told_of_the_end(check) == {"The interface is no longer up: the link is cut, but no longer silently."}

    def test_the_daemon_died(self, check: Check) -> None:
        read(check, 60, {**whole(), "bgp_summary": DEAD})
        assert all("nobody can say" in text for text in told_of_the_end(check)) and told_of_the_end(check)

    def test_nobody_expects_ospf_there_any_more(self, check: Check, cut: str) -> None:
        read(check, 3700, without_ospf(moved(whole(), 10), cut))
        assert {text.partition(" without")[0] for text in told_of_the_end(check)} == {"OSPF has been"}


def test_a_link_without_ospf_on_purpose_is_not_cut_for_ever(check: Check) -> None:
    name = link()
    for at in range(0, 7200, 600):
        read(check, at, moved(whole(), at))
    packets = 10_000
    seen = []
    for at in range(7200, 7200 + 5400, 600):
        packets += 10
        read(check, at, without_ospf(moved(whole(), packets), name))
        seen.append(name in cut_links(check))
    assert seen == [True] * 6 + [False] * 3, "the last time it was well is ten minutes before the first"
    told = DeviceEvent.objects.filter(kind="silent_cut").count()
    assert told == DeviceEvent.objects.filter(kind="silent_cut_over").count() == len(peers(name))


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_link_that_went_is_forgotten(check: Check, is_gone: bool) -> None:
    name = link()
    read(check, 0, whole())
    facts = without_ospf(moved(whole(), 5), name)
    links = facts["interfaces"]["value"]
    if is_gone:
        facts["interfaces"]["value"] = [one for one in links if one["name"] != name]
    else:
        next(one for one in links if one["name"] == name)["oper_status"] = "down"
    read(check, 60, facts)
    assert "silent_cut" not in read(check, 120, without_ospf(moved(whole(), 9), name))


HOUR = 3600.0


@pytest.mark.parametrize(
    ("first", "second", "passed", "is_told"),
    [
        ((100.0, "2026-09-21T00:00:00Z"), (HOUR, "2026-09-21T05:00:00Z"), 5 * HOUR, True),
        ((9 * HOUR, "2026-09-21T00:00:00Z"), (60.0, "2026-09-21T09:10:00Z"), 600.0, True),
        ((HOUR, "2026-09-21T00:00:00Z"), (HOUR + 60, "2026-09-21T00:00:01Z"), 60.0, False),
        ((HOUR, "1970-01-01T00:00:09Z"), (HOUR + 60, "2026-09-21T00:00:00Z"), 60.0, False),
        ((9 * HOUR, "2026-09-21T00:00:00Z"), (HOUR, "2026-09-21T00:00:30Z"), 60.0, False),
        ((9 * HOUR, None), (60.0, "2026-09-21T09:10:00Z"), 600.0, True),
        ((9 * HOUR, None), (60.0, None), 600.0, True),
        ((9 * HOUR, None), (9 * HOUR - 30, None), 600.0, False),
        ((9 * HOUR, "nonsense"), (9 * HOUR + 60, "more"), 60.0, False),
    ],
    ids=[
        "up longer than before", "at once", "it wobbles", "a clock was set", "the same boot", "no boot time before",
        "no boot time", "no boot time, no reboot", "unread",
    ],
)  # fmt: skip
def test_a_reboot_is_told_by_the_boot_time(check: Check, first: Any, second: Any, passed: float, is_told: bool) -> None:
    was, now = ({"uptime_seconds": seconds, "boot_time": boot} for seconds, boot in (first, second))
    at = datetime.fromtimestamp(T0, UTC)
    factories.make_fact(check.endpoint.device, "uptime", was, collected_at=at)
    facts = {"uptime": now, "ssh_meta": {}}
    ssh_results.store_host(check, Collected(collected_at=T0 + passed, monotonic_at=0.0, facts=facts))
    assert list(DeviceEvent.objects.values_list("kind", flat=True)) == (["rebooted"] if is_told else [])


def disk(device: Any, name: str, percent: float, ago: float | None, period: int = 60) -> None:
    at = None if ago is None else timezone.now() - timedelta(seconds=ago)
    labels = f"mount={name}"
    factories.make_series(
        device, metric_set="host.disk", labels=labels, v0=percent, last_at=at, period_seconds=period
    )  # fmt: skip


@pytest.mark.parametrize("ago", [0.0, 9 * HOUR])
def test_a_disk_that_is_no_longer_there_is_not_drawn(ago: float) -> None:
    """Also of a host that has been down for hours: its disks are those of its last answer."""
    device = factories.make_device(kind="computer")
    disk(device, "/mnt/usb", 99.0, ago + 181)
    disk(device, "/never", 98.0, None)
    disk(device, "/", 40.0, ago)
    disk(device, "/slow", 50.0, ago + 800, period=300)
    disk(device, "/srv", 30.0, ago + 170)
    chart = charts.chart(device, "disks", span="24h")
    assert [column["label"] for column in chart["columns"]] == ["/slow", "/"]
    assert {len(line) for line in chart["average"]} == {len(chart["times"])}, "one grid, whatever their periods"


def test_each_device_keeps_its_newest_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "DEVICE_EVENTS", 5)
    monkeypatch.setattr(retention, "EVENTS", 2)
    loud, quiet, now = factories.make_device(), factories.make_device(), timezone.now()
    events = [factories.make_event(loud, at=now - timedelta(minutes=minutes // 2)) for minutes in range(12)]
    kept = {event.pk for event in sorted(events, key=lambda event: (event.at, event.pk))[-5:]}
    others = {factories.make_event(quiet, at=now - timedelta(days=1)).pk for _ in range(5)}
    assert retention.prune_events() == 7
    assert set(DeviceEvent.objects.values_list("pk", flat=True)) == kept | others
    assert retention.prune_events() == 0
