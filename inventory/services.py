"""The verbs of the inventory. Each is one transaction."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from inventory import flat, followers
from inventory.models import Device, Interface, IPAddress, ManagementEndpoint
from netmon.common.addresses import check_contactable
from netmon.common.fields import normalise_mac

MGMT = "mgmt"


class SeenInterface(Protocol):
    """An interface as a device reports it (IF-MIB words)."""

    @property
    def key(self) -> str: ...
    @property
    def if_index(self) -> int: ...
    @property
    def descr(self) -> str: ...
    @property
    def alias(self) -> str: ...
    @property
    def if_type(self) -> int | None: ...
    @property
    def mac_address(self) -> str | None: ...
    @property
    def speed_bps(self) -> int | None: ...
    @property
    def mtu(self) -> int | None: ...
    @property
    def admin_status(self) -> int: ...
    @property
    def oper_status(self) -> int: ...


@transaction.atomic
def create_device(*, fields: dict[str, Any]) -> Device:
    """A device from the flat form, with interface, address, credentials, endpoints and whatever followers add.

    Raises ValidationError with the flat form's field names; nothing is written then.
    """
    own = {name: value for name, value in fields.items() if name not in (*flat.FLAT_FIELDS, "tags")}
    device = Device(**own)
    device.full_clean()
    device.save()
    if "tags" in fields:
        device.tags.set(fields["tags"])
    _apply_flat(device, fields)
    return device


@transaction.atomic
def update_device(device: Device, *, fields: dict[str, Any], may_redirect: bool = True) -> Device:
    """Change a device and its access through the flat form. Raises ValidationError.

    Without `may_redirect`, a new address needs the device's secrets entered beside it: else whoever may change an
    address could have stored secrets sent to a host of his own.
    """
    device = Device.objects.select_for_update().get(pk=device.pk)
    tenant_id = device.tenant_id
    address = device.primary_ip.address if device.primary_ip else None
    for name, value in fields.items():
        if name not in (*flat.FLAT_FIELDS, "tags"):
            setattr(device, name, value)
    device.full_clean()
    device.save()
    if "tags" in fields:
        device.tags.set(fields["tags"])
    if device.tenant_id != tenant_id:
        move_addresses(device)
    _apply_flat(device, fields)
    if not may_redirect and device.primary_ip and device.primary_ip.address != address:
        _refuse_stored_secrets(device, fields)
    return device


def _refuse_stored_secrets(device: Device, fields: dict[str, Any]) -> None:
    missing = flat.unentered_secrets(device, fields)
    if missing is None:
        raise ValidationError({"ip": "Stored secrets would be sent to the new address: only an admin may change it."})
    if missing:
        raise ValidationError(
            {
                "ip": "Stored secrets would be sent to the new address: "
                f"enter {', '.join(missing)} in the same request, or ask an admin."
            }
        )


@transaction.atomic
def move_addresses(device: Device) -> None:
    """Bring a device's addresses to its tenant. Raises ValidationError under the name `tenant`."""
    rows = IPAddress.objects.filter(interface__device=device)
    for row in rows:
        row.tenant = device.tenant
        try:
            row.full_clean()
        except ValidationError as error:
            raise flat.Names({}, "tenant").translate(error) from None
        row.save()
    device.primary_ip = next((row for row in rows if row.pk == device.primary_ip_id), device.primary_ip)


def _apply_flat(device: Device, fields: dict[str, Any]) -> None:
    if fields.get("ip") is not None:
        set_primary_ip(device, fields["ip"], dns_name=fields.get("hostname"))
    elif fields.get("hostname") is not None and device.primary_ip:
        device.primary_ip.dns_name = fields["hostname"]
        _save_address(device.primary_ip)
    elif fields.get("hostname"):
        raise ValidationError({"ip": "A host name needs an address beside it."})
    if fields.get("mac") is not None:
        interface = device.primary_ip.interface if device.primary_ip else None
        if interface is None:
            interface, _ = Interface.objects.get_or_create(device=device, name=MGMT)
        try:
            interface.mac_address = normalise_mac(fields["mac"]) if fields["mac"] else ""
        except ValidationError as error:
            raise ValidationError({"mac": error}) from None
        interface.save()
    flat.write_access(device, fields)


@transaction.atomic
def set_primary_ip(device: Device, address: str, *, dns_name: str | None = None) -> IPAddress:
    """The address by which the device is reached. Raises ValidationError under the name `ip`."""
    row = device.primary_ip
    if row is None or row.address != address:  # what is stored may be sent back
        try:
            address = str(check_contactable(address))
        except ValidationError as error:
            raise ValidationError({"ip": error}) from None
        held = IPAddress.objects.filter(interface__device=device, address=address).first()
        if held is not None:
            row = held
        elif row is None:
            interface, _ = Interface.objects.get_or_create(device=device, name=MGMT)
            row = IPAddress(interface=interface)
        row.address, row.tenant = address, device.tenant
    if dns_name is not None:
        row.dns_name = dns_name
    _save_address(row)
    if device.primary_ip_id != row.pk:
        device.primary_ip = row
        device.save(update_fields=["primary_ip", "updated_at"])
    return row


