"""The Celery application. `NetmonConfig.ready()` imports it, so that `netmon/__init__.py` can stay empty and the
drivers importable without Django."""

import logging
import os
import threading
import time
from collections.abc import Iterable
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_ready
from kombu.transport import TRANSPORT_ALIASES

log = logging.getLogger(__name__)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netmon.settings")
# kombu takes no module path in a URL: the embedded broker gets a scheme of its own.
TRANSPORT_ALIASES["netmonfs"] = "netmon.common.broker:Transport"

app = Celery("netmon")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _beat_of(process: str) -> None:
    """A thread that notes every few seconds that this process lives; the health page reads it."""
    from django.db import DatabaseError, close_old_connections

    from monitoring.services import health

    def notes() -> None:
        while True:
            try:
                health.beat(process)
            except DatabaseError:
                log.warning("the heartbeat of %s could not be noted", process, exc_info=True)
            finally:
                close_old_connections()
            time.sleep(health.BEAT_SECONDS)

    threading.Thread(target=notes, name="netmon-heartbeat", daemon=True).start()


def kind_of_worker(queues: Iterable[str]) -> str:
    """The name under which it reports: only who polls is the worker, for the runner must not stand in for it."""
    return "worker" if "poll" in queues else "runner" if {"scans", "actions"} & set(queues) else "helper"


@worker_ready.connect
def _worker_lives(sender: Any, **kwargs: object) -> None:
    _beat_of(kind_of_worker(sender.app.amqp.queues.consume_from))


@beat_init.connect
def _beat_lives(**kwargs: object) -> None:
    _beat_of("beat")
