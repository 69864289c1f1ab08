"""Scans that go on after a worker, against loopback: what they ask, and what they count."""

import socket
from collections.abc import Iterator

import pytest

from netmon.drivers.errors import LocalFault
from netmon.drivers.sweep import SweepBatch, SweepHost, SweepProgress
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from scanning import guard
from scanning.models import OpenPort, Scan, ScanExclusion, SeenHost
from scanning.services import comparing, results, running, starting
from scanning.services.results import FoundHost, FoundPort
from tests.unit.scanning.scenes import ended, host, prefix

pytestmark = pytest.mark.django_db
NETWORK = "127.63.0."


@pytest.fixture
def port() -> Iterator[int]:
    """Open at every address of the network."""
    with socket.create_server(("0.0.0.0", 0), backlog=64) as server:  # loopback's are many
        yield server.getsockname()[1]


def begun(target: str, port: int, checkpoint: dict[str, object]) -> Scan:
    prefix(f"{NETWORK}0/24")
    planned = guard.plan("network", target, str(port))
    scan = starting.start(planned, target=target, is_sent=False)
    Scan.objects.filter(pk=scan.pk).update(checkpoint=checkpoint)
    return scan


def test_a_host_that_was_excluded_since_is_not_asked_when_a_scan_goes_on(port: int) -> None:
    scan = begun(f"{NETWORK}1-2", port, {"phase": "ports"})
    results.record(scan, [FoundHost(address=f"{NETWORK}{n}", rtt_ms=0.1) for n in (1, 2)])
    ScanExclusion.objects.create(cidr=f"{NETWORK}2/32")
    running.run_job(scan.job_id or 0)
    assert list(OpenPort.objects.values_list("host__address", flat=True)) == [f"{NETWORK}1"]


def test_banners_of_a_host_that_was_excluded_since_are_not_read(port: int) -> None:
    scan = begun(f"{NETWORK}1-2", port, {"phase": "names"})
    results.record(scan, [FoundHost(address=f"{NETWORK}2", ports=[FoundPort(port=port)])])
    ScanExclusion.objects.create(cidr=f"{NETWORK}2/32")
    with socket.create_server((f"{NETWORK}2", 0)) as listener:
        OpenPort.objects.update(port=listener.getsockname()[1])
        running.run_job(scan.job_id or 0)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_who_is_found_once_more_is_counted_once(port: int) -> None:
    scan = begun(f"{NETWORK}1-4", port, {"phase": "sweep", "swept": [f"{NETWORK}1"]})
    results.record(
        scan, [FoundHost(address=f"{NETWORK}{n}", rtt_ms=0.1, ports=[FoundPort(port=port)]) for n in (1, 2, 3)]
    )
    Scan.objects.filter(pk=scan.pk).update(hosts_up=3, open_ports=3)
    counted: list[tuple[int, int]] = []

    def count(done: int, total: int) -> None:
        counted.extend(Scan.objects.values_list("hosts_up", "open_ports"))

    running.run_job(scan.job_id or 0, count)
    assert max(hosts for hosts, _ in counted[1:]) == 4 and max(ports for _, ports in counted) == 4


def test_a_worker_that_lost_its_job_does_not_end_the_scan_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = begun(f"{NETWORK}1-4", 22, {})

    def lost(*args: object, **options: object) -> None:
        Job.objects.filter(pk=scan.job_id).update(attempt=7)
        raise LocalFault("No descriptor is left.")

    monkeypatch.setattr(running, "sweep", lost)
    running.run_job(scan.job_id or 0)
    scan.refresh_from_db()
    assert scan.is_active and jobs.Job.objects.get(pk=scan.job_id).status == "running"


def test_a_scan_whose_packets_ran_out_is_partial_even_when_everybody_had_answered() -> None:
    scan = begun(f"{NETWORK}1-100", 22, {})
    Scan.objects.filter(pk=scan.pk).update(packets_limit=5, kind="ping", ports="")
    running.run_job(scan.job_id or 0)
    scan.refresh_from_db()
    assert (scan.outcome, scan.hosts_total) == ("partial", 100) and scan.hosts_done <= 5


def test_an_address_that_this_machine_has_no_way_to_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    known = ended([host(f"{NETWORK}2"), host(f"{NETWORK}3")], target=f"{NETWORK}1-4", ports="")
    unreached = SweepHost(f"{NETWORK}2", False, is_asked=False, reason="no route")
    silent = [SweepHost(f"{NETWORK}{n}", False) for n in (1, 3, 4)]
    progress = SweepProgress(hosts_total=4, hosts_done=4, hosts_up=0, packets_sent=3, hosts_per_second=1.0,
                             eta_seconds=None, elapsed_seconds=1.0, icmp_modes={}, pauses=0)  # fmt: skip
    monkeypatch.setattr(running, "sweep", lambda *_, **__: [SweepBatch((unreached, *silent), progress)])
    prefix(f"{NETWORK}0/24")
    for _ in range(2):
        scan = starting.start(guard.plan("ping", f"{NETWORK}1-4"), target="x", is_sent=False)
        running.run_job(scan.job_id or 0)
    assert dict(SeenHost.objects.values_list("address", "is_present")) == {f"{NETWORK}2": True, f"{NETWORK}3": False}
    newer = Scan.objects.get(pk=scan.pk)
    assert newer.notes["not_asked"] == [f"{NETWORK}2"]
    assert [row.address for row in comparing.compare(known, newer).hosts] == [f"{NETWORK}3"]