def _save_address(row: IPAddress) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise flat.Names({"dns_name": "hostname"}, "ip").translate(error) from None
    row.save()


@transaction.atomic
def save_endpoint(endpoint: ManagementEndpoint) -> ManagementEndpoint:
    """Save an endpoint that stands apart from the flat form. Raises ValidationError."""
    endpoint.full_clean()
    endpoint.save()
    followers.announce_endpoint(endpoint)
    return endpoint


@transaction.atomic
def delete_devices(device_ids: Iterable[int]) -> int:
    """Delete devices with all they own: interfaces, addresses, endpoints, own credentials, history.

    Raises ProtectedError or RestrictedError when something that stays still needs one of them.
    """
    ids = list(device_ids)
    followers.announce_leaving(ids)
    # The device points to its address and the address (through an interface) to the device.
    Device.objects.filter(pk__in=ids).update(primary_ip=None)
    _, per_model = Device.objects.filter(pk__in=ids).delete()
    return per_model.get("inventory.Device", 0)


@transaction.atomic
def delete_interfaces(interface_ids: Iterable[int]) -> None:
    """Delete interfaces with their addresses and history."""
    ids = list(interface_ids)
    followers.announce_interfaces_leaving(ids)
    Interface.objects.filter(pk__in=ids).delete()


@transaction.atomic
def delete_endpoints(endpoint_ids: Iterable[int]) -> None:
    """Delete endpoints with their checks; what is left says how their devices are."""
    rows = ManagementEndpoint.objects.filter(pk__in=list(endpoint_ids))
    device_ids = sorted(set(rows.values_list("device_id", flat=True)))
    followers.announce_endpoints_leaving(device_ids)
    rows.delete()
    for device_id in device_ids:
        followers.announce_endpoint_left(device_id)


SYNCED = (
    "if_index", "if_alias", "if_descr", "if_type", "mac_address", "mtu", "if_speed_bps", "if_admin_status",
    "if_oper_status", "gone_since",
)  # fmt: skip


@transaction.atomic
def sync_interfaces(device: Device, seen: Sequence[SeenInterface]) -> dict[str, Interface]:
    """Bring the interfaces of a device to what it reports; interfaces by key.

    They are kept by name: after a renumbering the same rows carry other ifIndexes, and two that swap must not meet
    in the unique rule, so every row that changes its ifIndex first has none. Rows no longer reported stay, marked
    gone.
    """
    now = timezone.now()
    rows = {row.name: row for row in Interface.objects.filter(device=device)}
    new: list[Interface] = []
    changed: list[Interface] = []
    renumbered: list[int] = []
    for reading in seen:
        row = rows.get(reading.key)
        values = _columns(reading)
        if row is None:
            row = rows[reading.key] = Interface(device=device, name=reading.key, **values)
            new.append(row)
            continue
        if any(getattr(row, name) != value for name, value in values.items()):
            if row.if_index is not None and row.if_index != values["if_index"]:
                renumbered.append(row.pk)
            for name, value in values.items():
                setattr(row, name, value)
            changed.append(row)
    keys = {reading.key for reading in seen}
    for row in rows.values():
        if row.name not in keys and row.if_index is not None:
            renumbered.append(row.pk)
            row.if_index, row.gone_since = None, row.gone_since or now
            changed.append(row)
    if renumbered:
        Interface.objects.filter(pk__in=renumbered).update(if_index=None)
    if changed:
        Interface.objects.bulk_update(changed, SYNCED, batch_size=200)
    if new:
        Interface.objects.bulk_create(new, batch_size=200)
    return {key: rows[key] for key in keys}


MAX_SMALL, MAX_INTEGER, MAX_BIGINT = 2**15 - 1, 2**31 - 1, 2**63 - 1


def _within(value: int | None, limit: int) -> int | None:
    """The number, or None when the column cannot hold it: one device's nonsense must not break a whole batch."""
    return value if value is not None and 0 <= value <= limit else None


def _columns(reading: SeenInterface) -> dict[str, Any]:
    return {
        "if_index": _within(reading.if_index, MAX_INTEGER),
        "if_alias": reading.alias[:255],
        "if_descr": reading.descr[:255],
        "if_type": _within(reading.if_type, MAX_INTEGER),
        "mac_address": reading.mac_address or "",
        "mtu": _within(reading.mtu, MAX_BIGINT),
        "if_speed_bps": _within(reading.speed_bps, MAX_BIGINT),
        "if_admin_status": _within(reading.admin_status, MAX_SMALL),
        "if_oper_status": _within(reading.oper_status, MAX_SMALL),
        "gone_since": None,
    }
