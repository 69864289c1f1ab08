"""Numbers that one test process has to itself, so that two suites on one machine do not meet on an address."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.daemons import missing, wait_until


@contextmanager
def claimed(what: str, count: int) -> Iterator[int]:
    """A number below `count` that nobody else who claims `what` has until the block ends.

    The claim is a name among the kernel's abstract sockets: these belong to a network namespace, as addresses do, and
    go with the process that holds them, however it ends.
    """
    for step in range(count):
        number = (os.getpid() + step) % count
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
            try:
                claim.bind(f"\0netmon-tests/{what}/{number}")
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            yield number
            return
    missing(f"all {count} of {what} are taken by other test runs")


@contextmanager
def alone(what: str, *, seconds: float = 600.0) -> Iterator[None]:
    """Waits until nobody else on the machine is in such a block."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
        wait_until(lambda: _is_mine(claim, what), seconds=seconds, what=f"the end of what others do with {what}")
        yield


def _is_mine(claim: socket.socket, what: str) -> bool:
    try:
        claim.bind(f"\0netmon-tests/{what}")
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


@contextmanager
def loopback_network() -> Iterator[str]:
    """A /24 of loopback of one's own, without its last number: "127.64.9."."""
    with claimed("loopback", 1024) as number:
        yield f"127.{64 + number // 256}.{number % 256}."


def free_ports(count: int, address: str) -> range:
    """As many ports in a row, below those that the kernel gives away by itself, where nobody listens."""
    for first in range(10000, 30000, count):
        ports = range(first, first + count)
        if all(_is_free(address, port) for port in ports):
            return ports
    return missing(f"no {count} ports in a row are free on {address}")


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
