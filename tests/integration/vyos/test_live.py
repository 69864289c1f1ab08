"""Leases, hits and last signs of machines, from a router that answers over TLS."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from monitoring.models import Check
from netmon.drivers.vyos import Lease, RuleCount
from netmon.lab.vyos import Router
from provisioning.models import DhcpReservation, PortForward, Vm, VyosRouter
from provisioning.services import leases, live, monitored, routers
from tests import factories
from tests.vyos import site_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Iterator[tuple[VyosRouter, Router, Vm]]:
    with site_of("1.4") as made:
        made.provision("web-1", ports=["ssh", "http"])
        made.work()
        made.lab.counts.clear()
        yield made.row, made.lab, made.vm("web-1")


def forward(name: str = "ssh") -> PortForward:
    return PortForward.objects.get(name=name)


def test_a_lease_and_the_hits_are_kept(site: tuple[VyosRouter, Router, Vm]) -> None:
    router, lab, vm = site
    lab.hits = {10000: (7, 420)}
    before = timezone.now()
    found = live.refresh(router)
    assert (found.leases, found.rules, found.unknown) == (1, 2, [])
    held = DhcpReservation.objects.get(vm=vm)
    assert (held.lease_state, held.lease_ends) == ("active", "2026/02/14 08:00:00")
    assert held.lease_read_at is not None and held.lease_read_at >= before
    assert (forward().hit_packets, forward().hit_bytes, forward().last_hit_at) == (7, 420, None)
    assert forward("http").hit_packets == 0
    assert lab.counts["max_in_flight"] == 1


def test_a_hit_is_dated_when_the_count_grows_and_after_it_started_anew(site: tuple[VyosRouter, Router, Vm]) -> None:
    router, lab, _ = site
    lab.hits = {10000: (7, 420)}
    live.refresh(router)
    live.refresh(router)
    assert forward().last_hit_at is None
    lab.hits = {10000: (8, 480)}
    live.refresh(router)
    first = forward().last_hit_at
    assert first is not None and forward("http").last_hit_at is None
    lab.hits = {10000: (0, 0)}  # the router rebooted, and nobody came since
    live.refresh(router)
    assert (forward().hit_packets, forward().last_hit_at) == (0, first)
    lab.hits = {10000: (3, 180)}
    live.refresh(router)
    again = forward().last_hit_at
    assert again is not None and again > first
    lab.hits = {10000: (2, 120)}  # anew, and two came since
    live.refresh(router)
    last = forward().last_hit_at
    assert last is not None and last > again and forward().hit_packets == 2


def test_what_the_router_does_not_have_is_said(site: tuple[VyosRouter, Router, Vm]) -> None:
    router, lab, vm = site
    live.refresh(router)
    lab.edit(
        "delete service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 static-mapping web-1",
        "delete nat destination rule 10000",
    )
    live.refresh(router)
    held = DhcpReservation.objects.get(vm=vm)
    assert (held.lease_state, held.lease_ends) == ("none", "")
    read_at = forward().hits_read_at
    live.refresh(router)
    assert forward().hits_read_at == read_at  # the rule is not in the table


def test_tables_that_are_not_understood_change_nothing_and_are_said(site: tuple[VyosRouter, Router, Vm]) -> None:
    router, lab, _ = site
    lab.hits = {10000: (7, 420)}
    live.refresh(router)
    before = (
        list(DhcpReservation.objects.values()),
        list(PortForward.objects.values()),
    )
    lab.show = lambda words: "Leases (new layout):\n  \x1b[31mnone\n"  # type: ignore[method-assign]
    found = live.refresh(router)
    assert (found.leases, found.rules, len(found.unknown)) == (None, None, 2)
    assert "layout" in found.unknown[0]
    assert before == (list(DhcpReservation.objects.values()), list(PortForward.objects.values()))


def test_a_router_that_is_being_asked_is_left_alone(site: tuple[VyosRouter, Router, Vm]) -> None:
    router, lab, _ = site
    token = leases.claim(router, seconds=60)
    assert token is not None
    with pytest.raises(routers.RouterBusy):
        live.refresh(router, wait_seconds=0.0)
    assert lab.counts["requests"] == 0


def test_all_routers_are_refreshed_whatever_becomes_of_one(site: tuple[VyosRouter, Router, Vm]) -> None:
    (router, _, _), dead = site, factories.make_vyos_router()
    factories.make_vm(dead)
    assert live.spread() == 2
    unknown = {row: live.refresh_quietly(row.pk) for row in (dead, router)}
    assert unknown[router] == [] and "address" in unknown[dead][0]
    assert live.refresh_quietly(0) == []  # gone since the task was sent
    assert DhcpReservation.objects.filter(lease_state="active").count() == 1


def test_a_router_without_machines_is_not_asked() -> None:
    with site_of() as made:
        assert live.refresh(made.row).unknown == [] and live.spread() == 0
        assert made.lab.counts["requests"] == 0


def test_a_lease_elsewhere_and_a_stranger_on_the_address_are_told_apart(site: tuple[VyosRouter, Router, Vm]) -> None:
    router, _, vm = site
    now, held = timezone.now(), vm.reservation
    live.keep_leases(router, [Lease("192.168.66.200", held.mac_address, "active")], now)
    assert DhcpReservation.objects.get().lease_state == "active at 192.168.66.200"
    live.keep_leases(router, [Lease(held.address, "02:aa:aa:aa:aa:aa", "active")], now)
    assert DhcpReservation.objects.get().lease_state == "held by 02:aa:aa:aa:aa:aa"
    live.keep_leases(router, [Lease(held.address, held.mac_address, "x" * 255, ends="y" * 255)], now)
    row = DhcpReservation.objects.get()
    assert len(row.lease_state) == 32 and len(row.lease_ends) == 64


def test_a_count_beyond_any_column_is_kept_as_the_largest(site: tuple[VyosRouter, Router, Vm]) -> None:
    router, _, _ = site
    assert live.keep_counts(router, {10000: RuleCount(10**20 - 1, 10**20 - 1)}, timezone.now()) == 1
    assert forward().hit_packets == (1 << 63) - 1


def test_many_machines_take_as_many_queries_as_few(
    site: tuple[VyosRouter, Router, Vm], django_assert_max_num_queries: Any
) -> None:
    router, _, _ = site
    for _ in range(20):
        factories.make_vm(router, ports=["ssh"])
    rows = [Lease(row.address, row.mac_address, "active") for row in DhcpReservation.objects.all()]
    counts = {row.rule_number: RuleCount(1, 2) for row in PortForward.objects.all()}
    with django_assert_max_num_queries(10):
        assert live.keep_leases(router, rows, timezone.now()) == 21
        assert live.keep_counts(router, counts, timezone.now()) == 22
    with django_assert_max_num_queries(5):
        assert len(live.last_seen_of(list(Vm.objects.all()))) == 21


def test_the_last_sign_of_a_machine(site: tuple[VyosRouter, Router, Vm]) -> None:
    router, _, vm = site
    assert live.last_seen(vm) == live.Seen(at=None)
    now = timezone.now()
    PortForward.objects.filter(name="ssh").update(last_hit_at=now - timedelta(hours=3))
    assert live.last_seen(vm).by == "hits" and "ssh" in live.last_seen(vm).words
    monitored.begin(vm)
    Check.objects.filter(module="icmp").update(last_success_at=now - timedelta(hours=2))
    assert live.last_seen(vm) == live.Seen(
        at=now - timedelta(hours=2), by="checks", words="It answers no more; it did (icmp)."
    )
    live.refresh(router)
    assert live.last_seen(vm).by == "lease"
