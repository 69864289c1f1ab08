"""The demonstration's SSH hosts, asked by the driver and read by the parsers of the product."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netmon.drivers.errors import AuthenticationFailed
from netmon.drivers.platforms import clock, config_text, frr, frr_routes, frr_routing, links, linux
from netmon.drivers.platforms.shapes import Presence
from netmon.drivers.ssh import UntrustedHostKey, Vtysh, detect, open_session
from netmon.drivers.targets import Secret, SshTarget
from netmon.lab.hosts import FLAP_PERIOD, HOSTS, USERNAME, Life
from tests.daemons import end, free_port, wait_until

pytestmark = pytest.mark.integration
BY_NAME = {host.name: host for host in HOSTS}


class Hosts:
    def __init__(self, port: int) -> None:
        self.port = port

    def target(self, name: str, **over: object) -> SshTarget:
        values: dict[str, object] = {
            "address": BY_NAME[name].address, "port": self.port, "username": USERNAME,
            "password": Secret("pass"), "trusts_first_use": True,
        }  # fmt: skip
        return SshTarget(**(values | over))  # type: ignore[arg-type]


def _start(directory: Path, port: int, change_seconds: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "netmon.lab.ssh_hosts", "--port", str(port), "--directory", str(directory)]
    command += ["--password", "pass", "--change-seconds", change_seconds]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOSTS[-1].address, port)) == 0

    wait_until(listens, what="the hosts listen")
    return process


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    port = free_port(socket.SOCK_STREAM)
    process = _start(tmp_path_factory.mktemp("hosts"), port, "3600")
    yield Hosts(port)
    end(process)


def test_linux_is_read_in_one_script(hosts: Hosts) -> None:
    with open_session(hosts.target("hv-01")) as session:
        answers = session.run({**linux.COMMANDS, **clock.COMMANDS})
        assert session.mode == "marked"
    assert linux.cpu_counters(answers["stat"])["cores"] == 4
    assert linux.load(answers["loadavg"]) and linux.memory(answers["meminfo"])
    disks = {disk["mount_point"]: disk for disk in linux.disks(answers["disks"], answers["inodes"])}
    assert set(disks) == {"/", "/srv"}
    assert clock.ntp_status(answers)["source"] == "chrony"
    assert links.interfaces_from_ip(answers["links"])


def test_the_platforms_are_found(hosts: Hosts) -> None:
    assert detect(hosts.target("hv-01")).platform == "linux"
    assert detect(hosts.target("frr-rt-01")).platform == "frr"


@pytest.mark.parametrize("name", ["frr-rt-01", "frr-rt-02"])
def test_routing_is_read(hosts: Hosts, name: str) -> None:
    with open_session(hosts.target(name)) as session:
        answers = session.run({"frr": Vtysh(tuple(frr.COMMANDS.values()))})
    by_name = {key: answers[line] for key, line in frr.COMMANDS.items()}
    bgp = frr_routing.bgp_summary(by_name["bgp"], by_name["bgp_neighbors"])
    assert bgp.presence is Presence.RUNNING and bgp.value is not None and len(bgp.value["peers"]) == 2
    ospf = frr_routing.ospf_neighbors(by_name["ospf"])
    assert ospf.value is not None and ospf.value["neighbors"][0]["state"].startswith("Full")
    assert frr_routes.route_summary(by_name["route_summary"]).value
    routes = frr_routes.routes(by_name["routes"]).value
    assert routes is not None and len(routes["routes"]) == 5
    assert frr.interfaces(by_name["interfaces"]).value and frr.daemons(by_name["daemons"]).value
    assert "router bgp" in config_text.normalise("frr", by_name["running_config"].stdout)


def test_a_peer_flaps_a_disk_fills_and_a_unit_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    router, disk, backup = (Life(BY_NAME[name], 0.0) for name in ("frr-rt-01", "hv-01", "backup-01"))
    states = {peer["state"] for at in range(0, FLAP_PERIOD, 10) for peer in _peers(router, float(at))}
    assert states == {"Established", "Active"}
    assert "nightly-backup" in backup.answer(linux.COMMANDS["failed_units"])[0]
    assert disk._used(0.0) < disk._used(3600.0) < disk._used(7 * 86_400.0) < 1


def _peers(router: Life, at: float) -> list[dict[str, str]]:
    return list(router._bgp(at)["default"]["ipv4Unicast"]["peers"].values())


def test_one_takes_no_password_and_none_runs_anything_else(hosts: Hosts) -> None:
    with pytest.raises(AuthenticationFailed), open_session(hosts.target("mail-01")):
        pass
    with open_session(hosts.target("hv-01")) as session:
        for line in ("id", "sh -c id", "cat /etc/passwd", "'", "exec sh -c 'm=@@0123456789abcdef; x 0 1 id; exit 0'"):
            assert session.execute(line).status == 127


def test_a_host_key_changes_and_the_others_stay(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_STREAM)
    hosts = Hosts(port)
    seen = []
    for change_seconds in ("3600", "0", "3600"):
        process = _start(tmp_path, port, change_seconds)
        try:
            row = {}
            for name in ("web-01", "hv-01"):
                with open_session(hosts.target(name)) as session:
                    row[name] = session.host_key
            if seen:
                pins = (seen[0]["web-01"],)
                with pytest.raises(UntrustedHostKey), open_session(hosts.target("web-01", pins=pins)):
                    pass
            seen.append(row)
        finally:
            end(process)
    assert len({row["hv-01"].fingerprint for row in seen}) == 1
    assert [seen[0]["web-01"] == seen[1]["web-01"], seen[1]["web-01"] == seen[2]["web-01"]] == [False, True]
