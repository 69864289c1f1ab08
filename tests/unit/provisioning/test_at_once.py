"""Fifty who want a machine at the same moment, from two processes, where there is room for forty."""

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connections

from provisioning.models import DhcpReservation, PortClaim, RuleClaim, Vm
from tests import factories
from tests.databases import REPOSITORY

pytestmark = pytest.mark.django_db(transaction=True)


def start(router: int, prefix: str, count: int) -> "subprocess.Popen[str]":
    names = [f"{alias}={connections[alias].settings_dict['NAME']}" for alias in settings.DATABASES]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.daemons.provisioner", *names, str(router), prefix, str(count)],
        cwd=REPOSITORY,
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_forty_get_what_nobody_else_has_and_ten_are_told_why_not() -> None:
    router = factories.make_vyos_router()
    factories.make_dhcp_pool(router, range_start="192.168.66.10", range_end="192.168.66.49")
    factories.make_port_pool(router)
    processes = [start(router.pk, prefix, 25) for prefix in ("one", "two")]
    try:
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        results = [result for process in processes for result in json.loads(process.communicate()[0])]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    given = [result for result in results if isinstance(result, list)]
    assert len(results) == 50 and len(given) == 40
    assert [result for result in results if not isinstance(result, list)] == ["pool_exhausted"] * 10
    assert sorted(address for address, _, _ in given) == sorted(f"192.168.66.{n}" for n in range(10, 50))
    assert sorted(port for _, port, _ in given) == list(range(32000, 32040))
    assert sorted(rule for _, _, rule in given) == list(range(10000, 10040))
    for model in (Vm, DhcpReservation, PortClaim, RuleClaim):
        assert model._default_manager.count() == 40
