"""What `ping` and `scan` share: a plan that is refused in the command line's words, and running it right here."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from inventory.models import Tenant
from netmon.audit.context import acting
from netmon.common.errors import NetmonError
from netmon.common.interrupting import interrupts
from netmon.common.progress import ProgressBar
from netmon.jobs import services as jobs
from scanning import guard
from scanning.guard import Plan
from scanning.models import Scan
from scanning.services import running, starting

OK, FAILED, USAGE, NOT_FOUND, CANCELLED = 0, 1, 2, 4, 130


def plan(kind: str, target: str, ports: str, **options: Any) -> Plan:
    """What would be scanned. Raises CommandError."""
    tenant = options.pop("tenant", None)
    if tenant is not None:
        tenant = Tenant.objects.filter(slug=tenant).first()
        if tenant is None:
            raise CommandError("No such tenant: give its slug.", returncode=NOT_FOUND)
    try:
        return guard.plan(kind, target, ports, tenant=tenant, **options)
    except ValidationError as error:
        texts = [f"{name}: {' '.join(found)}" for name, found in error.message_dict.items()]
        raise CommandError(" ".join(texts), returncode=USAGE) from None
    except NetmonError as error:
        raise CommandError(error.detail, returncode=USAGE) from None


def run(planned: Plan, *, target: str, reason: str, bar: ProgressBar, packets_limit: int | None = None) -> Scan:
    """Make the scan and run it in this process; Ctrl-C ends it within a second, and keeps what it found.

    Raises CommandError.
    """
    with acting(None, "command"):
        try:
            scan = starting.start(planned, target=target, reason=reason, packets_limit=packets_limit, is_sent=False)
        except NetmonError as error:
            raise CommandError(error.detail, returncode=FAILED) from None
        assert scan.job is not None
        job = scan.job
        with interrupts(lambda: jobs.cancel(job)):
            running.run_job(job.pk, bar)
        bar.close()
        starting.settle()
    return Scan.objects.get(pk=scan.pk)
