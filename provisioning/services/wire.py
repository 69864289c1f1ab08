"""Does somebody use an address that nobody gave him? Asked before it is given away."""

import asyncio
import logging
import socket
from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from inventory import sightings
from inventory.models import Tenant
from inventory.policy import Policy
from monitoring import runner
from netmon.common.addresses import Address, parse_address
from netmon.drivers.errors import DriverError, LocalFault
from netmon.drivers.icmp import ping
from netmon.drivers.neighbours import neighbours
from netmon.drivers.targets import IcmpTarget
from provisioning.models import DhcpPool
from provisioning.services import allocation
from provisioning.services.allocation import NOTHING, Taken
from provisioning.services.refusals import Refusal

log = logging.getLogger(__name__)

REMEMBERED = timedelta(days=7)
WAIT_SECONDS = 0.35  # for each of two echoes: a lost one is no answer
ALL_SECONDS = 0.8
MOST_ASKED = 8
CANDIDATES, ROUNDS = 4, 4


def answering(addresses: Iterable[str], *, tenant_id: int | None = None) -> dict[str, str]:
    """Which of these addresses are in use, and why one thinks so, a sentence each; within a second.

    At most MOST_ASKED are pinged, those that the target policy admits; of all is asked who met them in the last week.
    Who is on the same link and drops pings is found by his ARP answer, unless the kernel still remembers his hardware:
    then it takes him for there without asking, which is no answer. Where this machine may not ping, only what was met
    counts. Raises ValueError for what is no address.
    """
    wanted = [str(_parsed(text)) for text in dict.fromkeys(addresses)]
    now = timezone.now()
    met = sightings.seen(wanted, since=now - REMEMBERED, tenant_id=tenant_id)
    found = {address: f"It was seen on {one.at:%Y-%m-%d at %H:%M} UTC {one.words}." for address, one in met.items()}
    policy = Policy.load()
    ask = [
        address
        for address in wanted
        if address not in found and policy.decide(_parsed(address), tenant_id=tenant_id).is_allowed
    ][:MOST_ASKED]
    return found | (_pinged(ask) if ask and settings.VYOS_PING else {})


def _parsed(text: str) -> Address:
    try:
        return parse_address(text)
    except ValidationError:
        raise ValueError(f"addresses: {text[:50]!r} is none; correct it") from None


def _pinged(addresses: Sequence[str]) -> dict[str, str]:
    try:
        answers = runner.wait_for(_ping_all(addresses), deadline_seconds=ALL_SECONDS + 0.2)
    except DriverError as error:
        log.warning("whether addresses are in use could not be asked: %s", error.detail)
        answers = {}
    found = {address: "It answers a ping." for address, is_there in answers.items() if is_there}
    silent = [address for address in addresses if address not in found]
    if silent:  # the echoes have made the kernel ask for their hardware
        known = neighbours(socket.AF_INET)
        for address in silent:
            if address in known and known[address].is_confirmed:
                found[address] = f"It answers ARP, with the MAC address {known[address].mac}, though no ping."
    return found


async def _ping_all(addresses: Sequence[str]) -> dict[str, bool]:
    return dict(zip(addresses, await asyncio.gather(*map(_is_there, addresses)), strict=True))


async def _is_there(address: str) -> bool:
    target = IcmpTarget(address=address, count=2, timeout_seconds=WAIT_SECONDS, deadline_seconds=ALL_SECONDS)
    try:
        await ping(target)
    except LocalFault as error:
        log.warning("addresses are given without a ping: %s", error.detail)
        return False
    except DriverError:
        return False
    return True


def occupied(
    pool: DhcpPool,
    *,
    tenant: Tenant | None,
    wanted: str | None = None,
    span: tuple[str, str] | None = None,
    taken: Taken = NOTHING,
) -> dict[str, str]:
    """Which of the addresses that `allocation.give_address` would give next are in use, and why; they belong into
    `Taken.addresses`. It looks until one is quiet, a few at a time and not for ever, and holds no lock while it does.
    """
    tenant_id = tenant.pk if tenant is not None else pool.router.device.tenant_id
    found: dict[str, str] = {}
    for _ in range(ROUNDS):
        candidates = _candidates(pool, tenant, wanted, span, taken.addresses | found.keys())
        busy = answering(candidates, tenant_id=tenant_id) if candidates else {}
        found |= busy
        if len(busy) < len(candidates) or not candidates:
            break
    return found


def _candidates(
    pool: DhcpPool, tenant: Tenant | None, wanted: str | None, span: tuple[str, str] | None, taken: Iterable[str]
) -> list[str]:
    found: list[str] = []
    for _ in range(1 if wanted is not None else CANDIDATES):
        try:
            address = allocation.give_address(
                pool, tenant=tenant, wanted=wanted, span=span, taken=Taken(addresses=frozenset((*taken, *found)))
            )
        except Refusal:  # who gives the address says so
            break
        found.append(address)
    return found
