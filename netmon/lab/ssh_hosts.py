"""Simulated SSH hosts on loopback: one port, an address each. They know the driver's commands, and have no shell."""

from __future__ import annotations

import argparse
import io
import os
import re
import selectors
import shlex
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from netmon.lab.hosts import CHANGE_SECONDS, HOSTS, NOT_FOUND, USERNAME, Answer, Host, Life

# As netmon.drivers.ssh.script writes it: a marker, then a line for each command.
SCRIPT = re.compile(r"m=(@@[0-9a-f]{16}); (.*); exit 0", re.DOTALL)
MAX_COMMAND = 1 << 16
MAX_CONNECTIONS = 64


class Server:
    """One host: its key, its password, its answers."""

    def __init__(self, host: Host, directory: Path, password: str, change_seconds: float) -> None:
        self.host = host
        self.password = password
        self.life = Life(host, time.time())
        self._path = directory / f"{host.name}_ed25519"
        self._changes_at = time.monotonic() + change_seconds if host.trouble == "key" else None
        self._key = self._kept() or self._new()

    @property
    def key(self) -> paramiko.PKey:
        """Of this moment: one of the hosts is installed anew after a while."""
        if self._changes_at is not None and time.monotonic() >= self._changes_at:
            self._changes_at = None
            self._key = self._new()
        return self._key

    def _kept(self) -> paramiko.PKey | None:
        return paramiko.Ed25519Key.from_private_key_file(str(self._path)) if self._path.exists() else None

    def _new(self) -> paramiko.PKey:
        text = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text)
        return paramiko.Ed25519Key.from_private_key(io.StringIO(text.decode()))

    def run(self, line: str) -> Answer:
        """What a command line answers: the driver's script, or one command."""
        try:
            words = shlex.split(line)
            if words[:3] == ["exec", "sh", "-c"] and len(words) == 4 and (script := SCRIPT.search(words[3])):
                return self._run_script(script[1], script[2])
            return self.life.answer(tuple(words))
        except (ValueError, IndexError):  # no closing quote, no word
            return "", "sh: syntax error\n", NOT_FOUND

    def _run_script(self, marker: str, text: str) -> Answer:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=";")
        lexer.whitespace_split = True
        commands: list[list[str]] = [[]]
        for word in lexer:
            if word == ";":
                commands.append([])
            else:
                commands[-1].append(word)
        out, err = [], []
        for step, number, _limit, *argv in commands:
            if step != "s":
                raise ValueError(step)
            said, complained, status = self.life.answer(tuple(argv))
            out.append(f"\n{marker} {number}\n{said}\n{marker} rc {status}\n")
            err.append(f"\n{marker} {number}\n{complained}\n{marker} rc {status}\n")
        return "".join(out), "".join(err), 0


class Interface(paramiko.ServerInterface):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._asked: dict[int, str] = {}

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        server = self._server
        is_right = username == USERNAME and password == server.password and server.host.trouble != "password"
        return paramiko.common.AUTH_SUCCESSFUL if is_right else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if kind == "session":
            return paramiko.common.OPEN_SUCCEEDED
        return paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        if len(command) > MAX_COMMAND:
            return False
        self._asked[channel.get_id()] = command.decode(errors="replace")
        return True

    def begin(self, channel: Any) -> None:
        """After the client was told that its request is granted: an answer before that would look like a refusal."""
        line = self._asked.pop(channel.get_id(), None)
        if line is not None:
            threading.Thread(target=self._answer, args=(channel, line), daemon=True).start()

    def _answer(self, channel: Any, line: str) -> None:
        out, err, status = self._server.run(line)
        with suppress(OSError, EOFError, paramiko.SSHException):
            channel.sendall(out.encode())
            channel.sendall_stderr(err.encode())
            channel.send_exit_status(status)
            channel.close()


def _granted(channel: Any, message: Any) -> None:
    paramiko.Channel._handle_request(channel, message)
    channel.transport.server_object.begin(channel)


class HostTransport(paramiko.Transport):
    """paramiko answers a request itself when the hook returns, and has no hook for the moment after it."""

    _channel_handler_table: ClassVar[dict[int, Any]] = {
        **paramiko.Transport._channel_handler_table,
        paramiko.common.MSG_CHANNEL_REQUEST: _granted,
    }


def serve(port: int, directory: Path, password: str, *, change_seconds: float = CHANGE_SECONDS) -> NoReturn:
    """Answers for ever on every host's own address. Raises OSError when the port is taken."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    waiting = selectors.DefaultSelector()
    for host in HOSTS:
        listener = socket.create_server((host.address, port), backlog=64)
        waiting.register(listener, selectors.EVENT_READ, Server(host, directory, password, change_seconds))
    transports: list[paramiko.Transport] = []
    while True:
        for event, _ in waiting.select():
            with suppress(OSError, EOFError, paramiko.SSHException):
                connection, peer = event.fileobj.accept()  # type: ignore[union-attr]
                transports = [one for one in transports if one.is_active()]
                if not peer[0].startswith("127.") or len(transports) >= MAX_CONNECTIONS:
                    connection.close()
                    continue
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                transport = HostTransport(connection)
                transport.local_version = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3"
                transport.add_server_key(event.data.key)
                # with an event it does not wait for the handshake
                transport.start_server(event=threading.Event(), server=Interface(event.data))
                transports.append(transport)


def main() -> None:
    """The command line; the password comes by the environment, as the demonstration's is no secret anyway."""
    parser = argparse.ArgumentParser(description="Simulated SSH hosts on 127.20.0.0/24.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True, help="where their host keys are kept")
    parser.add_argument("--password", required=True)
    parser.add_argument("--change-seconds", type=float, default=CHANGE_SECONDS, help="until one shows another key")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    paramiko.util.get_logger("paramiko").disabled = True
    serve(arguments.port, arguments.directory, arguments.password, change_seconds=arguments.change_seconds)


if __name__ == "__main__":
    main()
