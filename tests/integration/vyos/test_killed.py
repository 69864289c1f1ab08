"""The worker is killed before every single step of a change: whoever comes next makes it right, and nothing twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from provisioning.models import ConfigChange, Vm, VyosRouter
from provisioning.services import applying, changes, requests
from tests.databases import REPOSITORY
from tests.vyos import Site, site_of

pytestmark = pytest.mark.django_db(transaction=True)
MOST_STEPS = 400
Kill = Callable[[int, int], str]


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kill]:
    """Let a worker work at a router up to a step; "killed", or how it ended before."""
    monkeypatch.setattr(applying, "SETTLE_SECONDS", 0.02)
    names = [f"{alias}={database['NAME']}" for alias, database in _databases().items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.daemons.change_worker", *names],
        cwd=REPOSITORY, env=dict(os.environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    stdin, stdout = process.stdin, process.stdout
    assert stdout.readline() == "ready\n"

    def one(router: int, step: int) -> str:
        stdin.write(f"{router} {step}\n")
        stdin.flush()
        return stdout.readline().strip()

    try:
        yield one
    finally:
        process.kill()
        process.wait()


def _databases() -> dict[str, dict[str, str]]:
    from django.db import connections

    return {alias: {"NAME": str(connections[alias].settings_dict["NAME"])} for alias in settings.DATABASES}


def time_passes(site: Site) -> None:
    """The dead worker's lease runs out, and what waits is due."""
    past = timezone.now() - timedelta(seconds=1)
    VyosRouter.objects.filter(claimed_until__isnull=False).update(claimed_until=past)
    ConfigChange.objects.filter(router=site.row).update(due_at=past)


def recover(site: Site) -> None:
    """What the schedule of each minute does."""
    for _ in range(5):
        time_passes(site)
        if not changes.sweep():
            return
        site.work()


@pytest.mark.parametrize("kind", ["provision", "decommission"])
def test_killed_before_every_step(kind: str, kill: Kill) -> None:
    with site_of() as site:
        site.provision("first")
        site.work()
        killed = 0
        # Nothing here depends on the database but how transactions end: the second one is asked at every third step.
        for step in range(1, MOST_STEPS, 1 if connection.vendor == "sqlite" else 3):
            name = f"vm-{step}"
            site.provision(name, ports=["ssh"])
            if kind == "decommission":
                site.work()
                requests.decommission(site.vm(name))
            site.lab.counts.clear()
            how = kill(site.row.pk, step)
            if how != "killed":
                break
            killed += 1
            recover(site)
            _is_right(site, name, step, is_there=kind == "provision")
            if kind == "provision":
                requests.decommission(site.vm(name))
                site.work()
        assert how == "done 0" and killed > 15
        assert set(site.mappings()) == {"first"} | ({name} if kind == "provision" else set())


def _is_right(site: Site, name: str, step: int, *, is_there: bool) -> None:
    change = ConfigChange.objects.filter(router=site.row).order_by("-pk").first()
    assert change is not None
    assert (change.status, change.is_saved) == ("applied", True), (step, change.error_code, change.error_detail)
    assert (name in site.mappings()) is is_there, step
    assert any(name in rule["description"] for rule in site.rules().values()) is is_there, step
    assert site.lab.is_saved and site.lab.counts["commits"] == 1, (step, site.lab.counts)
    assert site.lab.counts["max_in_flight"] == 1
    assert Vm.objects.filter(hostname=name).exists() is is_there, step
