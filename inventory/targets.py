"""A row becomes a frozen driver target here, and only here is a credential opened."""

from typing import Any

from django.core.exceptions import ValidationError

from inventory.models import Credential, ManagementEndpoint
from netmon.common.addresses import parse_address, refuse_reason
from netmon.common.errors import NoCredential, NoEndpoint
from netmon.common.secrets import open_secret
from netmon.drivers.targets import IcmpTarget, Secret, SnmpTarget, check_options

Target = IcmpTarget | SnmpTarget
TARGETS: dict[str, type] = {"icmp": IcmpTarget, "snmp": SnmpTarget}
# Protocols whose driver is not here yet keep a few named texts.
TEXT_OPTIONS: dict[str, set[str]] = {"ssh": {"host"}, "rtsp": {"path"}}
CREDENTIAL_KINDS: dict[str, set[str]] = {
    "icmp": set(),
    "tcp": set(),
    "snmp": {Credential.Kind.SNMP_COMMUNITY, Credential.Kind.SNMP_USM},
    "ssh": {Credential.Kind.PASSWORD, Credential.Kind.SSH_KEY},
    "rtsp": {Credential.Kind.PASSWORD},
    "vyos": {Credential.Kind.API_KEY},
    "postgresql": {Credential.Kind.PASSWORD},
}


def check_endpoint(endpoint: ManagementEndpoint) -> None:
    """Refuse an endpoint whose options or credential do not fit its protocol. Raises ValidationError."""
    errors: dict[str, str] = {}
    try:
        _check_options(endpoint)
    except ValueError as error:
        errors["options"] = str(error)
    credential = endpoint.credential
    allowed = CREDENTIAL_KINDS.get(endpoint.protocol, set())
    if credential and credential.kind not in allowed:
        errors["credential"] = f"A credential of kind {credential.kind} does not fit {endpoint.protocol}."
    elif credential and credential.device_id and credential.device_id != endpoint.device_id:
        errors["credential"] = "This credential belongs to another device."
    elif endpoint.protocol == "snmp" and credential and not errors:
        version = endpoint.options.get("version", "2c")
        if (version == "3") != (credential.kind == Credential.Kind.SNMP_USM):
            errors["credential"] = f"SNMP version {version} does not go with a credential of kind {credential.kind}."
    if endpoint.protocol == "icmp" and endpoint.port:
        errors["port"] = "ICMP has no ports."
    if errors:
        raise ValidationError(errors)


def _check_options(endpoint: ManagementEndpoint) -> None:
    options: Any = endpoint.options
    if not isinstance(options, dict):
        raise ValueError("Options are an object of names and values.")
    if target_class := TARGETS.get(endpoint.protocol):
        check_options(target_class, options)
        return
    known = TEXT_OPTIONS.get(endpoint.protocol, set())
    for name, value in options.items():
        if name not in known:
            raise ValueError(f"{name}: unknown option; known are {', '.join(sorted(known)) or 'none'}")
        if not isinstance(value, str) or len(value) > 255 or "\x00" in value:
            raise ValueError(f"{name}: write a text of at most 255 characters")


def target_of(endpoint: ManagementEndpoint) -> Target:
    """The driver's target of an endpoint.

    Raises NoEndpoint (no address, an address netmon must not contact, or no driver) or NoCredential.
    """
    address = endpoint.device.primary_ip
    if address is None:
        raise NoEndpoint(f"{endpoint.device} has no address: give it one.")
    if reason := refuse_reason(parse_address(address.address)):
        raise NoEndpoint(f"{address} is not contacted. {reason}")
    try:
        if endpoint.protocol == "icmp":
            return IcmpTarget(address=address.address, **check_options(IcmpTarget, endpoint.options))
        if endpoint.protocol == "snmp":
            return _snmp_target(endpoint, address.address)
    except ValueError as error:
        raise NoEndpoint(f"The {endpoint.protocol} endpoint of {endpoint.device} is not usable: {error}") from None
    raise NoEndpoint(f"Nothing here speaks {endpoint.protocol} yet.")


def _snmp_target(endpoint: ManagementEndpoint, address: str) -> SnmpTarget:
    credential = endpoint.credential
    if credential is None:
        raise NoCredential(f"{endpoint.device} has an SNMP endpoint without a credential: choose one.")
    options = check_options(SnmpTarget, endpoint.options)
    port = endpoint.effective_port or 161
    if credential.kind == Credential.Kind.SNMP_COMMUNITY:
        return SnmpTarget(address=address, port=port, community=_open(credential, "secret"), **options)
    return SnmpTarget(
        address=address,
        port=port,
        username=credential.username,
        auth_protocol=credential.auth_protocol or None,
        auth_key=_open(credential, "secret") if credential.secret else None,
        priv_protocol=credential.priv_protocol or None,
        priv_key=_open(credential, "priv_secret") if credential.priv_secret else None,
        **{**options, "version": "3"},
    )


def _open(credential: Credential, field: str) -> Secret:
    return Secret(open_secret(credential, field))
