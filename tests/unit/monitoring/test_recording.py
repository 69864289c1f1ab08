"""What runs bring home becomes rows: rates, facts, interfaces, states; and a failure stores nothing false."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from inventory.models import Device, Interface
from monitoring import metrics, modules
from monitoring.models import Check, DeviceFact, DeviceState, SampleRow, Series
from monitoring.modules import Collected, Counter, InterfaceReading, Reading, ssh_host, ssh_routing
from monitoring.runner import Result
from monitoring.services import recording
from monitoring.store.packing import unpack_hot
from netmon.drivers.errors import AuthenticationFailed, DeadlineExceeded
from netmon.drivers.platforms.shapes import Presence
from netmon.drivers.platforms.shapes import Reading as DeviceReading
from netmon.drivers.ssh.answers import Answer
from tests import factories as make

pytestmark = pytest.mark.django_db

T0 = 1_790_000_000.0
TICKS = 10_000_000


def row(key: str, if_index: int, **over: Any) -> InterfaceReading:
    values = {"name": key, "oper_status": 1, "admin_status": 1, "speed_bps": 10**9, **over}
    return InterfaceReading(key=key, if_index=if_index, **values)


def collected(seconds: float, octets: dict[str, int], indexes: dict[str, int], *, boot: float = 0.0) -> Collected:
    """A poll of some interfaces `seconds` after T0; the device booted `boot` seconds after T0 - TICKS/100."""
    ticks = int(TICKS + (seconds - boot) * 100)
    readings = [
        Reading(
            set="if.counters",
            interface=key,
            values={"oper_status": 1.0},
            counters={"in_bps": Counter(value, 64), "out_bps": Counter(value // 2, 64)},
            uptime_ticks=ticks,
            discontinuity_ticks=0,
            speed_bps=10**9,
        )
        for key, value in octets.items()
    ]
    return Collected(
        collected_at=T0 + seconds,
        monotonic_at=1000 + seconds,
        response_ms=2.0,
        readings=readings,
        interfaces=[row(key, indexes[key]) for key in octets],
        facts={"interfaces_meta": {"if_number": len(octets), "is_refreshed": True, "uptime_ticks": ticks}},
    )


@pytest.fixture
def router() -> Device:
    return make.make_flat()


def check_of(device: Device, module: str) -> Check:
    return Check.objects.select_related("endpoint__device").get(endpoint__device=device, module=module)


def record(check: Check, outcome: Collected | Exception) -> None:
    is_good = isinstance(outcome, Collected)
    result = Result(key=check.pk, collected=outcome) if is_good else Result(key=check.pk, error=outcome)
    recording.record([(check, result)])


def rates(device: Device, interface: str, column: str = "in_bps") -> list[float]:
    series = Series.objects.get(device=device, interface__name=interface)
    position = metrics.get("if.counters").index(column)
    rows = SampleRow.objects.filter(series=series).order_by("slot")
    return [float(unpack_hot(bytes(sample.payload))[position]) for sample in rows]


def is_nan(value: float) -> bool:
    return value != value


def test_two_polls_make_a_rate_in_bits_and_the_first_is_a_gap(router: Device) -> None:
    check = check_of(router, "snmp.interfaces")
    record(check, collected(0, {"eth0": 1_000_000}, {"eth0": 1}))
    record(check, collected(60, {"eth0": 1_000_000 + 60 * 125_000}, {"eth0": 1}))
    first, second = rates(router, "eth0")
    assert is_nan(first) and second == pytest.approx(1_000_000)
    series = Series.objects.get(device=router, interface__name="eth0")
    assert series.v0 == pytest.approx(1_000_000) and series.v1 == pytest.approx(500_000)


def test_the_same_result_twice_stores_one_sample(router: Device) -> None:
    check = check_of(router, "snmp.system")
    reading = Reading(set="snmp.system", values={"response_ms": 1.5, "uptime_seconds": 100.0})
    answer = Collected(collected_at=T0, monotonic_at=1.0, response_ms=1.5, readings=[reading])
    record(check, answer)
    record(check, answer)
    assert SampleRow.objects.count() == 1


@pytest.mark.parametrize("late", [0.0, 0.4, 7.9, 59.0])
def test_a_late_run_keeps_the_slot_of_its_due_time(router: Device, late: float) -> None:
    """Due just before the border of two slots, a run that is a little late must not leave a hole in the first."""
    check = check_of(router, "snmp.system")
    due = T0 // 60 * 60 + 59.5
    Check.objects.filter(pk=check.pk).update(next_run_at=datetime.fromtimestamp(due + 60, UTC))
    reading = Reading(set="snmp.system", values={"response_ms": 1.0, "uptime_seconds": 1.0})
    record(check, Collected(collected_at=due + late, monotonic_at=1.0, response_ms=1.0, readings=[reading]))
    assert SampleRow.objects.get().slot == T0 // 60 * 60


def test_a_reboot_is_a_gap_never_a_spike(router: Device) -> None:
    check = check_of(router, "snmp.interfaces")
    record(check, collected(0, {"eth0": 5_000_000_000}, {"eth0": 1}))
    record(check, collected(60, {"eth0": 5_000_000_000 + 60_000}, {"eth0": 1}))
    rebooted = TICKS / 100 + 60 + 30  # 30 s ago
    record(check, collected(120, {"eth0": 40_000}, {"eth0": 1}, boot=rebooted))
    record(check, collected(180, {"eth0": 100_000}, {"eth0": 1}, boot=rebooted))
    values = rates(router, "eth0")
    assert values[1] == pytest.approx(8000)
    assert is_nan(values[2])
    assert values[3] == pytest.approx(8000)


def test_swapped_if_indexes_do_not_mix_histories(router: Device) -> None:
    check = check_of(router, "snmp.interfaces")
    record(check, collected(0, {"a": 0, "b": 10**12}, {"a": 1, "b": 2}))
    record(check, collected(60, {"a": 60_000, "b": 10**12 + 600_000}, {"a": 1, "b": 2}))
    ids = dict(Interface.objects.filter(device=router).values_list("name", "pk"))
    record(check, collected(120, {"a": 120_000, "b": 10**12 + 1_200_000}, {"a": 2, "b": 1}))
    assert dict(Interface.objects.filter(device=router).values_list("name", "pk")) == ids
    assert Interface.objects.get(device=router, name="a").if_index == 2
    assert rates(router, "a")[1:] == pytest.approx([8_000, 8_000])
    assert rates(router, "b")[1:] == pytest.approx([80_000, 80_000])


def test_an_interface_that_goes_is_kept_marked_and_comes_back_with_its_history(router: Device) -> None:
    check = check_of(router, "snmp.interfaces")
    record(check, collected(0, {"a": 0, "b": 0}, {"a": 1, "b": 2}))
    record(check, collected(60, {"a": 0}, {"a": 1}))
    gone = Interface.objects.get(device=router, name="b")
    assert gone.gone_since is not None and gone.if_index is None
    record(check, collected(120, {"a": 0, "b": 0}, {"a": 1, "b": 7}))
    back = Interface.objects.get(device=router, name="b")
    assert back.pk == gone.pk and back.gone_since is None and back.if_index == 7


def test_a_failed_poll_stores_no_value_only_that_it_failed(router: Device) -> None:
    check = check_of(router, "snmp.system")
    record(check, DeadlineExceeded("No answer."))
    series = Series.objects.get(device=router, metric_set="snmp.system")
    (sample,) = SampleRow.objects.filter(series=series)
    response, uptime, up = unpack_hot(bytes(sample.payload))
    assert is_nan(float(response)) and is_nan(float(uptime)) and up == 0.0
    fresh = check_of(router, "snmp.system")
    assert (fresh.last_error_code, fresh.consecutive_failures, fresh.status) == ("timeout", 1, "unknown")
    interfaces = check_of(router, "snmp.interfaces")
    record(interfaces, AuthenticationFailed("The agent refused the user."))
    assert not Series.objects.filter(device=router, metric_set="if.counters").exists()


def test_facts_and_present_values_stand_on_the_device(router: Device) -> None:
    check = check_of(router, "snmp.system")
    reading = Reading(set="snmp.system", values={"response_ms": 3.5, "uptime_seconds": 3600.0})
    facts = {"system": {"sys_name": "core1", "sys_descr": "<script>alert(1)</script>"}}
    record(check, Collected(collected_at=T0, monotonic_at=1.0, response_ms=3.5, readings=[reading], facts=facts))
    state = DeviceState.objects.get(device=router)
    assert (state.state, state.response_time_ms, state.uptime_seconds) == ("up", 3.5, 3600.0)
    assert state.booted_at.timestamp() == pytest.approx(T0 - 3600)
    assert DeviceFact.objects.get(device=router).data["sys_name"] == "core1"


def test_a_bug_of_ours_says_nothing_about_the_device_and_rests_an_hour(router: Device) -> None:
    check = check_of(router, "snmp.system")
    record(check, KeyError("secret-value"))
    fresh = check_of(router, "snmp.system")
    assert fresh.last_error_code == "internal" and fresh.consecutive_failures == 0
    assert "secret-value" not in fresh.last_error_detail
    assert (fresh.next_run_at - timezone.now()).total_seconds() > 3000
    assert DeviceState.objects.get(device=router).state == "unknown"


def test_what_the_deadline_cut_off_is_neither_good_nor_bad(router: Device) -> None:
    check = check_of(router, "snmp.system")
    recording.record([(check, Result(key=check.pk))])
    assert check_of(router, "snmp.system").last_run_at is None


def test_a_device_deleted_while_it_was_polled_is_passed_over(router: Device) -> None:
    other = make.make_flat()
    gone, stays = check_of(router, "snmp.system"), check_of(other, "snmp.system")
    Device.objects.filter(pk=router.pk).delete()
    reading = Reading(set="snmp.system", values={"response_ms": 1.0, "uptime_seconds": 1.0})
    answer = Collected(collected_at=T0, monotonic_at=1.0, response_ms=1.0, readings=[reading])
    recording.record([(gone, Result(key=gone.pk, collected=answer)), (stays, Result(key=stays.pk, collected=answer))])
    assert DeviceState.objects.get(device=other).state == "up"
    assert not Series.objects.filter(device_id=router.pk).exists()


def test_a_check_paused_while_it_ran_stays_paused(router: Device) -> None:
    check = check_of(router, "snmp.system")
    Check.objects.filter(pk=check.pk).update(status="paused")
    record(check, DeadlineExceeded("No answer."))
    assert check_of(router, "snmp.system").status == "paused"


def test_coming_back_runs_what_waited_for_the_device(router: Device) -> None:
    system, interfaces = check_of(router, "snmp.system"), check_of(router, "snmp.interfaces")
    for _ in range(3):
        record(system, DeadlineExceeded("No answer."))
    assert DeviceState.objects.get(device=router).state == "down"
    Check.objects.filter(pk=interfaces.pk).update(next_run_at=timezone.now() + timedelta(minutes=5))
    reading = Reading(set="snmp.system", values={"response_ms": 1.0, "uptime_seconds": 1.0})
    for _ in range(2):
        now = time.time()
        record(system, Collected(collected_at=now, monotonic_at=now, response_ms=1.0, readings=[reading]))
    assert DeviceState.objects.get(device=router).state == "up"
    assert check_of(router, "snmp.interfaces").next_run_at <= timezone.now()


def test_a_shard_of_many_takes_few_queries(django_assert_max_num_queries: Any) -> None:
    routers = [make.make_flat() for _ in range(20)]
    checks = [check_of(device, "snmp.system") for device in routers]
    reading = Reading(set="snmp.system", values={"response_ms": 1.0, "uptime_seconds": 1.0})
    answer = Collected(collected_at=T0, monotonic_at=1.0, response_ms=1.0, readings=[reading])
    pairs: Sequence[tuple[Check, Result]] = [(check, Result(key=check.pk, collected=answer)) for check in checks]
    recording.record(pairs)
    with django_assert_max_num_queries(90):
        recording.record(pairs)


def test_one_devices_nonsense_costs_nobody_else_a_result(router: Device) -> None:
    from monitoring.services import polling

    other = make.make_flat()
    bad, good = check_of(router, "snmp.system"), check_of(other, "snmp.system")
    fine = Reading(set="snmp.system", values={"response_ms": 1.0, "uptime_seconds": 1.0})
    absurd = Reading(set="snmp.system", values={"response_ms": 1.0, "uptime_seconds": 1e18})
    pairs = [
        (check, Result(key=check.pk, collected=Collected(collected_at=T0, monotonic_at=1.0, readings=[reading])))
        for check, reading in ((bad, absurd), (good, fine))
    ]
    assert len(polling._write(pairs)) == 1
    assert DeviceState.objects.get(device=other).state == "up"
    assert check_of(router, "snmp.system").last_error_code == "internal"
    assert DeviceState.objects.get(device=router).state == "unknown"


def test_a_fault_of_this_machine_is_no_verdict_about_the_device() -> None:
    from netmon.drivers.errors import LocalFault

    device = make.make_flat(ip="10.9.0.1")
    check = check_of(device, "icmp")
    for _ in range(4):
        record(check, LocalFault("No ICMP socket."))
    fresh = check_of(device, "icmp")
    assert fresh.last_error_code == "local_fault" and fresh.status == "unknown"
    assert DeviceState.objects.get(device=device).state == "unknown"
    assert not SampleRow.objects.exists()


@pytest.mark.parametrize("order", [("icmp", "snmp.system"), ("snmp.system", "icmp")])
def test_pings_time_goes_before_snmps_whichever_comes_last(order: tuple[str, str]) -> None:
    device = make.make_flat(ip="10.9.0.2")
    for module in order:
        values = {"rtt_ms": 0.5, "loss_percent": 0.0} if module == "icmp" else {"response_ms": 42.0}
        reading = Reading(set=module, values=values)
        answer = Collected(collected_at=T0, monotonic_at=1.0, response_ms=42.0, readings=[reading])
        record(check_of(device, module), answer)
    assert DeviceState.objects.get(device=device).response_time_ms == 0.5


def test_what_is_under_way_is_not_woken(router: Device) -> None:
    system, interfaces = check_of(router, "snmp.system"), check_of(router, "snmp.interfaces")
    later = timezone.now() + timedelta(minutes=5)
    Check.objects.filter(pk=interfaces.pk).update(next_run_at=later, claimed_until=later)
    reading = Reading(set="snmp.system", values={"response_ms": 1.0, "uptime_seconds": 1.0})
    record(system, Collected(collected_at=time.time(), monotonic_at=1.0, response_ms=1.0, readings=[reading]))
    assert DeviceState.objects.get(device=router).state == "up"
    assert check_of(router, "snmp.interfaces").next_run_at == later


def test_every_module_is_registered_with_a_set_that_exists() -> None:
    assert {"icmp", "snmp.system", "snmp.interfaces"} <= set(modules.MODULES)
    assert set(recording.MODULE_SETS.values()) <= set(metrics.SETS)


class TestWhatIsThereNoLonger:
    """Present values lapse after a run that told all there are; never after one that did not."""

    def collected(self, at: float, mounts: Sequence[str], *, is_whole: bool) -> Collected:
        rows = [Reading(set="host.disk", labels={"mount": name}, values={"used_percent": 50.0}) for name in mounts]
        return Collected(
            collected_at=T0 + at,
            monotonic_at=at,
            readings=[Reading(set="host", values={"users": 1.0}), *rows],
            facts={"ssh_meta": {}},
            whole_sets=frozenset({"host.disk"} if is_whole else ()),
        )

    def present(self, device: Device) -> dict[str, float | None]:
        return dict(Series.objects.filter(device=device, metric_set="host.disk").values_list("labels", "v0"))

    def test_it_lapses_comes_back_and_an_older_result_changes_nothing(self) -> None:
        endpoint = make.make_ssh_endpoint()
        check = check_of(endpoint.device, "ssh.host")
        other = make.make_series(make.make_device(), metric_set="host.disk", labels="mount=/b", v0=7.0)
        record(check, self.collected(0, ["/", "/b"], is_whole=True))
        record(check, self.collected(60, ["/"], is_whole=False))
        assert self.present(endpoint.device) == {"mount=/": 50.0, "mount=/b": 50.0}
        record(check, self.collected(120, ["/"], is_whole=True))
        assert self.present(endpoint.device) == {"mount=/": 50.0, "mount=/b": None}
        record(check, self.collected(180, ["/", "/b"], is_whole=True))
        record(check, self.collected(150, ["/"], is_whole=True))
        assert self.present(endpoint.device) == {"mount=/": 50.0, "mount=/b": 50.0}
        record(check, self.collected(240, [], is_whole=True))
        assert set(self.present(endpoint.device).values()) == {None}
        other.refresh_from_db()
        assert other.v0 == 7.0, "another device's is another matter"

    def test_what_the_modules_call_whole(self) -> None:
        heading = "Filesystem Type 1024-blocks Used Available Capacity Mounted on\n/dev/a ext4 1000 500 500 50% /\n"
        nodes = "Filesystem Inodes IUsed IFree IUse% Mounted on\n/dev/a 100 1 99 1% /\n"
        for status, expected in ((0, {"host.disk"}), (1, set()), (124, set())):
            parts = ssh_host._Parts({"disks": Answer(heading, "", status), "inodes": Answer(nodes, "", 0)}, {}, T0)
            parts._part("disks", parts._disks)
            assert parts.whole_sets == expected, status
        for presence, expected in (
            (Presence.RUNNING, {"bgp.peer"}),
            (Presence.NOT_CONFIGURED, {"bgp.peer"}),
            (Presence.NOT_RUNNING, {"bgp.peer"}),
            (Presence.NOT_PARSED, set()),
            (Presence.UNKNOWN, set()),
        ):
            found = ssh_routing._Found("frr")
            found.readings["bgp_summary"] = DeviceReading(presence)
            assert found.whole_sets() == expected, presence
