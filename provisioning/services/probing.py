"""Ping and ports of one machine at once, as the target policy admits."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from inventory.policy import Policy
from monitoring import runner
from netmon.common.addresses import parse_address
from netmon.drivers.errors import DriverError, LocalFault
from netmon.drivers.icmp import ping
from netmon.drivers.targets import IcmpTarget, TcpTarget
from netmon.drivers.tcp.reach import reach

Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """`reason` and `words` are the driver's; `is_blind`: this machine could not ask; `refusal`: it must not."""

    is_open: bool = False
    reason: str = ""
    words: str = ""
    is_blind: bool = False
    refusal: str = ""


@dataclass(slots=True)
class Probed:
    """What was heard of a machine; of a refused address only `refusal`."""

    refusal: str = ""
    rtt_ms: float | None = None
    ping_error: str = ""
    is_blind: bool = False
    inside: dict[int, Port] = field(default_factory=dict)
    outside: dict[Place, Port] = field(default_factory=dict)

    @property
    def is_there(self) -> bool:
        """Who refuses a connection is there, too."""
        return self.rtt_ms is not None or any(one.is_open or one.reason == "refused" for one in self.inside.values())


def probe(
    address: str,
    ports: Sequence[int],
    places: Sequence[Place],
    *,
    policy: Policy,
    tenant_id: int | None,
    seconds: float,
) -> Probed:
    """Ask everything side by side, each for at most `seconds`; no error is raised."""
    found = Probed()
    wanted: list[tuple[Place, bool]] = []
    decision = policy.decide(parse_address(address), tenant_id=tenant_id)
    if not decision.is_allowed:
        found.refusal = decision.reason
    for place, is_inside in [((address, port), True) for port in dict.fromkeys(ports)] + [
        (place, False) for place in dict.fromkeys(places)
    ]:
        one = policy.decide(parse_address(place[0]), tenant_id=tenant_id, port=place[1])
        if one.is_allowed:
            wanted.append((place, is_inside))
        elif not is_inside:
            found.outside[place] = Port(refusal=one.reason)
        else:
            found.refusal = found.refusal or one.reason
    try:
        runner.wait_for(
            _all(found, address if decision.is_allowed else "", wanted, seconds), deadline_seconds=seconds + 1
        )
    except DriverError as error:  # the loop had no time: what came counts
        found.ping_error, found.is_blind = error.detail, found.rtt_ms is None
    return found


async def _all(found: Probed, address: str, wanted: Sequence[tuple[Place, bool]], seconds: float) -> None:
    asked = [_port(found, place, is_inside, seconds) for place, is_inside in wanted]
    await asyncio.gather(*asked, *([_ping(found, address, seconds)] if address else []))


async def _ping(found: Probed, address: str, seconds: float) -> None:
    try:
        answer = await ping(IcmpTarget(address=address, count=2, timeout_seconds=seconds / 2, deadline_seconds=seconds))
    except DriverError as error:
        found.ping_error, found.is_blind = error.detail, isinstance(error, LocalFault)
    else:
        found.rtt_ms = answer.rtt_ms


async def _port(found: Probed, place: Place, is_inside: bool, seconds: float) -> None:
    try:
        await reach(TcpTarget(address=place[0], port=place[1], timeout_seconds=seconds))
    except DriverError as error:
        one = Port(reason=error.reason, words=error.detail, is_blind=isinstance(error, LocalFault))
    else:
        one = Port(is_open=True)
    if is_inside:
        found.inside[place[1]] = one
    else:
        found.outside[place] = one


def own_address_towards(address: str) -> str:
    """The address of this machine from which packets would go there; "" where there is no way. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((address, 9))
        except OSError:
            return ""
        return str(sock.getsockname()[0])
