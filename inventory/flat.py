"""The flat form: one set of fields that makes a device with its interface, address, credentials and endpoints."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ValidationError
from django.utils import timezone

from inventory import followers, scopes
from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint, Tag
from inventory.policy import Policy
from netmon.common.addresses import parse_address

MGMT = "mgmt"
SNMP_FIELDS = (
    "snmp_version", "snmp_community", "snmp_port", "snmp_username", "snmp_auth_protocol", "snmp_auth_password",
    "snmp_priv_protocol", "snmp_priv_password",
)  # fmt: skip
SSH_FIELDS = (
    "ssh_username", "ssh_password", "ssh_key", "ssh_port", "ssh_host", "ssh_platform", "ssh_jump",
)  # fmt: skip
RTSP_FIELDS = ("rtsp_url", "rtsp_username", "rtsp_password")
ADDRESS_FIELDS = ("ip", "mac", "hostname")
FLAT_FIELDS = (*ADDRESS_FIELDS, *SNMP_FIELDS, *SSH_FIELDS, *RTSP_FIELDS)
SECRETS = ("secret", "priv_secret")
USM_COLUMNS = {
    "username": "snmp_username",
    "auth_protocol": "snmp_auth_protocol",
    "priv_protocol": "snmp_priv_protocol",
    "secret": "snmp_auth_password",
    "priv_secret": "snmp_priv_password",
}
PASSWORD_COLUMNS = {"username": "ssh_username", "secret": "ssh_password"}
RTSP_COLUMNS = {"username": "rtsp_username", "secret": "rtsp_password"}
# By kind of credential, the fields of `secret` and `priv_secret`.
SECRET_FIELDS: dict[str, tuple[str, ...]] = {
    Credential.Kind.SNMP_COMMUNITY: ("snmp_community",),
    Credential.Kind.SNMP_USM: ("snmp_auth_password", "snmp_priv_password"),
    Credential.Kind.PASSWORD: ("ssh_password",),
}


@dataclass(frozen=True, slots=True)
class Names:
    """What the fields of a row are called in the flat form, for error messages."""

    by_field: dict[str, str]
    rest: str

    def translate(self, error: ValidationError) -> ValidationError:
        if not hasattr(error, "error_dict"):
            return ValidationError({self.rest: error.error_list})
        translated: dict[str, list[ValidationError]] = {}
        for field, errors in error.error_dict.items():
            translated.setdefault(self.by_field.get(field, self.rest), []).extend(errors)
        return ValidationError(translated)


SNMP_V2_NAMES = Names({"secret": "snmp_community", "port": "snmp_port", "options": "snmp_version"}, "snmp_community")
SNMP_V3_NAMES = Names(
    {
        "secret": "snmp_auth_password",
        "priv_secret": "snmp_priv_password",
        "username": "snmp_username",
        "auth_protocol": "snmp_auth_protocol",
        "priv_protocol": "snmp_priv_protocol",
        "port": "snmp_port",
        "options": "snmp_version",
    },
    "snmp_username",
)
SSH_NAMES = Names(
    {
        "secret": "ssh_password",
        "username": "ssh_username",
        "port": "ssh_port",
        "options": "ssh_host",
        "credential": "ssh_key",
    },
    "ssh_username",
)


SSH_JUMP_NAMES = Names({**SSH_NAMES.by_field, "options": "ssh_jump"}, "ssh_username")


def endpoint_of(endpoints: Iterable[ManagementEndpoint], protocol: str) -> ManagementEndpoint | None:
    """The endpoint that the flat form shows and changes: the first one made."""
    return min((row for row in endpoints if row.protocol == protocol), key=lambda row: row.pk, default=None)


RTSP_NAMES = Names(
    {"secret": "rtsp_password", "username": "rtsp_username", "port": "rtsp_url", "options": "rtsp_url"}, "rtsp_url"
)


class Store:
    """Where the flat form reads and puts its rows: the database here, memory in an import of many devices."""

    def policy(self) -> Policy:
        return Policy.load()

    def endpoints(self, device: Device) -> list[ManagementEndpoint]:
        """All of a device, the first one made first."""
        return list(device.endpoints.select_related("credential").order_by("pk"))

    def endpoint(self, device: Device, protocol: str) -> ManagementEndpoint | None:
        """The endpoint to change, if there is one."""
        return endpoint_of(device.endpoints.select_related("credential").filter(protocol=protocol), protocol)

    def unused_credential(self, device: Device, kind: str) -> Credential | None:
        """A credential of the device's own that nothing uses."""
        return device.own_credentials.filter(kind=kind, endpoints__isnull=True).order_by("pk").first()

    def has_idle_secret(self, device: Device) -> bool:
        return scopes.idle_secrets(device)

    def names_like(self, stem: str) -> set[str]:
        """The names of credentials that begin like this."""
        return set(Credential.objects.filter(name__startswith=stem).values_list("name", flat=True))

    def address(self, device: Device, address: str) -> IPAddress | None:
        """The row of an address that the device has already."""
        return IPAddress.objects.filter(interface__device=device, address=address).first()

    def management_interface(self, device: Device) -> Interface:
        """The interface that stands for the device while nothing is known of its real ones; made when it is missing."""
        return Interface.objects.get_or_create(device=device, name=MGMT)[0]

    def save_device(self, device: Device) -> None:
        """Raises ValidationError."""
        device.full_clean()
        device.save()

    def save_primary_ip(self, device: Device) -> None:
        """The device points to another address."""
        device.save(update_fields=["primary_ip", "updated_at"])

    def set_tags(self, device: Device, tags: Iterable[Tag]) -> None:
        device.tags.set(tags)

    def save_interface(self, interface: Interface) -> None:
        interface.save()

    def save_address(self, row: IPAddress) -> None:
        """Raises ValidationError."""
        row.full_clean()
        row.save()

    def save_credential(self, credential: Credential) -> None:
        """Raises ValidationError."""
        credential.full_clean()
        credential.save()

    def save_endpoint(self, endpoint: ManagementEndpoint) -> None:
        """Raises ValidationError."""
        endpoint.full_clean()
        endpoint.save()
        followers.announce_endpoints([endpoint])

    def drop(self, replaced: Credential | None, device: Device) -> None:
        """Delete an own credential that no endpoint uses any more."""
        if replaced and replaced.device_id == device.pk and not replaced.endpoints.exists():
            replaced.delete()


