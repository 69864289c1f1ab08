"""Asking a router for the routes of one prefix, where its table is too big to be read whole."""

from datetime import UTC, datetime
from typing import Any

from inventory.models import Device, ManagementEndpoint
from inventory.policy import Policy
from inventory.targets import contact_address
from monitoring.models import Check
from monitoring.modules import ssh_lookup
from monitoring.modules.ssh_host import habits_of
from monitoring.services import testing
from netmon.audit.context import acting
from netmon.common.errors import NetmonError, NoEndpoint, NotConfigured
from netmon.common.queue import RUN_LOOKUP_JOB
from netmon.drivers.platforms import frr_routes
from netmon.jobs import services as jobs
from netmon.jobs.models import Job

KIND = "routing.lookup"
MODULE = "ssh.routing"
JOB_SECONDS = 60.0


def start(device: Device, prefix: str, *, user: Any) -> Job:
    """Start asking the device for a prefix, or the longest match of an address; join the same question under way.

    Raises ValueError for what is neither, NoEndpoint, NotConfigured, and what `contact_address` raises: a refusal
    needs no worker.
    """
    asked = str(frr_routes.prefix_of(prefix))
    endpoint, _ = _way_in(device)
    contact_address(endpoint, Policy.load())
    job, _ = jobs.start(
        kind=KIND,
        # A question is the asker's own: who is bound to a tenant sees his own jobs only.
        key=f"{device.pk} {asked} user {user.pk}",
        task=RUN_LOOKUP_JOB,
        user=user,
        deadline_seconds=JOB_SECONDS,
        arguments={"device": device.pk, "prefix": asked},
    )
    return job


def _way_in(device: Device) -> tuple[ManagementEndpoint, Check | None]:
    """The endpoint that the device's routing is read by, with its check."""
    endpoints = ManagementEndpoint.objects.select_related("device__primary_ip", "device__tenant", "credential")
    enabled = endpoints.filter(device=device, protocol="ssh", is_enabled=True).order_by("pk")
    check = Check.objects.filter(endpoint__in=enabled, module=MODULE).first()
    endpoint = enabled.filter(pk=check.endpoint_id).first() if check else enabled.first()
    if endpoint is None:
        raise NoEndpoint(f"{device.name} has no SSH endpoint that is enabled: add one with a credential.")
    if check is not None and check.status == Check.Status.PAUSED:
        raise NotConfigured(f"The check {MODULE} of {device.name} is paused: resume it first.")
    return endpoint, check


def run_job(job_id: int) -> None:
    """The task behind `start`."""
    job = jobs.claim(job_id)
    if job is None:
        return
    with jobs.ending(job):
        device = Device.objects.filter(pk=job.arguments["device"]).first()
        if device is None:
            jobs.finish(job, error_code="not_found", error_detail="The device is gone.")
            return
        try:
            with acting(job.requested_by, "job"):
                jobs.finish(job, result=look_up(device, job.arguments["prefix"]))
        except NetmonError as error:
            jobs.finish(job, error_code=error.code, error_detail=error.detail)


def look_up(device: Device, prefix: str) -> dict[str, Any]:
    """Ask now: in the words of a routing table's page. What the device refuses is an answer, with its `error_code`."""
    endpoint, check = _way_in(device)
    memory = check.memory if check else {}
    context = {"prefix": prefix, "platform": memory.get("platform", ""), "habits": habits_of(memory.get("habits"))}
    said, collected = testing.ask(endpoint, ssh_lookup.collect, context)
    found = collected.facts["lookup"] if collected else {}
    table = found.get("value") or {}
    routes = [{"family": table["family"], **route} for route in table.get("routes", ())]
    at = datetime.fromtimestamp(collected.collected_at, UTC).isoformat() if collected else None
    return {
        "prefix": prefix,
        "collected_at": at,
        "error_code": said["error_code"],
        "error_detail": said["error_detail"],
        "data": {
            "presence": found.get("presence", "unknown"),
            "reason": found.get("reason", ""),
            "is_partial": bool(table.get("is_truncated")),
            "summary": {},
        },
        "count": len(routes),
        "routes": routes,
    }
