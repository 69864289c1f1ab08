"""Where a stored secret may be sent, and whether a change would send one to a host that an operator chose."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from django.core.exceptions import ValidationError

from inventory.models import Credential, Device, ManagementEndpoint
from inventory.policy import Policy, parse_host
from netmon.common.addresses import Address, address_key, parse_prefix, prefix_range
from netmon.common.errors import NoCredential


class OutOfScope(NoCredential):
    """The credential's scope does not admit this device or address."""

    code = "credential_scope"


def refusal(credential: Credential, device: Device, address: Address | None) -> str | None:
    """Why the credential must not be sent to this device at this address, or None when it may.

    Whatever the scope names must hold: its device, its tenant, its prefixes. Without an address (a name that is not
    resolved yet, a device that has none) the prefixes are left to the moment of use.
    """
    if credential.device_id and credential.device_id != device.pk:
        return "This credential belongs to another device."
    if credential.tenant_id and credential.tenant_id != device.tenant_id:
        return f"The scope of {credential} is another tenant's devices: choose another, or ask an admin to widen it."
    if credential.allowed_prefixes and address is not None and not _is_within(credential, address):
        shown = ", ".join(credential.allowed_prefixes[:5])
        return f"The scope of {credential} is {shown}, not {address}: choose another, or ask an admin to widen it."
    return None


def _is_within(credential: Credential, address: Address) -> bool:
    key = address_key(address)
    try:
        ranges = [prefix_range(parse_prefix(text)) for text in credential.allowed_prefixes]
    except (ValidationError, AttributeError):  # written past the model: what cannot be read admits nothing
        return False
    return any(first <= key <= last for first, last in ranges)


def check(credential: Credential, device: Device, address: Address) -> None:
    """Raises OutOfScope, at every use."""
    if reason := refusal(credential, device, address):
        raise OutOfScope(reason)


def host_of(endpoint: ManagementEndpoint) -> str | None:
    """Where an endpoint is reached: its own host, else the address of its device; an address or a name."""
    options = endpoint.options if isinstance(endpoint.options, dict) else {}
    if endpoint.protocol == "ssh" and isinstance(host := options.get("host"), str) and host.strip():
        return host.strip()
    address = endpoint.device.primary_ip
    return address.address if address else None


def address_of(endpoint: ManagementEndpoint) -> Address | None:
    """The address of `host_of`; None when it is a name, nonsense or missing."""
    host = host_of(endpoint)
    try:
        parsed = parse_host(host) if host else None
    except ValidationError:
        return None
    return None if isinstance(parsed, str) else parsed


def keeps_away_from(credential: Credential, endpoint: ManagementEndpoint, policy: Policy) -> bool:
    """Whether its scope alone keeps the secret from a host that an operator chose.

    So it does when it names prefixes, or a tenant whose devices an admin bound to an allow-list. A name is judged at
    every use by the address that it then has.
    """
    address = address_of(endpoint)
    if host_of(endpoint) is None or refusal(credential, endpoint.device, address):
        return False
    if credential.allowed_prefixes:
        return True
    if not credential.tenant_id or not policy.is_confined(credential.tenant_id):
        return False
    return address is None or policy.decide(address, tenant_id=endpoint.device.tenant_id).is_allowed


@dataclass(frozen=True, slots=True)
class Way:
    """A secret and the place it is sent to."""

    credential_id: int
    protocol: str
    host: str
    port: int | None
    is_own_host: bool  # a host of the endpoint's own, not the device's address
    jump: int | None = None
    trust: tuple[str, ...] = ()  # whose certificate is believed, where that is the endpoint's own choice


@dataclass(frozen=True, slots=True)
class Ways:
    """Where a device's secrets went before a change."""

    address: str | None
    by_endpoint: dict[int, Way]

    @classmethod
    def of(cls, device: Device, endpoints: Iterable[ManagementEndpoint] | None = None) -> Self:
        """`endpoints` are the device's, where they are read already."""
        address = device.primary_ip
        rows = device.endpoints.select_related("credential") if endpoints is None else endpoints
        found = {row.pk: way for row in rows if (way := _way_of(row)) is not None}
        return cls(address.address if address else None, found)


