"""From a target to a connection that is logged in: TCP, jump hosts, host key, login, all against one clock."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from netmiko.base_connection import BaseConnection

from netmon.drivers.errors import AuthenticationFailed, DriverError, NotSupported, UntrustedPeer
from netmon.drivers.ssh import failures, library
from netmon.drivers.ssh.errors import OutputTooLarge, UntrustedHostKey
from netmon.drivers.ssh.hostkeys import PinPolicy, host_key_of, key_types_of
from netmon.drivers.ssh.library import AsksForMore, Client, Prompts, WireTransport
from netmon.drivers.ssh.userkeys import private_key_of
from netmon.drivers.targets import HOST_KEY_TYPES, HostKey, Secret, SshTarget

# Keyboard-interactive servers may greet with rounds of no question at all.
MAX_ROUNDS = 5


class Clock:
    """What is left of a session's time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def limit(self, seconds: float) -> float:
        """`seconds`, or what is left where that is less."""
        return min(seconds, self.remaining)


class Link:
    """A connection that is logged in. `count` bounds what may be read; `close` never waits for the other end.

    A watchdog hangs up when the clock has run out: the libraries wait without limit in some places.
    """

    def __init__(self, target: SshTarget, clock: Clock) -> None:
        self.target = target
        self.clock = clock
        self.connection: BaseConnection | None = None
        self.client: Client | None = None
        self.host_key: HostKey | None = None
        self.first_use = False
        self.has_expired = False
        self._below: Link | None = None
        self._sock: Any = None
        self._read = 0
        self._watchdog = threading.Timer(clock.remaining, self._expire)
        self._watchdog.daemon = True

    @property
    def transport(self) -> WireTransport:
        assert self.client is not None
        return self.client.wire

    def open(self, device_type: str) -> None:
        """Connects and logs in as netmiko's `device_type`. Raises DriverError; the caller closes in every case."""
        key = private_key_of(self.target)  # what cannot be used needs no connection
        self._watchdog.start()
        seconds = self.clock.limit(self.target.connect_timeout_seconds)
        ends = time.monotonic() + seconds
        if self.target.jump is not None:
            self._below = Link(self.target.jump, self.clock)
            with on_jump_host(self.target.jump):
                self._below.open("linux")
            ends = time.monotonic() + self.clock.limit(self.target.connect_timeout_seconds)
        try:
            self._sock = dial(self.target.address, self.target.port, seconds=ends - time.monotonic(), below=self._below)
        except DriverError as error:
            raise self.failure(error) from None
        self._log_in(device_type, key, seconds=max(0.001, ends - time.monotonic()))

    def count(self, octets: int) -> None:
        """Raises OutputTooLarge, and hangs up, once more came than the target allows."""
        self._read += octets
        if self._read > self.target.max_output_bytes:
            self.close()
            text = f"The device answered more than {self.target.max_output_bytes} bytes; raise max_output_bytes, or ask"
            raise OutputTooLarge(f"{text} for less.", reason="too-large")

    def renew(self, seconds: float) -> None:
        """Time and output anew, for the next user of the same connection."""
        self._watchdog.cancel()
        self._read = 0
        self.clock = Clock(seconds)
        self._watchdog = threading.Timer(seconds, self._expire)
        self._watchdog.daemon = True
        self._watchdog.start()
        if self._below is not None:
            self._below.renew(seconds)

    @property
    def is_alive(self) -> bool:
        """Whether the connection still stands, as far as this end knows."""
        return not self.has_expired and self.client is not None and bool(self.transport.is_active())

    @property
    def shown_keys(self) -> tuple[tuple[HostKey, bool], ...]:
        """Host key and first use of this server, then of its jump host, and so on."""
        assert self.host_key is not None
        below = self._below.shown_keys if self._below is not None else ()
        return ((self.host_key, self.first_use), *below)

    def close(self) -> None:
        """Hangs up, on the jump hosts too."""
        self._watchdog.cancel()
        if self.client is not None:
            self.client.close()
        if self._sock is not None:
            # a transport that never started leaves its socket open
            with contextlib.suppress(OSError, EOFError):
                self._sock.close()
        if self._below is not None:
            self._below.close()

    def _expire(self) -> None:
        self.has_expired = True
        self.close()

    def failure(self, error: DriverError) -> DriverError:
        """`error`, or the deadline where the watchdog hung up: then it is the reason of all that followed.

        What the device said in so many words stays: a refusal that looked like a timeout would be tried again.
        """
        if isinstance(error, AuthenticationFailed | UntrustedPeer):
            return error
        return failures.deadline(self.clock.seconds) if self.has_expired or not self.clock.remaining else error

    def _log_in(self, device_type: str, key: Any, *, seconds: float) -> None:
        target = self.target
        policy = PinPolicy(
            target.pins, trusts_first_use=target.trusts_first_use, address=target.address, port=target.port
        )
        self.client = Client(_Login(self, key))
        self.client.set_missing_host_key_policy(policy)
        key_types = key_types_of(target.pins)
        self.connection = library.new_connection(
            device_type,
            address=target.address,
            port=target.port,
            username=target.username,
            sock=self._sock,
            client=self.client,
            seconds=seconds,
            auth_timeout=self.clock.limit(target.auth_timeout_seconds),
            disabled_algorithms=library.disabled_algorithms(key_types=key_types, legacy=target.legacy_crypto),
        )
        try:
            library.connect(self.connection, self.client)
        except failures.WIRE_ERRORS as error:
            failed = failures.of_handshake(error, self.transport, seconds=target.connect_timeout_seconds)
            if key_types and failed.reason == "hostkey-incompatible":
                failed = self._other_type()
            raise self.failure(failed) from None
        self.host_key, self.first_use = policy.shown, policy.is_first_use

    def _other_type(self) -> DriverError:
        """The server has no key of a pinned type: which it has, a second look tells."""
        target = self.target
        try:
            offered = look(
                target.address, target.port, self.clock, below=self._below, seconds=target.connect_timeout_seconds
            )
        except DriverError as error:
            return error
        return UntrustedHostKey("other_type", offered, target.pins, address=target.address, port=target.port)


