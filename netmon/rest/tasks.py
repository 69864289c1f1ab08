from celery import shared_task

from netmon.rest import bulk, idempotency


@shared_task
def forget_idempotency_keys() -> None:
    idempotency.forget()


@shared_task
def run_bulk_job(job_id: int) -> None:
    bulk.run_job(job_id)
