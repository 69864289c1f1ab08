"""What is behind a simulated router: machines whose ports answer, and its outside, which answers while a rule leads in.

Nothing is passed on: a connection is taken and closed, which is all that a check of a port asks for.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from typing import Any, Self

from netmon.lab.vyos.configuration import Tree

Place = tuple[str, int]
LOOPBACK = "127."
MOST = 200


class Listening:
    """TCP listeners on loopback; a context manager. `outside` is the router's outer address."""

    def __init__(self, outside: str) -> None:
        self.outside = outside
        self.sockets: dict[Place, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="vyos-lab-forwards", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.set()
        self._thread.join(5)
        with self._guard:
            for open_one in self.sockets.values():
                open_one.close()
            self.sockets.clear()
            self._selector.close()

    def follow(self, running: Tree) -> None:
        """Open what the destination rules now lead to, close what they no longer do. Ports that others have, or that
        only root may open, stay closed."""
        wanted = set(sorted(places(running, self.outside))[:MOST])
        with self._guard:
            for place in [place for place in self.sockets if place not in wanted]:
                self._selector.unregister(self.sockets[place])
                self.sockets.pop(place).close()
            for place in wanted - self.sockets.keys():
                with contextlib.suppress(OSError):
                    self.sockets[place] = socket.create_server(place)
                    self.sockets[place].setblocking(False)
                    self._selector.register(self.sockets[place], selectors.EVENT_READ)

    def _serve(self) -> None:
        while not self._closing.is_set():
            with self._guard:
                ready = [key.fileobj for key, _ in self._selector.select(0)]
                for listener in ready:
                    assert isinstance(listener, socket.socket)
                    with contextlib.suppress(OSError):  # who knocked has gone
                        listener.accept()[0].close()
            if not ready:
                self._closing.wait(0.05)


def places(running: Tree, outside: str) -> Iterator[Place]:
    """Where somebody answers: the machines that rules lead to, and the outer ports of rules that are on."""
    rules: dict[str, Any] = running.get("nat", {}).get("destination", {}).get("rule", {})
    for rule in rules.values():
        inside = rule.get("translation", {})
        address, ports = str(inside.get("address", "")), str(inside.get("port", ""))
        outer = str(rule.get("destination", {}).get("port", ""))
        if rule.get("protocol") == "udp" or not address.startswith(LOOPBACK):
            continue
        if ports.isdigit():
            yield address, int(ports)
        if outer.isdigit() and "disable" not in rule:
            yield outside, int(outer)
