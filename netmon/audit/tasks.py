from celery import shared_task

from netmon.audit import services


@shared_task
def prune_audit_events() -> None:
    services.prune()
