"""Doors for Celery: load, call a service, nothing else."""

from celery import shared_task

from provisioning.services import actions, changes, requests, running


@shared_task
def run_action_job(job_id: int) -> None:
    running.run_job(job_id)


@shared_task
def settle_actions() -> None:
    actions.settle()


@shared_task
def prune_actions() -> None:
    actions.prune()


@shared_task
def work_on_router(router_id: int) -> None:
    changes.run(router_id)


@shared_task
def sweep_changes() -> None:
    changes.sweep()


@shared_task
def expire_forwards() -> None:
    requests.expire()
