"""The router behind the API: running and saved configuration, one request after another, and a timer to go back."""

from __future__ import annotations

import contextlib
import copy
import shlex
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from netmon.lab.vyos import commit, texts
from netmon.lab.vyos.configuration import Tree, Words, applied, apply, at, shown
from netmon.lab.vyos.faults import Fault
from netmon.lab.vyos.grammar import fault
from netmon.lab.vyos.versions import VERSIONS

LOCKED = "Configuration system temporarily locked due to another commit in progress\nCommit failed"
EMPTY = "Configuration under specified path is empty\n"
KEY = "simulated-key-of-a-router"


class Refusal(Exception):
    """A 400 with this text."""


class Router:
    """One simulated router of a version.

    `commit_seconds` is how long a commit takes, `minute_seconds` a minute of commit-confirm. `hangs` makes it one of
    the 1.5 builds of 2025 whose API hangs for ever once two changes meet. `counts` has requests, reads, commits,
    failed_commits, saves, reboots, and max_in_flight.
    """

    def __init__(
        self,
        version: str = "1.5-2026-02",
        *,
        key: str = KEY,
        commit_seconds: float = 0.0,
        minute_seconds: float = 60.0,
        hangs: bool = False,
        hostname: str = "vyos-lab",
    ) -> None:
        self.behaviour = VERSIONS[version]
        self.version = version
        self.key = key
        self.hostname = hostname
        self.commit_seconds = commit_seconds
        self.minute_seconds = minute_seconds
        self.hangs = hangs
        self.is_down = False
        self.is_locked = False
        self.leases: list[tuple[str, str, str]] = []
        self.hits: dict[int, tuple[int, int]] = {}
        self.counts: Counter[str] = Counter()
        self.closing = threading.Event()
        self.running: Tree = {}
        self._faults: list[tuple[Fault, str]] = []
        self._one_at_a_time = threading.Lock()
        self._guard = threading.Lock()
        self._in_flight = 0
        self._changes_in_flight = 0
        self._is_hung = False
        self._timer: threading.Timer | None = None
        self._before: Tree = {}
        self.edit(*self._first_lines())
        self.saved: Tree = copy.deepcopy(self.running)

    def _first_lines(self) -> list[str]:
        key = f"set service https api keys id netmon key {shlex.quote(self.key)}"
        rest = ["set service https api rest"] if self.behaviour.rest_node else []
        return [
            key, *rest, f"set system host-name {self.hostname}",
            "set interfaces ethernet eth0 address 203.0.113.2/24", "set interfaces ethernet eth0 description WAN",
            "set interfaces ethernet eth1 address 192.168.66.1/24", "set interfaces ethernet eth1 description LAN",
        ]  # fmt: skip

    # What a test or a person at the console does

    def edit(self, *lines: str) -> None:
        """A person's `set` and `delete` lines, committed without the checks of a commit. Raises ValueError."""
        operations = []
        for line in lines:
            op, *words = shlex.split(line)
            if reason := fault(self.version, op, tuple(words)):
                raise ValueError(f"{line}: {reason}")
            operations.append((op, tuple(words)))
        with self._guard:
            self.running = applied(self.version, self.running, operations)

    def kept(self) -> dict[str, Any]:
        """All that a later process needs to go on as this router: what `take` takes."""
        with self._guard:
            return {
                "running": copy.deepcopy(self.running),
                "saved": copy.deepcopy(self.saved),
                "leases": [list(lease) for lease in self.leases],
                "hits": {str(number): list(hits) for number, hits in self.hits.items()},
            }

    def take(self, kept: dict[str, Any]) -> None:
        with self._guard:
            self.running, self.saved = copy.deepcopy(kept["running"]), copy.deepcopy(kept["saved"])
            self.leases = [(address, mac, name) for address, mac, name in kept["leases"]]
            self.hits = {int(number): (packets, octets) for number, (packets, octets) in kept["hits"].items()}

    def reboot(self) -> None:
        """Loses what was not saved."""
        with self._guard:
            self._stop_timer()
            self.running = copy.deepcopy(self.saved)
            self.counts["reboots"] += 1

    def arm(self, *faults: Fault, at: str = "") -> None:
        """Each happens once, in this order, to the next request that it concerns, or to the next one at the endpoint
        `at`, such as "configure"."""
        with self._guard:
            self._faults += [(fault, at) for fault in faults]

    def strike(self, is_change: bool, path: str = "") -> Fault | None:
        """The fault that meets a request."""
        with self._guard:
            for position, (one, at) in enumerate(self._faults):
                if one.concerns(is_change) and (not at or path.partition("?")[0] == f"/{at}"):
                    return self._faults.pop(position)[0]
        return None

    @property
    def is_saved(self) -> bool:
        return self.running == self.saved

    @property
    def is_waiting(self) -> bool:
        """For a confirmation."""
        return self._timer is not None

    def close(self) -> None:
        """Ends timers and whoever hangs."""
        self.closing.set()
        with self._guard:
            self._stop_timer()

    # What the API does

    @contextlib.contextmanager
    def session(self, *, changes: bool) -> Iterator[None]:
        """The one session that all requests share, one after another."""
        with self._guard:
            self.counts["requests"] += 1
            self._in_flight += 1
            self.counts["max_in_flight"] = max(self.counts["max_in_flight"], self._in_flight)
            self._changes_in_flight += changes
            self._is_hung = self._is_hung or (self.hangs and self._changes_in_flight > 1)
        try:
            if self.hangs and changes:
                time.sleep(0.05)  # where the handler of these builds gives the other its turn
            if self._is_hung:
                self.closing.wait()
                raise Refusal("closed")
            with self._one_at_a_time:
                yield
        finally:
            with self._guard:
                self._in_flight -= 1
                self._changes_in_flight -= changes

    def configure(self, operations: Sequence[tuple[str, Words]], confirm_minutes: int | None = None) -> str | None:
        """Sets, deletes and commits. Raises Refusal; then nothing has changed."""
        candidate = copy.deepcopy(self.running)
        for op, words in operations:
            if reason := fault(self.version, op, words):
                raise Refusal(reason)
            if not apply(self.version, candidate, op, words) and self._is_strict:
                raise Refusal(f"Cannot delete [{' '.join(words)}]: path/value does not exist")
        if self.is_locked:
            self.counts["failed_commits"] += 1
            raise Refusal(LOCKED)
        self.closing.wait(self.commit_seconds)
        if reason := commit.failure(self.behaviour, candidate):
            self.counts["failed_commits"] += 1
            raise Refusal(reason)
        with self._guard:
            before, self.running = self.running, candidate
            self.counts["commits"] += 1
            if confirm_minutes is None or not self.behaviour.confirm:
                return self.behaviour.output
            if self._timer is not None:
                raise Refusal("Another confirm is pending\n")  # too late: it is committed
            return self._start_timer(before, confirm_minutes)

    def confirm(self) -> str:
        """Makes a change that waits permanent."""
        with self._guard:
            if self._timer is None:
                raise Refusal("No confirm pending\n")
            self._stop_timer()
        return "Reboot timer stopped\n"

    def save(self) -> str:
        """Writes the running configuration down."""
        with self._guard:
            self.saved = copy.deepcopy(self.running)
            self.counts["saves"] += 1
        return ""

    def load(self) -> None:
        """The saved configuration becomes the running one."""
        with self._guard:
            self.running = copy.deepcopy(self.saved)
            self.counts["commits"] += 1

    def show_config(self, words: Words) -> Any:
        found = shown(self.version, self.running, words)
        if found is None:
            raise Refusal(EMPTY)
        return found

    def exists(self, words: Words) -> bool:
        return at(self.running, words) is not None

    def values(self, words: Words) -> list[str]:
        found = at(self.running, words)
        return [found] if isinstance(found, str) else list(found) if isinstance(found, list) else []

    def show(self, words: Words) -> str:
        match words:
            case ("version",):
                return texts.version(self.behaviour)
            case ("dhcp", "server", "leases", *_):
                return texts.leases(self.behaviour, self.running, self.leases)
            case ("nat", "destination", "statistics"):
                return texts.statistics(self.running, self.hits)
            case ("nat", "destination", "rules") if self.behaviour.name == "1.3":
                return "To be migrated\n"
        return "Invalid command\n"

    def accepts(self, key: str) -> bool:
        """Whether it is one of the configured keys."""
        keys = at(self.running, ("service", "https", "api", "keys", "id")) or {}
        return any(entry.get("key") == key for entry in keys.values())

    @property
    def _is_strict(self) -> bool:
        below = ("service", "https", "api", *(["rest"] if self.behaviour.rest_node else []), "strict")
        return at(self.running, below) is not None

    def _start_timer(self, before: Tree, minutes: int) -> str:
        reloads = at(self.running, ("system", "config-management", "commit-confirm", "action")) == "reload"
        self._before = before if reloads else self.saved
        self._timer = threading.Timer(minutes * self.minute_seconds, self._go_back, [reloads])
        self._timer.daemon = True
        self._timer.start()
        return f"Initialized commit-confirm; {minutes} minutes to confirm before {'reload' if reloads else 'reboot'}\n"

    def _go_back(self, reloads: bool) -> None:
        with self._guard:
            self._timer = None
            self.running = copy.deepcopy(self._before)
            self.counts["reboots"] += not reloads

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
