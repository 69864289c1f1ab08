"""Doors for Celery: load, call a service, nothing else."""

from collections.abc import Sequence
from datetime import datetime

from celery import shared_task

from monitoring.services import polling, scheduling


@shared_task
def dispatch_polls() -> None:
    scheduling.dispatch()


@shared_task
def poll_shard(protocol: str, check_ids: Sequence[int], token: str, deadline: str) -> None:
    polling.run_shard(protocol, check_ids, token, datetime.fromisoformat(deadline))


@shared_task
def run_poll_job(job_id: int) -> None:
    polling.run_poll_job(job_id)
