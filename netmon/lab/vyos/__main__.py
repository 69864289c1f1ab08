"""`python -m netmon.lab.vyos --port 8443`: one simulated router on loopback until it is interrupted."""

from __future__ import annotations

import argparse
import json
import signal
import threading
from pathlib import Path
from typing import Any

from netmon.lab.vyos.certificates import kept_certificate
from netmon.lab.vyos.listening import Listening
from netmon.lab.vyos.router import KEY, Router
from netmon.lab.vyos.server import Server
from netmon.lab.vyos.versions import VERSIONS

EVERY_SECONDS = 1.0


def keep(path: Path, kept: dict[str, Any]) -> None:
    """Whoever reads the file meets all of it or the one before."""
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(kept), encoding="utf-8")
    partial.replace(path)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m netmon.lab.vyos", description="A simulated VyOS router.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8443, help="0: any that is free")
    parser.add_argument("--release", default="1.5-2026-02", choices=tuple(VERSIONS))
    parser.add_argument("--key-file", type=Path, help=f"the API key is in this file (default: {KEY})")
    parser.add_argument("--ca-file", type=Path, help="where the certificate of the authority is written")
    parser.add_argument("--commit-seconds", type=float, default=0.5)
    parser.add_argument("--certificate-file", type=Path, help="its certificate and key, made when they are missing")
    parser.add_argument("--state-file", type=Path, help="where it goes on from, and keeps what it has")
    parser.add_argument("--forwards", action="store_true", help="TCP forwards lead to machines that answer")
    parser.add_argument("lines", nargs="*", help='what it is told at the start: "set nat destination rule 5 disable"')
    arguments = parser.parse_args()
    key = arguments.key_file.read_text().strip() if arguments.key_file else KEY
    router = Router(arguments.release, key=key, commit_seconds=arguments.commit_seconds)
    router.edit(*arguments.lines)
    router.save()
    if arguments.state_file and arguments.state_file.exists():
        router.take(json.loads(arguments.state_file.read_text(encoding="utf-8")))
    certificate = (
        kept_certificate(arguments.certificate_file, addresses=(arguments.host,))
        if arguments.certificate_file
        else None
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with (
        Server(router, host=arguments.host, port=arguments.port, certificate=certificate) as server,
        Listening(arguments.host) as listening,
    ):
        if arguments.ca_file:
            arguments.ca_file.write_text(server.ca_pem)
        print(f"VyOS {router.version} on https://{server.host}:{server.port}, SHA-256 {server.fingerprint}", flush=True)
        kept: dict[str, Any] = {}
        while True:
            is_over = stop.wait(EVERY_SECONDS)
            if arguments.forwards and not is_over:
                listening.follow(router.running)
            if arguments.state_file and (now := router.kept()) != kept:
                keep(arguments.state_file, now)
                kept = now
            if is_over:
                return


if __name__ == "__main__":
    main()
