"""Doors for Celery: load, call a service, nothing else."""

from celery import shared_task

from scanning.services import repeating, running, starting


@shared_task
def run_scan_job(job_id: int) -> None:
    running.run_job(job_id)


@shared_task
def start_due_scans() -> None:
    starting.settle()
    repeating.start_due()


@shared_task
def prune_scans() -> None:
    starting.prune()