def _way_of(endpoint: ManagementEndpoint) -> Way | None:
    if endpoint.credential is None or not endpoint.credential.holds_secret:
        return None
    host = host_of(endpoint) or ""
    is_own_host = endpoint.protocol == "ssh" and bool(str((endpoint.options or {}).get("host") or "").strip())
    address = address_of(endpoint)
    shown = str(address) if address else host.lower().removesuffix(".")
    return Way(
        endpoint.credential.pk,
        endpoint.protocol,
        shown,
        endpoint.effective_port,
        is_own_host,
        jump_of(endpoint),
        trust_of(endpoint),
    )


def trust_of(endpoint: ManagementEndpoint) -> tuple[str, ...]:
    """What says that the right one answers at the address: with another, the secret may go to somebody between."""
    options = endpoint.options if isinstance(endpoint.options, dict) else {}
    if endpoint.protocol != "vyos":
        return ()
    named = (options.get(name) for name in ("ca_pem", "certificate_sha256", "server_name"))
    return tuple(value if isinstance(value, str) else "" for value in named)


def jump_of(endpoint: ManagementEndpoint) -> int | None:
    """The number of the endpoint that it goes through; behind that one an address is whoever answers to it there."""
    options = endpoint.options if isinstance(endpoint.options, dict) else {}
    number = options.get("jump") if endpoint.protocol == "ssh" else None
    return number if type(number) is int else None


def redirected(endpoint: ManagementEndpoint, before: Ways, policy: Policy) -> str | None:
    """What of a change would send a stored secret elsewhere: "credential", "address", "host", "port", "trust", None."""
    credential, way = endpoint.credential, _way_of(endpoint)
    if credential is None or way is None or way in before.by_endpoint.values():
        return None
    old = before.by_endpoint.get(endpoint.pk)
    if way.jump is not None and (old is None or old.jump != way.jump):
        return "host"
    if any(way.trust) and (old is None or old.trust != way.trust):
        return "trust"
    if keeps_away_from(credential, endpoint, policy):
        return None
    address = endpoint.device.primary_ip
    has_moved = (address.address if address else None) != before.address
    if old is None or old.credential_id != way.credential_id:
        if credential.device_id != endpoint.device_id:
            return "credential"
        # The device's own credential may go to the device itself: to where it goes already, not to where the address
        # has been moved while the secret went to a host of its endpoint's own.
        if way.is_own_host:
            return "host"
        if way.port not in (None, endpoint.DEFAULT_PORTS.get(endpoint.protocol)):
            return "port"
        goes_there = any(
            (known.credential_id, known.host) == (way.credential_id, way.host) for known in before.by_endpoint.values()
        )
        return "address" if has_moved or not goes_there else None
    if (way.is_own_host, way.host, way.jump) != (old.is_own_host, old.host, old.jump):
        return "host" if way.jump != old.jump or way.is_own_host or old.is_own_host else "address"
    return "port"


def idle_secrets(device: Device) -> bool:
    """Whether the device has a credential of its own that no endpoint uses: it could be attached after a move."""
    return any(row.holds_secret for row in device.own_credentials.filter(endpoints__isnull=True))


def first_refusal(endpoints: Iterable[ManagementEndpoint], address: Address | None) -> str | None:
    """Why one of these endpoints could not be used at this address of their device; None when all could."""
    for endpoint in endpoints:
        credential = endpoint.credential
        own_host = host_of(endpoint) if endpoint.protocol == "ssh" and (endpoint.options or {}).get("host") else None
        if credential is None or own_host:
            continue
        if reason := refusal(credential, endpoint.device, address):
            return reason
    return None


REMEDY = "ask an admin, or have him name prefixes in the credential's scope"
SENTENCES: dict[str, str] = {
    "credential": "Several devices may share this credential: only an admin may attach it, unless its scope names "
    "prefixes that hold this device's address, or a tenant bound to an allow-list.",
    "host": "Stored secrets would be sent to another host",
    "address": "Stored secrets would be sent to the new address",
    "port": "Stored secrets would be sent to another port",
    "trust": "Stored secrets would be sent to whoever has another certificate",
}


def sentence(what: str, remedy: str) -> str:
    """The refusal of a redirection, for people."""
    return SENTENCES[what] if what == "credential" else f"{SENTENCES[what]}: {remedy}."
