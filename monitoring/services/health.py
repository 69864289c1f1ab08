"""Is netmon itself well?"""

import logging
import os
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Min
from django.utils import timezone
from kombu.exceptions import OperationalError

from monitoring.models import Check, Heartbeat
from monitoring.services.scheduling import watched

log = logging.getLogger(__name__)

BEAT_SECONDS = 10
FRESH = timedelta(seconds=BEAT_SECONDS * 3.5)
LAG_LIMIT_SECONDS = 120
STARTED_AT = datetime.now(UTC)


def beat(process: str) -> None:
    """Note that this process lives."""
    now = timezone.now()
    identity = {"process": process, "host": socket.gethostname()[:255], "pid": os.getpid()}
    changed = Heartbeat.objects.filter(**identity).update(at=now)
    if not changed:
        Heartbeat.objects.filter(at__lt=now - timedelta(days=1)).delete()
        Heartbeat.objects.create(**identity, started_at=STARTED_AT, at=now)


def is_alive(process: str) -> bool:
    """Whether such a process reported in the last 35 seconds, on whatever machine."""
    return Heartbeat.objects.filter(process=process, at__gte=timezone.now() - FRESH).exists()


def poller_lag_seconds(now: datetime) -> float:
    """How long the most overdue check has been waiting to be handed out."""
    due = Check.objects.filter(watched(now)).aggregate(oldest=Min("next_run_at"))["oldest"]
    return 0.0 if due is None else max(0.0, round((now - due).total_seconds(), 1))


def report() -> dict[str, Any]:
    """`{"status", "version", "checks"}`; `status` is ok or degraded."""
    now = timezone.now()
    checks: dict[str, Any] = {"broker": _broker()}
    try:
        alive = set(Heartbeat.objects.filter(at__gte=now - FRESH).values_list("process", flat=True))
        lag = poller_lag_seconds(now)
        checks["database"] = "ok"
    except DatabaseError:
        log.exception("the database does not answer")
        checks.update(database="failed", worker="unknown", beat="unknown", poller_lag_seconds=None)
        return {"status": "degraded", "version": settings.VERSION, "checks": checks}
    checks["worker"] = "ok" if "worker" in alive else "missing"
    checks["beat"] = "ok" if "beat" in alive else "missing"
    checks["poller_lag_seconds"] = lag
    well = all(checks[name] == "ok" for name in ("database", "broker", "worker", "beat")) and lag <= LAG_LIMIT_SECONDS
    return {"status": "ok" if well else "degraded", "version": settings.VERSION, "checks": checks}


def _broker() -> str:
    try:
        with current_app.connection_for_write(connect_timeout=2) as connection:
            connection.ensure_connection(max_retries=1, timeout=2)
    except (OperationalError, OSError):
        return "failed"
    return "ok"
