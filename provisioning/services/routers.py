"""Talking to a router: whoever asks it anything holds its lease first, so that it is asked one thing at a time.

Reads too: some builds hang on two requests, and a read beside a change shows what may be discarded a moment later.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.utils import timezone

from inventory import uses
from inventory.targets import vyos_target
from netmon.common.errors import Conflict, NetmonError, UpstreamFailed
from netmon.common.queue import WORK_ON_ROUTER, send_after_commit
from netmon.drivers.errors import DriverError
from netmon.drivers.vyos import (
    Commit,
    Version,
    VyosClient,
    detect,
    read_interfaces,
    read_subnets,
    rooted,
)
from netmon.drivers.vyos.commands import Command
from provisioning.models import ConfigChange, RunningConfig, VyosRouter
from provisioning.services import leases

MARGIN_SECONDS = 30.0
VERSION_STAYS = timedelta(hours=1)
POLL_SECONDS = 0.05
T = TypeVar("T")


class RouterBusy(Conflict):
    """Somebody else is asking the router something: ask again in a few seconds."""

    code = "router_busy"


class RouterFailed(UpstreamFailed):
    """The router did not answer as it should; `data["reason"]` is the driver's word for it."""

    code = "router_failed"


class LeaseLost(Exception):
    """This process took so long that another one may be asking the router by now. Nothing more is sent."""


@dataclass(slots=True)
class Session:
    """The right to ask a router, one call after another. Calls raise DriverError, or LeaseLost before they are sent."""

    router: VyosRouter
    client: VyosClient
    token: uuid.UUID
    seconds: float
    requests: int = 0
    error: DriverError | None = None  # how the last attempt ended, where whoever asked dealt with it

    def call(self, method: Callable[..., T], *args: Any) -> T:
        """Calls a method of the client while the lease is sure to last."""
        if not leases.extend(self.router, self.token, seconds=self.seconds):
            raise LeaseLost
        self.requests += 1
        return method(*args)

    def version(self, *, is_fresh: bool = False) -> Version:
        """What the router runs, found at most once an hour. Who upgrades a router loses an hour at worst: its answers
        then tell, and `is_fresh` asks again."""
        known = None if is_fresh else known_version(self.router)
        if known is not None:
            return known
        found = self.call(detect, self.client)
        self.router.version_text, self.router.version_family = found.name[:200], found.family
        self.router.capabilities = {
            "name": found.name[:200], "family": found.family, "hostname": found.hostname, "has_info": found.has_info,
            "found_at": timezone.now().isoformat(),
            "hangs_on_two_requests": found.hangs_on_two_requests,
            # What a router has answered counts for more than what its name lets one hope.
            "confirms": self.router.capabilities.get("confirms") if found.has_info else False,
        }  # fmt: skip
        self.router.save(update_fields=["version_text", "version_family", "capabilities", "updated_at"])
        return found

    def configure(self, commands: list[Command], confirm_minutes: int | None = None) -> Commit:
        return self.call(self.client.configure, commands, confirm_minutes)

    def save(self) -> None:
        """What runs survives a reboot from now on."""
        self.call(self.client.save)

    def read(self) -> RunningConfig:
        """The parts of the running configuration that matter here, asked for once and stored."""
        whole = self.call(self.client.show_config)
        firewall = whole.get("firewall")
        read_subnets(_below(whole, "service", "dhcp-server"))  # odd shapes are refused before they are kept
        running, _ = RunningConfig.objects.update_or_create(
            router=self.router,
            defaults={
                "read_at": timezone.now(),
                "dhcp": _below(whole, "service", "dhcp-server"),
                "nat": _below(whole, "nat"),
                "firewall": firewall if isinstance(firewall, dict) else {},
                "interfaces": [asdict(interface) for interface in read_interfaces(_below(whole, "interfaces"))],
            },
        )
        VyosRouter.objects.filter(pk=self.router.pk).update(last_read_at=running.read_at)
        return running

    def just_read(self, seconds: float) -> RunningConfig | None:
        """What netmon read of the router so short a time ago, in whatever process."""
        oldest = timezone.now() - timedelta(seconds=seconds)
        return RunningConfig.objects.filter(router=self.router, read_at__gte=oldest).first()


