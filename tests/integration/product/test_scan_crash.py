"""kill -9 of the process that scans: another goes on where it was; nothing found is lost, nothing is there twice."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.daemons import wait_until
from tests.daemons.claims import free_ports, loopback_network
from tests.product import Product, running

pytestmark = pytest.mark.integration

HOSTS, PORTS = 254, 300


@dataclass(frozen=True)
class Place:
    """A network of loopback in which `listening` listen and everything else refuses."""

    network: str
    ports: range
    listening: frozenset[tuple[str, int]]


@pytest.fixture
def place() -> Iterator[Place]:
    with ExitStack() as stack:
        network = stack.enter_context(loopback_network())
        ports = free_ports(PORTS, f"{network}1")
        listening = frozenset(
            (f"{network}{host}", ports[place]) for host, place in ((1, 1), (77, 150), (77, PORTS - 1), (254, 0))
        )
        for address in listening:
            stack.enter_context(socket.create_server(address, backlog=64))
        yield Place(f"{network}0/24", ports, listening)


def scan_of(product: Product, pk: int) -> dict[str, Any]:
    body = product.get(f"/api/v1/scans/{pk}/").body
    assert isinstance(body, dict), body
    return body


def test_a_scan_goes_on_in_another_process(tmp_path: Any, place: Place) -> None:
    with running(tmp_path, redis_database=4, is_migrated=True) as product:
        assert product.post("/api/v1/prefixes/", {"cidr": place.network}).status == 201
        ports = f"{place.ports[0]}-{place.ports[-1]}"
        body = {"target": place.network, "kind": "network", "ports": ports, "profile": "polite"}
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
        wait_until(lambda: scan_of(product, pk)["status"] == "succeeded", seconds=180, what="the end of the scan")
        after = scan_of(product, pk)
        assert after["notes"]["resumed"] == 1
        assert after["progress"]["probes_done"] == after["progress"]["probes_total"] == HOSTS * PORTS
        assert (after["hosts_up"], after["open_ports"]) == (HOSTS, len(place.listening))
        assert after["packets_sent"] >= HOSTS * PORTS > before["progress"]["probes_done"]
        hosts = product.get(f"/api/v1/scans/{pk}/hosts/?limit=500").body["results"]
        assert len({host["address"] for host in hosts}) == len(hosts) == HOSTS
        found = [(host["address"], port["port"]) for host in hosts for port in host["open_ports"]]
        assert sorted(found) == sorted(place.listening)
        assert after["notes"]["changes_total"] == HOSTS, "each host is new once"
        job = product.get(f"/api/v1/jobs/{answer.body['job']['id']}/").body
        assert (job["status"], job["result"]["open_ports"]) == ("succeeded", len(place.listening))
