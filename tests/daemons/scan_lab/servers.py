"""The open ports of the lab, in one process: servers.py DIRECTORY, inside the namespace of the targets.

Writes DIRECTORY/truth.json and then DIRECTORY/ready; ends on SIGTERM, or when its parent is gone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import selectors
import socket
import sys
import time

from truth import NET4, NET6, WAN4, truth  # run as a script: no package, and no pytest

BANNERS = {21: b"220 lab FTP ready\r\n", 22: b"SSH-2.0-lab_1.0\r\n", 23: b"login: ", 25: b"220 lab ESMTP\r\n"}
HOLD_SECONDS = 0.5


def listen(selector: selectors.BaseSelector, address: str, port: int) -> None:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen(1024)
    sock.setblocking(False)
    selector.register(sock, selectors.EVENT_READ, BANNERS.get(port, b""))


def serve(selector: selectors.BaseSelector, parent: int) -> None:
    held: list[tuple[float, socket.socket]] = []
    while os.getppid() == parent:
        for key, _ in selector.select(0.2):
            try:
                conn, _ = key.fileobj.accept()  # type: ignore[union-attr]
            except OSError:
                continue
            held.append((time.monotonic() + HOLD_SECONDS, conn))
            with contextlib.suppress(OSError):
                conn.send(key.data)
        while held and held[0][0] < time.monotonic():
            held.pop(0)[1].close()


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    hosts = {address: host for net in (NET4, WAN4, NET6) for address, host in truth(net).items()}
    (folder / "truth.json").write_text(json.dumps({key: dataclasses.asdict(host) for key, host in hosts.items()}))
    selector = selectors.DefaultSelector()
    for address, host in hosts.items():
        for port in host.open:
            listen(selector, address, port)
    (folder / "ready").write_text("")
    serve(selector, os.getppid())


if __name__ == "__main__":
    main()