def known_version(router: VyosRouter, now: datetime | None = None) -> Version | None:
    """What was found within the last hour."""
    known = router.capabilities
    found_at = known.get("found_at")
    if not found_at or (now or timezone.now()) - datetime.fromisoformat(found_at) > VERSION_STAYS:
        return None
    return Version(known["name"], known["family"], known["hostname"], known["has_info"])


@contextmanager
def session(router: VyosRouter, *, wait_seconds: float = 5.0) -> Iterator[Session]:
    """The right to ask a router.

    Raises RouterBusy when somebody else has it for longer than `wait_seconds`, and what makes its endpoint unusable
    (NoEndpoint, NoCredential, OutOfScope). DriverError of the calls inside goes through, noted at the router.
    """
    target = vyos_target(router.endpoint)
    seconds = target.deadline_seconds + MARGIN_SECONDS
    token = _claim(router, seconds, wait_seconds)
    open_one = Session(router, VyosClient(target), token, seconds)
    try:
        yield open_one
    except DriverError as failure:
        open_one.error = failure
        raise
    finally:
        leases.let_go(router, token)
        if open_one.requests:
            note(router, open_one.error)
        _look_at_the_queue(router)


def _look_at_the_queue(router: VyosRouter) -> None:
    """A worker that came meanwhile found the router taken, and left."""
    if ConfigChange.objects.filter(router=router, status="queued", due_at__lte=timezone.now()).exists():
        send_after_commit(WORK_ON_ROUTER, router.pk)


def _claim(router: VyosRouter, seconds: float, wait_seconds: float) -> uuid.UUID:
    until = time.monotonic() + wait_seconds
    while (token := leases.claim(router, seconds=seconds)) is None:
        if time.monotonic() >= until:
            raise RouterBusy(f"The router {router} is being asked by somebody else: try again in a few seconds.")
        time.sleep(POLL_SECONDS)
    return token


def note(router: VyosRouter, error: DriverError | None) -> None:
    """Keep at the router how the last conversation ended, and where its key was used."""
    code, detail = (error.code, error.detail) if error is not None else ("", "")
    if (router.last_error_code, router.last_error_detail) != (code, detail):
        router.last_error_code, router.last_error_detail = code, detail
        VyosRouter.objects.filter(pk=router.pk).update(last_error_code=code, last_error_detail=detail)
    uses.note(uses.of_way([router.endpoint], error, timezone.now()))


def read(router: VyosRouter, *, wait_seconds: float = 5.0) -> RunningConfig:
    """Ask a router for its running configuration, and keep it. Raises RouterBusy or RouterFailed."""
    try:
        with session(router, wait_seconds=wait_seconds) as asked:
            asked.version()
            return asked.read()
    except DriverError as error:
        raise failed(router, error) from None


def recent(router: VyosRouter, *, max_age_seconds: float = 60.0, wait_seconds: float = 2.0) -> RunningConfig | None:
    """What was read a moment ago, else what the router says now, else what is known, however old; `read_at` tells."""
    known = RunningConfig.objects.filter(router=router).first()
    if (
        known is not None
        and router.version_family
        and timezone.now() - known.read_at <= timedelta(seconds=max_age_seconds)
    ):
        return known
    try:
        return read(router, wait_seconds=wait_seconds)
    except NetmonError:
        # Who needs the truth asks for it (`read`); the worker reads before it sends, whatever is known here.
        return RunningConfig.objects.filter(router=router).first()


def failed(router: VyosRouter, error: DriverError) -> RouterFailed:
    """A driver's error as an answer to people."""
    return RouterFailed(f"The router {router}: {error.detail}", reason=error.code)


def whole(running: RunningConfig) -> dict[str, Any]:
    """The kept parts at their places, as the driver compares them."""
    return {
        **rooted(("service", "dhcp-server"), running.dhcp),
        "nat": running.nat,
        "firewall": running.firewall,
    }


def _below(whole_config: dict[str, Any], *path: str) -> dict[str, Any]:
    found: Any = whole_config
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
