"""A change under a timer: the router goes back by itself unless netmon confirms, which it does when all is as before.

Only builds of 1.5 since 2025-05 have the timer. All others take the request and commit for good without a word, so
where the timer is wanted and surely missing nothing is sent.
"""

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from django.utils import timezone

from inventory.policy import Policy
from netmon.common.addresses import parse_address
from netmon.drivers.errors import DriverError, NotSupported, Rejected
from netmon.drivers.vyos import Commit, Version
from provisioning.models import ConfigChange, Vm, VyosRouter
from provisioning.planning import Plan
from provisioning.services.routers import Session

Place = tuple[str, int]
CONNECT_SECONDS = 2.0
WATCH_SECONDS = 20.0
PAUSE_SECONDS = 0.5
MOST_PLACES = 64


@dataclass(slots=True)
class Guard:
    """`minutes` is the timer; `before` are the places that answered before the change."""

    minutes: int
    before: set[Place] = field(default_factory=set)
    tenant_id: int | None = None
    words: str = ""

    @classmethod
    def of(cls, router: VyosRouter, version: Version, group: Sequence[Vm]) -> Self | None:
        """None where no timer is wanted. Raises NotSupported where the router surely has none."""
        if router.confirm_minutes is None:
            return None
        if version.commit_confirm is False or router.capabilities.get("confirms") is False:
            raise NotSupported(
                f"The router runs {version.name}, which takes a timer and ignores it: the change would be for good. "
                "Nothing was sent; empty the confirm minutes in its settings to send without a timer.",
                reason="no_timer",
            )
        tenant_id = router.device.tenant_id
        return cls(router.confirm_minutes, answering(places_of(router, group), tenant_id), tenant_id)

    def watch(self, asked: Session, commit: Commit | None, plan: Plan) -> bool:
        """Confirm when all that answered before answers again, else take the change back; whether it stands.

        `commit` is None where the answer was lost: a timer was asked for, so most likely one runs.
        """
        if commit is not None and commit.confirm_minutes is None:
            _learn(asked.router, confirms=False)
            self.words = "The router ignored the timer: the change is for good."
            return True
        if commit is not None:
            _learn(asked.router, confirms=True)
        if not (lost := self._lost()):
            confirm(asked)
            return True
        where = ", ".join(f"{address} port {port}" for address, port in sorted(lost)[:5])
        self.words = f"Taken back: {where} answered before the change and did not after it."
        try:
            asked.configure(list(plan.undo))
            confirm(asked)
        except DriverError as error:
            self.words += f" The router did not take the way back ({error.detail}), so it goes back by its own timer."
        return False

    def _lost(self) -> set[Place]:
        """The places that do not answer any more, after some patience."""
        until = time.monotonic() + min(WATCH_SECONDS, self.minutes * 30)
        while (lost := self.before - answering(self.before, self.tenant_id)) and time.monotonic() < until:
            time.sleep(PAUSE_SECONDS)
        return lost


def confirm(asked: Session) -> None:
    """Make a change that waits permanent. Where none waits (any more) the router says so, which is no fault here."""
    try:
        asked.call(asked.client.confirm)
    except Rejected as error:
        if "pending" not in error.detail.lower():
            raise


def _learn(router: VyosRouter, *, confirms: bool) -> None:
    if router.capabilities.get("confirms") is not confirms:
        router.capabilities = {**router.capabilities, "confirms": confirms}
        VyosRouter.objects.filter(pk=router.pk).update(capabilities=router.capabilities)


def has_run_out(change: ConfigChange, begun_at: datetime | None) -> bool:
    """Whether the timer of a change that was interrupted must have gone off."""
    if change.confirm_minutes is None or begun_at is None:
        return False
    return timezone.now() > begun_at + timedelta(minutes=change.confirm_minutes)


def places_of(router: VyosRouter, group: Sequence[Vm]) -> set[Place]:
    """Where the forwards of these machines that stand already lead to, and where they begin."""
    found: set[Place] = set()
    for vm in group:
        for forward in vm.forwards.all():
            if forward.applied != "applied" or forward.desired != "enabled" or forward.protocol == "udp":
                continue
            found.add((vm.reservation.address, forward.internal_port))
            if outside := forward.pool.external_address or router.external_address:
                found.add((outside, forward.external_port))
    return set(sorted(found)[:MOST_PLACES])


def answering(places: set[Place], tenant_id: int | None) -> set[Place]:
    """Those that take a connection now, of those that may be contacted."""
    policy = Policy.load()
    allowed = []
    for host, port in places:
        address = parse_address(host)
        if address is not None and policy.decide(address, tenant_id=tenant_id, port=port).is_allowed:
            allowed.append((host, port))
    if not allowed:
        return set()
    with ThreadPoolExecutor(max_workers=min(16, len(allowed))) as threads:
        return {place for place, answers in zip(allowed, threads.map(_answers, allowed), strict=True) if answers}


def _answers(place: Place) -> bool:
    try:
        socket.create_connection(place, timeout=CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
