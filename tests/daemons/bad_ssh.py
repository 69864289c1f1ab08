"""SSH servers that misbehave on purpose, and record what they were told. In this process, on loopback."""

from __future__ import annotations

import io
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import paramiko

from netmon.drivers.targets import HostKey, Secret, SshTarget

PASSWORD, CODE = "bad-ssh-password-1", "123456"
ANSWERED = (b"", b"", 0)
logging.getLogger("tests.bad_ssh").setLevel(logging.CRITICAL)


def new_host_key() -> paramiko.PKey:
    """A key that no other server has."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return paramiko.Ed25519Key.from_private_key(io.StringIO(text.decode()))


@dataclass
class BadServer:
    """A running server. `attempts` holds (method, user name, password or fingerprint) of each login that was tried,
    `commands` each command line and each line typed into a shell."""

    port: int
    key: paramiko.PKey
    fault: str
    methods: tuple[str, ...]
    answer: Callable[[bytes], tuple[bytes, bytes, int]]
    prompt: str
    banner: str
    address: str = "127.0.0.1"
    attempts: list[tuple[str, str, str]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    version: str = ""

    @property
    def host_key(self) -> HostKey:
        return HostKey(self.key.get_name(), self.key.get_base64())

    def target(self, **over: object) -> SshTarget:
        """A target with the right password and the server's key pinned; `over` replaces fields of it."""
        values: dict[str, object] = {
            "address": self.address,
            "port": self.port,
            "username": "netmon",
            "password": Secret(PASSWORD),
            "pins": (self.host_key,),
        }
        return SshTarget(**(values | over))  # type: ignore[arg-type]


class _Interface(paramiko.ServerInterface):
    def __init__(self, server: BadServer, transport: paramiko.Transport) -> None:
        self.server = server
        self.transport = transport
        self.work: dict[int, Callable[[Any], None]] = {}

    def get_allowed_auths(self, username: str) -> str:
        return ",".join(self.server.methods)

    def get_banner(self) -> tuple[str | None, str | None]:
        return (self.server.banner, "en") if self.server.banner else (None, None)

    def check_auth_none(self, username: str) -> int:
        self.server.attempts.append(("none", username, ""))
        return paramiko.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        self.server.attempts.append(("password", username, password))
        if self.server.fault == "drop-auth":
            self.transport.close()
        elif self.server.fault == "hang-auth":
            self.server.ended.wait()
        elif self.server.fault == "too-many":
            farewell = paramiko.Message()
            farewell.add_byte(b"\x01")
            farewell.add_int(2)
            farewell.add_string("Too many authentication failures")
            farewell.add_string("")
            self.transport._send_message(farewell)
            self.transport.close()
        if password != PASSWORD or "password" not in self.server.methods:
            return paramiko.AUTH_FAILED
        return paramiko.AUTH_SUCCESSFUL

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.server.attempts.append(("publickey", username, str(key.fingerprint)))
        if self.server.fault == "partial":
            self.server.methods = ("keyboard-interactive",)
            return paramiko.AUTH_PARTIALLY_SUCCESSFUL
        return paramiko.AUTH_SUCCESSFUL if self.server.fault == "any-key" else paramiko.AUTH_FAILED

    def check_auth_interactive(self, username: str, submethods: str) -> Any:
        self.server.attempts.append(("keyboard-interactive", username, ""))
        if "keyboard-interactive" not in self.server.methods:
            return paramiko.AUTH_FAILED
        if self.server.fault == "code":
            return paramiko.InteractiveQuery("", "", ("Password: ", False), ("Verification code: ", False))
        return paramiko.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> Any:
        self.server.attempts.append(("answers", "", "\n".join(responses)))
        if responses and responses[0] != PASSWORD:
            return paramiko.AUTH_FAILED
        if self.server.fault == "second-question":
            return paramiko.InteractiveQuery("", "", ("New password: ", False))
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if self.server.fault == "no-channel":
            return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        self.server.commands.append(command.decode())
        if self.server.fault == "no-exec":
            return False
        if self.server.fault == "hang-request":
            self.server.ended.wait()
        self.work[channel.chanid] = lambda channel: self.run(channel, command)
        return True

    def check_channel_pty_request(self, *_: object) -> bool:
        return True

    def check_channel_shell_request(self, channel: Any) -> bool:
        self.work[channel.chanid] = self.shell
        return True

    def run(self, channel: Any, command: bytes) -> None:
        fault = self.server.fault
        if fault == "hang":
            channel.sendall(b"half an ans")
            self.server.ended.wait()
        if fault == "drop":
            channel.sendall(b"line 1 of a table\nline 2 cut he")
            self.transport.close()
            return
        if fault == "flood":
            with suppress(OSError, EOFError):
                while not self.server.ended.is_set():
                    channel.sendall(bytes(1 << 16))
            return
        stdout, stderr, status = self.server.answer(command)
        channel.sendall_stderr(stderr)
        channel.sendall(stdout)
        if fault != "no-status":
            channel.send_exit_status(status)
        channel.close()

    def shell(self, channel: Any) -> None:
        server = self.server
        if server.fault == "no-prompt":
            server.ended.wait()
            return
        if server.fault == "motd":
            channel.sendall(b"### Authorised use only $5 fine ###\r\n# of users: 3\r\n$ balance\r\n")
        channel.sendall(server.prompt.encode())
        line = b""
        while octet := channel.recv(1):
            if octet not in b"\r\n":
                line += octet
                continue
            text, line = line.decode(errors="replace"), b""
            server.commands.append(text)
            if text in ("exit", "quit"):
                break
            channel.sendall(text.encode() + b"\r\n")
            if text.startswith("show"):
                if server.fault == "drop-shell":
                    channel.sendall(b"line 1\r\nline 2 cut he")
                    self.transport.close()
                    return
                if server.fault == "hang-shell":
                    server.ended.wait()
                    return
            if text:
                channel.sendall(server.answer(text.encode())[0].replace(b"\n", b"\r\n"))
            channel.sendall(server.prompt.encode())
        channel.close()


