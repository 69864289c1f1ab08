"""A row becomes a frozen driver target here, and only here is a credential opened."""

from dataclasses import asdict
from typing import Any

from django.core.exceptions import ValidationError

from inventory import host_keys, scopes
from inventory import policy as policies
from inventory.models import Credential, Device, ManagementEndpoint
from inventory.policy import Policy
from inventory.vyos_options import TIMES, VyosOptions
from inventory.ways import WayBook
from netmon.common.addresses import Address, parse_address
from netmon.common.errors import NoCredential, NoEndpoint
from netmon.common.secrets import open_secret
from netmon.drivers.targets import (
    MAX_JUMPS,
    IcmpTarget,
    Secret,
    SnmpTarget,
    SshTarget,
    TcpTarget,
    VyosTarget,
    check_options,
)

Target = IcmpTarget | SnmpTarget | SshTarget | TcpTarget
TARGETS: dict[str, type] = {"icmp": IcmpTarget, "tcp": TcpTarget, "snmp": SnmpTarget, "ssh": SshTarget}
# Options that are not the driver's own: where to go instead of the device's address, and through which endpoint.
TEXT_OPTIONS: dict[str, set[str]] = {"ssh": {"host"}, "rtsp": {"path"}, "tcp": {"outside", "forwards"}}
MAX_PLACES = 8
JUMP = "jump"
CREDENTIAL_KINDS: dict[str, set[str]] = {
    "icmp": set(),
    "tcp": set(),
    "snmp": {Credential.Kind.SNMP_COMMUNITY, Credential.Kind.SNMP_USM},
    "ssh": {Credential.Kind.PASSWORD, Credential.Kind.SSH_KEY},
    "rtsp": {Credential.Kind.PASSWORD},
    "vyos": {Credential.Kind.API_KEY},
    "postgresql": {Credential.Kind.PASSWORD},
}


def check_endpoint(
    endpoint: ManagementEndpoint, *, policy: Policy | None = None, stored: ManagementEndpoint | None = None
) -> None:
    """Refuse an endpoint whose options or credential do not fit its protocol. Raises ValidationError.

    `policy` and the endpoint as it is `stored` are those of a caller who has many endpoints to check.
    """
    errors: dict[str, str] = {}
    try:
        _check_options(endpoint)
    except ValueError as error:
        errors["options"] = str(error)
    credential = endpoint.credential
    allowed = CREDENTIAL_KINDS.get(endpoint.protocol, set())
    if credential and credential.kind not in allowed:
        errors["credential"] = f"A credential of kind {credential.kind} does not fit {endpoint.protocol}."
    elif endpoint.protocol == "snmp" and credential and not errors:
        version = endpoint.options.get("version", "2c")
        if (version == "3") != (credential.kind == Credential.Kind.SNMP_USM):
            errors["credential"] = f"SNMP version {version} does not go with a credential of kind {credential.kind}."
    if endpoint.protocol == "icmp" and endpoint.port:
        errors["port"] = "ICMP has no ports."
    if not errors:
        errors = _place_errors(endpoint, policy, stored)
    if errors:
        raise ValidationError(errors)


def _place_errors(
    endpoint: ManagementEndpoint, policy: Policy | None, stored: ManagementEndpoint | None
) -> dict[str, str]:
    """What scope and policy say of an endpoint that is new or leads elsewhere; one that stays may be switched off."""
    if stored is None and endpoint.pk:
        stored = ManagementEndpoint.objects.filter(pk=endpoint.pk).first()
    deciding = ("credential_id", "port", "options")
    has_new_credential = endpoint.credential is not None and endpoint.credential.pk is None
    if stored and not has_new_credential and all(getattr(stored, name) == getattr(endpoint, name) for name in deciding):
        return {}
    if (host := scopes.host_of(endpoint)) is None:
        reason = scopes.refusal(endpoint.credential, endpoint.device, None) if endpoint.credential else None
        return {"credential": reason} if reason else {}
    address = scopes.address_of(endpoint)
    is_own_host = endpoint.protocol == "ssh" and bool(endpoint.options.get("host"))
    if address is None and is_own_host:
        try:
            policies.parse_host(host)
        except ValidationError as error:
            return {"options": f"host: {' '.join(error.messages)}"}
    if endpoint.credential and (reason := scopes.refusal(endpoint.credential, endpoint.device, address)):
        return {"credential": reason}
    if address is None:
        return {}
    tenant_id, port = endpoint.device.tenant_id, endpoint.effective_port
    policy = policy or Policy.load()
    for place, its_port in places_outside(endpoint) if endpoint.protocol == "tcp" else []:
        if not (decision := policy.decide(place, tenant_id=tenant_id, port=its_port)).is_allowed:
            return {"options": f"outside: {decision.reason}"}
    if is_own_host and not (decision := policy.decide(address, tenant_id=tenant_id)).is_allowed:
        return {"options": f"host: {decision.reason}"}
    # Without the port the address was judged when it was written.
    if policy.decide(address, tenant_id=tenant_id).is_allowed:
        decision = policy.decide(address, tenant_id=tenant_id, port=port)
        return {} if decision.is_allowed else {"port": decision.reason}
    return {}


