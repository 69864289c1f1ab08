"""Asking a discovery's SNMP agent what it is: once, and only with credentials whose scope names its address."""

import asyncio
from typing import Any

from inventory import scopes, uses
from inventory.models import Credential, Device, IPAddress, ManagementEndpoint
from inventory.policy import Policy
from inventory.targets import target_of
from monitoring.modules import snmp_system
from netmon.common.addresses import parse_address
from netmon.common.errors import Conflict, NetmonError, NoCredential, UpstreamFailed, UpstreamTimeout
from netmon.drivers.errors import DeadlineExceeded, DriverError
from netmon.drivers.targets import SnmpTarget
from scanning import guard, guessing
from scanning.models import SeenHost
from scanning.targets import Span

SNMP_PORT = 161
MOST_CREDENTIALS = 3
# A person waits for it, so that all credentials together may take some seconds.
OPTIONS = {"timeout_seconds": 0.8, "retries": 1, "deadline_seconds": 3.0}
KEPT = ("sys_object_id", "sys_descr", "sys_name")


def identify(host: SeenHost, *, user: Any, port: int = SNMP_PORT) -> SeenHost:
    """Ask for sysObjectID, sysDescr and sysName, keep them, and guess anew what it is.

    Raises Conflict where no scan may look or it is a device already, NoCredential where no credential may be sent
    there, and UpstreamFailed when no agent answered to one that may.
    """
    if host.device_id is not None:
        raise Conflict(f"{host.address} is in the inventory already.", device=host.device_id)
    if guard.excluded_spans((Span.of(parse_address(host.address)),), host.tenant):
        raise Conflict(f"{host.address} is excluded from scans: it is not asked.")
    ways = permitted(host, user=user, port=port)
    if not ways:
        raise NoCredential(
            f"No SNMP credential may be sent to {host.address}: have an admin name a prefix that holds it in the scope "
            "of one."
        )
    host.system = _ask(ways)
    found = guessing.guess(host, host.ports.filter(is_open=True), system=host.system)
    if found.evidence:
        host.kind_guess, host.evidence = found.kind, found.evidence
    host.save(update_fields=["system", "kind_guess", "evidence"])
    return host


def permitted(host: SeenHost, *, user: Any, port: int = SNMP_PORT) -> list[ManagementEndpoint]:
    """Of the SNMP credentials that the person sees those whose scope alone admits this address.

    A discovery is whoever was plugged in: a secret that may go to any device must not go to him (ADR 0024). Nothing
    of what is returned is stored.
    """
    policy = Policy.load()
    rows = Credential.objects.visible_to(user).filter(
        kind__in=(Credential.Kind.SNMP_USM, Credential.Kind.SNMP_COMMUNITY), device=None
    )
    ways = [_way(host, credential, port) for credential in rows.order_by("-kind", "name")]
    allowed = [way for way in ways if way.credential and scopes.keeps_away_from(way.credential, way, policy)]
    return allowed[:MOST_CREDENTIALS]


def _way(host: SeenHost, credential: Credential, port: int) -> ManagementEndpoint:
    device = Device(name=f"discovery {host.pk}", tenant=host.tenant, primary_ip=IPAddress(address=host.address))
    version = "3" if credential.kind == Credential.Kind.SNMP_USM else "2c"
    return ManagementEndpoint(
        device=device, protocol="snmp", port=port, credential=credential, options={**OPTIONS, "version": version}
    )


def _ask(ways: list[ManagementEndpoint]) -> dict[str, str]:
    """What the first agent to answer says of itself. Raises UpstreamFailed."""
    failure: NetmonError = UpstreamFailed("Nothing was asked.")
    for way in ways:
        target = target_of(way)
        assert isinstance(target, SnmpTarget)
        uses.record_asked([(way, target.address)])
        try:
            system = asyncio.run(snmp_system.collect(target, {})).facts["system"]
        except DriverError as error:
            kind = UpstreamTimeout if isinstance(error, DeadlineExceeded) else UpstreamFailed
            failure = kind(f"No SNMP agent at {target.address} port {target.port} gave an answer. {error.detail}")
        else:
            return {name: system[name] for name in KEPT if system[name]}
    raise failure