DATABASE = Store()


def write_access(device: Device, fields: dict[str, Any], store: Store = DATABASE) -> None:
    """Make or change the endpoints that `fields` speak of. Raises ValidationError with the flat names."""
    if any(fields.get(name) is not None for name in SNMP_FIELDS):
        _write_snmp(device, fields, store)
    if any(fields.get(name) is not None for name in SSH_FIELDS) or _takes_jump_away(device, fields, store):
        _write_ssh(device, fields, store)
    if any(fields.get(name) is not None for name in RTSP_FIELDS):
        _write_rtsp(device, fields, store)
    # A ping of loopback is answered by netmon's own kernel and says nothing of the agent behind a port.
    is_pingable = device.primary_ip is not None and not parse_address(device.primary_ip.address).is_loopback
    if is_pingable and store.endpoint(device, "icmp") is None:
        _save_endpoint(ManagementEndpoint(device=device, protocol="icmp"), Names({}, "ip"), store)


def unentered_secrets(
    endpoint: ManagementEndpoint, fields: dict[str, Any], store: Store = DATABASE
) -> list[str] | None:
    """The fields of an endpoint's secrets that `fields` does not enter; None when one of them has no field here."""
    credential, device = endpoint.credential, endpoint.device
    assert credential is not None
    names = ("rtsp_password",) if endpoint.protocol == "rtsp" else SECRET_FIELDS.get(credential.kind)
    shown = store.endpoint(device, endpoint.protocol)
    if names is None or credential.device_id != device.pk or endpoint.protocol not in ("snmp", "ssh", "rtsp"):
        return None
    if shown is None or shown.pk != endpoint.pk:
        return None
    stored = (bool(credential.secret), bool(credential.priv_secret))
    return [name for name, text in zip(names, stored, strict=False) if text and fields.get(name) is None]


def _endpoint_to_write(device: Device, protocol: str, store: Store) -> ManagementEndpoint:
    return store.endpoint(device, protocol) or ManagementEndpoint(device=device, protocol=protocol)


