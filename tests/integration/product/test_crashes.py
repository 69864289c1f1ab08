"""kill -9 of each process while it polls: it comes back by itself, no orphan, no lost inventory, no doubled sample."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemons import wait_until
from tests.daemons.fleet import fleet
from tests.product import Product, running
from tests.stack import is_production

pytestmark = pytest.mark.integration

DEVICES = 8


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with (
        running(tmp_path_factory.mktemp("crashes"), redis_database=2, is_migrated=True) as product,
        fleet() as agents,
    ):
        for number in range(DEVICES):
            body = {"name": f"sim-{number}", "ip": f"127.1.0.{number + 1}", "snmp_community": "public"}
            answer = product.post("/api/v1/routers/", {**body, "snmp_port": agents.port})
            assert answer.status == 201, answer.body
        wait_until(lambda: all_up(product), seconds=60, what="all devices UP")
        yield product


def overview(product: Product) -> dict[str, Any]:
    body = product.get("/api/v1/monitoring/overview/").body
    assert isinstance(body, dict), body
    return body


def all_up(product: Product) -> bool:
    return bool(overview(product)["by_state"]["up"] == DEVICES)


def last_checks(product: Product) -> dict[int, str]:
    return {line["id"]: line["last_check"] for line in overview(product)["devices"]}


@pytest.mark.parametrize("name", ["worker", "beat", "web"])
def test_a_killed_process_comes_back_and_polling_goes_on(product: Product, name: str) -> None:
    victims = product.pids(name)
    assert victims
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: set(product.pids(name)) - set(victims), seconds=20, what=f"a new {name}")
    wait_until(lambda: answers(product), seconds=30, what="the web server")
    before = last_checks(product)
    wait_until(
        lambda: all(at != before[pk] for pk, at in last_checks(product).items()),
        seconds=60,
        what="a newer poll of each",
    )
    wait_until(product.is_well, seconds=60, what="good health")
    wait_until(lambda: all_up(product), seconds=30, what="all devices UP")
    assert overview(product)["total"] == DEVICES


def answers(product: Product) -> bool:
    try:
        return product.get("/api/v1/health/", token=None).status in (200, 503)
    except OSError:
        return False


def test_a_killed_supervisor_leaves_no_orphan_and_the_next_start_goes_on(product: Product) -> None:
    assert product.process is not None
    polled = counted(product)
    product.process.kill()
    product.process.wait()
    try:
        wait_until(lambda: not product.pids(), seconds=30, what="the end of every child")
    finally:
        product.process = None
    product.start()
    wait_until(lambda: all_up(product), seconds=60, what="all devices UP")
    assert overview(product)["total"] == DEVICES
    assert counted(product) >= polled, "what was measured before is still there"


def counted(product: Product) -> int:
    """How many checks netmon says it made in the last hour, over all devices."""
    return sum(
        product.get(f"/api/v1/devices/{pk}/availability/?hours=1").body["total_checks"] for pk in last_checks(product)
    )


def test_no_slot_holds_two_samples_and_no_check_is_stuck(product: Product) -> None:
    rows = product.get("/api/v1/checks/?limit=500").body["results"]
    assert len(rows) == DEVICES * 2
    for pk in last_checks(product):
        entries = product.get(f"/api/v1/devices/{pk}/metrics/?hours=1&limit=1000&step=5").body["metrics"]
        times = [entry["timestamp"] for entry in entries]
        assert len(times) == len(set(times)) and times == sorted(times, reverse=True)
    if not is_production():
        (path,) = (product.directory / "var").glob("*-samples.sqlite3")
        with sqlite3.connect(path) as connection:
            doubled = connection.execute(
                "SELECT count(*) FROM "
                "(SELECT slot, series_id FROM monitoring_samplerow GROUP BY 1, 2 HAVING count(*) > 1)"
            ).fetchone()
        assert doubled == (0,)


def test_ctrl_c_ends_everything_with_exit_code_0(product: Product) -> None:
    started = time.monotonic()
    assert product.stop() == 0
    assert not product.pids()
    assert time.monotonic() - started < 30
