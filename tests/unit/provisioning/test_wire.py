"""Is an address in use: what was met lately, and who answers now."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from inventory import sightings
from monitoring.models import Check
from netmon.common.addresses import address_key, parse_address
from netmon.drivers import icmp
from provisioning.services import allocation, wire
from scanning.models import SeenHost
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.asks]

NOBODY = "192.0.2.7"  # RFC 5737


@pytest.fixture(autouse=True)
def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is on loopback answers; nobody else is asked."""
    is_there = wire._is_there

    async def asked(address: str) -> bool:
        return address.startswith("127.") and await is_there(address)

    monkeypatch.setattr(wire, "_is_there", asked)


def meet(address: str, *, days: float = 1, tenant: Any = None, mac: str = "") -> SeenHost:
    at = timezone.now() - timedelta(days=days)
    return SeenHost.objects.create(
        address=address,
        address_key=address_key(parse_address(address)),
        mac_address=mac,
        tenant=tenant,
        first_seen_at=at,
        last_seen_at=at,
    )


def test_who_answers_a_ping_is_there_and_who_does_not_is_not(settings: Any) -> None:
    settings.ALLOW_LOOPBACK = True
    started = time.monotonic()
    assert wire.answering(["127.81.0.1", NOBODY, "127.81.0.2"]) == dict.fromkeys(
        ["127.81.0.1", "127.81.0.2"], "It answers a ping."
    )
    assert time.monotonic() - started < 1.5


def test_what_the_policy_refuses_is_not_pinged(settings: Any) -> None:
    settings.ALLOW_LOOPBACK = False
    assert wire.answering(["127.81.0.1"]) == {}


def test_no_more_than_a_few_are_asked(settings: Any) -> None:
    settings.ALLOW_LOOPBACK = True
    assert len(wire.answering([f"127.81.1.{n}" for n in range(1, 40)])) == wire.MOST_ASKED


def test_without_the_right_to_ping_what_was_met_still_counts(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ALLOW_LOOPBACK = True

    def refuse(family: object) -> object:
        raise icmp.LocalFault(icmp.REMEDY)

    monkeypatch.setattr(icmp, "_open", refuse)
    meet("127.81.0.9")
    assert list(wire.answering(["127.81.0.8", "127.81.0.9"])) == ["127.81.0.9"]


def test_what_a_scan_met_within_a_week_is_in_use() -> None:
    meet("192.0.2.10", days=6, mac="02:00:00:00:00:01")
    meet("192.0.2.11", days=8)
    found = wire.answering(["192.0.2.10", "192.0.2.11"])
    assert list(found) == ["192.0.2.10"]
    assert "by a scan, with the MAC address 02:00:00:00:00:01" in found["192.0.2.10"]


def test_what_a_check_met_is_in_use(settings: Any) -> None:
    device = factories.make_flat(name="old-web", ip="192.0.2.12")
    Check.objects.filter(endpoint__device=device).update(last_success_at=timezone.now() - timedelta(days=2))
    assert "answering the checks of old-web" in wire.answering(["192.0.2.12"])["192.0.2.12"]


def test_the_same_address_of_another_tenant_is_another_host() -> None:
    blue, red = factories.make_tenant(), factories.make_tenant()
    meet("192.0.2.13", tenant=red)
    assert wire.answering(["192.0.2.13"], tenant_id=blue.pk) == {}
    assert list(wire.answering(["192.0.2.13"], tenant_id=red.pk)) == ["192.0.2.13"]


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match=r"addresses: 'web\.example'"):
        wire.answering(["web.example"])


def test_the_next_quiet_address_of_a_pool_is_found() -> None:
    pool = factories.make_dhcp_pool(cidr="192.0.2.0/24")
    for n in range(10, 15):  # more than one round asks for
        meet(f"192.0.2.{n}")
    busy = wire.occupied(pool, tenant=None)
    assert sorted(busy) == [f"192.0.2.{n}" for n in range(10, 15)]
    taken = allocation.Taken(addresses=frozenset(busy))
    assert allocation.give_address(pool, tenant=None, taken=taken) == "192.0.2.15"
    assert list(wire.occupied(pool, tenant=None, wanted="192.0.2.12")) == ["192.0.2.12"]
    assert wire.occupied(pool, tenant=None, wanted="192.0.2.99") == {}
    assert wire.occupied(pool, tenant=None, wanted="198.51.100.1") == {}  # the allocation refuses it


def test_a_pool_where_all_are_taken_is_not_asked_for_ever(settings: Any) -> None:
    settings.ALLOW_LOOPBACK = True
    pool = factories.make_dhcp_pool(cidr="127.82.0.0/24")
    assert len(wire.occupied(pool, tenant=None)) == wire.ROUNDS * wire.CANDIDATES


def test_a_name_of_sightings_has_one_owner() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        sightings.register("scanning", lambda addresses, since, tenant_id: {})
