"""The API of one router: typed calls, one at a time, each over a fresh connection under one deadline."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import ssl
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpcore2
import orjson

from netmon.drivers.dialing import Address, Deadline
from netmon.drivers.errors import Busy, DeadlineExceeded, DriverError, ProtocolError, Rejected, Unreachable
from netmon.drivers.httpwire import Wire
from netmon.drivers.targets import VyosTarget
from netmon.drivers.vyos.answers import EMPTY, doubt, judge
from netmon.drivers.vyos.commands import Command
from netmon.drivers.vyos.tls import context_for, failed_handshake, pin_check

MOST_REQUEST_BYTES = 1 << 20  # what a router takes unless it is told otherwise
Path = Sequence[str]

# Two requests at once hang some builds of 2025 for ever, reads included. Between processes the caller sees to it.
_asked: set[tuple[Address, int]] = set()
_asked_guard = threading.Lock()
_TIMER = re.compile(r"Initialized commit-confirm; (\d+) minutes? to confirm")


@dataclass(frozen=True, slots=True)
class Commit:
    """A change that is applied. `output` is what the router remarked.

    `confirm_minutes` is how long it waits to be confirmed before it goes back, as the router itself said; None means
    that the change is permanent, even where a timer was asked for: older versions ignore that silently.
    """

    output: str
    confirm_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Info:
    """What a router of 1.5 tells without a key."""

    version: str
    hostname: str


class VyosClient:
    """Calls of the HTTP API. Raises DriverError only; after a change `may_have_applied(error)` is the question.

    A second call to the same router while one is under way, from whatever thread of the process, is refused as Busy
    (reason "in_use"): nothing is sent.
    """

    def __init__(self, target: VyosTarget) -> None:
        self._target = target

    def __repr__(self) -> str:
        return f"VyosClient({self._target.address!r}, {self._target.port})"

    def configure(self, commands: Iterable[Command], confirm_minutes: int | None = None) -> Commit:
        """Applies all commands in one commit, or none. With `confirm_minutes` see `Commit`.

        Raises Locked, CommitFailed, Rejected (a path or value the router does not know), UnknownOutcome and what any
        call raises. ValueError for no commands or a timer below a minute.
        """
        sent = [command.wire for command in commands]
        if not sent:
            raise ValueError("commands: none; there is nothing to commit")
        request: dict[str, Any] = {"commands": sent}
        if confirm_minutes is not None:
            if confirm_minutes < 1:
                raise ValueError("confirm_minutes: below 1; give whole minutes")
            request["confirm_time"] = confirm_minutes
        output = self._text(self._ask("configure", request, changes=True, with_timer=confirm_minutes is not None))
        armed = _TIMER.search(output) if confirm_minutes is not None else None
        return Commit(output, int(armed[1]) if armed else None)

    def confirm(self) -> str:
        """Makes a change that waits for it permanent. Send it only after `Commit.confirm_minutes` was given: the router
        confirms whatever is pending, also somebody else's."""
        return self._text(self._ask("configure", {"op": "confirm"}, changes=True))

    def save(self) -> str:
        """Writes the running configuration to where a reboot reads it."""
        return self._text(self._ask("config-file", {"op": "save"}, changes=True))

    def show_config(self, path: Path = ()) -> dict[str, Any]:
        """The configuration below `path`; {} where there is none. Ask for the parent of a tag node, not for itself."""
        try:
            data = self._retrieve("showConfig", path)
        except Rejected as error:
            if EMPTY in error.detail:
                return {}
            raise
        if not isinstance(data, dict):
            raise ProtocolError("The configuration that came is none.", reason="shape")
        return data

    def exists(self, path: Path) -> bool:
        """Whether `path` is set."""
        data = self._retrieve("exists", path)
        if not isinstance(data, bool):
            raise ProtocolError("The answer is neither yes nor no.", reason="shape")
        return data

    def return_value(self, path: Path) -> str | None:
        """The value of a leaf, None where it has none."""
        data = self._retrieve("returnValue", path)
        if data is not None and not isinstance(data, str):
            raise ProtocolError("The answer is no value.", reason="shape")
        return data

    def return_values(self, path: Path) -> list[str]:
        """All values of a leaf."""
        data = self._retrieve("returnValues", path)
        if data is None:
            return []
        if not isinstance(data, list) or not all(isinstance(value, str) for value in data):
            raise ProtocolError("The answer is no list of values.", reason="shape")
        return data

    def show(self, path: Path) -> str:
        """The text of an operational command, as a terminal shows it."""
        return self._text(self._ask("show", {"op": "show", "path": list(path)}))

    def info(self) -> Info:
        """Raises NotSupported before 1.5 of 2025."""
        data = self._exchange("GET", "info", b"")
        known = data if isinstance(data, dict) else {}
        return Info(str(known.get("version") or "")[:200], str(known.get("hostname") or "")[:255])

    def status_without_key(self) -> int:
        """The HTTP status of a request without a key: 422 of 1.3, 401 of later versions. Sends no key."""
        status, _ = self._send("POST", "retrieve", b"data=%7B%7D", "application/x-www-form-urlencoded", changes=False)
        return status

    def _retrieve(self, op: str, path: Path) -> Any:
        return self._ask("retrieve", {"op": op, "path": list(path)})

    def _ask(self, endpoint: str, request: dict[str, Any], *, changes: bool = False, with_timer: bool = False) -> Any:
        body = orjson.dumps({"key": self._target.key.reveal(), **request})
        return self._exchange("POST", endpoint, body, changes=changes, with_timer=with_timer)

    def _exchange(
        self, method: str, endpoint: str, body: bytes, *, changes: bool = False, with_timer: bool = False
    ) -> Any:
        if len(body) > MOST_REQUEST_BYTES:
            raise Rejected("The request is larger than a router takes (1 MB); send less at once.", reason="too_large")
        status, answer = self._send(method, endpoint, body, "application/json", changes=changes)
        return judge(status, answer, key=self._target.key, changes=changes, with_timer=with_timer)

    def _send(self, method: str, endpoint: str, body: bytes, content_type: str, *, changes: bool) -> tuple[int, bytes]:
        """One request and its answer, whatever it is."""
        target = self._target
        context, check_peer = context_for(target), pin_check(target)
        deadline = Deadline(target.deadline_seconds)
        with _alone(target), contextlib.ExitStack() as open_things:
            wire = Wire(
                lambda address: "",  # whoever made the target has judged its address
                deadline,
                open_things,
                connecting=Deadline(min(target.connect_timeout_seconds, target.deadline_seconds)),
                silence_seconds=target.read_timeout_seconds,
                check_peer=check_peer,
            )
            pool = httpcore2.ConnectionPool(
                ssl_context=context, max_connections=1, max_keepalive_connections=0, network_backend=wire
            )
            url = httpcore2.URL(scheme="https", host=target.address, port=target.port, target=f"/{endpoint}")
            headers = {"Host": _host(target), "Content-Length": str(len(body)), "Content-Type": content_type}
            extensions = {"sni_hostname": target.server_name} if target.server_name else {}
            try:
                with (
                    pool,
                    pool.stream(
                        method, url, headers=list(headers.items()), content=body, extensions=extensions
                    ) as response,
                ):
                    return response.status, _whole(response.iter_stream(), target.max_answer_bytes)
            except _TooLarge:
                raise doubt("The answer is larger than allowed.", "too_large", changes) from None
            except (httpcore2.ProtocolError, httpcore2.NetworkError, httpcore2.TimeoutException, OSError) as error:
                raise self._failure(error, wire, changes) from None

    def _failure(self, error: Exception, wire: Wire, changes: bool) -> DriverError:
        target = self._target
        late = isinstance(error, (TimeoutError, httpcore2.TimeoutException)) or wire.deadline.is_over
        if not wire.is_asked:  # not all of the request has left: nobody can have acted on it
            if late or (wire.connecting.is_over and not wire.is_cut):
                seconds = min(target.connect_timeout_seconds, target.deadline_seconds)
                return DeadlineExceeded(f"{target.address} port {target.port} took no request within {seconds:g} s.")
            if isinstance(error, ssl.SSLError):
                return failed_handshake(target, error)
            return Unreachable(f"{target.address} closed the connection before the request had left.", reason="closed")
        if late:
            return doubt("No whole answer came in time.", "timeout", changes, instead=DeadlineExceeded)
        if isinstance(error, httpcore2.ProtocolError) and "without sending" not in str(error):
            return doubt("What came is no whole HTTP.", "garbage", changes)
        return doubt("The router closed the connection without an answer.", "closed", changes, instead=Unreachable)

    @staticmethod
    def _text(data: Any) -> str:
        return data if isinstance(data, str) else ""  # scrubbed by `judge`


class _TooLarge(Exception):
    pass


def _whole(chunks: Iterable[bytes], most_bytes: int) -> bytes:
    found = bytearray()
    for chunk in chunks:
        found += chunk
        if len(found) > most_bytes:
            raise _TooLarge
    return bytes(found)


def _host(target: VyosTarget) -> str:
    name = target.server_name or target.address
    name = f"[{name}]" if ":" in name else name
    return name if target.port == 443 else f"{name}:{target.port}"


@contextlib.contextmanager
def _alone(target: VyosTarget) -> Iterator[None]:
    router = (ipaddress.ip_address(target.address), target.port)
    with _asked_guard:
        if router in _asked:
            raise Busy(f"{target.address} is being asked something else by this process.", reason="in_use")
        _asked.add(router)
    try:
        yield
    finally:
        with _asked_guard:
            _asked.discard(router)


def _forget() -> None:
    """A child of this process asks nobody yet, whatever was under way when it was made."""
    global _asked_guard
    _asked_guard = threading.Lock()
    _asked.clear()


os.register_at_fork(after_in_child=_forget)
