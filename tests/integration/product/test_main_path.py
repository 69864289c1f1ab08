"""The main job, end to end: a router is added, watched over real SNMP by broker and worker, goes, and comes back."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.daemons import wait_until
from tests.daemons.netns import Lab, lab
from tests.daemons.snmpd import Agent, V3User, snmpd
from tests.product import Product, running

pytestmark = pytest.mark.integration

USER = V3User("SHA-256", "AES")
INTERFACE_INTERVAL = 10
AGENT_CACHE_SECONDS = 4
SYS, IFX = "1.3.6.1.2.1.1", "1.3.6.1.2.1.31.1.1.1"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("product"), redis_database=1) as product:  # from nothing, as at a first start
        yield product


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("far")) as far:
        yield far


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with snmpd(tmp_path_factory.mktemp("near"), address="127.0.0.7", users=[USER], name="near") as agent:
        yield agent


def add_router(product: Product, **fields: Any) -> int:
    answer = product.post("/api/v1/routers/", fields)
    assert answer.status == 201, answer.body
    return int(answer.body["id"])


def checks_of(product: Product, device: int) -> dict[str, dict[str, Any]]:
    rows = product.get(f"/api/v1/checks/?device={device}").body["results"]
    return {row["module"]: row for row in rows}


@pytest.fixture(scope="module")
def far_router(product: Product, far: Lab) -> int:
    """The router behind the veth pair, by v2c and ping."""
    agent = far.agent
    device = add_router(product, name="far", ip=agent.address, snmp_port=agent.port, snmp_community=agent.community)
    check = checks_of(product, device)["snmp.interfaces"]
    path = f"/api/v1/checks/{check['id']}/"
    assert product.call("PATCH", path, {"interval_seconds": INTERFACE_INTERVAL}).status == 200
    wait_until(lambda: product.state(device)["state"] == "up", seconds=30, what="the far router UP")
    return device


@pytest.fixture(scope="module")
def near_router(product: Product, near: Agent) -> int:
    """The agent on loopback, by v3 authPriv; nothing pings loopback."""
    device = add_router(
        product,
        name="near",
        ip=near.address,
        snmp_port=near.port,
        snmp_version="3",
        snmp_username=USER.name,
        snmp_auth_protocol=USER.auth,
        snmp_auth_password=USER.auth_passphrase,
        snmp_priv_protocol=USER.priv,
        snmp_priv_password=USER.priv_passphrase,
    )
    wait_until(lambda: product.state(device)["state"] == "up", seconds=30, what="the near router UP")
    return device


def test_v2c_values_are_those_that_snmpget_prints(product: Product, far: Lab, far_router: int) -> None:
    check_values(product, far.agent, far_router)
    state = product.state(far_router)
    assert state["is_reachable"] is True and 0 < state["response_time_ms"] < 1000
    assert {row["module"] for row in checks_of(product, far_router).values()} == {
        "icmp",
        "snmp.system",
        "snmp.interfaces",
    }


def test_v3_values_are_those_that_snmpget_prints(product: Product, near: Agent, near_router: int) -> None:
    check_values(product, near, near_router)


def check_values(product: Product, agent: Agent, device: int) -> None:
    polled = product.post(f"/api/v1/routers/{device}/poll/")
    assert polled.status == 200, polled.body
    assert all(entry["ok"] for entry in polled.body["results"]), polled.body
    descr, object_id, ticks, name, location = agent.snmpget(*(f"{SYS}.{n}.0" for n in (1, 2, 3, 5, 6)))
    facts = {row["kind"]: row["data"] for row in product.get(f"/api/v1/devices/{device}/facts/").body}
    system = facts["system"]
    assert f"STRING: {system['sys_descr']}" == descr.replace('"', "")
    assert f"STRING: {system['sys_name']}" == name.replace('"', "")
    assert f"STRING: {system['sys_location']}" == location.replace('"', "")
    assert f"OID: .{system['sys_object_id']}" == object_id
    printed_uptime = int(ticks.split()[-1].strip("()")) / 100
    assert 0 <= printed_uptime - product.state(device)["uptime_seconds"] < 3
    rows = product.get("/api/v1/interfaces/?limit=500&ordering=if_index").body["results"]
    mine = {row["if_index"]: row for row in rows if row["device"] == device and row["if_index"]}
    names = agent.snmpbulkwalk(f"{IFX}.1")
    assert {int(oid.rpartition(".")[2]): value.replace('"', "") for oid, value in names.items()} == {
        index: f"STRING: {row['name']}" for index, row in mine.items()
    }
    for index, row in mine.items():
        high_speed, oper, admin = agent.snmpget(
            f"{IFX}.15.{index}", f"1.3.6.1.2.1.2.2.1.8.{index}", f"1.3.6.1.2.1.2.2.1.7.{index}"
        )
        assert oper == f"INTEGER: {row['if_oper_status']}" and admin == f"INTEGER: {row['if_admin_status']}"
        if row["if_speed_bps"] and row["if_speed_bps"] >= 10**6:
            assert high_speed == f"Gauge32: {row['if_speed_bps'] // 10**6}"


def test_the_rate_of_known_traffic_is_right_within_two_percent(product: Product, far: Lab, far_router: int) -> None:
    check = checks_of(product, far_router)["snmp.interfaces"]
    rows = product.get(f"/api/v1/series/?device={far_router}&metric_set=if.counters").body["results"]
    series = next(row["id"] for row in rows if row["interface_name"] == "eth0")
    path = f"/api/v1/series/{series}/"
    runs: list[tuple[float, float]] = []

    def note_run() -> int:
        """Note the present rate with the time of its poll whenever there was a new one; how many so far."""
        at = product.get(f"/api/v1/checks/{check['id']}/").body["last_run_at"]
        present = product.get(path).body
        if at and present["last_at"] == at and (not runs or parse(at) > runs[-1][0]):
            rate = present["present"]["in_bps"]
            assert rate is not None, "a gap although the agent lives"
            runs.append((parse(at), rate))
        return len(runs)

    # net-snmp reads its interface table every 3 s, so a single rate is that of a stretch up to 3 s off. What moved
    # between two quiet polls is exact: rate times time, summed.
    # In the first ten seconds of a device's life a restart could not be told from it, and rates are withheld.
    wait_until(lambda: product.get(path).body["present"]["in_bps"] is not None, seconds=60, what="a first rate")
    wait_until(lambda: note_run() == 1, seconds=40, what="a quiet poll before")
    done = threading.Event()
    sent: list[float] = []
    seconds = INTERFACE_INTERVAL * 4.0

    def send() -> None:
        sent.append(far.generate_traffic(1_000_000, seconds) * seconds)
        done.set()

    threading.Thread(target=send, daemon=True).start()
    wait_until(lambda: note_run() and done.is_set(), seconds=seconds + 20, what="the end of the traffic")
    ended = time.time()
    wait_until(
        lambda: note_run() and runs[-1][0] > ended + AGENT_CACHE_SECONDS, seconds=60, what="a quiet poll afterwards"
    )
    assert len(runs) >= 4
    moved_bits = sum(rate * (at - before) for (before, _), (at, rate) in pairwise(runs))
    assert moved_bits == pytest.approx(sent[0] * 8, rel=0.02), runs
    busy = [rate for (before, _), (at, rate) in pairwise(runs) if before > runs[0][0] + 4 and at < ended]
    assert all(rate == pytest.approx(8_000_000, rel=0.4) for rate in busy), "no spike, no hole"
    bandwidth = product.get(f"/api/v1/devices/{far_router}/bandwidth/?hours=1&interface=eth0").body
    assert bandwidth["data_points"] > 0 and bandwidth["p95"]["in_bps"] is not None
    assert {entry["interface"] for entry in bandwidth["bandwidth_data"]} == {"eth0"}


def test_a_stopped_agent_is_down_and_comes_back_and_nothing_is_lost(
    product: Product, near: Agent, near_router: int
) -> None:
    watched_from = time.time()
    wait_until(lambda: slots(product, near_router, watched_from - 1), seconds=15, what="a poll before the stop")
    stopped = time.time()
    near.stop()
    wait_until(lambda: product.state(near_router)["state"] == "down", seconds=60, what="DOWN")
    report = product.get(f"/api/v1/devices/{near_router}/availability/?hours=1").body
    outage = report["outages"][-1]
    assert outage["ended_at"] is None
    # The first failed poll: at most one interval after the stop, and its time-outs (1 + 1.5 + 2.25 s).
    assert -1 <= parse(outage["started_at"]) - stopped <= 5 + 4.75 + 4
    assert "SNMP" in product.state(near_router)["cause"]
    near.start()
    started = time.time()
    wait_until(lambda: product.state(near_router)["state"] == "up", seconds=60, what="UP again")
    report = product.get(f"/api/v1/devices/{near_router}/availability/?hours=1").body
    ended = parse(report["outages"][-1]["ended_at"])
    assert -1 <= ended - started <= 20
    assert report["failed_checks"] >= 2 and report["successful_checks"] >= 2
    assert report["total_checks"] == report["failed_checks"] + report["successful_checks"]
    assert 0 < report["availability_percent"] < 100
    total = report["up_seconds"] + report["down_seconds"] + report["unknown_seconds"]
    assert abs(total - 3600) <= 3
    down = ended - parse(report["outages"][-1]["started_at"])
    assert report["down_seconds"] == pytest.approx(down, abs=3)
    # Every slot in between holds a verdict; while it was down, none says it answered.
    verdicts = slots(product, near_router, stopped - 10)
    outage_start, times = parse(report["outages"][-1]["started_at"]), sorted(verdicts)
    assert any(not reachable for reachable in verdicts.values())
    assert all(not verdicts[at] for at in times if outage_start + 5 < at < ended - 10)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps) <= 20, "no stretch without a verdict"


def slots(product: Product, device: int, since: float) -> dict[float, bool]:
    body = product.get(f"/api/v1/devices/{device}/metrics/?from={since}&limit=500&step=5").body
    return {parse(entry["timestamp"]): entry["is_reachable"] for entry in body["metrics"]}


def parse(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC).timestamp()


def test_silent_snmp_with_a_living_ping_is_degraded_and_a_cut_link_is_down(
    product: Product, far: Lab, far_router: int
) -> None:
    far.agent.stop()
    try:
        wait_until(lambda: product.state(far_router)["state"] == "degraded", seconds=60, what="DEGRADED")
        assert "SNMP" in product.state(far_router)["cause"] and product.state(far_router)["is_reachable"] is True
        far.set_link("down")
        wait_until(lambda: product.state(far_router)["state"] == "down", seconds=60, what="DOWN")
    finally:
        far.set_link("up")
        far.agent.start()
    wait_until(lambda: product.state(far_router)["state"] == "up", seconds=60, what="UP again")


def test_a_deleted_router_is_gone_with_its_history(product: Product, near: Agent, near_router: int) -> None:
    series = product.get(f"/api/v1/series/?device={near_router}").body["results"]
    assert series
    assert product.call("DELETE", f"/api/v1/routers/{near_router}/").status == 204
    assert product.get(f"/api/v1/routers/{near_router}/").status == 404
    assert product.get(f"/api/v1/series/{series[0]['id']}/data/").status == 404


def test_no_secret_is_in_the_log_or_the_broker(product: Product, far_router: int, near_router: int) -> None:
    text = product.log()
    for path in Path(product.environment["NETMON_VAR_DIR"]).rglob("*.msg"):
        text += path.read_text(errors="replace")
    for secret in (USER.auth_passphrase, USER.priv_passphrase):
        assert secret not in text
