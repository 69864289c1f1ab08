"""Devices that are there, changed many at a time: read in a few statements, changed in memory by the service's own
rules, written in a few more.

One by one a device costs some forty statements, and a transaction over fifty thousand holds SQLite for minutes.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone

from inventory import flat, followers, representation, services
from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint, Tag
from inventory.policy import Policy
from inventory.targets import check_endpoint
from netmon.audit import services as audit
from netmon.common.fields import fold

BATCH = 200
OWN = (
    "name", "kind", "status", "site", "location", "vendor", "model", "platform", "serial", "hypervisor", "primary_ip",
)  # fmt: skip
NUMBERS = {"site": "site_id", "hypervisor": "hypervisor_id", "primary_ip": "primary_ip_id"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a device shall become, in the flat form."""

    device_id: int
    fields: dict[str, Any]


@dataclass(slots=True)
class _Work:
    """A device with its rows, and those of them that its wish changed."""

    device: Device
    before: dict[str, Any]
    endpoints: list[ManagementEndpoint]
    credentials: list[Credential]
    addresses: list[IPAddress]
    interface: Interface | None
    tags: set[int]
    wanted_tags: set[int] | None = None
    saved_interfaces: list[Interface] = field(default_factory=list)
    saved_addresses: list[IPAddress] = field(default_factory=list)
    saved_credentials: list[Credential] = field(default_factory=list)
    saved_endpoints: list[ManagementEndpoint] = field(default_factory=list)
    dropped: list[Credential] = field(default_factory=list)
    stored: dict[int, ManagementEndpoint] = field(default_factory=dict)
    held: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    moves: list[tuple[Any, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stored = {row.pk: copy.copy(row) for row in self.endpoints}
        self.held = {row.pk: _facts(row) for row in self.addresses}

    def uses(self, credential: Credential) -> bool:
        return any(row.credential is credential for row in self.endpoints)


def _facts(row: IPAddress) -> tuple[Any, ...]:
    return (row.tenant_id, row.address, row.dns_name)


def _note(rows: list[Any], row: Any) -> None:
    if not any(known is row for known in rows):
        rows.append(row)


class _Batch(flat.Store):
    """Some devices in memory. What all devices share - names and addresses that are taken - is the caller's."""

    def __init__(self, device_ids: Sequence[int], policy: Policy, names: set[str], addresses: set[Any]) -> None:
        self._policy, self.names, self.taken = policy, names, addresses
        self.works = {work.device.pk: work for work in _read(device_ids)}
        self.current: _Work | None = None

    def change(self, wish: Wish, *, may_redirect: bool) -> None:
        """Raises ValidationError; the device is then left as it was."""
        work = self.current = self.works.get(wish.device_id)
        if work is None:
            raise ValidationError({"name": ValidationError("Somebody deleted this device just now.", "conflict")})
        device, tenant = work.device, wish.fields.get("tenant")
        if device.name_key != fold(wish.fields["name"]) or device.tenant_id != (tenant.pk if tenant else None):
            text = "Somebody renamed or moved this device just now: import again."
            raise ValidationError({"name": ValidationError(text, "conflict")})
        try:
            services.change(device, fields=wish.fields, may_redirect=may_redirect, store=self)
        except ValidationError:
            self.names -= work.names
            for old, new in reversed(work.moves):
                self.taken.discard(new)
                self.taken |= {old} - {None}
            del self.works[wish.device_id]
            raise

    # --- the rows of the flat form ---

    def policy(self) -> Policy:
        return self._policy

    def endpoints(self, device: Device) -> list[ManagementEndpoint]:
        return self.works[device.pk].endpoints

    def endpoint(self, device: Device, protocol: str) -> ManagementEndpoint | None:
        return next((row for row in self.endpoints(device) if row.protocol == protocol), None)

    def unused_credential(self, device: Device, kind: str) -> Credential | None:
        work = self.works[device.pk]
        return next((row for row in work.credentials if row.kind == kind and not work.uses(row)), None)

    def has_idle_secret(self, device: Device) -> bool:
        work = self.works[device.pk]
        return any(row.holds_secret and not work.uses(row) for row in work.credentials)

    def names_like(self, stem: str) -> set[str]:
        return self.names

    def address(self, device: Device, address: str) -> IPAddress | None:
        return next((row for row in self.works[device.pk].addresses if row.address == address), None)

    def management_interface(self, device: Device) -> Interface:
        work = self.works[device.pk]
        if work.interface is None:
            work.interface = Interface(device=device, name=flat.MGMT)
            work.saved_interfaces.append(work.interface)
        return work.interface

    def save_device(self, device: Device) -> None:
        device.clean_fields(exclude={"tenant", "site", "hypervisor", "primary_ip"})
        if device.hypervisor_id and device.kind != Device.Kind.VM:
            raise ValidationError({"hypervisor": "Only a virtual machine has a hypervisor."})
        if device.hypervisor_id == device.pk:
            raise ValidationError({"hypervisor": "A virtual machine cannot be its own hypervisor."})

    def save_primary_ip(self, device: Device) -> None:
        """Every column of a device is written at the end."""

    def set_tags(self, device: Device, tags: Iterable[Tag]) -> None:
        self.works[device.pk].wanted_tags = {tag.pk for tag in tags}

    def save_interface(self, interface: Interface) -> None:
        _note(self.works[interface.device_id].saved_interfaces, interface)

    def save_address(self, row: IPAddress) -> None:
        work = self.current
        assert work is not None
        row.clean_fields(exclude={"tenant", "interface"})
        old = work.held.get(row.pk)
        if old == _facts(row):
            return
        new_key, old_key = (row.tenant_id, row.address), old[:2] if old else None
        if new_key != old_key:
            if new_key in self.taken:
                text = "This address is in the inventory already."
                raise ValidationError({"address": ValidationError(text, "unique")})
            self.taken.add(new_key)
            self.taken.discard(old_key)
            work.moves.append((old_key, new_key))
        _note(work.addresses, row)
        _note(work.saved_addresses, row)

    def save_credential(self, credential: Credential) -> None:
        assert credential.device is not None
        work = self.works[credential.device.pk]
        credential.clean_fields(exclude={"device", "tenant"})
        credential.clean()
        if credential.name not in self.names:
            self.names.add(credential.name)
            work.names.add(credential.name)
        _note(work.credentials, credential)
        _note(work.saved_credentials, credential)

    def save_endpoint(self, endpoint: ManagementEndpoint) -> None:
        work = self.works[endpoint.device.pk]
        endpoint.clean_fields(exclude={"device", "credential"})
        stored = work.stored.get(endpoint.pk)
        check_endpoint(endpoint, policy=self._policy, stored=stored)
        place = (endpoint.protocol, endpoint.port)
        if any(row is not endpoint and (row.protocol, row.port) == place for row in work.endpoints):
            raise ValidationError({"protocol": ValidationError("This device has this endpoint already.", "unique")})
        _note(work.endpoints, endpoint)
        is_changed = stored is None or any(
            getattr(stored, name) != getattr(endpoint, name) for name in ("credential_id", "port", "options")
        )
        if is_changed or any(row is endpoint.credential for row in work.saved_credentials):
            _note(work.saved_endpoints, endpoint)

    def drop(self, replaced: Credential | None, device: Device) -> None:
        work = self.works[device.pk]
        if replaced and replaced.device_id == device.pk and not work.uses(replaced):
            work.credentials = [row for row in work.credentials if row is not replaced]
            work.dropped.append(replaced)

    # --- the database ---

    def write(self) -> None:
        """Everything that changed, with its events. Raises IntegrityError when somebody else took a name or address."""
        works, now = list(self.works.values()), timezone.now()
        _write_rows([row for work in works for row in work.saved_interfaces], ["mac_address"], now)
        for work in works:  # in the order of the file: one device may take the address that another gave up
            for address in work.saved_addresses:
                address.interface = address.interface  # it has a number now
                address.save()
        devices = [work.device for work in works]
        for device in devices:
            device.primary_ip = device.primary_ip
        _write_rows(devices, [name for name in OWN if any(_differs(work, name) for work in works)], now)
        for credential in (row for work in works for row in work.saved_credentials):
            credential.save()  # a secret is written by saving its row
        endpoints = [row for work in works for row in work.saved_endpoints]
        for endpoint in endpoints:
            endpoint.credential = endpoint.credential
        _write_rows(endpoints, ["port", "credential", "options"], now)
        _write_tags(works)
        for work in works:
            for credential in work.dropped:
                flat.DATABASE.drop(credential, work.device)
        followers.announce_endpoints(endpoints)
        extras = representation.recorded_many([device.pk for device in devices])
        afters = [audit.snapshot(device, extras[device.pk]) for device in devices]
        audit.record_changes(devices, [work.before for work in works], afters)


def _read(device_ids: Sequence[int]) -> list[_Work]:
    rows = Device.objects.select_for_update(of=("self",)).select_related("tenant").filter(pk__in=device_ids)
    devices = {device.pk: device for device in rows.order_by("pk")}
    extras = representation.recorded_many(list(devices))
    befores = {pk: audit.snapshot(device, extras[pk]) for pk, device in devices.items()}
    credentials = {row.pk: row for row in Credential.objects.filter(device__in=devices).order_by("pk")}
    endpoints = ManagementEndpoint.objects.filter(device__in=devices).select_related("credential").order_by("pk")
    parts: dict[int, tuple[list[Any], list[Any], list[Any]]] = {pk: ([], [], []) for pk in devices}
    for credential in credentials.values():
        credential.device = devices[credential.device_id]
        parts[credential.device.pk][1].append(credential)
    for endpoint in endpoints:
        endpoint.device = devices[endpoint.device_id]
        if endpoint.credential_id in credentials:
            endpoint.credential = credentials[endpoint.credential_id]
        parts[endpoint.device_id][0].append(endpoint)
    primary = {device.primary_ip_id: device for device in devices.values()}
    rows_of = Q(interface__device__in=devices) | Q(pk__in=[pk for pk in primary if pk is not None])
    for address in IPAddress.objects.filter(rows_of).select_related("interface"):
        if address.interface and address.interface.device_id in devices:
            parts[address.interface.device_id][2].append(address)
        if address.pk in primary:
            primary[address.pk].primary_ip = address
    found = Interface.objects.filter(device__in=devices, name=flat.MGMT)
    interfaces = {interface.device_id: interface for interface in found}
    tags: dict[int, set[int]] = {pk: set() for pk in devices}
    for device_id, tag_id in _links(devices).values_list("device_id", "tag_id"):
        tags[device_id].add(tag_id)
    return [
        _Work(devices[pk], befores[pk], *parts[pk], interfaces.get(pk), tags[pk]) for pk in device_ids if pk in devices
    ]


def _links(device_ids: Iterable[int]) -> Any:
    return Device.tags.through.objects.filter(device_id__in=list(device_ids))


def _differs(work: _Work, name: str) -> bool:
    return bool(work.before.get(name) != getattr(work.device, NUMBERS.get(name, name)))


def _write_rows(rows: Sequence[Any], columns: Sequence[str], now: Any) -> None:
    """Make what is new, change the rest."""
    if not rows:
        return
    manager = type(rows[0])._default_manager
    there = [row for row in rows if row.pk is not None]
    manager.bulk_create([row for row in rows if row.pk is None], batch_size=BATCH)
    for row in there:
        row.updated_at = now
    manager.bulk_update(there, [*columns, "updated_at"], batch_size=BATCH)


def _write_tags(works: Sequence[_Work]) -> None:
    changed = [work for work in works if work.wanted_tags is not None and work.wanted_tags != work.tags]
    for work in changed:
        if gone := work.tags - (work.wanted_tags or set()):
            _links([work.device.pk]).filter(tag_id__in=gone).delete()
    Device.tags.through.objects.bulk_create(
        [
            Device.tags.through(device_id=work.device.pk, tag_id=pk)
            for work in changed
            for pk in (work.wanted_tags or set()) - work.tags
        ],
        batch_size=BATCH,
    )


def update(
    wishes: Sequence[Wish], *, may_redirect: bool, policy: Policy, names: set[str], addresses: set[Any]
) -> dict[int, ValidationError]:
    """Change devices, inside the caller's transaction; by position in `wishes` the errors of those left as they were.

    `names` of credentials and `addresses` that are taken are kept up with what is written. Raises IntegrityError.
    """
    errors: dict[int, ValidationError] = {}
    position = 0
    while position < len(wishes):
        batch: dict[int, int] = {}  # a device that is named twice begins another batch: it is read again
        while position < len(wishes) and len(batch) < BATCH and wishes[position].device_id not in batch:
            batch[wishes[position].device_id] = position
            position += 1
        rows = _Batch(list(batch), policy, names, addresses)
        for at in batch.values():
            try:
                rows.change(wishes[at], may_redirect=may_redirect)
            except ValidationError as error:
                errors[at] = error
        rows.write()
    return errors
