"""The demonstration's router: every state that a person may meet, told through the API of the simulated one."""

import json
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from netmon import demo, demo_vyos, processes
from provisioning.models import ConfigChange, DhcpReservation, DriftItem, PortForward, Vm, VyosRouter
from provisioning.services import live, routers
from tests import people
from tests.daemons import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def place(tmp_path: Path, settings: Any, cast: people.Cast) -> Path:
    settings.ALLOW_LOOPBACK, settings.VAR_DIR = True, tmp_path
    demo.furnish(24, 1161)
    return demo_vyos.directory_of(tmp_path)


def test_its_machines_are_in_every_state_and_the_router_goes_on_in_a_process_of_its_own(
    place: Path, tmp_path: Path
) -> None:
    port = demo.router_port(tmp_path)
    began = time.monotonic()
    demo_vyos.populate(place, port)
    assert time.monotonic() - began < 20
    router = VyosRouter.objects.get()
    assert router.version_family == "1.5" and router.is_saved
    forwards = PortForward.objects.filter(vm__router=router)
    assert set(forwards.values_list("desired", "applied")) == {
        ("enabled", "applied"), ("disabled", "applied"), ("enabled", "failed"),
        ("enabled", "drifted"),
    }  # fmt: skip
    item = DriftItem.objects.get()
    assert item.kind == "differs" and item.vm is not None and item.vm.hostname == "shop-db"
    assert Vm.objects.get(hostname="trial").expires_at is not None
    assert forwards.filter(hit_packets__gt=0).count() > 5
    assert DhcpReservation.objects.filter(lease_state="active").count() == len(demo_vyos.MACHINES)
    failed = ConfigChange.objects.get(status="failed")
    assert failed.vm_name == demo_vyos.REFUSED and failed.error_code
    assert not ConfigChange.objects.filter(status__in=["queued", "applying", "unknown"]).exists()
    state = (place / "state.json").read_text()
    process = processes.vyos_router(demo_vyos.ADDRESS, port, place)
    with subprocess.Popen(process.argv, stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout is not None and running.stdout.readline().startswith(b"VyOS 1.5")
            read = routers.read(router)
            rules = read.nat["destination"]["rule"]
            assert rules["100"]["description"] == "VPN of the office"
            moved = forwards.get(vm__hostname="shop-db", name="ssh")
            assert rules[str(moved.rule_number)]["translation"]["port"] == "2022"
            live.refresh(router)

            def answers() -> bool:
                with socket.socket() as sock:
                    return sock.connect_ex((demo_vyos.ADDRESS, moved.external_port)) == 0

            wait_until(answers, what="an answer at a forwarded port")
            paused = forwards.get(desired="disabled")
            with socket.socket() as sock:
                assert sock.connect_ex((demo_vyos.ADDRESS, paused.external_port)) != 0
        finally:
            running.terminate()
        assert running.wait(10) == 0
    assert json.loads((place / "state.json").read_text())["running"] == json.loads(state)["running"]


def test_a_second_start_changes_nothing_but_the_port(place: Path, tmp_path: Path) -> None:
    port = demo.router_port(tmp_path)
    demo_vyos.populate(place, port)
    made = Vm.objects.count(), ConfigChange.objects.count()
    Vm.objects.filter(hostname="trial").delete()
    demo_vyos.populate(place, port + 1)
    assert (Vm.objects.count() + 1, ConfigChange.objects.count()) == made
    assert VyosRouter.objects.get().endpoint.port == port + 1
