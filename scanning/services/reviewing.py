"""What was found and is not in the inventory: adopt it, or ignore it with a reason."""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from inventory import services as inventory
from inventory.models import Device, ManagementEndpoint
from netmon.audit import services as audit
from netmon.common.errors import Conflict
from scanning.models import ScanHost, SeenHost

# port -> protocol of the endpoint that is proposed for it, and what it still needs from a person
PROTOCOLS = {22: ("ssh", "a login"), 554: ("rtsp", "a stream's address"), 5432: ("postgresql", "a login")}
TCP_PROPOSED = {25, 53, 80, 110, 143, 389, 443, 445, 465, 587, 631, 636, 993, 995, 3306, 3389, 5060, 8080, 8443, 9100}
MAX_TCP = 8
_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def proposals(host: SeenHost) -> list[dict[str, Any]]:
    """The ways of watching it that what was found suggests: ping always, services by their open ports."""
    found: list[dict[str, Any]] = [{"protocol": "icmp", "port": None, "needs": ""}]
    for port in host.ports.all():
        if not port.is_open or port.protocol != "tcp":
            continue
        if port.port in PROTOCOLS:
            protocol, needs = PROTOCOLS[port.port]
            found.append({"protocol": protocol, "port": port.port, "needs": needs})
        elif port.port in TCP_PROPOSED and len(found) <= MAX_TCP:
            found.append({"protocol": "tcp", "port": port.port, "needs": ""})
    return found


def proposed_name(host: SeenHost) -> str:
    """By its DNS name, else the one that its SNMP agent gives, without the domain; else by its address."""
    called = host.hostname or str(host.system.get("sys_name", ""))
    name = _NAME.sub("-", called.split(".")[0]).strip("-.")
    return (name or host.address)[:100]


@transaction.atomic
def adopt(host: SeenHost, *, user: Any, fields: dict[str, Any], tcp_ports: list[int] | None = None) -> Device:
    """Make a device of a discovery: its address, MAC and guessed kind, unless `fields` (the flat form) say otherwise.

    `tcp_ports` get an endpoint each, None the ones that are proposed. Raises Conflict when it is in the inventory
    already, ValidationError in the flat form's names.
    """
    _lock(host)
    if host.device_id is not None:
        raise Conflict(f"{host.address} is in the inventory already.", device=host.device_id)
    given: dict[str, Any] = {
        "name": proposed_name(host),
        "kind": host.kind_guess or Device.Kind.OTHER,
        "ip": host.address,
        "tenant": host.tenant,
    }
    if host.mac_address and not host.is_random_mac:
        given["mac"] = host.mac_address
    if host.hostname:
        given["hostname"] = host.hostname
    device = inventory.create_device(fields=given | fields)
    if device.primary_ip is None or device.primary_ip.address != host.address:
        raise ValidationError({"ip": f"What was found is at {host.address}: leave the address as it is."})
    if tcp_ports is None:
        tcp_ports = [one["port"] for one in proposals(host) if one["protocol"] == "tcp"]
    _add_tcp(device, tcp_ports)
    _review(host, SeenHost.Review.ADOPTED, user, "", device)
    ScanHost.objects.filter(scan__tenant=host.tenant, address=host.address, device=None).update(device=device)
    audit.record("adopt", device, after=audit.snapshot(device), detail=f"found at {host.address}")
    return device


def _add_tcp(device: Device, ports: list[int]) -> None:
    for port in dict.fromkeys(ports):
        endpoint = ManagementEndpoint(device=device, protocol="tcp", port=port)
        try:
            endpoint.full_clean()
        except ValidationError as error:
            raise ValidationError({"tcp_ports": f"{port}: {' '.join(error.messages)}"}) from None
        endpoint.save()
        inventory.followers.announce_endpoints([endpoint])


@transaction.atomic
def attach(host: SeenHost, device: Device, *, user: Any) -> SeenHost:
    """Say that a discovery is a device of the inventory that is there already: another address of it."""
    _lock(host)
    if host.device_id is not None:
        raise Conflict(f"{host.address} is in the inventory already.", device=host.device_id)
    if device.tenant_id != host.tenant_id and host.tenant_id is not None:
        raise ValidationError({"device": "The device is another tenant's."})
    _review(host, SeenHost.Review.ADOPTED, user, "", device)
    audit.record("attach", device, detail=f"found at {host.address}")
    return host


@transaction.atomic
def ignore(host: SeenHost, *, user: Any, reason: str) -> SeenHost:
    """Take a discovery from the list, with the reason. It stays known, and its alerts end. Raises Conflict."""
    _lock(host)
    if host.device_id is not None:
        raise Conflict(f"{host.address} is in the inventory: retire the device instead.", device=host.device_id)
    _review(host, SeenHost.Review.IGNORED, user, reason, None)
    audit.record("ignore", host, detail=reason)
    return host


@transaction.atomic
def reopen(host: SeenHost, *, user: Any) -> SeenHost:
    """Let an ignored discovery wait for review again."""
    _lock(host)
    if host.review != SeenHost.Review.IGNORED:
        raise Conflict(f"{host.address} is not ignored.")
    _review(host, SeenHost.Review.NEW, user, "", None)
    audit.record("reopen", host)
    return host


def _lock(host: SeenHost) -> None:
    """As it is now, until the transaction ends: somebody else may be reviewing it, too."""
    host.refresh_from_db(from_queryset=SeenHost.objects.select_for_update(of=("self",)))


def _review(host: SeenHost, review: str, user: Any, reason: str, device: Device | None) -> None:
    host.review, host.review_reason, host.reviewed_by, host.reviewed_at = review, reason, user, timezone.now()
    host.device = device
    host.save(update_fields=["review", "review_reason", "reviewed_by", "reviewed_at", "device"])
