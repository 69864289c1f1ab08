"""The flat form: one set of fields that makes a device with its interface, address, credentials and endpoints."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from inventory import followers
from inventory.models import Credential, Device, ManagementEndpoint
from netmon.common.addresses import parse_address

SNMP_FIELDS = (
    "snmp_version", "snmp_community", "snmp_port", "snmp_username", "snmp_auth_protocol", "snmp_auth_password",
    "snmp_priv_protocol", "snmp_priv_password",
)  # fmt: skip
SSH_FIELDS = ("ssh_username", "ssh_password", "ssh_key", "ssh_port", "ssh_host")
ADDRESS_FIELDS = ("ip", "mac", "hostname")
FLAT_FIELDS = (*ADDRESS_FIELDS, *SNMP_FIELDS, *SSH_FIELDS)


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
    {"secret": "ssh_password", "username": "ssh_username", "port": "ssh_port", "options": "ssh_host"}, "ssh_username"
)


def read_access(device: Device) -> dict[str, Any]:
    """The flat form's view of a device's endpoints; of a secret only whether it is set."""
    endpoints = {endpoint.protocol: endpoint for endpoint in device.endpoints.all()}
    snmp, ssh = endpoints.get("snmp"), endpoints.get("ssh")
    snmp_credential = snmp.credential if snmp else None
    ssh_credential = ssh.credential if ssh else None
    is_v3 = bool(snmp_credential and snmp_credential.kind == Credential.Kind.SNMP_USM)
    is_key = bool(ssh_credential and ssh_credential.kind == Credential.Kind.SSH_KEY)
    return {
        "snmp_version": snmp.options.get("version", "2c") if snmp else None,
        "snmp_port": snmp.effective_port if snmp else None,
        "snmp_community_set": bool(snmp_credential and not is_v3 and snmp_credential.secret),
        "snmp_username": snmp_credential.username if snmp_credential and is_v3 else None,
        "snmp_auth_protocol": snmp_credential.auth_protocol if snmp_credential and is_v3 else None,
        "snmp_auth_password_set": bool(snmp_credential and is_v3 and snmp_credential.secret),
        "snmp_priv_protocol": snmp_credential.priv_protocol if snmp_credential and is_v3 else None,
        "snmp_priv_password_set": bool(snmp_credential and is_v3 and snmp_credential.priv_secret),
        "ssh_username": ssh_credential.username if ssh_credential else None,
        "ssh_password_set": bool(ssh_credential and not is_key and ssh_credential.secret),
        "ssh_key": ssh_credential.pk if ssh_credential and is_key else None,
        "ssh_port": ssh.effective_port if ssh else None,
        "ssh_host": ssh.options.get("host") if ssh else None,
    }


def write_access(device: Device, fields: dict[str, Any]) -> None:
    """Make or change the endpoints that `fields` speak of. Raises ValidationError with the flat names."""
    if any(fields.get(name) is not None for name in SNMP_FIELDS):
        _write_snmp(device, fields)
    if any(fields.get(name) is not None for name in SSH_FIELDS):
        _write_ssh(device, fields)
    # A ping of loopback is answered by netmon's own kernel and says nothing of the agent behind a port.
    is_pingable = device.primary_ip is not None and not parse_address(device.primary_ip.address).is_loopback
    if is_pingable and not device.endpoints.filter(protocol="icmp").exists():
        _save_endpoint(ManagementEndpoint(device=device, protocol="icmp"), Names({}, "ip"))


def _write_snmp(device: Device, fields: dict[str, Any]) -> None:
    endpoint = device.endpoints.select_related("credential").filter(protocol="snmp").first()
    if endpoint is None:
        endpoint = ManagementEndpoint(device=device, protocol="snmp")
    version = fields.get("snmp_version") or endpoint.options.get("version")
    version = version or ("3" if fields.get("snmp_username") else "2c")
    if device.primary_ip is None:
        raise ValidationError({"ip": "An address is needed to watch a device by SNMP."})
    credential = _own(endpoint.credential, device)
    if version == "3":
        if fields.get("snmp_community") is not None:
            raise ValidationError({"snmp_community": "SNMP version 3 has no community: use snmp_username."})
        if credential is None or credential.kind != Credential.Kind.SNMP_USM:
            credential = Credential(device=device, kind=Credential.Kind.SNMP_USM)
        _assign(credential, fields, "username", "snmp_username")
        _assign(credential, fields, "auth_protocol", "snmp_auth_protocol")
        _assign(credential, fields, "priv_protocol", "snmp_priv_protocol")
        _assign_secret(credential, fields, "secret", "snmp_auth_password")
        _assign_secret(credential, fields, "priv_secret", "snmp_priv_password")
        if credential.secret and not credential.auth_protocol:
            credential.auth_protocol = Credential.AuthProtocol.SHA256
        if credential.priv_secret and not credential.priv_protocol:
            credential.priv_protocol = Credential.PrivProtocol.AES
        names = SNMP_V3_NAMES
    else:
        for name in SNMP_FIELDS[3:]:
            if fields.get(name):
                raise ValidationError({name: f"SNMP version {version} has no users: use snmp_community."})
        if credential is None or credential.kind != Credential.Kind.SNMP_COMMUNITY:
            credential = Credential(device=device, kind=Credential.Kind.SNMP_COMMUNITY)
        _assign_secret(credential, fields, "secret", "snmp_community")
        names = SNMP_V2_NAMES
    _save_credential(credential, f"{device.name} SNMP", names)
    endpoint.credential = credential
    endpoint.options = {**endpoint.options, "version": version}
    _assign(endpoint, fields, "port", "snmp_port")
    _save_endpoint(endpoint, names)


def _write_ssh(device: Device, fields: dict[str, Any]) -> None:
    endpoint = device.endpoints.select_related("credential").filter(protocol="ssh").first()
    if endpoint is None:
        endpoint = ManagementEndpoint(device=device, protocol="ssh")
    if fields.get("ssh_key") is not None:
        if fields.get("ssh_password") is not None:
            raise ValidationError({"ssh_key": "Give a password or a key, not both."})
        endpoint.credential = fields["ssh_key"]
    else:
        credential = _own(endpoint.credential, device)
        if credential is None or credential.kind != Credential.Kind.PASSWORD:
            credential = Credential(device=device, kind=Credential.Kind.PASSWORD)
        _assign(credential, fields, "username", "ssh_username")
        _assign_secret(credential, fields, "secret", "ssh_password")
        if not credential.username:
            raise ValidationError({"ssh_username": "An SSH login needs a user name."})
        _save_credential(credential, f"{device.name} SSH", SSH_NAMES)
        endpoint.credential = credential
    _assign(endpoint, fields, "port", "ssh_port")
    if fields.get("ssh_host") is not None:
        endpoint.options = {**endpoint.options, "host": fields["ssh_host"]}
    _save_endpoint(endpoint, SSH_NAMES)


def _own(credential: Credential | None, device: Device) -> Credential | None:
    """The credential if it is this device's own: one shared by others is never changed through one device."""
    return credential if credential and credential.device_id == device.pk else None


def _assign(row: Any, fields: dict[str, Any], attribute: str, name: str) -> None:
    if fields.get(name) is not None:
        setattr(row, attribute, fields[name])


def _assign_secret(credential: Credential, fields: dict[str, Any], attribute: str, name: str) -> None:
    if fields.get(name) is not None:
        setattr(credential, attribute, fields[name])
        credential.secret_changed_at = timezone.now()


def _save_credential(credential: Credential, name: str, names: Names) -> None:
    if not credential.name:
        taken = Credential.objects.filter(name=name[:100]).exists()
        credential.name = f"{name[:80]} #{credential.device_id}" if taken else name[:100]
    try:
        credential.full_clean()
    except ValidationError as error:
        raise names.translate(error) from None
    credential.save()


def _save_endpoint(endpoint: ManagementEndpoint, names: Names) -> None:
    try:
        endpoint.full_clean()
    except ValidationError as error:
        raise names.translate(error) from None
    endpoint.save()
    followers.announce_endpoint(endpoint)
