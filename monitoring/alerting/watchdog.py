"""netmon watched by itself and by an outsider: polling that is behind, what expires, the heartbeat that goes out."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from monitoring.alerting import observing, rulebook, situation, windows
from monitoring.alerting.rulebook import Scope
from monitoring.alerting.sources import Observation
from monitoring.models.alerts import Alert
from monitoring.models.checks import DeviceState
from monitoring.models.rules import MaintenanceWindow
from monitoring.services import health
from netmon.accounts.models import ApiKey
from netmon.drivers import http
from netmon.drivers.errors import DriverError

log = logging.getLogger(__name__)

EXPIRY_WARNING = timedelta(days=14)
HEARTBEAT_SECONDS = 10.0
BEHIND_SECONDS = health.LAG_LIMIT_SECONDS


@transaction.atomic
def look_at_polling(now: datetime | None = None) -> None:
    """Whether checks that are due wait for minutes."""
    now = now or timezone.now()
    lag = health.poller_lag_seconds(now)
    _observe(
        Observation(
            source="poller.behind",
            at=now,
            is_bad=lag > BEHIND_SECONDS,
            summary="Polling is behind",
            detail=f"The oldest check that is due has been waiting for {lag:.0f} s.",
        )
    )


@transaction.atomic
def look_at_expiries(now: datetime | None = None) -> None:
    """What ends soon, so that it ends on purpose."""
    now = now or timezone.now()
    looks = []
    told = set(Alert.objects.open().filter(source="expiry", device=None).values_list("subject", flat=True))
    rows = ApiKey.objects.filter(expires_at__isnull=False, expires_at__gt=now - EXPIRY_WARNING)
    for key in rows.select_related("user"):
        is_soon = key.revoked_at is None and now < key.expires_at <= now + EXPIRY_WARNING
        told.discard(_key_subject(key.pk))
        looks.append(
            Observation(
                source="expiry",
                at=now,
                subject=_key_subject(key.pk),
                match="api_key",
                is_bad=is_soon,
                summary=f"API key {key.name} of {key.user} expires on {key.expires_at:%Y-%m-%d}",
            )
        )
    # Keys that were deleted, or do not expire any more.
    gone = (subject for subject in sorted(told) if subject.startswith(_key_subject("")))
    looks += [Observation(source="expiry", at=now, subject=subject, match="api_key", is_bad=False) for subject in gone]
    _observe(*looks)


def _key_subject(pk: int | str) -> str:
    return f"API key {pk}"


def _observe(*looks: Observation) -> None:
    book = rulebook.load()
    observing.observe([look for look in looks if book.by_source.get(look.source)])


@transaction.atomic
def end_windows(now: datetime | None = None) -> int:
    """End maintenance that says so as soon as all it covers is up again after having been down."""
    now = now or timezone.now()
    ended = 0
    rows = MaintenanceWindow.objects.select_for_update().filter(ends_when_back=True, starts_at__lte=now)
    for window in rows:
        present = windows.present(window, now)
        if present is None:
            continue
        devices = situation.devices_in(Scope.of(window))
        states = DeviceState.objects.filter(device_id__in=devices)
        if states.filter(state=DeviceState.State.DOWN).exists():
            continue
        # Up from the beginning is work that has not begun; up since then is work that is done.
        if states.filter(state__in=["up", "degraded"], since__gt=present.starts_at).exists():
            windows.end(window, now)
            ended += 1
    return ended


def send_heartbeat() -> dict[str, Any]:
    """Tell an outsider that netmon lives and works; silence tells him that it does not. `{sent, detail}`.

    Nothing is sent while netmon is not well: its own workers, database and broker are what the outsider watches.
    """
    if not settings.HEARTBEAT_URL:
        return {"sent": False, "detail": "NETMON_HEARTBEAT_URL is not set."}
    report = health.report()
    if report["status"] != "ok":
        log.warning("no heartbeat goes out: %s", report["checks"])
        return {"sent": False, "detail": "netmon is not well."}
    try:
        answer = http.post(
            settings.HEARTBEAT_URL, body=b"", headers={}, refuse=lambda address: "", deadline_seconds=HEARTBEAT_SECONDS
        )
    except DriverError as error:
        log.warning("the heartbeat was not taken: %s", error.detail)
        return {"sent": False, "detail": error.detail}
    if answer.status >= 300:
        log.warning("the heartbeat was answered with %d", answer.status)
    return {"sent": answer.status < 300, "detail": str(answer.status)}