class OverLink:
    """What every session tells of the connection below it."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def host_key(self) -> HostKey:
        assert self._link.host_key is not None
        return self._link.host_key

    @property
    def first_use(self) -> bool:
        return self._link.first_use

    @property
    def shown_keys(self) -> tuple[tuple[HostKey, bool], ...]:
        """`host_key` and `first_use`, then the same of the jump host, and so on: all of them were accepted."""
        return self._link.shown_keys

    @property
    def server_version(self) -> str:
        return str(self._link.transport.remote_version)


class _Login:
    """Key first, then the password, each at most once; what the server still wants after a partial success too."""

    def __init__(self, link: Link, key: Any) -> None:
        self._link = link
        self._key = key

    def __call__(self, transport: WireTransport, username: str) -> None:
        password = self._link.target.password
        wanted: list[str] | None = None
        if self._key is not None:
            try:
                wanted = self._try(transport, "publickey", username, self._key)
            except AuthenticationFailed:
                if not password:
                    raise
            if wanted == []:
                return
        if not password:
            raise _unfinished(wanted)
        methods = [name for name in ("password", "keyboard-interactive") if wanted is None or name in wanted]
        if not methods:
            raise _unfinished(wanted)
        wanted = self._try(transport, methods[0], username, _answer(methods[0], password))
        if wanted:
            raise _unfinished(wanted)

    def _try(self, transport: WireTransport, method: str, username: str, credential: Any) -> list[str]:
        link = self._link
        seconds = link.clock.limit(link.target.auth_timeout_seconds)
        transport.auth_timeout = seconds
        try:
            return transport.log_in(method, username, credential)
        except failures.WIRE_ERRORS as error:
            interactive = "keyboard-interactive"
            if method == "password" and interactive in getattr(error, "allowed_types", []):
                # the password was not looked at, so this is no second try with it
                assert link.target.password is not None
                return self._try(transport, interactive, username, _answer(interactive, link.target.password))
            raise link.failure(failures.of_login(error, transport, method=method, seconds=seconds)) from None


def _answer(method: str, password: Secret) -> Any:
    """What `log_in` wants beside the user name; prompts are answered once, and only if they ask for one hidden text."""
    if method == "password":
        return password.reveal()
    rounds: list[int] = []

    def handler(title: str, instructions: str, prompts: Prompts) -> list[str]:
        rounds.append(len(prompts))
        if not prompts and len(rounds) <= MAX_ROUNDS:
            return []
        # a second question is a new password or a code, and a shown answer is none that hides a password
        if len(prompts) != 1 or sum(rounds) > 1 or prompts[0][1]:
            raise AsksForMore
        return [password.reveal()]

    return handler


def _unfinished(wanted: list[str] | None) -> DriverError:
    rest = ", ".join(name for name in wanted or [] if name.isascii() and name.isprintable())[:200]
    text = f"The device wants a further login step ({rest or 'unnamed'}) that the credentials do not hold."
    return AuthenticationFailed(text, reason="auth-method")


@contextmanager
def on_jump_host(target: SshTarget) -> Iterator[None]:
    """Says in an error that it happened on the jump host."""
    try:
        yield
    except DriverError as error:
        error.detail = f"Jump host {target.address}: {error.detail}"
        error.args = (error.detail,)
        error.jumps += 1
        raise


def dial(address: str, port: int, *, seconds: float, below: Link | None = None) -> Any:
    """A socket to there, or a channel from the jump host `below`. Raises DriverError."""
    seconds = max(0.001, seconds)
    if below is None:
        try:
            sock = socket.create_connection((address, port), timeout=seconds)
            # paramiko leaves Nagle's algorithm on: some 50 ms more for each connection
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            raise failures.of_tcp(error, seconds=seconds) from None
    try:
        return below.transport.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=seconds)
    except failures.WIRE_ERRORS as error:
        raise failures.of_jump(error, where=f"{address} port {port}", seconds=seconds) from None


def look(
    address: str, port: int, clock: Clock, *, seconds: float, below: Link | None = None, key_types: tuple[str, ...] = ()
) -> HostKey:
    """The host key that a server shows when it is asked for `key_types` (none: any). Raises DriverError.

    No user name and no credential is sent: it hangs up after the key exchange.
    """
    seconds = max(0.001, clock.limit(seconds))
    sock = dial(address, port, seconds=seconds, below=below)
    transport: WireTransport | None = None
    try:
        # old ciphers do no harm where nothing secret is said
        transport = WireTransport(
            sock, disabled_algorithms=library.disabled_algorithms(key_types=key_types, legacy=True)
        )
        transport.start_client(timeout=seconds)
        return host_key_of(transport.get_remote_server_key())
    except failures.WIRE_ERRORS as error:
        raise failures.of_handshake(error, transport, seconds=seconds) from None
    finally:
        if transport is not None:
            transport.close()
        with contextlib.suppress(OSError, EOFError):
            sock.close()


def read_host_keys(
    address: str, port: int = 22, *, jump: SshTarget | None = None, timeout_seconds: float = 10.0
) -> list[HostKey]:
    """The keys a server offers, one of each type, the engine's favourite first; for approving and comparing.

    Sends no user name and no credential to it (a jump host is logged in to). `timeout_seconds` bounds each of the at
    most five connections. Raises DriverError; NotSupported where it has only keys of kinds that no longer count.
    """
    clock = Clock(timeout_seconds * (len(HOST_KEY_TYPES) + 1) + (jump.deadline_seconds if jump else 0))
    found: list[HostKey] = []
    none: NotSupported | None = None
    below = Link(jump, clock) if jump else None
    try:
        if below is not None and jump is not None:
            with on_jump_host(jump):
                below.open("linux")
        for key_type in HOST_KEY_TYPES:
            try:
                found.append(look(address, port, clock, seconds=timeout_seconds, below=below, key_types=(key_type,)))
            except NotSupported as error:
                if error.reason != "hostkey-incompatible":
                    raise
                none = error
    finally:
        if below is not None:
            below.close()
    if none is not None and not found:
        raise none
    return found
