"""Does a port accept connections? One handshake, closed at once; nothing is sent or read."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import time

from netmon.drivers.connects import NO_ROUTE, OWN_LIMITS, RESET, STREAM, close_open, read_icmp_error
from netmon.drivers.connects import RECVERR as ERROR_QUEUES
from netmon.drivers.errors import DeadlineExceeded, LocalFault, Unreachable
from netmon.drivers.targets import TcpTarget


async def reach(target: TcpTarget) -> float:
    """How long the handshake took in ms; of a target with further places, the slowest of them all.

    Raises Unreachable (`reason` "refused" where the host itself said no, so it is there; "filtered" for an ICMP error;
    else "no_route"), DeadlineExceeded, LocalFault. The detail names the place.
    """
    places = [(target.address, target.port), *target.beside]
    results = await asyncio.gather(
        *(_one(address, port, target.timeout_seconds) for address, port in places), return_exceptions=True
    )
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return max(result for result in results if isinstance(result, float))


async def _one(address: str, port: int, timeout_seconds: float) -> float:
    family = socket.AF_INET if ipaddress.ip_address(address).version == 4 else socket.AF_INET6
    where = f"{address}:{port}" if family == socket.AF_INET else f"[{address}]:{port}"
    try:
        sock = socket.socket(family, STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise LocalFault(f"This machine has no socket left: {error.strerror}.") from None
    try:
        level, option = ERROR_QUEUES[family]
        sock.setsockopt(level, option, 1)
        started = time.monotonic()
        try:
            async with asyncio.timeout(timeout_seconds):
                await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except TimeoutError:
            raise DeadlineExceeded(f"{where}: no answer within {timeout_seconds:g} s.") from None
        except OSError as error:
            raise _failure(error, sock, family, where) from None
        taken = (time.monotonic() - started) * 1000
        close_open(sock, gracefully=True)
        return taken
    finally:
        sock.close()


def _failure(error: OSError, sock: socket.SocketType, family: int, where: str) -> Unreachable | LocalFault:
    record = read_icmp_error(sock, family)
    if record is not None and not record.is_own:
        return Unreachable(f"{where}: filtered ({record.reason}).", reason="filtered")
    if error.errno in RESET:
        return Unreachable(f"{where}: the connection was refused: nothing listens there.", reason="refused")
    if error.errno in OWN_LIMITS or error.errno in (errno.EPERM, errno.EACCES):
        return LocalFault(f"{where}: this machine could not connect: {os.strerror(error.errno or 0)}.")
    reason = "no_route" if record is not None or error.errno in NO_ROUTE else "failed"
    return Unreachable(f"{where}: {os.strerror(error.errno) if error.errno else type(error).__name__}.", reason=reason)
