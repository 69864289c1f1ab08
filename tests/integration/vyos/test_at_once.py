"""Fifty who want a machine at the same moment, from two processes, and as many workers at one router."""

from __future__ import annotations

import pytest

from netmon.common.addresses import address_key, parse_address
from provisioning.models import ConfigChange, DhcpPool
from provisioning.services import changes
from tests.daemons.provisioner import results_of, start
from tests.vyos import site_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_router_is_asked_one_thing_at_a_time() -> None:
    with site_of("1.5-2026-02", hangs=True) as site:
        DhcpPool.objects.update(range_end="192.168.66.49", range_end_key=address_key(parse_address("192.168.66.49")))
        site.lab.commit_seconds = 0.05
        results = results_of([start(site.row.pk, prefix, 25, "to-router") for prefix in ("one", "two")])
        assert sum(isinstance(result, list) for result in results) == 40
        assert [result for result in results if not isinstance(result, list)] == ["pool_exhausted"] * 10
        # Who found the router taken has left: the schedule of each minute sees to what was not worked off.
        changes.run(site.row.pk)
        assert set(ConfigChange.objects.values_list("status", "is_saved")) == {("applied", True)}
        assert len(site.mappings()) == 40 and len(site.rules()) == 40
        assert site.lab.counts["commits"] == 40 and site.lab.counts["max_in_flight"] == 1