def _write_snmp(device: Device, fields: dict[str, Any], store: Store) -> None:
    endpoint = _endpoint_to_write(device, "snmp", store)
    before = endpoint.options.get("version", "2c") if endpoint.pk else None
    version = fields.get("snmp_version") or before or ("3" if fields.get("snmp_username") else "2c")
    if endpoint.pk is None and device.primary_ip is None:
        raise ValidationError({"ip": "An address is needed to watch a device by SNMP."})
    if version == "3":
        if fields.get("snmp_community") is not None:
            raise ValidationError({"snmp_community": "SNMP version 3 has no community: use snmp_username."})
        kind, columns, names = Credential.Kind.SNMP_USM, USM_COLUMNS, SNMP_V3_NAMES
    else:
        for name in SNMP_FIELDS[3:]:
            if fields.get(name):
                raise ValidationError({name: f"SNMP version {version} has no users: use snmp_community."})
        kind, columns, names = Credential.Kind.SNMP_COMMUNITY, {"secret": "snmp_community"}, SNMP_V2_NAMES
    replaced = endpoint.credential
    if endpoint.pk is None or (version == "3") != (before == "3") or _changes(endpoint, fields, columns):
        credential = _own(endpoint, kind, store)
        _enter(credential, fields, columns)
        if kind == Credential.Kind.SNMP_USM and credential.secret and not credential.auth_protocol:
            credential.auth_protocol = Credential.AuthProtocol.SHA256
        if kind == Credential.Kind.SNMP_USM and credential.priv_secret and not credential.priv_protocol:
            credential.priv_protocol = Credential.PrivProtocol.AES
        _save_credential(credential, f"{device.name} SNMP", names, store)
        endpoint.credential = credential
    if version != before:
        endpoint.options = {**endpoint.options, "version": version}
    _assign_port(endpoint, fields.get("snmp_port"))
    _save_endpoint(endpoint, names, store)
    store.drop(replaced, device)


def _write_ssh(device: Device, fields: dict[str, Any], store: Store) -> None:
    endpoint = _endpoint_to_write(device, "ssh", store)
    replaced = endpoint.credential
    if fields.get("ssh_key") is not None:
        if fields.get("ssh_password") is not None:
            raise ValidationError({"ssh_key": "Give a password or a key, not both."})
        endpoint.credential = fields["ssh_key"]
    elif endpoint.pk is None or _changes(endpoint, fields, PASSWORD_COLUMNS):
        credential = _own(endpoint, Credential.Kind.PASSWORD, store)
        _enter(credential, fields, PASSWORD_COLUMNS)
        if not credential.username:
            raise ValidationError({"ssh_username": "An SSH login needs a user name."})
        _save_credential(credential, f"{device.name} SSH", SSH_NAMES, store)
        endpoint.credential = credential
    _assign_port(endpoint, fields.get("ssh_port"))
    if fields.get("ssh_host") is not None:
        endpoint.options = {**endpoint.options, "host": fields["ssh_host"]}
    if (platform := fields.get("ssh_platform")) is not None:
        endpoint.options = _with(endpoint.options, "platform", None if platform == "auto" else platform)
    if "ssh_jump" in fields:
        endpoint.options = _with(endpoint.options, "jump", fields["ssh_jump"])
    _save_endpoint(endpoint, SSH_JUMP_NAMES if fields.get("ssh_jump") is not None else SSH_NAMES, store)
    store.drop(replaced, device)