def _check_options(endpoint: ManagementEndpoint) -> None:
    options: Any = endpoint.options
    if not isinstance(options, dict):
        raise ValueError("Options are an object of names and values.")
    texts = TEXT_OPTIONS.get(endpoint.protocol, set())
    for name in texts & options.keys():
        value = options[name]
        if not isinstance(value, str) or len(value) > 255 or "\x00" in value:
            raise ValueError(f"{name}: write a text of at most 255 characters")
    if endpoint.protocol == "tcp":
        places_outside(endpoint)
    if endpoint.protocol == "ssh" and JUMP in options:
        _check_jump(endpoint, options[JUMP])
    if endpoint.protocol == "vyos":
        VyosOptions.of(options)
        check_options(VyosTarget, _times(options))
    elif target_class := TARGETS.get(endpoint.protocol):
        check_options(target_class, _drivers_own(endpoint))
    elif unknown := sorted(options.keys() - texts):
        raise ValueError(f"{unknown[0]}: unknown option; known are {', '.join(sorted(texts)) or 'none'}")


def places_outside(endpoint: ManagementEndpoint) -> list[tuple[Address, int]]:
    """Where else the port of a tcp endpoint is offered, such as by a router's port forward: its option `outside`.

    Raises ValueError ("outside: reason; remedy").
    """
    text = (endpoint.options or {}).get("outside", "")
    words = [word.strip() for word in text.split(",") if word.strip()]
    if len(words) > MAX_PLACES:
        raise ValueError(f"outside: {len(words)} places; write at most {MAX_PLACES}")
    found = []
    for word in words:
        host, _, port = word.rpartition(":")
        try:
            address = parse_address(host.removeprefix("[").removesuffix("]"))
        except ValidationError:
            raise ValueError(f"outside: {word[:60]!r} is no place; write 203.0.113.7:32000") from None
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
            raise ValueError(f"outside: {word[:60]!r} has no port of 1 to 65535; write 203.0.113.7:32000")
        found.append((address, int(port)))
    return found


def _drivers_own(endpoint: ManagementEndpoint) -> dict[str, Any]:
    ours = TEXT_OPTIONS.get(endpoint.protocol, set()) | ({JUMP} if endpoint.protocol == "ssh" else set())
    return {name: value for name, value in endpoint.options.items() if name not in ours}


def _check_jump(endpoint: ManagementEndpoint, number: object) -> None:
    """A jump host is another SSH endpoint of the same tenant, with a way of its own that does not lead back here."""
    step: ManagementEndpoint | None = endpoint
    for _ in range(MAX_JUMPS + 1):
        if type(number) is not int:
            raise ValueError("jump: write the number of the SSH endpoint to go through")
        if number == endpoint.pk:
            raise ValueError("jump: the way leads back to this endpoint; choose another")
        step = ManagementEndpoint.objects.select_related("device").filter(pk=number, protocol="ssh").first()
        # One answer for what is not there and what belongs to others.
        if step is None or step.device.tenant_id != endpoint.device.tenant_id:
            raise ValueError(f"jump: there is no SSH endpoint {number} of this tenant; choose one of its own")
        if not isinstance(step.options, dict) or JUMP not in step.options:
            return
        number = step.options[JUMP]
    raise ValueError(f"jump: more than {MAX_JUMPS} hosts in a row; take a shorter way")


def contact_address(endpoint: ManagementEndpoint, policy: Policy) -> Address:
    """The one address to connect to, now: a name is resolved once, and policy and scope judge what it has become.

    Raises NoEndpoint, TargetRefused, NameUnknown, NameUnanswered or OutOfScope.
    """
    host = scopes.host_of(endpoint)
    if host is None:
        raise NoEndpoint(f"{endpoint.device} has no address: give it one.")
    try:
        address = policies.resolve_once(
            host, policy=policy, tenant_id=endpoint.device.tenant_id, port=endpoint.effective_port
        )
    except ValidationError as error:
        raise NoEndpoint(f"{host} is not contacted. {' '.join(error.messages)}") from None
    if endpoint.credential:
        scopes.check(endpoint.credential, endpoint.device, address)
    return address


