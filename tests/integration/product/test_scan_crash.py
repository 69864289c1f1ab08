"""kill -9 of the process that scans: another goes on where it was; nothing found is lost, nothing is there twice."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.daemons import wait_until
from tests.product import Product, running

pytestmark = pytest.mark.integration

NETWORK, HOSTS = "127.66.0.0/24", 254
PORTS = "20000-20299"
# These listen; everything else of loopback refuses.
OPEN = {("127.66.0.1", 20001), ("127.66.0.77", 20150), ("127.66.0.77", 20299), ("127.66.0.254", 20000)}


@pytest.fixture
def listeners() -> Iterator[None]:
    with ExitStack() as stack:
        for address, port in OPEN:
            stack.enter_context(socket.create_server((address, port), backlog=64))
        yield


def scan_of(product: Product, pk: int) -> dict[str, Any]:
    body = product.get(f"/api/v1/scans/{pk}/").body
    assert isinstance(body, dict), body
    return body


def test_a_scan_goes_on_in_another_process(tmp_path: Any, listeners: None) -> None:
    with running(tmp_path, redis_database=4, is_migrated=True) as product:
        assert product.post("/api/v1/prefixes/", {"cidr": NETWORK}).status == 201
        body = {"target": NETWORK, "kind": "network", "ports": PORTS, "profile": "polite"}
        answer = product.post("/api/v1/scans/?wait=0", body)
        assert answer.status == 202, answer.body
        pk = answer.body["scan"]["id"]
        wait_until(
            lambda: scan_of(product, pk)["progress"]["probes_done"] > HOSTS * 40, seconds=60, what="a part of the ports"
        )
        before = scan_of(product, pk)
        (victim,) = product.pids("runner")
        os.kill(victim, signal.SIGKILL)
        wait_until(
            lambda: scan_of(product, pk)["notes"].get("resumed") or scan_of(product, pk)["status"] == "queued",
            seconds=60,
            what="somebody who says that its worker is gone",
        )
        wait_until(lambda: scan_of(product, pk)["status"] == "succeeded", seconds=90, what="the end of the scan")
        after = scan_of(product, pk)
        assert after["notes"]["resumed"] == 1
        assert after["progress"]["probes_done"] == after["progress"]["probes_total"] == HOSTS * 300
        assert (after["hosts_up"], after["open_ports"]) == (HOSTS, len(OPEN))
        assert after["packets_sent"] >= HOSTS * 300 > before["progress"]["probes_done"]
        hosts = product.get(f"/api/v1/scans/{pk}/hosts/?limit=500").body["results"]
        assert len({host["address"] for host in hosts}) == len(hosts) == HOSTS
        found = [(host["address"], port["port"]) for host in hosts for port in host["open_ports"]]
        assert sorted(found) == sorted(OPEN)
        assert after["notes"]["changes_total"] == HOSTS, "each host is new once"
        job = product.get(f"/api/v1/jobs/{answer.body['job']['id']}/").body
        assert (job["status"], job["result"]["open_ports"]) == ("succeeded", len(OPEN))
