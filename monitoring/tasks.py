"""Doors for Celery: load, call a service, nothing else."""

from collections.abc import Sequence
from datetime import datetime

from celery import shared_task

from monitoring import retention
from monitoring.alerting import duties, engine, watchdog
from monitoring.notifying import outbox, summary
from monitoring.services import configs, indicators, lookups, polling, scheduling, testing
from monitoring.store import seal


@shared_task
def dispatch_polls() -> None:
    scheduling.dispatch()


@shared_task
def poll_shard(protocol: str, check_ids: Sequence[int], token: str, deadline: str) -> None:
    polling.run_shard(protocol, check_ids, token, datetime.fromisoformat(deadline))


@shared_task
def run_poll_job(job_id: int) -> None:
    polling.run_poll_job(job_id)


@shared_task
def run_test_job(job_id: int) -> None:
    testing.run_job(job_id)


@shared_task
def run_backup_job(job_id: int) -> None:
    configs.run_job(job_id)


@shared_task
def run_lookup_job(job_id: int) -> None:
    lookups.run_job(job_id)


@shared_task
def seal_samples() -> None:
    seal.seal()


@shared_task
def prune_samples() -> None:
    retention.prune()
    retention.sweep_orphans()
    retention.prune_events()
    retention.prune_alerts()
    retention.forget_lapsed()
    configs.prune()


@shared_task
def purge_deleted_samples() -> None:
    retention.purge_deleted()


@shared_task
def advance_alerts() -> None:
    engine.advance()
    duties.perform()


@shared_task
def deliver_messages() -> None:
    outbox.deliver()


@shared_task
def retire_alerts() -> None:
    indicators.expire()
    duties.retire()
    watchdog.look_at_polling()
    watchdog.end_windows()


@shared_task
def look_at_expiries() -> None:
    watchdog.look_at_expiries()


@shared_task
def send_heartbeat() -> None:
    watchdog.send_heartbeat()


@shared_task
def send_summaries() -> None:
    summary.send_due()
