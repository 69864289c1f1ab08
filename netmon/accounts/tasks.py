from celery import shared_task
from django.core.management import call_command

from netmon.accounts import tokens
from netmon.accounts.services import lockout


@shared_task
def prune() -> None:
    lockout.forget_old()
    tokens.forget_expired()
    call_command("clearsessions", verbosity=0)
