"""A fleet of simulated SNMP agents in one process: `python -m netmon.lab.snmp_fleet --port 20161`.

On Linux all of 127/8 is local, so one UDP socket serves every device and answers from the address that was asked. It
speaks v1 and v2c, answers peers in 127/8 only, prints "ready" once it listens and ends on SIGTERM. Uptimes follow from
the wall clock: a restart of the fleet is no reboot of its devices.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import random
import select
import signal
import socket
import struct
import sys
import time
from bisect import bisect_right
from dataclasses import dataclass
from typing import NoReturn

from netmon.lab import ber
from netmon.lab.devices import (
    DEMO_DEVICES,
    FAULTS,
    FLAPPING_PERIOD,
    FLAPPING_SILENT,
    REBOOT_PERIOD,
    REBOOT_SILENT,
    TEST_REBOOT_SECONDS,
    DemoDevice,
    demo_ports,
    exact_ports,
)
from netmon.lab.mib import Mib

__all__ = ["DEMO_DEVICES", "DemoDevice", "Fleet", "main"]

# linux/in.h; not in the socket module before Python 3.14
IP_PKTINFO = 8
# every address of 127/8 at once; peers outside it get no answer
ANY_ADDRESS = "0.0.0.0"  # noqa: S104
GET, GETNEXT, RESPONSE, GETBULK = 0xA0, 0xA1, 0xA2, 0xA5
TOO_BIG, NO_SUCH_NAME, GEN_ERR = 1, 2, 5
# A life lasts at most so long; counted from the first second of 2026, shifted for each device.
LIFE_SECONDS, FIRST_SECOND = 400 * 86_400, 1_767_225_600
LATE_SECONDS = 0.3
DROP_SHARE = 0.1
TOO_BIG_ABOVE, TRUNCATED_AT, MAX_ANSWER = 20, 16, 60_000
REQUESTS_PER_TURN = 256


@dataclass(slots=True)
class Agent:
    """One device: its MIB, its behaviour, and its clock."""

    mib: Mib
    behaviour: str
    seed: int

    def born(self, now: float) -> float:
        """When its present life began."""
        if self.behaviour == "reboots":
            return now - now % TEST_REBOOT_SECONDS
        if self.behaviour == "rebooting":
            return now - (now + self.seed * 97) % REBOOT_PERIOD
        return now - (now - FIRST_SECOND + self.seed * 1_234_577) % LIFE_SECONDS

    def is_silent(self, now: float) -> bool:
        """Whether it leaves a request of this moment unanswered."""
        if self.behaviour == "flapping":
            return (now + self.seed * 131) % FLAPPING_PERIOD < FLAPPING_SILENT
        if self.behaviour == "rebooting":
            return now - self.born(now) < REBOOT_SILENT
        if self.behaviour == "drop":
            return random.random() < DROP_SHARE
        return self.behaviour == "silent"


class Fleet:
    """All devices: request bytes in, answer bytes out. `community` None accepts any."""

    def __init__(self, community: str | None = None) -> None:
        self._community = None if community is None else community.encode()
        self._agents = {
            socket.inet_aton(device.address): Agent(Mib.of_demo(device, demo_ports(device)), device.behaviour, number)
            for number, device in enumerate(DEMO_DEVICES, 1)
        }

    def agent(self, address: bytes) -> Agent | None:
        """The device at a packed address, None where there is none. Test devices are made when first asked."""
        found = self._agents.get(address)
        fault = FAULTS.get(address[1])
        if found is None and fault is not None:
            text = socket.inet_ntoa(address)
            seed = address[2] << 8 | address[3]
            found = Agent(Mib.of_test(text, exact_ports(text), has_hc=fault != "no_hc"), fault, seed)
            self._agents[address] = found
        return found

    def answer(self, request: bytes, address: bytes) -> bytes | None:
        """The answer of the device at `address`, None for silence. Raises ValueError or IndexError on nonsense."""
        agent, now = self.agent(address), time.time()
        if agent is None or agent.is_silent(now):
            return None
        _, inner, _ = ber.read(request, 0)
        _, start, end = ber.read(request, inner)
        version = request[start:end]
        _, community, head_end = ber.read(request, end)
        if version not in (b"\0", b"\1") or self._community not in (None, request[community:head_end]):
            return None
        kind, at, _ = ber.read(request, head_end)
        _, _, id_end = ber.read(request, at)
        _, start, non_repeaters_end = ber.read(request, id_end)
        non_repeaters = int.from_bytes(request[start:non_repeaters_end], "big")
        _, start, repetitions_end = ber.read(request, non_repeaters_end)
        repetitions = int.from_bytes(request[start:repetitions_end], "big")
        names = _names(request, repetitions_end)
        is_v1 = version == b"\0"
        if is_v1 and kind == GETBULK:
            return None
        view = _View(agent, now, is_v1)
        if kind == GETBULK and repetitions:
            status, index, body = view.bulk(names, non_repeaters, repetitions)
        elif kind in (GET, GETNEXT, GETBULK):
            status, index, body = view.single(names, kind == GET)
        else:
            return None
        if agent.behaviour == "too_big" and len(body) > TOO_BIG_ABOVE:
            status, index = TOO_BIG, 0
        _, _, list_end = ber.read(request, repetitions_end)
        listed = request[repetitions_end:list_end] if status else ber.tlv(ber.SEQUENCE, b"".join(body))
        pdu = request[at:id_end] + ber.integer(status) + ber.integer(index) + listed
        return ber.tlv(ber.SEQUENCE, request[inner:head_end] + ber.tlv(RESPONSE, pdu))


def _names(request: bytes, at: int) -> list[bytes]:
    _, position, end = ber.read(request, at)
    names = []
    while position < end:
        _, start, position = ber.read(request, position)
        _, name, name_end = ber.read(request, start)
        names.append(request[name:name_end])
    return names


class _View:
    """One agent at one moment, as one version of SNMP sees it."""

    def __init__(self, agent: Agent, now: float, is_v1: bool) -> None:
        self._agent, self._mib, self._is_v1 = agent, agent.mib, is_v1
        self._now, self._born = now, agent.born(now)

    def _at(self, position: int) -> bytes:
        return self._mib.var_bind(position, self._now, self._born)

    def _next(self, name: bytes) -> int:
        exact = self._mib.positions.get(name)
        position = bisect_right(self._mib.oids, ber.oid_of(name)) if exact is None else exact + 1
        return self._visible(position)

    def _visible(self, position: int) -> int:
        # v1 has no Counter64 and steps over it (RFC 2576 section 4.2.2.1)
        while self._is_v1 and position < len(self._mib.oids) and self._mib.is_counter64[position]:
            position += 1
        if (
            self._agent.behaviour == "loop"
            and 3 < position < len(self._mib.oids)
            and self._mib.oids[position][-1] == 10
        ):
            return position - 4
        return position

    def single(self, names: list[bytes], is_get: bool) -> tuple[int, int, list[bytes]]:
        """GET and GETNEXT: error-status, error-index, var-binds."""
        count, body = len(self._mib.oids), []
        for n, name in enumerate(names, 1):
            position = self._mib.positions.get(name, count) if is_get else self._next(name)
            is_missing = position >= count or (self._is_v1 and self._mib.is_counter64[position])
            if is_missing and self._is_v1:
                return NO_SUCH_NAME, n, []
            missing = ber.NO_SUCH_INSTANCE if is_get else ber.END_OF_MIB_VIEW
            body.append(
                ber.tlv(ber.SEQUENCE, ber.tlv(ber.OBJECT_ID, name) + missing) if is_missing else self._at(position)
            )
        return 0, 0, body

    def bulk(self, names: list[bytes], non_repeaters: int, repetitions: int) -> tuple[int, int, list[bytes]]:
        """GETBULK: error-status, error-index, var-binds."""
        if self._agent.behaviour == "gen_err_on_bulk":
            return GEN_ERR, 1, []
        _, _, body = self.single(names[:non_repeaters], False)
        count = len(self._mib.oids)
        positions = [self._next(name) for name in names[non_repeaters:]]
        end = ber.tlv(ber.SEQUENCE, self._mib.names[-1] + ber.END_OF_MIB_VIEW)
        size = 0
        for _ in range(repetitions):
            for n, position in enumerate(positions):
                if self._agent.behaviour == "truncated" and len(body) >= TRUNCATED_AT:
                    return 0, 0, body
                var_bind = self._at(position) if position < count else end
                size += len(var_bind)
                if size > MAX_ANSWER:
                    return 0, 0, body
                body.append(var_bind)
                if position < count:
                    positions[n] = self._visible(position + 1)
            if all(position >= count for position in positions):
                break
        return 0, 0, body


def serve(fleet: Fleet, port: int, bind: str = ANY_ADDRESS, *, is_quiet: bool = False) -> NoReturn:
    """Answers for ever. Prints "ready" when the socket listens; raises OSError when the port is taken."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
    sock.bind((bind, port))
    sock.setblocking(False)
    if not is_quiet:
        print("ready", flush=True)
    late: list[tuple[float, int, bytes, list[tuple[int, int, bytes]], tuple[str, int]]] = []
    number = 0
    while True:
        pause = max(0.0, late[0][0] - time.monotonic()) if late else None
        if select.select([sock], [], [], pause)[0]:
            for _ in range(REQUESTS_PER_TURN):
                try:
                    request, ancillary, _, peer = sock.recvmsg(65_535, 64)
                except (BlockingIOError, InterruptedError):
                    break
                asked = ancillary[0][2][8:12]
                if asked[0] != 127 or not peer[0].startswith("127."):
                    continue
                try:
                    answer = fleet.answer(request, asked)
                except (ValueError, IndexError, OverflowError):
                    continue
                if answer is None:
                    continue
                behaviour = fleet.agent(asked).behaviour  # type: ignore[union-attr]  # it has just answered
                source = socket.inet_aton("127.0.0.1") if behaviour == "wrong_source" else asked
                control = [(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("=I", 0) + source + bytes(4))]
                if behaviour in ("late", "duplicate"):
                    for _ in range(2 if behaviour == "duplicate" else 1):
                        number += 1
                        heapq.heappush(late, (time.monotonic() + LATE_SECONDS, number, answer, control, peer))
                else:
                    _send(sock, answer, control, peer)
        while late and late[0][0] <= time.monotonic():
            _, _, answer, control, peer = heapq.heappop(late)
            _send(sock, answer, control, peer)


def _send(sock: socket.socket, answer: bytes, control: list[tuple[int, int, bytes]], peer: tuple[str, int]) -> None:
    # the peer has closed its socket, or our buffer is full: datagrams get lost
    with contextlib.suppress(OSError):
        sock.sendmsg([answer], control, 0, peer)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Simulated SNMP agents on 127/8.")
    parser.add_argument("--port", type=int, default=20161)
    parser.add_argument(
        "--bind", default=ANY_ADDRESS, help="one address serves only that device (default: all of them)"
    )
    parser.add_argument("--community", help="answer only to this community (default: to any)")
    parser.add_argument("--quiet", action="store_true", help="say nothing")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    serve(Fleet(arguments.community), arguments.port, arguments.bind, is_quiet=arguments.quiet)


if __name__ == "__main__":
    main()
