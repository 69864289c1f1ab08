"""Fifty who want a machine at the same moment, from two processes, and as many workers at one router."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from django.db import connections

from netmon.common.addresses import address_key, parse_address
from provisioning.models import ConfigChange, DhcpPool
from provisioning.services import changes
from tests.databases import REPOSITORY
from tests.vyos import Site, site_of

pytestmark = pytest.mark.django_db(transaction=True)


def start(site: Site, prefix: str) -> subprocess.Popen[str]:
    names = [f"{alias}={connections[alias].settings_dict['NAME']}" for alias in connections]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.daemons.provisioner", *names, str(site.row.pk), prefix, "25", "to-router"],
        cwd=REPOSITORY, env=dict(os.environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_the_router_is_asked_one_thing_at_a_time() -> None:
    with site_of("1.5-2026-02", hangs=True) as site:
        DhcpPool.objects.update(range_end="192.168.66.49", range_end_key=address_key(parse_address("192.168.66.49")))
        site.lab.commit_seconds = 0.05
        processes = [start(site, prefix) for prefix in ("one", "two")]
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
        assert sum(isinstance(result, list) for result in results) == 40
        assert [result for result in results if not isinstance(result, list)] == ["pool_exhausted"] * 10
        # Who found the router taken has left: the schedule of each minute sees to what was not worked off.
        changes.run(site.row.pk)
        assert set(ConfigChange.objects.values_list("status", "is_saved")) == {("applied", True)}
        assert len(site.mappings()) == 40 and len(site.rules()) == 40
        assert site.lab.counts["commits"] == 40 and site.lab.counts["max_in_flight"] == 1