def _with(options: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The options with this one; without it when the value is None."""
    kept = {key: one for key, one in options.items() if key != name}
    return kept if value is None else {**kept, name: value}


def _takes_jump_away(device: Device, fields: dict[str, Any], store: Store) -> bool:
    """Whether `fields` say that nothing is in between, where something is: of all fields this one alone has no text
    that could say so."""
    if "ssh_jump" not in fields or fields["ssh_jump"] is not None:
        return False
    endpoint = store.endpoint(device, "ssh")
    return endpoint is not None and "jump" in endpoint.options


def _write_rtsp(device: Device, fields: dict[str, Any], store: Store) -> None:
    endpoint = _endpoint_to_write(device, "rtsp", store)
    replaced = endpoint.credential
    if fields.get("rtsp_url") is not None:
        url = parse_rtsp(fields["rtsp_url"])
        address = device.primary_ip
        if address is None or url.host not in (address.address, address.dns_name.lower()):
            raise ValidationError({"rtsp_url": "Its host is another than the device's address: they must be the same."})
        endpoint.options = {**endpoint.options, "path": url.path}
        endpoint.port = url.port if url.port != ManagementEndpoint.DEFAULT_PORTS["rtsp"] else None
    elif endpoint.pk is None:
        raise ValidationError({"rtsp_url": "A camera needs its address, such as rtsp://192.0.2.1/stream1."})
    if _changes(endpoint, fields, RTSP_COLUMNS):
        credential = _own(endpoint, Credential.Kind.PASSWORD, store)
        _enter(credential, fields, RTSP_COLUMNS)
        _save_credential(credential, f"{device.name} RTSP", RTSP_NAMES, store)
        endpoint.credential = credential
    _save_endpoint(endpoint, RTSP_NAMES, store)
    store.drop(replaced, device)


@dataclass(frozen=True, slots=True)
class RtspUrl:
    """The parts of a stream's address."""

    host: str
    port: int
    path: str
    username: str
    password: str


def parse_rtsp(text: str) -> RtspUrl:
    """The parts of an address such as rtsp://user:word@192.0.2.1/stream1 (RFC 2326, 3.2). Raises ValidationError."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port or ManagementEndpoint.DEFAULT_PORTS["rtsp"]
        host = str(parse_address(parts.hostname or "")) if ":" in (parts.hostname or "") else parts.hostname
    except ValueError:
        parts, port, host = urlsplit(""), 0, ""
    if parts.scheme != "rtsp" or not host or re.search(r"[\s\x00-\x1f]", text.strip()):
        raise ValidationError({"rtsp_url": "Not an RTSP address: write one such as rtsp://192.0.2.1/stream1."})
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return RtspUrl(host, port, path, unquote(parts.username or ""), unquote(parts.password or ""))


def completed(fields: dict[str, Any], *, is_new: bool) -> dict[str, Any]:
    """The fields with what the address of a stream says beside: user, password and, for a new device, its address."""
    if not fields.get("rtsp_url"):
        return fields
    url = parse_rtsp(fields["rtsp_url"])
    said = {"rtsp_username": url.username, "rtsp_password": url.password, "ip": url.host if is_new else ""}
    return {**fields, **{name: value for name, value in said.items() if value and not fields.get(name)}}


def _changes(endpoint: ManagementEndpoint, fields: dict[str, Any], columns: dict[str, str]) -> bool:
    """Whether `fields` says anything of the credential that it does not say already: answers may be sent back."""
    return any(
        fields.get(name) is not None
        and (column in SECRETS or endpoint.credential is None or fields[name] != getattr(endpoint.credential, column))
        for column, name in columns.items()
    )


def _own(endpoint: ManagementEndpoint, kind: str, store: Store) -> Credential:
    """The device's own credential to write: one shared by others is never changed through one device."""
    device, credential = endpoint.device, endpoint.credential
    if credential and credential.device_id == device.pk and credential.kind == kind:
        return credential
    return store.unused_credential(device, kind) or Credential(device=device, kind=kind)


def _enter(credential: Credential, fields: dict[str, Any], columns: dict[str, str]) -> None:
    for column, name in columns.items():
        if fields.get(name) is not None:
            setattr(credential, column, fields[name])
            if column in SECRETS:
                credential.secret_changed_at = timezone.now()


def _assign_port(endpoint: ManagementEndpoint, port: int | None) -> None:
    if port is not None and port != endpoint.effective_port:
        endpoint.port = port


def _save_credential(credential: Credential, name: str, names: Names, store: Store) -> None:
    if not credential.name:
        stem = name[:80]
        if (tenant_id := credential.device and credential.device.tenant_id) is not None:
            stem = f"{stem}, tenant {tenant_id}"  # else a number behind it would tell of another tenant's device
        taken = store.names_like(stem)
        names_in_turn = (f"{stem} {number}" if number > 1 else stem for number in count(1))
        credential.name = next(free for free in names_in_turn if free not in taken)
    try:
        store.save_credential(credential)
    except ValidationError as error:
        raise names.translate(error) from None


def _save_endpoint(endpoint: ManagementEndpoint, names: Names, store: Store) -> None:
    try:
        store.save_endpoint(endpoint)
    except ValidationError as error:
        raise names.translate(error) from None
