from celery import shared_task

from inventory.transfer import importing


@shared_task
def run_import_job(job_id: int) -> None:
    importing.run_job(job_id)
