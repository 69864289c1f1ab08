"""Lines become devices, new or changed: checked one by one without a query each, written in one transaction, in bulk.

A device costs a dozen statements when it is made alone; ten thousand of them cost a few hundred here. The rules are
the flat form's own: the same serializer fields, the same `write_access`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Subquery
from rest_framework.exceptions import ValidationError as FieldErrors

from inventory import flat, followers
from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint, Site, Tag, Tenant
from inventory.policy import Policy, check_contactable
from inventory.serializers import DeviceSerializer
from inventory.targets import check_endpoint
from inventory.transfer import faults, updating
from inventory.transfer.reading import Fault, Line
from netmon.audit import services as audit
from netmon.common.errors import Conflict
from netmon.common.fields import fold, normalise_mac
from netmon.common.permissions import has_role

EXISTING = ("refuse", "skip", "update")
MAX_FAULTS = 100
PREVIEW = 50
REFERENCES = ("tenant", "site", "hypervisor", "ssh_key")


@dataclass(slots=True)
class Plan:
    """What shall become of a line."""

    line: Line
    action: str  # create, update or skip
    fields: dict[str, Any]
    device: Device
    address: IPAddress | None = None
    interface: Interface | None = None
    credentials: list[Credential] = field(default_factory=list)
    endpoints: list[ManagementEndpoint] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        fields = self.fields
        return {
            "line": self.line.number,
            "action": self.action,
            "name": self.device.name,
            "kind": self.device.kind,
            "ip": fields.get("ip"),
            "site": str(self.device.site or ""),
            "tenant": str(self.device.tenant or ""),
            "access": ", ".join(sorted({endpoint.protocol for endpoint in self.endpoints})),
        }


@dataclass
class Outcome:
    """What an import did, or would do."""

    created: int = 0
    updated: int = 0
    skipped: int = 0
    fault_count: int = 0
    is_unreadable: bool = False
    faults: list[Fault] = field(default_factory=list)
    preview: list[dict[str, Any]] = field(default_factory=list)

    def add(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.fault_count += 1
            if len(self.faults) < MAX_FAULTS:
                self.faults.append(fault)

    def as_dict(self) -> dict[str, Any]:
        return {
            "created": self.created,
            "updated": self.updated,
            "skipped": self.skipped,
            "error_count": self.fault_count,
            "errors": [fault.as_dict() for fault in self.faults],
            "preview": self.preview,
        }


class _Memory(flat.Store):
    """Collects the rows of one new device."""

    def __init__(self, plan: Plan, names: set[str], policy: Policy) -> None:
        self.plan, self.names, self._policy = plan, names, policy

    def policy(self) -> Policy:
        return self._policy

    def endpoint(self, device: Device, protocol: str) -> ManagementEndpoint | None:
        return next((row for row in self.plan.endpoints if row.protocol == protocol), None)

    def unused_credential(self, device: Device, kind: str) -> Credential | None:
        return None

    def names_like(self, stem: str) -> set[str]:
        return self.names

    def save_credential(self, credential: Credential) -> None:
        credential.clean_fields(exclude={"device"})
        credential.clean()
        self.names.add(credential.name)
        self.plan.credentials.append(credential)

    def save_endpoint(self, endpoint: ManagementEndpoint) -> None:
        endpoint.clean_fields(exclude={"device", "credential"})
        check_endpoint(endpoint, policy=self._policy)
        self.plan.endpoints.append(endpoint)

    def drop(self, replaced: Credential | None, device: Device) -> None:
        """A new device has nothing to drop."""


class Planner:
    """Checks lines against what is there: read once, then kept up with the lines themselves."""

    def __init__(self, request: Any, *, existing: str, kind: str | None = None) -> None:
        user = self.user = request.user
        self.existing, self.kind = existing, kind
        self.policy = Policy.load()
        self.serializer = DeviceSerializer(context={"request": request})
        self.tenants = _index(Tenant.objects.visible_to(user), "slug", "name_key")
        self.sites = _index(Site.objects.visible_to(user), "name_key")
        self.tags = {tag.slug: tag for tag in Tag.objects.visible_to(user).order_by("-tenant_id")}
        self.keys = _index(Credential.objects.visible_to(user).filter(kind=Credential.Kind.SSH_KEY), "name")
        rows = Device.objects.values_list("pk", "kind", "tenant_id", "name_key")
        self.names: dict[tuple[int | None, str], tuple[int, str]] = {
            (tenant, key): (pk, kind) for pk, kind, tenant, key in rows
        }
        self.hypervisors: dict[Any, Device | None] = {}
        self.addresses: set[tuple[int | None, str]] = set(IPAddress.objects.values_list("tenant_id", "address"))
        self.credential_names = set(Credential.objects.values_list("name", flat=True))
        self.default_tenant = Tenant.objects.visible_to(user).first() if len(user.tenant_ids) == 1 else None

    def plan(self, line: Line) -> Plan | None:
        """What becomes of a line; None when it has faults, which are then on it."""
        if line.faults:
            return None
        try:
            return self._plan(line)
        except FieldErrors as error:
            line.faults += faults.of(line, error.detail)
        except ValidationError as error:
            line.faults += faults.of(line, faults.details(error))
        return None

    def _plan(self, line: Line) -> Plan:
        values = dict(line.values)
        references = {name: values.pop(name) for name in REFERENCES if name in values}
        tags = values.pop("tags", None)
        fields: dict[str, Any] = self.serializer.to_internal_value(values)
        fields = flat.completed(fields | self._references(references), is_new=True)
        if tags is not None:
            fields["tags"] = self._tags(tags)
        fields.setdefault("name", fields.get("hostname") or fields.get("ip") or "")
        if not fields["name"]:
            raise ValidationError({"name": "A device needs a name, a hostname or an ip."})
        if self.kind and fields.setdefault("kind", self.kind) != self.kind:
            raise ValidationError({"kind": f"Here every device is a {self.kind}."})
        if fields.get("tenant") is None and self.default_tenant is not None:
            fields["tenant"] = self.default_tenant
        tenant = fields.get("tenant")
        if self.user.tenant_ids and tenant is None:
            raise ValidationError({"tenant": "Choose one of your tenants."})
        if fields.get("ssh_key") is not None and not has_role(self.user, "admin"):
            raise ValidationError({"ssh_key": "Several devices may share this key: only an admin may attach it."})
        key = (tenant.pk if tenant else None, fold(fields["name"]))
        held = self.names.get(key)
        if held is None:
            plan = self._new(line, fields)
            self.names[key] = (0, plan.device.kind)  # 0: it is in this file
            return plan
        pk, kind = held
        if pk == 0:
            raise ValidationError({"name": "This file has a device of this name already."}, code="unique")
        if self.existing == "refuse":
            raise ValidationError({"name": "A device of this name exists already."}, code="unique")
        if self.kind and kind != self.kind:
            raise ValidationError({"kind": f"The device of this name is a {kind}, not a {self.kind}."})
        return Plan(line, self.existing, fields, Device(pk=pk))

    def _new(self, line: Line, fields: dict[str, Any]) -> Plan:
        own = {name: value for name, value in fields.items() if name not in (*flat.FLAT_FIELDS, "tags")}
        device = Device(**own)
        device.clean_fields(exclude={"tenant", "site", "hypervisor", "primary_ip"})
        if device.hypervisor_id and device.kind != Device.Kind.VM:
            raise ValidationError({"hypervisor": "Only a virtual machine has a hypervisor."})
        plan = Plan(line, "create", fields, device)
        try:
            mac = normalise_mac(fields["mac"]) if fields.get("mac") else ""
        except ValidationError as error:
            raise ValidationError({"mac": error}) from None
        if fields.get("ip"):
            plan.address = self._address(fields, device)
        elif fields.get("hostname"):
            raise ValidationError({"ip": "A host name needs an address beside it."})
        if plan.address or mac:
            plan.interface = Interface(device=device, name=flat.MGMT, mac_address=mac)
        device.primary_ip = plan.address
        flat.write_access(device, fields, _Memory(plan, self.credential_names, self.policy))
        device.primary_ip = None  # it points to the address once both are there
        return plan

    def _address(self, fields: dict[str, Any], device: Device) -> IPAddress:
        try:
            address = str(check_contactable(fields["ip"], tenant_id=device.tenant_id, policy=self.policy))
        except ValidationError as error:
            raise ValidationError({"ip": error}) from None
        row = IPAddress(address=address, tenant=device.tenant, dns_name=fields.get("hostname") or "")
        try:
            row.clean_fields(exclude={"tenant", "interface"})
        except ValidationError as error:
            raise flat.Names({"dns_name": "hostname"}, "ip").translate(error) from None
        key = (device.tenant_id, address)
        if key in self.addresses:
            raise ValidationError(
                {"ip": ValidationError("This address is in the inventory or this file already.", "unique")}
            )
        self.addresses.add(key)
        return row

    def _references(self, given: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, index in (("tenant", self.tenants), ("site", self.sites), ("ssh_key", self.keys)):
            if given.get(name) is not None:
                found[name] = _one(index, given[name], name)
        if (wanted := given.get("hypervisor")) is not None:
            found["hypervisor"] = self._hypervisor(wanted)
        return found

    def _hypervisor(self, wanted: Any) -> Device:
        key = wanted if isinstance(wanted, int) else fold(str(wanted))
        if key not in self.hypervisors:
            rows = Device.objects.visible_to(self.user)
            rows = rows.filter(pk=key) if isinstance(key, int) else rows.filter(name_key=key)
            self.hypervisors[key] = rows.first()
        device = self.hypervisors[key]
        if device is None:
            raise ValidationError(
                {"hypervisor": f"There is no device {str(wanted)[:60]!r}: import it before its guests."}
            )
        return device

    def _tags(self, given: Any) -> list[Tag]:
        slugs = given if isinstance(given, list) else [given]
        if missing := [slug for slug in slugs if not isinstance(slug, str) or slug not in self.tags]:
            raise ValidationError({"tags": f"There is no tag {str(missing[0])[:50]!r}: make it first."})
        return [self.tags[slug] for slug in dict.fromkeys(slugs)]


def _index(rows: Any, *columns: str) -> dict[Any, list[Any]]:
    """Rows by number and by folded text; a text that two rows share finds both."""
    index: dict[Any, list[Any]] = {}
    for row in rows:
        for key in {row.pk, *(fold(getattr(row, column)) for column in columns)}:
            index.setdefault(key, []).append(row)
    return index


def _one(index: dict[Any, list[Any]], wanted: Any, name: str) -> Any:
    text = str(wanted)
    rows = index.get(wanted if isinstance(wanted, int) else fold(text))
    if rows is None and not isinstance(wanted, int) and text.isascii() and text.isdigit():
        rows = index.get(int(text[:18]))
    if not rows:
        raise ValidationError({name: f"There is no {name.replace('_', ' ')} {text[:60]!r}: make it first."})
    if len(rows) > 1:
        raise ValidationError({name: f"{text[:60]!r} is not one {name} but {len(rows)}: write its number."})
    return rows[0]


def run(
    lines: Iterable[Line],
    request: Any,
    *,
    existing: str,
    atomic: bool,
    dry_run: bool,
    kind: str | None = None,
    progress: Callable[[int], None] = lambda done: None,
    before_commit: Callable[[], None] = lambda: None,
) -> Outcome:
    """Import lines. Atomic: one wrong line, and nothing is written. Raises Conflict when others wrote the same."""
    outcome, plans = Outcome(), []
    planner = Planner(request, existing=existing, kind=kind)
    for count, line in enumerate(lines, start=1):
        plan = planner.plan(line)
        if plan is None:
            outcome.add(line.faults)
        else:
            plans.append(plan)
        progress(count)
    outcome.preview = _preview(plans[:PREVIEW])
    for plan in plans:
        outcome.created += plan.action == "create"
        outcome.updated += plan.action == "update"
        outcome.skipped += plan.action == "skip"
    if atomic and outcome.fault_count and not dry_run:
        outcome.created = outcome.updated = 0
        return outcome
    try:
        with transaction.atomic():
            _create([plan for plan in plans if plan.action == "create"])
            _update([plan for plan in plans if plan.action == "update"], planner, outcome)
            if dry_run or (atomic and outcome.fault_count):
                raise _Undo  # a dry run does everything, and undoes it: what it says is what would happen
            before_commit()
    except _Undo:
        if not dry_run:
            outcome.created = outcome.updated = 0
    except IntegrityError:
        raise Conflict("Somebody else made one of these devices or addresses meanwhile: import again.") from None
    return outcome


class _Undo(Exception):
    """Leaves the transaction without writing."""


def _create(plans: list[Plan]) -> None:
    if not plans:
        return
    devices = [plan.device for plan in plans]
    Device.objects.bulk_create(devices, batch_size=200)
    with_interface = [plan for plan in plans if plan.interface]
    for plan in with_interface:
        plan.interface.device = plan.device  # type: ignore[union-attr]
    Interface.objects.bulk_create([plan.interface for plan in with_interface if plan.interface], batch_size=200)
    with_address = [plan for plan in plans if plan.address]
    for plan in with_address:
        plan.address.interface = plan.interface  # type: ignore[union-attr]
    IPAddress.objects.bulk_create([plan.address for plan in with_address if plan.address], batch_size=200)
    ids = [plan.device.pk for plan in with_address]
    address = IPAddress.objects.filter(interface__device=OuterRef("pk")).values("pk")[:1]
    for start in range(0, len(ids), 500):
        Device.objects.filter(pk__in=ids[start : start + 500]).update(primary_ip=Subquery(address))
    for plan in plans:
        for credential in plan.credentials:
            credential.device = plan.device
        for endpoint in plan.endpoints:
            endpoint.device = plan.device
    Credential.objects.bulk_create([row for plan in plans for row in plan.credentials], batch_size=200)
    endpoints = [row for plan in plans for row in plan.endpoints]
    for endpoint in endpoints:
        endpoint.credential = endpoint.credential  # it has a number now
    ManagementEndpoint.objects.bulk_create(endpoints, batch_size=200)
    links = [
        Device.tags.through(device_id=plan.device.pk, tag_id=tag.pk)
        for plan in plans
        for tag in plan.fields.get("tags", [])
    ]
    Device.tags.through.objects.bulk_create(links, batch_size=200)
    followers.announce_new_endpoints(endpoints)
    audit.record_many("create", devices, afters=[plan.as_dict() for plan in plans])


def _update(plans: list[Plan], planner: Planner, outcome: Outcome) -> None:
    errors = updating.update(
        [updating.Wish(plan.device.pk, plan.fields) for plan in plans],
        may_redirect=has_role(planner.user, "admin"),
        policy=planner.policy,
        names=planner.credential_names,
        addresses=planner.addresses,
    )
    for position in sorted(errors):
        outcome.add(faults.of(plans[position].line, faults.details(errors[position])))
        outcome.updated -= 1


def _preview(plans: list[Plan]) -> list[dict[str, Any]]:
    """The first plans as people see them; devices that are there are shown as they are now."""
    stored = Device.objects.select_related("site", "tenant").in_bulk([p.device.pk for p in plans if p.device.pk])
    for plan in plans:
        plan.device = stored.get(plan.device.pk, plan.device)
    return [plan.as_dict() for plan in plans]
