"""Progress, cancelling, going on later, and what a scan may cost this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netmon.drivers.tcp import Limits, Outcome, ScanTarget, State, scan
from tests.daemons.scan_lab import NET4, truth
from tests.integration.scan_lab.asking import PORTS, Asked, ask, resident_bytes, targets, verdicts, wrong

pytestmark = pytest.mark.integration

POLITE = Limits.profile("polite")
ROOT = Path(__file__).resolve().parents[3]


def test_it_reports_progress_four_times_a_second_and_ends_within_one_when_cancelled(near):
    begun, asked_at = time.monotonic(), 0.0
    moments = []

    def is_cancelled():
        nonlocal asked_at
        asked_at = asked_at or (time.monotonic() if len(moments) >= 4 else 0.0)
        return bool(asked_at)

    asked = Asked()
    for batch in scan(targets(truth(), None), range(1, 10_001), POLITE, is_cancelled=is_cancelled):
        moments.append(time.monotonic() - begun)
        asked.take(batch)
    assert time.monotonic() - asked_at < 5.0  # a second is meant; others may be on the machine
    assert max(b - a for a, b in zip([0.0, *moments], moments, strict=False)) < 0.9  # 0.25 and what a busy machine adds
    last = asked.progress[-1]
    assert 0 < last.probes_done < last.probes_total == 500_000
    assert last.verdicts_per_second > 0 and last.eta_seconds > 1
    assert {report.outcome for report in asked.reports} == {Outcome.CANCELLED} and len(asked.reports) == 50
    assert sum(report.counts.get(State.UNKNOWN, 0) for report in asked.reports) == last.probes_total - last.probes_done


def test_it_goes_on_after_a_restart_without_losing_or_doubling_a_verdict(near):
    hosts = truth()
    saved, asked = None, Asked()
    for _ in range(4):
        run = scan(targets(hosts), PORTS, POLITE, done=saved)
        for number, batch in enumerate(run):
            asked.take(batch)
            saved = json.loads(json.dumps(run.snapshot()))
            if number == 1:
                break
        run.close()
    assert 0 < len(saved["finished"]) < 50
    run = scan(targets(hosts), PORTS, POLITE, done=saved)
    for batch in run:
        asked.take(batch)
    assert wrong(asked, hosts) == []
    assert len(asked.open_ports) == len({(one.address, one.port) for one in asked.open_ports})
    assert len(asked.open_ports) == sum(len(host.open) for host in hosts.values())
    assert len(run.snapshot()["finished"]) == 50


def test_what_was_cancelled_goes_on_too(near):
    addresses = [f"{NET4}{n}" for n in (1, 31)]
    run = scan(targets(addresses), PORTS, POLITE)
    first = next(run)
    run.cancel()
    rest = list(run)
    assert first.progress.probes_done and {report.outcome for report in rest[-1].hosts} == {Outcome.CANCELLED}
    again = Asked()
    for batch in scan(targets(addresses), PORTS, POLITE, done=run.snapshot()):
        again.take(batch)
    hosts = truth()
    assert wrong(again, {address: hosts[address] for address in addresses}) == []


@pytest.mark.parametrize("change", ["ports", "states", "icmp", "open", "version"])
def test_a_snapshot_that_does_not_fit_is_not_believed(near, change):
    run = scan(targets([f"{NET4}1"]), PORTS, POLITE)
    next(run)
    saved = run.snapshot()
    run.close()
    host = saved["hosts"][f"{NET4}1"]
    if change in ("ports", "version"):
        saved[change] = "1-2"
    else:
        host[change] = {"states": "AAAA", "icmp": None, "open": [[1, 2, 3]]}[change]
    asked = Asked()
    for batch in scan(targets([f"{NET4}1"]), PORTS, POLITE, done=saved):
        asked.take(batch)
    assert wrong(asked, {f"{NET4}1": truth()[f"{NET4}1"]}) == []


def test_a_budget_of_packets_ends_it(near):
    limits = Limits(max_packets=500)
    before = near.packets_sent()
    asked = ask([f"{NET4}{n}" for n in range(11, 21)], limits)
    assert asked.progress[-1].packets_sent == 500
    assert near.packets_sent() - before <= 520  # ARP
    assert {report.outcome for report in asked.reports} == {Outcome.BUDGET}
    assert sum(report.counts.get(State.CLOSED, 0) for report in asked.reports) == 500


def test_a_silent_host_may_be_given_up(near):
    limits = Limits(host_packets_per_second=2000, silent_after=50)
    given = [
        ScanTarget(address=f"{NET4}31", rtt_ms=1.0, is_silent=True),
        ScanTarget(address=f"{NET4}32", rtt_ms=1.0),
        ScanTarget(address=f"{NET4}11", rtt_ms=1.0, is_silent=True),
    ]
    asked = Asked()
    for batch in scan(given, range(1, 1501), limits):
        asked.take(batch)
    given_up = asked.of(f"{NET4}31")
    assert given_up.outcome is Outcome.SILENT and given_up.counts[State.FILTERED] < 1500
    assert asked.of(f"{NET4}32").counts == {State.FILTERED: 1500}
    assert asked.of(f"{NET4}11").counts == {State.CLOSED: 1500}


def test_a_slow_caller_is_no_silence_of_the_host(near):
    asked = Asked()
    for batch in scan(targets([f"{NET4}11", f"{NET4}1"]), range(1, 801), POLITE):
        asked.take(batch)
        time.sleep(0.3)  # longer than a host is waited for
    assert {state for _, _, state in verdicts(asked)} == {"open", "closed"}
    # what waited for us gave no round trip time
    assert asked.of(f"{NET4}11").accuracy.rtt_ms < 100


def test_two_hundred_hosts_with_all_ports_fit_into_little_memory(near):
    """13 million verdicts; begun and not finished."""
    near.add_crowd("198.19.4.0/24")
    limits = Limits.profile("fast")
    before, most = resident_bytes(), 0
    ends = time.monotonic() + 2
    crowd = targets([f"198.19.4.{n}" for n in range(1, 201)])
    run = scan(crowd, range(1, 65536), limits, is_cancelled=lambda: time.monotonic() > ends)
    asked = Asked()
    for batch in run:
        asked.take(batch)
        most = max(most, resident_bytes())
    assert time.monotonic() - ends < 5.0  # cancelled, and told of all hosts
    assert len(asked.reports) == 200
    assert asked.progress[-1].probes_total == 200 * 65535 and asked.progress[-1].probes_done > 10_000
    # two bytes for each port are 26 MB
    assert most - before < 80 << 20
    assert len(json.dumps(run.snapshot())) < 200 * 1000


def test_few_descriptors_make_it_slow_and_not_wrong(near):
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n"
        "from netmon.drivers.tcp import *\n"
        f"hosts = [ScanTarget(address=a, rtt_ms=1.0) for a in ('{NET4}31', '{NET4}1')]\n"
        "batches = list(scan(hosts, range(1, 301), Limits.profile('fast')))\n"
        "print([[s.value, n] for b in batches for h in b.hosts for s, n in sorted(h.counts.items())])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["[['closed',", "297],", "['open',", "3],", "['filtered',", "300]]"]


def test_it_leaves_no_descriptor(near):
    before = len(list(Path("/proc/self/fd").iterdir()))
    ask([f"{NET4}1"], POLITE)
    run = scan(targets([f"{NET4}31"]), PORTS, POLITE)
    next(run)
    assert len(list(Path("/proc/self/fd").iterdir())) > before
    run.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
