"""The commands as a person types them: poll against a real agent, and the demonstration from start to Ctrl-C."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemons import free_port, wait_until
from tests.daemons.snmpd import Agent, V3User, snmpd
from tests.product import Product

pytestmark = pytest.mark.integration

USER = V3User("SHA-256", "AES")
ADDRESS = "127.0.0.9"


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with snmpd(tmp_path_factory.mktemp("agent"), address=ADDRESS, users=[USER], name="polled") as agent:
        yield agent


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A data directory with a schema; nothing of it runs."""
    return Product(tmp_path_factory.mktemp("commands"), redis_database=3, is_migrated=True)


def poll(product: Product, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return product.manage("poll", *arguments, stdin=stdin, check=False)


def test_a_target_is_polled_and_nothing_is_stored(product: Product, agent: Agent) -> None:
    target = f"{ADDRESS}:{agent.port}"
    done = poll(product, "--target", target, "--community-stdin", "--rates", "--json", stdin=f"{agent.community}\n")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["system"]["sys_name"] == "polled" and found["readings"]["snmp.system"]["uptime_seconds"] > 0
    assert [entry["module"] for entry in found["results"]] == ["snmp.system", "snmp.interfaces", "snmp.interfaces"]
    loopback = next(row for row in found["interfaces"] if row["name"] == "lo")
    assert loopback["oper_status"] == 1 and set(loopback["rates"]) >= {"in_bps", "out_bps", "reason"}
    assert done.stderr == "", "progress is for terminals"
    assert poll(product, "--all").returncode == 4, "nothing was stored"


def test_version_3_takes_its_passphrases_from_standard_input(product: Product, agent: Agent) -> None:
    target = f"{ADDRESS}:{agent.port}"
    user = ["--version", "3", "--username", USER.name, "--auth-protocol", USER.auth, "--priv-protocol", "AES"]
    right = f"{USER.auth_passphrase}\n{USER.priv_passphrase}\n"
    done = poll(product, "--target", target, *user, "--passwords-stdin", stdin=right)
    assert done.returncode == 0 and "polled" in done.stdout, done.stderr
    done = poll(product, "--target", target, *user, "--passwords-stdin", stdin=f"wrong{right}")
    assert done.returncode == 5 and "auth_failed" in done.stdout
    assert "wrong" not in done.stdout.replace("wrong digest", "").replace("is wrong", "") + done.stderr


def test_a_silent_target_is_diagnosed(product: Product) -> None:
    port = free_port(address=ADDRESS)
    done = poll(product, "--target", f"{ADDRESS}:{port}", "--community", "x")
    assert done.returncode == 1 and "unreachable" in done.stdout
    assert done.stdout.rstrip().endswith(".")


def test_a_device_of_the_inventory_is_polled(product: Product, agent: Agent) -> None:
    script = (
        "from inventory.services import create_device as make\n"
        f"make(fields=dict(name='Polled', kind='router', ip='{ADDRESS}', snmp_port={agent.port}, "
        f"snmp_community='{agent.community}'))\n"
        "make(fields=dict(name='Silent', kind='router', ip='127.0.0.10', snmp_port=9, snmp_community='x'))\n"
    )
    product.manage("shell", "--command", script)
    done = poll(product, "polled", "--json")
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads(done.stdout)["devices"]
    assert entry["state"] == "up" and entry["system"]["sys_name"] == "polled"
    assert "lo" in {row["name"] for row in entry["interfaces"]}
    done = poll(product, "--all")
    assert done.returncode == 3 and re.search(r"^Silent .* failed .*unreachable", done.stdout, re.MULTILINE)
    assert poll(product, "silent").returncode == 1
    done = poll(product, "nobody")
    assert done.returncode == 4 and "nobody" in done.stderr
    assert poll(product).returncode == 2


class Demo(Product):
    """`manage.py demo`: its data lie in demo/ below the data directory, on whichever stack the suite runs."""

    def start(self) -> None:
        self.launch("demo")
        self.environment["NETMON_VAR_DIR"] += "/demo"  # for pids()
        wait_until(self.is_well, seconds=300, what="a well demo")


def tried(demo: Demo, name: str) -> dict[str, Any]:
    """What a test of the device's SSH endpoint says."""
    (device,) = demo.get(f"/api/v1/devices/?name={name}").body["results"]
    (endpoint,) = demo.get(f"/api/v1/endpoints/?device={device['id']}&protocol=ssh").body["results"]
    return dict(demo.post(f"/api/v1/endpoints/{endpoint['id']}/test/", {}).body)


def test_the_demo_lives_and_leaves_nothing(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    began = time.monotonic()
    try:
        demo.start()
        password = re.search(r"log in as admin with the password (\S+)", demo.log())
        assert password, demo.log()
        answer = demo.post("/api/v1/auth/token/", {"username": "admin", "password": password[1]}, token=None)
        demo.token = answer.body["access"]
        well = time.monotonic()

        def states() -> dict[str, Any]:
            answer = demo.get("/api/v1/monitoring/overview/")
            assert answer.status in (200, 429), answer
            # asked fifty times a second, it asks us to wait
            return dict(answer.body["by_state"]) if answer.status == 200 else {"up": 0, "down": 0}

        assert (
            demo.get("/api/v1/monitoring/overview/").body["total"] == 30
        )  # 24, the VyOS router, and the five machines it took
        wait_until(lambda: states()["up"], seconds=120, what="the first device UP")
        up = time.monotonic()
        wait_until(lambda: states()["up"] >= 12 and states()["down"] >= 2, seconds=180, what="UP and DOWN")
        print(f"demo: well after {well - began:.1f} s, first UP {up - began:.1f} s, {states()}")
        rows = demo.get("/api/v1/monitoring/overview/").body["devices"]
        down = {row["name"] for row in rows if row["state"] == "down"}
        assert down >= {"acc-sw-gym", "printer-admin"}
        assert {row["site"] for row in rows} == {"Lycée Jean Moulin", "Data centre Lyon-2"}
        assert len(demo.pids("fleet")) == 1 and len(demo.pids("hosts")) == 1 and len(demo.pids("vyos")) == 1
        assert tried(demo, "frr-rt-01")["found"]["platform"] == "frr"
        assert tried(demo, "mail-01")["error_code"] == "auth_failed"
        assert demo.process is not None
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(40) == 0
        wait_until(lambda: not demo.pids(), what="no process left")
    finally:
        demo.stop()
    assert not (tmp_path / "var" / "netmon.sqlite3").exists(), "the demo keeps to its own directory"
