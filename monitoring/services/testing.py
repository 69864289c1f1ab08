"""Trying a way in: connect with the driver, say what it found or why not, store nothing of the device."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from inventory import host_keys, scopes, uses
from inventory.models import Credential, Device, ManagementEndpoint
from inventory.policy import Policy
from inventory.targets import contact_address, target_of
from inventory.ways import WayBook
from monitoring import runner
from monitoring.modules import Collected, icmp, snmp_system, ssh_login, tcp_port
from monitoring.modules.ssh_sessions import lane_of
from monitoring.services import ssh_results
from netmon.audit.context import acting
from netmon.common.addresses import Address
from netmon.common.errors import NotConfigured
from netmon.common.queue import RUN_TEST_JOB
from netmon.drivers.errors import DriverError
from netmon.drivers.ssh import UntrustedHostKey
from netmon.jobs import services as jobs
from netmon.jobs.models import Job

COLLECTS: dict[str, Any] = {
    "icmp": icmp.collect,
    "tcp": tcp_port.collect,
    "snmp": snmp_system.collect,
    "ssh": ssh_login.collect,
}
SHOWN = ("sys_name", "sys_descr", "sys_object_id", "uptime_seconds")
JOB_SECONDS = 60.0
TEST_SECONDS = 25.0
PROTOCOLS = {
    Credential.Kind.SNMP_COMMUNITY: "snmp",
    Credential.Kind.SNMP_USM: "snmp",
    Credential.Kind.PASSWORD: "ssh",
    Credential.Kind.SSH_KEY: "ssh",
}


class TestUnsupported(NotConfigured):
    """No driver can try this yet."""

    code = "not_supported"
    __test__ = False  # pytest takes the name for a test's


def start_endpoint(endpoint: ManagementEndpoint, *, user: Any) -> Job:
    """Start a test of an endpoint, or join the one under way.

    Raises TestUnsupported, and what `contact_address` raises: a refusal needs no worker.
    """
    _check(endpoint)
    return _start(f"endpoint {endpoint.pk}", {"endpoint": endpoint.pk}, user)


def start_credential(credential: Credential, device: Device, *, user: Any, may_redirect: bool) -> Job:
    """Start a test of a credential at a device. Raises as `start_endpoint`, and OutOfScope.

    Without `may_redirect` it goes only where it goes already, or where its scope keeps it safe: the place that was
    judged is kept in the job, for the device's address may be another when a worker comes to it.
    """
    endpoint = _endpoint_for(credential, device)
    if not may_redirect:
        what = scopes.redirected(endpoint, scopes.Ways.of(device), Policy.load())
        if what is not None:
            raise scopes.OutOfScope(scopes.sentence(what, scopes.REMEDY))
    address = _check(endpoint)
    arguments: dict[str, Any] = {"credential": credential.pk, "device": device.pk, "may_redirect": may_redirect}
    if not may_redirect:
        arguments |= {"address": str(address), "port": endpoint.effective_port}
    return _start(f"credential {credential.pk} device {device.pk}", arguments, user)


def _start(key: str, arguments: dict[str, Any], user: Any) -> Job:
    # A test is the asker's own: the next person's must be in the audit log under his name.
    job, _ = jobs.start(
        kind="access.test",
        key=f"{key} user {user.pk}",
        task=RUN_TEST_JOB,
        user=user,
        deadline_seconds=JOB_SECONDS,
        arguments=arguments,
    )
    return job


def _check(endpoint: ManagementEndpoint) -> Address:
    if endpoint.protocol not in COLLECTS:
        raise TestUnsupported(f"Nothing here speaks {endpoint.protocol} yet: try icmp, tcp, snmp or ssh.")
    return contact_address(endpoint, Policy.load())


def _endpoint_for(credential: Credential, device: Device) -> ManagementEndpoint:
    """The device's endpoint of the credential's protocol with this credential, else one with defaults. Unsaved."""
    protocol = PROTOCOLS.get(Credential.Kind(credential.kind))
    if protocol is None:
        raise TestUnsupported(
            f"A credential of kind {credential.kind} cannot be tried yet: only those of SNMP and SSH can."
        )
    rows = list(device.endpoints.filter(protocol=protocol).order_by("pk"))
    attached = [row for row in rows if row.credential_id == credential.pk]
    row = next(iter(attached or rows), None) or ManagementEndpoint(device=device, protocol=protocol)
    row.credential = credential
    if protocol != "snmp":
        return row
    is_v3 = credential.kind == Credential.Kind.SNMP_USM
    if is_v3 != (row.options.get("version", "2c") == "3"):
        row.options = {**row.options, "version": "3" if is_v3 else "2c"}
    return row


def run_job(job_id: int) -> None:
    """The task behind both."""
    job = jobs.claim(job_id)
    if job is None:
        return
    is_ended = False
    try:
        with acting(job.requested_by, "job"):
            result = _try(job.arguments)
        if result is None:
            is_ended = jobs.finish(job, error_code="not_found", error_detail="What was to be tried is gone.")
        else:
            is_ended = jobs.finish(job, result=result)
    finally:
        if not is_ended:
            jobs.finish(job, error_code="internal", error_detail="A fault in netmon; see the log.")


def _try(arguments: dict[str, Any]) -> dict[str, Any] | None:
    endpoint: ManagementEndpoint | None
    if "endpoint" in arguments:
        rows = ManagementEndpoint.objects.select_related("device__primary_ip", "credential")
        endpoint = rows.filter(pk=arguments["endpoint"]).first()
    else:
        credential = Credential.objects.filter(pk=arguments["credential"]).first()
        device = Device.objects.select_related("primary_ip").filter(pk=arguments["device"]).first()
        endpoint = _endpoint_for(credential, device) if credential and device else None
    if endpoint is None:
        return None
    # A stored endpoint goes where every poll of it goes: whoever changed it was judged then.
    is_bound = "endpoint" not in arguments and not arguments.get("may_redirect", False)
    return try_endpoint(endpoint, only_at=(arguments.get("address"), arguments.get("port")) if is_bound else None)


def try_endpoint(endpoint: ManagementEndpoint, *, only_at: tuple[Any, Any] | None = None) -> dict[str, Any]:
    """Connect now, and say what was found or the error's code; errors of the device and of the set-up are answers.

    With `only_at`, an address and a port, it connects nowhere else.
    """
    answer, collected = ask(endpoint, COLLECTS[endpoint.protocol], {}, only_at=only_at)
    return answer | ({"found": _found(collected)} if collected else {})


def ask(
    endpoint: ManagementEndpoint,
    collect: Any,
    context: Mapping[str, Any],
    *,
    only_at: tuple[Any, Any] | None = None,
    is_direct: bool = False,
) -> tuple[dict[str, Any], Collected | None]:
    """Ask a device something out of turn, for a person: how it went, and what came of it if it went well.

    Keys that were shown are kept, and what became of the credential is noted. `only_at` as in `try_endpoint`. With
    `is_direct` it is asked in this thread, for as long as `collect` takes.
    """
    answer: dict[str, Any] = {
        "device": endpoint.device_id,
        "protocol": endpoint.protocol,
        "port": endpoint.effective_port,
        "address": None,
        "credential": endpoint.credential_id,
        "ok": False,
        "found": {},
        "error_code": "",
        "error_detail": "",
        "duration_ms": None,
    }
    started = time.monotonic()
    collected: Collected | None = None
    error: DriverError | NotConfigured | None = None
    is_sent, way = False, [endpoint]
    try:
        book = WayBook.of([endpoint])
        way, target = book.way_to(endpoint), target_of(endpoint, book=book)
        answer["address"] = target.address
        if only_at is not None and (target.address, endpoint.effective_port) != only_at:
            raise scopes.OutOfScope("The device's address or port was changed after the test was asked for: ask anew.")
        uses.record_asked(uses.steps(way, target))
        is_sent = True
        if is_direct:
            collected = collect(target, context)
        else:
            collected = runner.call(collect, target, context, deadline_seconds=TEST_SECONDS, lane=lane_of(target))
    except (NotConfigured, DriverError) as failure:
        error = failure
        answer |= {"error_code": failure.code, "error_detail": failure.detail}
    else:
        answer["ok"] = True
    answer["duration_ms"] = round((time.monotonic() - started) * 1000, 3)
    if endpoint.protocol == "ssh":
        _note_host_key(endpoint, collected, error)
    if is_sent:
        _note_uses(way, error)
    return answer, collected


def _note_uses(way: Sequence[ManagementEndpoint], error: DriverError | NotConfigured | None) -> None:
    """Of endpoints that are stored, with the credentials that they have."""
    sent = uses.of_way(way, error, timezone.now()) if not isinstance(error, NotConfigured) else []
    rows = ManagementEndpoint.objects.filter(pk__in=[step.pk for step in way if step.pk])
    stored = set(rows.values_list("credential_id", "pk"))
    with transaction.atomic():
        uses.note([use for use in sent if (use.credential_id, use.endpoint_id) in stored], is_asked=True)


def _found(collected: Collected) -> dict[str, Any]:
    if "login" in collected.facts:
        login = collected.facts["login"]
        (key, is_first_use), *_ = login["shown_keys"]
        return {
            "platform": login["platform"],
            "evidence": login["evidence"],
            "server_version": login["server_version"],
            "host_key": key.fingerprint,
            "host_key_type": key.key_type,
            "first_use": is_first_use,
        }
    system = collected.facts.get("system", {})
    values = {name: value for reading in collected.readings for name, value in reading.values.items()}
    return {name: system[name] for name in SHOWN if name in system} or values


def _note_host_key(endpoint: ManagementEndpoint, collected: Collected | None, error: object) -> None:
    """What servers on the way showed is kept with those who showed it; of an endpoint that is not stored, nothing."""
    if isinstance(error, UntrustedHostKey):
        row = host_keys.note_refusal(endpoint, error.offered, error.reason, jumps=error.jumps)
        if row is not None:
            ssh_results.tell_of_key(row)
    elif collected is not None:
        shown = collected.facts.get("login") or collected.facts["ssh_meta"]
        host_keys.note_session(endpoint, shown["shown_keys"])