def _serve(server: BadServer, sock: socket.socket) -> None:
    transport = paramiko.Transport(sock)
    transport.set_log_channel("tests.bad_ssh")
    if server.version:
        transport.local_version = server.version
    transport.add_server_key(server.key)
    interface = _Interface(server, transport)
    try:
        transport.start_server(server=interface, event=threading.Event())
        while not server.ended.is_set() and transport.is_active():
            channel = transport.accept(0.05)
            if channel is not None:
                threading.Thread(target=_work, args=(interface, channel, server), daemon=True).start()
    finally:
        transport.close()
        transport.packetizer.complete_handshake()  # its timer would stay


def _work(interface: _Interface, channel: Any, server: BadServer) -> None:
    # an exec request follows the channel
    while channel.chanid not in interface.work:
        if server.ended.wait(0.005) or channel.closed:
            return
    with suppress(OSError, EOFError, paramiko.SSHException):
        interface.work[channel.chanid](channel)


@contextmanager
def listening(serve: Callable[[socket.socket], None], address: str = "127.0.0.1") -> Iterator[int]:
    """The port of a TCP server that runs `serve(connection)` in a thread for each; connections end with the block."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen(64)
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in held:
                connection.close()


@contextmanager
def bad_ssh(
    fault: str = "",
    *,
    methods: tuple[str, ...] = ("password",),
    answer: Callable[[bytes], tuple[bytes, bytes, int]] = lambda command: (b"ok " + command + b"\n", b"", 0),
    prompt: str = "user@box:~$ ",
    banner: str = "",
    version: str = "",
) -> Iterator[BadServer]:
    """A server with one fault, "" for none: drop-auth, hang-auth, too-many, partial, code, second-question, any-key,
    no-channel, no-exec, hang-request, hang, drop, flood, no-status, no-prompt, motd, drop-shell, hang-shell."""
    server = BadServer(0, new_host_key(), fault, methods, answer, prompt, banner, version=version)

    def serve(connection: socket.socket) -> None:
        server.connections += 1
        with suppress(OSError, EOFError, paramiko.SSHException):
            _serve(server, connection)

    with listening(serve) as port:
        server.port = port
        try:
            yield server
        finally:
            server.ended.set()


@contextmanager
def talking(*chunks: bytes, hangs_up: bool = False) -> Iterator[int]:
    """The port of a TCP server that says `chunks` to whoever comes, and then nothing, or hangs up."""

    def serve(connection: socket.socket) -> None:
        with suppress(OSError):
            for chunk in chunks:
                connection.sendall(chunk)
            if hangs_up:
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1 << 16)
                connection.close()

    with listening(serve) as port:
        yield port
