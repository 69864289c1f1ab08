"""Doors for Celery: load, call a service, nothing else."""

from celery import shared_task

from provisioning.services import actions, capacity, changes, drift, live, requests, running, telling


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


@shared_task
def refresh_live() -> None:
    live.spread()


@shared_task
def refresh_router(router_id: int) -> None:
    live.refresh_quietly(router_id)


@shared_task
def tell_expiries() -> None:
    telling.tell_expiries()


@shared_task
def measure_pools() -> None:
    capacity.measure()
    telling.tell_pools()


@shared_task
def tell_of_routers() -> None:
    telling.look_around()


@shared_task
def compare_routers() -> None:
    drift.spread()


@shared_task
def compare_router(router_id: int) -> None:
    drift.compare_quietly(router_id)
