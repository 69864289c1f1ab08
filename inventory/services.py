"""The verbs of the inventory. Each is one transaction."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from inventory import flat, followers, host_keys, scopes
from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint, Tenant
from inventory.policy import Policy, check_contactable
from netmon.common.addresses import parse_address
from netmon.common.fields import normalise_mac


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
def create_device(*, fields: dict[str, Any], may_redirect: bool = True) -> Device:
    """A device from the flat form, with interface, address, credentials, endpoints and whatever followers add.

    Raises ValidationError with the flat form's field names; nothing is written then. Without `may_redirect` no stored
    secret is attached that its scope does not keep from hosts of somebody's choice.
    """
    fields = flat.completed(fields, is_new=True)
    own = {name: value for name, value in fields.items() if name not in (*flat.FLAT_FIELDS, "tags")}
    device = Device(**own)
    device.full_clean()
    device.save()
    if "tags" in fields:
        device.tags.set(fields["tags"])
    before = scopes.Ways(None, {})
    _apply_flat(device, fields, flat.DATABASE)
    if not may_redirect:
        _refuse_redirects(device, before, fields, flat.DATABASE)
    return device


@transaction.atomic
def update_device(device: Device, *, fields: dict[str, Any], may_redirect: bool = True) -> Device:
    """Change a device and its access through the flat form. Raises ValidationError.

    Without `may_redirect`, a new address, host or port needs the device's secrets entered beside it, unless their
    scope admits it: else whoever may change an address could have stored secrets sent to a host of his own.
    """
    device = Device.objects.select_for_update().get(pk=device.pk)
    change(device, fields=fields, may_redirect=may_redirect, store=flat.DATABASE)
    return device


def change(device: Device, *, fields: dict[str, Any], may_redirect: bool, store: flat.Store) -> None:
    """What `update_device` does to a device that is locked, with rows from `store`. Raises ValidationError."""
    fields = flat.completed(fields, is_new=False)
    tenant, tenant_id, before = device.tenant, device.tenant_id, scopes.Ways.of(device, store.endpoints(device))
    for name, value in fields.items():
        if name not in (*flat.FLAT_FIELDS, "tags"):
            setattr(device, name, value)
    store.save_device(device)
    if "tags" in fields:
        store.set_tags(device, fields["tags"])
    if device.tenant_id != tenant_id:
        move_addresses(device)
    _apply_flat(device, fields, store)
    address = device.primary_ip.address if device.primary_ip else None
    if address != before.address:
        check_scopes(device, address, field="ip", store=store)
    if device.tenant_id != tenant_id:
        check_tenant(device)
    if not may_redirect:
        _refuse_redirects(device, before, fields, store)
        if device.tenant_id != tenant_id:
            host_keys.moved(device, tenant)


def _refuse_redirects(device: Device, before: scopes.Ways, fields: dict[str, Any], store: flat.Store) -> None:
    policy = store.policy()
    missing: dict[str, list[str]] = {}
    refused: dict[str, str] = {}
    for endpoint in store.endpoints(device):
        what = scopes.redirected(endpoint, before, policy)
        if what is None:
            continue
        field = _flat_name(what, endpoint.protocol)
        if field == "ssh_host" and fields.get("ssh_host") is None:
            field = "ssh_jump"  # the other half of where a host is
        names = None if what == "credential" else flat.unentered_secrets(endpoint, fields, store)
        if names is None:
            refused[field] = scopes.sentence(what, f"only an admin may do that; {scopes.REMEDY}")
        elif names:
            missing.setdefault(field, []).extend(names)
    address = device.primary_ip.address if device.primary_ip else None
    if address != before.address and store.has_idle_secret(device):
        refused["ip"] = "A stored secret that nothing uses belongs to this device: only an admin may move it."
    for field, names in missing.items():
        what = {"ip": "address", "ssh_host": "host", "ssh_jump": "host"}.get(field, "port")
        entering = f"enter {', '.join(names)} in the same request, or {scopes.REMEDY}"
        refused.setdefault(field, scopes.sentence(what, entering))
    if refused:
        raise ValidationError(refused)


def _flat_name(what: str, protocol: str) -> str:
    names = {"address": "ip", "credential": "ssh_key" if protocol == "ssh" else "ip", "host": "ssh_host"}
    ports = {"snmp": "snmp_port", "ssh": "ssh_port", "rtsp": "rtsp_url"}
    return names.get(what) or ports.get(protocol, "ip")


def check_scopes(device: Device, address: str | None, *, field: str, store: flat.Store = flat.DATABASE) -> None:
    """Raises ValidationError under `field` when a credential of the device is not for this address of it."""
    rows = store.endpoints(device)
    if reason := scopes.first_refusal(rows, parse_address(address) if address else None):
        raise ValidationError({field: reason})


def check_tenant(device: Device) -> None:
    """Raises ValidationError under `tenant` when a device may not be reached, or a credential used, under it."""
    address = device.primary_ip.address if device.primary_ip else None
    check_scopes(device, address, field="tenant")
    if address:
        try:
            check_contactable(address, tenant_id=device.tenant_id)
        except ValidationError as error:
            raise ValidationError({"tenant": f"{address}: {' '.join(error.messages)}"}) from None


def check_place(device: Device, *, tenant: Tenant | None, address: IPAddress | None, field: str) -> None:
    """What a device of this tenant at this address must pass, for forms. Raises ValidationError under `field`."""
    there = copy.copy(device)
    there.tenant, there.primary_ip = tenant, address
    if device.pk:
        addresses_moved(there, tenant)
        # The rows of a manager point to the device they were asked of: the one as it would be.
        check_scopes(there, address.address if address else None, field=field)
    if address:
        try:
            check_contactable(address.address, tenant_id=there.tenant_id)
        except ValidationError as error:
            raise ValidationError({field: f"{address}: {' '.join(error.messages)}"}) from None


def check_primary_address(row: IPAddress, device: Device, address: str, *, may_redirect: bool) -> None:
    """What a new text of the address by which `device` is reached must pass. Raises ValidationError on `address`."""
    if str(parse_address(address)) == row.address:
        return
    policy = Policy.load()
    try:
        parsed = check_contactable(address, tenant_id=device.tenant_id, policy=policy)
    except ValidationError as error:
        raise ValidationError({"address": error}) from None
    check_scopes(device, str(parsed), field="address")
    if may_redirect:
        return
    before = scopes.Ways.of(device)
    device.primary_ip = IPAddress(address=str(parsed), interface=row.interface)
    for endpoint in device.endpoints.select_related("credential"):
        if scopes.redirected(endpoint, before, policy):
            raise ValidationError(
                {
                    "address": f"Stored secrets of {device} would be sent to the new address: enter `ip` and the "
                    f"secrets anew at the device, or {scopes.REMEDY}."
                }
            )
    if scopes.idle_secrets(device):
        raise ValidationError({"address": "A stored secret of this device is unused: only an admin may move it."})


@transaction.atomic
def move_addresses(device: Device) -> None:
    """Bring a device's addresses to its tenant. Raises ValidationError under the name `tenant`."""
    rows = addresses_moved(device, device.tenant)
    for row in rows:
        row.save()
    device.primary_ip = next((row for row in rows if row.pk == device.primary_ip_id), device.primary_ip)


