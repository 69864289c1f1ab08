"""Sending work to the background: by name, after the transaction commits, ids only."""

import logging
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)

# Every name that is sent; a test proves each is a registered task.
POLL_SHARD = "monitoring.tasks.poll_shard"
RUN_POLL_JOB = "monitoring.tasks.run_poll_job"
RUN_BULK_JOB = "netmon.rest.tasks.run_bulk_job"
RUN_IMPORT_JOB = "inventory.tasks.run_import_job"
RUN_TEST_JOB = "monitoring.tasks.run_test_job"
RUN_BACKUP_JOB = "monitoring.tasks.run_backup_job"
ADVANCE_ALERTS = "monitoring.tasks.advance_alerts"
DELIVER_MESSAGES = "monitoring.tasks.deliver_messages"
RUN_LOOKUP_JOB = "monitoring.tasks.run_lookup_job"
RUN_SCAN_JOB = "scanning.tasks.run_scan_job"
RUN_ACTION_JOB = "provisioning.tasks.run_action_job"
WORK_ON_ROUTER = "provisioning.tasks.work_on_router"
REFRESH_ROUTER = "provisioning.tasks.refresh_router"
COMPARE_ROUTER = "provisioning.tasks.compare_router"
PURGE_DELETED_SAMPLES = "monitoring.tasks.purge_deleted_samples"


def send_after_commit(name: str, *args: Any, expires: float | None = None) -> None:
    """Send task `name` when the transaction commits (at once when there is none). `expires` is in seconds.

    A broker that does not answer is logged, not raised: what was committed stands, and each kind of work has a sweep
    that finds unsent rows.
    """

    def send() -> None:
        try:
            current_app.send_task(name, args=args, expires=expires, retry=False)
        except (OperationalError, OSError):
            log.exception("the broker took no message for %s; the next sweep sends it again", name)

    transaction.on_commit(send)
