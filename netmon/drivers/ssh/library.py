"""The libraries below the driver: every private name of netmiko and paramiko that we use is in this module.

`tests/unit/drivers/ssh/test_library.py` holds each of them against the installed versions. netmiko supplies the
connection's parameters and the vendors' shells, paramiko the wire; neither ever sees a password except at the moment
it is sent, and neither reads a file, an agent or an environment.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import netmiko
import paramiko
from netmiko.base_connection import BaseConnection
from netmiko.channel import SSHChannel
from netmiko.exceptions import NetmikoBaseException, NetmikoTimeoutException, ReadException, ReadTimeout
from netmiko.ssh_autodetect import SSHDetect
from paramiko.auth_handler import AuthHandler

# What the wire has to say is told by our errors; whoever wants more sets the level of this logger.
LOG_NAME = "netmon.drivers.ssh.wire"
logging.getLogger(LOG_NAME).setLevel(logging.CRITICAL)
# netmiko logs each byte of a device's answers at DEBUG: configurations, keys and all.
logging.getLogger("netmiko").setLevel(logging.WARNING)

# Off unless the target says legacy_crypto: OpenSSH's clients offer none of them either.
LEGACY = {
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-md5", "hmac-sha1-96", "hmac-md5-96"],
}
# One RSA key answers to two names of signatures.
SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
ABORTED, TIMED_OUT = "transport shut down", "Authentication timeout"
UNPROVEN = "Signature verification"

# What netmiko's shells raise: its two trees of exceptions, and ValueError for a prompt that it does not find.
SHELL_ERRORS = (NetmikoBaseException, paramiko.SSHException, EOFError, OSError, ValueError)
SHELL_TIMEOUTS = (ReadTimeout, NetmikoTimeoutException, ValueError)

Prompts = Sequence[tuple[str, bool]]
InteractiveHandler = Callable[[str, str, Prompts], list[str]]


class AsksForMore(paramiko.SSHException):
    """Keyboard-interactive asked for something that is not the password."""


class _Authentication(AuthHandler):
    """paramiko's, but it requests the service once: servers other than OpenSSH hang up on the second time."""

    def _request_auth(self) -> None:
        if not self.transport.has_auth_service:
            super()._request_auth()
            return
        accepted = paramiko.Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        self._parse_service_accept(accepted)

    def _parse_service_accept(self, m: Any) -> None:
        self.transport.has_auth_service = True
        super()._parse_service_accept(m)


class WireTransport(paramiko.Transport):
    """A transport that waits exactly, remembers the server's last words, and fails with few kinds of exceptions."""

    def __init__(self, sock: Any, **options: Any) -> None:
        super().__init__(sock, **options)
        self.set_log_channel(LOG_NAME)
        self.farewell: tuple[int, str] | None = None
        self.has_auth_service = False

    def start_client(self, event: Any = None, timeout: float | None = None) -> None:
        """Banner and key exchange; raises TimeoutError after `timeout` seconds, where paramiko would just return."""
        done = event or threading.Event()
        if timeout is not None:
            self.banner_timeout = self.handshake_timeout = timeout
        super().start_client(event=done)
        if event is not None:
            return
        if not done.wait(timeout):
            raise TimeoutError
        if not self.active:
            raise self.get_exception() or paramiko.SSHException("Negotiation failed.")

    def close(self) -> None:
        """Hangs up. paramiko's timer of the handshake would live on for its whole time otherwise."""
        super().close()
        self.packetizer.complete_handshake()

    def get_exception(self) -> Exception | None:
        """What ended the transport's thread. Hostile bytes make it raise anything: here it is one of three kinds."""
        error: Exception | None = super().get_exception()
        if error is None or isinstance(error, paramiko.SSHException | EOFError | OSError):
            return error
        wrapped = paramiko.SSHException(f"malformed packet ({type(error).__name__})")
        wrapped.__cause__ = error
        return wrapped

    def _parse_disconnect(self, m: Any) -> None:
        self.farewell = (m.get_int(), m.get_string()[:200].decode(errors="replace"))

    def log_in(self, method: str, username: str, credential: Any) -> list[str]:
        """One try of "publickey" (a PKey), "password" (str) or "keyboard-interactive" (a handler of prompts).

        Returns the methods that are still wanted, [] for none. Raises SSHException, EOFError, OSError.
        """
        done = threading.Event()
        self.auth_handler = handler = _Authentication(self)
        names = {"publickey": "auth_publickey", "password": "auth_password"}
        getattr(handler, names.get(method, "auth_interactive"))(username, credential, done)
        return list(handler.wait_for_response(done))


class _Strategy:
    """What `SSHClient.connect` calls once the host key was accepted."""

    def __init__(self, authenticate: Callable[[], None]) -> None:
        self._authenticate = authenticate

    def authenticate(self, transport: Any) -> None:
        self._authenticate()