def addresses_moved(device: Device, tenant: Tenant | None) -> list[IPAddress]:
    """The device's addresses as they would be under a tenant, unsaved. Raises ValidationError under `tenant`."""
    rows = list(IPAddress.objects.filter(interface__device=device))
    for row in rows:
        row.tenant = tenant
        try:
            row.full_clean()
        except ValidationError as error:
            raise flat.Names({}, "tenant").translate(error) from None
    return rows


def _apply_flat(device: Device, fields: dict[str, Any], store: flat.Store) -> None:
    if fields.get("ip") is not None:
        _set_primary_ip(device, fields["ip"], fields.get("hostname"), store)
    elif fields.get("hostname") is not None and device.primary_ip:
        device.primary_ip.dns_name = fields["hostname"]
        _save_address(device.primary_ip, store)
    elif fields.get("hostname"):
        raise ValidationError({"ip": "A host name needs an address beside it."})
    if fields.get("mac") is not None:
        interface = device.primary_ip.interface if device.primary_ip else None
        if interface is None:
            interface = store.management_interface(device)
        try:
            interface.mac_address = normalise_mac(fields["mac"]) if fields["mac"] else ""
        except ValidationError as error:
            raise ValidationError({"mac": error}) from None
        store.save_interface(interface)
    flat.write_access(device, fields, store)


def _set_primary_ip(device: Device, address: str, dns_name: str | None, store: flat.Store) -> None:
    """The address by which the device is reached. Raises ValidationError under the name `ip`."""
    row = device.primary_ip
    if row is None or row.address != address:  # what is stored may be sent back
        try:
            address = str(check_contactable(address, tenant_id=device.tenant_id, policy=store.policy()))
        except ValidationError as error:
            raise ValidationError({"ip": error}) from None
        held = store.address(device, address)
        if held is not None:
            row = held
        elif row is None:
            row = IPAddress(interface=store.management_interface(device))
        row.address, row.tenant = address, device.tenant
    if dns_name is not None:
        row.dns_name = dns_name
    _save_address(row, store)
    if device.primary_ip is not row:
        device.primary_ip = row
        store.save_primary_ip(device)


def _save_address(row: IPAddress, store: flat.Store) -> None:
    try:
        store.save_address(row)
    except ValidationError as error:
        raise flat.Names({"dns_name": "hostname"}, "ip").translate(error) from None


@transaction.atomic
def save_endpoint(endpoint: ManagementEndpoint, *, may_redirect: bool = True) -> ManagementEndpoint:
    """Save an endpoint that stands apart from the flat form. Raises ValidationError.

    Without `may_redirect` no stored secret gets a new destination that its scope does not admit.
    """
    device = Device.objects.select_for_update().get(pk=endpoint.device_id)
    replaced = Credential.objects.filter(endpoints=endpoint.pk).first() if endpoint.pk else None
    if not may_redirect:
        what = scopes.redirected(endpoint, scopes.Ways.of(device), Policy.load())
        if what is not None:
            field = {"host": "options", "trust": "options", "port": "port"}.get(what, "credential")
            remedy = f"enter the secret anew at the device, or {scopes.REMEDY}"
            raise ValidationError({field: scopes.sentence(what, remedy)})
    endpoint.full_clean()
    endpoint.save()
    followers.announce_endpoints([endpoint])
    if replaced is not None and replaced.pk != endpoint.credential_id:
        drop_idle([replaced.pk])
    return endpoint


def drop_idle(credential_ids: Iterable[int]) -> None:
    """Delete those of these credentials that belong to a device and that no endpoint uses any more."""
    Credential.objects.filter(pk__in=list(credential_ids), device__isnull=False, endpoints__isnull=True).delete()


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
    """Delete endpoints with their checks and with the devices' own credentials that only they used.

    What is left says how their devices are.
    """
    rows = ManagementEndpoint.objects.filter(pk__in=list(endpoint_ids))
    device_ids = sorted(set(rows.values_list("device_id", flat=True)))
    credential_ids = list(rows.exclude(credential=None).values_list("credential_id", flat=True))
    followers.announce_endpoints_leaving(device_ids)
    rows.delete()
    drop_idle(pk for pk in credential_ids if pk is not None)
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