def target_of(endpoint: ManagementEndpoint, policy: Policy | None = None, book: WayBook | None = None) -> Target:
    """The driver's target of an endpoint. Of many, pass one Policy and one WayBook.

    Raises NoEndpoint (no address, or no driver), TargetRefused, NameUnknown, NameUnanswered, NoCredential or
    OutOfScope.
    """
    policy = policy or Policy.load()
    address = str(contact_address(endpoint, policy))
    try:
        if endpoint.protocol == "icmp":
            return IcmpTarget(address=address, **check_options(IcmpTarget, endpoint.options))
        if endpoint.protocol == "tcp":
            return TcpTarget(
                address=address, port=endpoint.port or 0, **check_options(TcpTarget, _drivers_own(endpoint))
            )
        if endpoint.protocol == "snmp":
            return _snmp_target(endpoint, address)
        if endpoint.protocol == "ssh":
            return _ssh_target(endpoint, address, policy, book or WayBook.of([endpoint]))
    except ValueError as error:
        raise NoEndpoint(f"The {endpoint.protocol} endpoint of {endpoint.device} is not usable: {error}") from None
    raise NoEndpoint(f"Nothing here speaks {endpoint.protocol} yet.")


def outside_target(
    endpoint: ManagementEndpoint, policy: Policy | None = None, book: WayBook | None = None
) -> TcpTarget:
    """The places at which a tcp endpoint is offered outside. Raises NoEndpoint or TargetRefused."""
    policy = policy or Policy.load()
    try:
        places = places_outside(endpoint)
        if not places:
            raise ValueError("outside: empty; write 203.0.113.7:32000, or delete the check")
        for address, port in places:
            policy.check(address, tenant_id=endpoint.device.tenant_id, port=port)
        (first, port), *others = places
        return TcpTarget(
            address=str(first),
            port=port,
            beside=tuple((str(address), its) for address, its in others),
            label=endpoint.port or 0,
            **check_options(TcpTarget, _drivers_own(endpoint)),
        )
    except ValueError as error:
        raise NoEndpoint(f"The tcp endpoint of {endpoint.device} is not usable: {error}") from None


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


def _ssh_target(endpoint: ManagementEndpoint, address: str, policy: Policy, book: WayBook, depth: int = 0) -> SshTarget:
    credential = endpoint.credential
    if credential is None:
        raise NoCredential(f"{endpoint.device} has an SSH endpoint without a credential: choose one.")
    if not credential.username:
        raise NoCredential(f"The credential {credential} has no user name, which SSH needs: give it one.")
    is_key = credential.kind == Credential.Kind.SSH_KEY
    secret = _open(credential, "secret")
    return SshTarget(
        address=address,
        port=endpoint.effective_port or 22,
        username=credential.username,
        password=None if is_key else secret,
        private_key=secret if is_key else None,
        pins=host_keys.pins_of(endpoint),
        trusts_first_use=host_keys.trusts_first_use(endpoint, book=book, address=address),
        jump=_jump_target(endpoint, policy, book, depth),
        **check_options(SshTarget, _drivers_own(endpoint)),
    )


def vyos_target(endpoint: ManagementEndpoint, policy: Policy | None = None) -> VyosTarget:
    """The target of a router's HTTP API. Raises what `target_of` raises."""
    address = str(contact_address(endpoint, policy or Policy.load()))
    credential = endpoint.credential
    if credential is None or not credential.secret:
        raise NoCredential(f"{endpoint.device} has a VyOS endpoint without an API key: choose a credential.")
    try:
        return VyosTarget(
            address=address,
            port=endpoint.effective_port or 443,
            key=_open(credential, "secret"),
            **asdict(VyosOptions.of(endpoint.options)),
            **check_options(VyosTarget, _times(endpoint.options)),
        )
    except ValueError as error:
        raise NoEndpoint(f"The vyos endpoint of {endpoint.device} is not usable: {error}") from None


def _times(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in TIMES}


def _jump_target(endpoint: ManagementEndpoint, policy: Policy, book: WayBook, depth: int) -> SshTarget | None:
    if JUMP not in endpoint.options:
        return None
    step = book.before(endpoint)
    if step is None or depth >= MAX_JUMPS or step.device.tenant_id != endpoint.device.tenant_id:
        raise NoEndpoint(f"The jump host of the SSH endpoint of {endpoint.device} is gone: choose another.")
    if not step.is_enabled or step.device.status != Device.Status.ACTIVE:
        raise NoEndpoint(f"The jump host of the SSH endpoint of {endpoint.device} is switched off: choose another.")
    return _ssh_target(step, str(contact_address(step, policy)), policy, book, depth + 1)


def secret_for(credential: Credential, device: Device) -> Secret:
    """A credential's secret for a script that is run for a device. Raises OutOfScope, and NoCredential without one."""
    if reason := scopes.refusal(credential, device, _own_address(device)):
        raise scopes.OutOfScope(reason)
    if not credential.secret:
        raise NoCredential(f"The credential {credential} holds no secret: enter it.")
    return _open(credential, "secret")


def _own_address(device: Device) -> Address | None:
    return parse_address(device.primary_ip.address) if device.primary_ip else None


def _open(credential: Credential, field: str) -> Secret:
    return Secret(open_secret(credential, field))
