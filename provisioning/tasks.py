"""Doors for Celery: load, call a service, nothing else."""

from celery import shared_task

from provisioning.services import actions, running


@shared_task
def run_action_job(job_id: int) -> None:
    running.run_job(job_id)


@shared_task
def settle_actions() -> None:
    actions.settle()


@shared_task
def prune_actions() -> None:
    actions.prune()
