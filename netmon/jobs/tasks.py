from celery import shared_task

from netmon.jobs import services


@shared_task
def reconcile_jobs() -> None:
    services.reconcile()


@shared_task
def prune_jobs() -> None:
    services.prune()
