"""What monitoring adds to the list of devices in the admin."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from inventory import device_actions
from inventory.models import Device
from monitoring.models import Check
from monitoring.services import configs, polling, scheduling
from netmon.audit import services as audit
from netmon.common.errors import NetmonError

LINKS = 20


def poll(page: Any, request: HttpRequest, devices: QuerySet[Device]) -> None:
    """Each device gets a job, or joins the one under way."""
    jobs = []
    for row in devices:
        audit.record("poll", row)
        jobs.append((reverse("job", args=[polling.poll_now(row, user=request.user).pk]), row.name))
    messages.success(request, format_html("Polling {}.", _links(jobs)))


def backup(page: Any, request: HttpRequest, devices: QuerySet[Device]) -> None:
    """The same for configurations; devices without a way in are named with the reason."""
    jobs = []
    for row in devices:
        try:
            job = configs.backup_now(row, user=request.user)
        except NetmonError as error:
            messages.warning(request, error.detail)
            continue
        audit.record("backup", row)
        jobs.append((reverse("job", args=[job.pk]), row.name))
    if jobs:
        messages.success(request, format_html("Backing up {}.", _links(jobs)))


def _links(jobs: list[tuple[str, str]]) -> SafeString:
    links = format_html_join(", ", '<a href="{}">{}</a>', jobs[:LINKS])
    return format_html("{}{}", links, f" and {len(jobs) - LINKS} more" if len(jobs) > LINKS else "")


@transaction.atomic
def recorded(verb: Callable[[Check], Any], action: str, checks: Iterable[Check]) -> int:
    """Do it to each check, with an event where it changed something. Returns to how many."""
    count = 0
    for check in checks:
        before = audit.snapshot(check)
        verb(check)
        check.refresh_from_db()
        count += audit.record(action, check, before=before, after=audit.snapshot(check)) is not None
    return count


def pause(page: Any, request: HttpRequest, devices: QuerySet[Device]) -> None:
    checks = Check.objects.filter(endpoint__device__in=devices).exclude(status=Check.Status.PAUSED)
    count = recorded(scheduling.pause, "pause", checks.select_related("endpoint__device"))
    messages.success(request, f"{count} check{'s' * (count != 1)} paused.")


def resume(page: Any, request: HttpRequest, devices: QuerySet[Device]) -> None:
    checks = Check.objects.filter(endpoint__device__in=devices, status=Check.Status.PAUSED)
    count = recorded(scheduling.resume, "resume", checks.select_related("endpoint__device"))
    messages.success(request, f"{count} check{'s' * (count != 1)} resumed.")


def register_all() -> None:
    device_actions.register("poll_now", "Poll now", poll)
    device_actions.register("backup_now", "Back up now", backup)
    device_actions.register("pause_checks", "Pause their checks", pause)
    device_actions.register("resume_checks", "Resume their checks", resume)