class Client(paramiko.SSHClient):
    """A client that logs in with `authenticate(transport, username)`, once: netmiko may call `connect` again."""

    def __init__(self, authenticate: Callable[[WireTransport, str], None]) -> None:
        super().__init__()
        self._authenticate_with = authenticate
        self._wire: WireTransport | None = None

    def connect(self, hostname: str, **params: Any) -> None:
        if self._wire is not None:
            return
        username = params["username"]
        params["auth_strategy"] = _Strategy(lambda: self._authenticate_with(self.wire, username))
        super().connect(hostname, transport_factory=self._new_wire, **params)

    def _new_wire(self, sock: Any, **options: Any) -> WireTransport:
        self._wire = WireTransport(sock, **options)
        return self._wire

    def close(self) -> None:
        """Hangs up. paramiko's own is not for two threads at once, and the watchdog may be the second."""
        if self._wire is not None:
            self._wire.close()

    @property
    def wire(self) -> WireTransport:
        """The transport, closed or not; only after `connect` has begun."""
        assert self._wire is not None
        return self._wire


def disabled_algorithms(*, key_types: Sequence[str] = (), legacy: bool = False) -> dict[str, list[str]]:
    """paramiko's option: only host keys of `key_types` (none: all), and no old ciphers unless `legacy`."""
    disabled = {} if legacy else {name: list(values) for name, values in LEGACY.items()}
    if key_types:
        wanted = {name for key_type in key_types for name in SIGNATURES.get(key_type, (key_type,))}
        disabled["keys"] = [name for name in paramiko.Transport._preferred_keys if name not in wanted]
    return disabled


def new_connection(
    device_type: str, *, address: str, port: int, username: str, sock: Any, client: Client, seconds: float, **more: Any
) -> BaseConnection:
    """netmiko's connection for a device type, not yet connected; it will use `sock` and `client` and no secret."""
    connection: BaseConnection = netmiko.ConnectHandler(
        device_type=device_type, host=address, port=port, username=username, sock=sock, auto_connect=False,
        conn_timeout=seconds, banner_timeout=seconds, use_keys=False, allow_agent=False, **more,
    )  # fmt: skip
    # a filter for each connection would stay on netmiko's logger for ever, and there is no secret for it to hide
    logging.getLogger("netmiko").removeFilter(connection._secrets_filter)
    connection._build_ssh_client = lambda: client  # type: ignore[method-assign]
    return connection


def connect(connection: BaseConnection, client: Client) -> None:
    """TCP is there already: banner, key exchange, host key, login. Raises what paramiko and the policy raise."""
    connection._modify_connection_params()  # some vendors have options in the user name
    client.connect(**connection._connect_params_dict())


class _WatchedChannel(SSHChannel):
    """netmiko's channel, which counts what comes, and says at once when the other end has gone."""

    def __init__(self, conn: Any, encoding: str, count: Callable[[int], None]) -> None:
        super().__init__(conn, encoding)
        self._count = count

    def read_buffer(self) -> str:
        has_ended = self.remote_conn is None or self.remote_conn.closed or self.remote_conn.eof_received
        text = super().read_buffer()
        self._count(len(text.encode(errors="replace")))
        if has_ended and not text:
            raise ReadException("Channel closed.")
        return text


def open_shell(connection: BaseConnection, *, seconds: float, count: Callable[[int], None]) -> None:
    """The vendor's interactive shell on a connected client, prepared: prompt found, paging off.

    `seconds` bounds each wait; `count` gets the number of bytes of each read. Raises netmiko's and paramiko's.
    """
    connection.read_timeout_override = seconds
    # netmiko would wait for a prompt once more before it hangs up on a device that shows none
    connection.cleanup = lambda command="": None  # type: ignore[method-assign]
    connection.establish_connection()
    connection.channel = _WatchedChannel(connection.remote_conn, connection.encoding, count)
    connection._try_session_preparation()


class _Guesser(SSHDetect):
    """netmiko's detection on a connection of ours: its constructor would make one without our host keys.

    Only the commands that tell most are typed; all of netmiko's would take two minutes.
    """

    COMMANDS = ("show version", "display version", "show system")

    def __init__(self, connection: BaseConnection) -> None:
        self.connection = connection
        self.initial_buffer = ""
        self.potential_matches: dict[str, int] = {}
        self._results_cache: dict[str, str] = {}
        self.seen = ""

    def _send_command(self, cmd: str = "") -> str:
        if cmd not in self.COMMANDS:
            return ""
        self.connection.write_channel(self.connection.normalize_cmd(cmd))
        text = self.connection.read_channel_timing(last_read=1.0)
        self.seen += text
        return text or " "  # an empty answer would be asked for again


def guess_device_type(connection: BaseConnection) -> tuple[str | None, str]:
    """netmiko's name for what an open shell seems to be, or None, and what the shell said."""
    guesser = _Guesser(connection)
    return guesser.autodetect(), guesser.seen


def ask_shell(connection: BaseConnection, line: str, *, seconds: float) -> str:
    """What an open shell answers to `line`, without echo and prompt. Raises SHELL_ERRORS."""
    connection.read_timeout_override = seconds
    return str(connection.send_command(line, read_timeout=seconds))
