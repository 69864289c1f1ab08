"""Where the demonstration's messages end: a mail server that keeps the last of them, and a receiver of webhooks.

Both listen on loopback, believe everybody, and forward nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import signal
import time
from pathlib import Path

KEPT = 50
MAX_BYTES = 5_000_000


class Box:
    """A directory with the newest files; older ones are deleted."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, content: bytes, suffix: str) -> None:
        name = f"{time.time():017.6f}{suffix}"
        part = self.directory / f".{name}"
        part.write_bytes(content)
        part.rename(self.directory / name)
        for old in sorted(self.directory.glob("[0-9]*"))[:-KEPT]:
            old.unlink(missing_ok=True)


async def take_mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, box: Box) -> None:
    """One connection of SMTP (RFC 5321), the least that a client needs."""

    async def say(text: str) -> None:
        writer.write(f"{text}\r\n".encode())
        await writer.drain()

    await say("220 mailbox of the demonstration")
    while line := await reader.readline():
        verb = line.strip().upper()
        if verb.startswith((b"EHLO", b"HELO")):
            await say("250 mailbox")
        elif verb == b"DATA":
            await say("354 end with a dot")
            content = await _until_dot(reader)
            box.put(content, ".eml")
            await say("250 kept")
        elif verb == b"QUIT":
            await say("221 bye")
            return
        elif verb.startswith((b"MAIL", b"RCPT", b"RSET", b"NOOP")):
            await say("250 ok")
        else:
            await say("502 not here")


async def _until_dot(reader: asyncio.StreamReader) -> bytes:
    lines: list[bytes] = []
    size = 0
    while (line := await reader.readline()) not in (b".\r\n", b".\n", b""):
        size += len(line)
        if size <= MAX_BYTES:
            lines.append(line[1:] if line.startswith(b"..") else line)
    return b"".join(lines)


async def take_webhook(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, box: Box) -> None:
    """One POST of HTTP/1.1: the body is kept, whatever it is."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length:\s*(\d+)", head, re.IGNORECASE)
    body = await reader.readexactly(min(int(length[1]), MAX_BYTES)) if length else b""
    box.put(body, ".json")
    writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    await writer.drain()


async def serve(mail_port: int, web_port: int, directory: Path) -> None:
    box = Box(directory)

    def on(take: object) -> object:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # A peer that goes in the middle has nothing to say.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
                await take(reader, writer, box)  # type: ignore[operator]
            writer.close()

        return handle

    servers = [
        await asyncio.start_server(on(take_mail), "127.0.0.1", mail_port),  # type: ignore[arg-type]
        await asyncio.start_server(on(take_webhook), "127.0.0.1", web_port),  # type: ignore[arg-type]
    ]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    for server in servers:
        server.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="The mailbox of the demonstration.")
    parser.add_argument("--mail-port", type=int, required=True)
    parser.add_argument("--web-port", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.mail_port, arguments.web_port, arguments.directory))


if __name__ == "__main__":
    main()
