"""What may be scanned: expansion of what was asked, networks allowed, exclusions, limits. Asked again when a scan runs.

Three things must agree. The target policy (`inventory.policy`) must let netmon contact the address at all. The address
must lie in a network that is somebody's business here: a prefix of the inventory, an allow rule of the target policy,
or it is the address of a device. And no exclusion may hold it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Q

from inventory.models import Device, IPAddress, Prefix, TargetRule, Tenant
from inventory.policy import Policy, own_services, resolve_once
from netmon.common.addresses import Address, Network, parse_address, parse_prefix
from netmon.common.errors import NetmonError
from scanning import budget, targets
from scanning import ports as port_lists
from scanning.budget import Spent
from scanning.models import Scan, ScanExclusion
from scanning.ports import Ports
from scanning.targets import Span

V4_MAPPED = 0xFFFF << 32  # where inventory.policy has IPv4 addresses
SHOWN = 20
# Probes a second in all, which the estimate of a dry run divides by.
RATES = {"gentle": 1000, "polite": 6000, "normal": 12000, "fast": 30000}


class ScanRefused(NetmonError):
    """The guard says no; `detail` says to what, and what would help."""

    code = "scan_refused"
    http_status = 409


@dataclass(frozen=True, slots=True)
class Plan:
    """What a scan would touch."""

    kind: str
    spans: tuple[Span, ...]
    ports: Ports
    profile: str
    tenant: Tenant | None
    device: Device | None = None
    resolved: dict[str, str] = field(default_factory=dict)
    excluded: tuple[tuple[str, str], ...] = ()
    spent: Spent = field(default_factory=Spent)

    @property
    def hosts(self) -> int:
        """How many addresses."""
        return targets.count(self.spans)

    @property
    def probes(self) -> int:
        """How many (address, port) pairs at most, the sweep's own not counted."""
        return self.hosts * len(self.ports)

    @property
    def seconds(self) -> float:
        """About how long, were every address up and no port filtered."""
        return round(1.5 + self.hosts / 500 + self.probes / RATES[self.profile], 1)

    def as_dict(self) -> dict[str, Any]:
        """A dry run's answer."""
        return {
            "kind": self.kind,
            "targets": [str(span) for span in self.spans[:SHOWN]],
            "hosts": self.hosts,
            "ports": str(self.ports),
            "probes": self.probes,
            "profile": self.profile,
            "estimated_seconds": self.seconds,
            "resolved": self.resolved,
            "excluded": [{"range": text, "reason": reason} for text, reason in self.excluded[:SHOWN]],
            "host_probes_today": self.spent.probes,
            "host_probes_limit": settings.SCAN_HOST_PROBES_DAY or None,
        }


def plan(
    kind: str,
    target: str,
    ports: str = "",
    *,
    profile: str = "normal",
    tenant: Tenant | None = None,
    user: Any = None,
    is_now: bool = True,
) -> Plan:
    """What this scan would touch, for the devices and prefixes that `user` (None: netmon itself) may see.

    Without `is_now` it is for another day, and what its addresses got today does not count.

    Raises ValidationError by field for what is written wrongly, too much or not allowed; NameUnknown or NameUnanswered
    for a name. A tenant's scan keeps to that tenant's networks.
    """
    wanted = _field("target", lambda: targets.parse(target))
    policy = Policy.load()
    tenant_id = tenant.pk if tenant else None
    spans, device = _rows(wanted, user, tenant)
    resolved = {}
    for name in wanted.names:
        address = resolve_once(name, policy=policy, tenant_id=tenant_id)
        resolved[name] = str(address)
        spans.append(Span.of(address))
    if kind == Scan.Kind.NETWORK and len(spans) == 1 and not wanted.devices and not wanted.prefixes:
        spans = [_neighbourhood(spans[0])]
    found = targets.merged(spans)
    asked = _ports(kind, ports, found)
    total = targets.count(found)
    if total > settings.SCAN_MAX_ADDRESSES:
        raise ValidationError({"target": _too_many(found, total)})
    check_allowed(found, tenant=tenant, policy=policy, user=user)
    left, excluded = _without_excluded(found, tenant, policy)
    if not left:
        raise ValidationError({"target": f"All of it is excluded from scans: {excluded[0][0]} ({excluded[0][1]})."})
    spent = budget.spent(left, tenant) if is_now and asked else Spent()
    planned = Plan(kind, left, asked, profile, tenant, device, resolved, excluded, spent)
    if planned.probes > settings.SCAN_MAX_PROBES:
        raise ValidationError(
            {
                "ports": f"{planned.hosts} addresses times {len(asked)} ports are {planned.probes:,} probes; at most "
                f"{settings.SCAN_MAX_PROBES:,} (NETMON_SCAN_MAX_PROBES). Name fewer ports, or divide the network."
            }
        )
    if is_now:
        budget.check(spent, len(asked))
    return planned


def _field(name: str, read: Any) -> Any:
    try:
        return read()
    except ValidationError as error:
        raise ValidationError({name: error.messages}) from None


def _rows(wanted: targets.Wanted, user: Any, tenant: Tenant | None) -> tuple[list[Span], Device | None]:
    """The addresses of devices and prefixes that were named by number, and the device where it is only one."""
    spans = list(wanted.spans)
    device = None
    for pk in wanted.devices:
        rows = Device.objects.visible_to(user) if user is not None else Device.objects.all()
        if tenant is not None:
            rows = rows.filter(tenant=tenant)
        device = rows.select_related("primary_ip").filter(pk=pk).first()
        if device is None:
            raise ValidationError({"target": f"device:{pk}: there is no such device."})
        if device.primary_ip is None:
            raise ValidationError(
                {"target": f"device:{pk}: {device.name} has no address. Enter one, or write it here."}
            )
        spans.append(Span.of(parse_address(device.primary_ip.address)))
    for pk in wanted.prefixes:
        prefixes = Prefix.objects.visible_to(user) if user is not None else Prefix.objects.all()
        if tenant is not None:  # else a refusal would tell one tenant of another's networks
            prefixes = prefixes.filter(site__tenant=tenant)
        row = prefixes.filter(pk=pk).first()
        if row is None:
            raise ValidationError({"target": f"prefix:{pk}: there is no such prefix."})
        spans.append(Span.of_network(parse_prefix(row.cidr)))
    only = len(wanted.devices) == 1 and not (wanted.spans or wanted.names or wanted.prefixes)
    return spans, device if only else None


def _neighbourhood(span: Span) -> Span:
    """A single IPv4 address of a network scan stands for its /24."""
    if span.version == 4 and span.count == 1:
        first = span.first & 0xFFFFFF00
        return Span(4, first + 1, first + 254)
    return span


def _ports(kind: str, ports: str, spans: tuple[Span, ...]) -> Ports:
    if kind == Scan.Kind.PING:
        if ports:
            raise ValidationError({"ports": "A ping asks no ports: leave them out, or choose kind network."})
        return Ports()
    if kind == Scan.Kind.PORTS and targets.count(spans) != 1:
        raise ValidationError({"target": "A scan of kind ports is of one host: choose kind network for several."})
    read: Ports = _field("ports", lambda: port_lists.parse(ports or port_lists.DEFAULT))
    return read


def _too_many(spans: tuple[Span, ...], total: int) -> str:
    if any(span.version == 6 and span.count > 1 << 32 for span in spans):
        return (
            "An IPv6 network cannot be swept: a /64 alone has 18 quintillion addresses. Name single addresses, or a "
            "small range."
        )
    limit = settings.SCAN_MAX_ADDRESSES
    return f"These are {total:,} addresses; at most {limit:,} in one scan (NETMON_SCAN_MAX_ADDRESSES). Divide it."


# --- Where one may look -----------------------------------------------------------------------------------------------
def check_allowed(spans: tuple[Span, ...], *, tenant: Tenant | None, policy: Policy, user: Any = None) -> None:
    """Raises ValidationError on `target` unless every address may be contacted and lies in an allowed network."""
    tenant_id = tenant.pk if tenant else None
    if refused := first_refused(spans, policy, tenant_id):
        address, reason = refused
        raise ValidationError({"target": f"{address} is not scanned. {reason}"}, code="target_refused")
    foreign = targets.without(spans, allowed_spans(spans, tenant=tenant, user=user))
    if foreign:
        whose = f"the networks of {tenant.name}" if tenant else "the networks that netmon knows"
        raise ValidationError(
            {
                "target": f"{foreign[0]} is not in {whose}: add its prefix to the inventory first, if it is yours to "
                f"scan."
            },
            code="foreign_network",
        )


def allowed_spans(spans: tuple[Span, ...], *, tenant: Tenant | None, user: Any = None) -> tuple[Span, ...]:
    """Of the networks that may be scanned, those that touch `spans`."""
    prefixes = Prefix.objects.visible_to(user) if user is not None else Prefix.objects.all()
    rules = TargetRule.objects.filter(action=TargetRule.Action.ALLOW)
    addresses = IPAddress.objects.filter(interface__isnull=False)
    if tenant is not None:
        prefixes = prefixes.filter(site__tenant=tenant)
        rules, addresses = rules.filter(tenant=tenant), addresses.filter(interface__device__tenant=tenant)
    elif user is not None and user.tenant_ids:
        rules = rules.filter(tenant__in=user.tenant_ids)
        addresses = addresses.filter(interface__device__tenant__in=user.tenant_ids)
    found = [_whole(parse_prefix(text)) for text in _touching(prefixes, spans).values_list("cidr", flat=True)]
    found += [_whole(parse_prefix(text)) for text in _touching(rules, spans).values_list("cidr", flat=True)]
    left = targets.without(spans, found)
    for start in range(0, len(left), SHOWN):
        keys = Q()
        for span in left[start : start + SHOWN]:
            keys |= Q(
                address_key__gte=targets.key_of(span, span.first), address_key__lte=targets.key_of(span, span.last)
            )
        found += [Span.of(parse_address(text)) for text in addresses.filter(keys).values_list("address", flat=True)]
    return targets.merged(found)


def _touching(rows: Any, spans: tuple[Span, ...]) -> Any:
    if not spans:
        return rows.none()
    touching = Q()
    for span in spans[:SHOWN]:
        touching |= Q(first_key__lte=targets.key_of(span, span.last), last_key__gte=targets.key_of(span, span.first))
    return rows.filter(touching) if len(spans) <= SHOWN else rows


def _whole(network: Network) -> Span:
    return Span(network.version, int(network.network_address), int(network.broadcast_address))


def first_refused(spans: Iterable[Span], policy: Policy, tenant_id: int | None) -> tuple[Address, str] | None:
    """The first address that the target policy refuses, and why; None when it lets all of them pass.

    Between two edges of its rules every IPv4 address gets the same answer, so one is asked for all. What a gateway
    makes of an IPv6 address depends on its middle: each of these is asked.
    """
    edges = policy.edges(tenant_id)
    for span in spans:
        for address in _samples(span, edges):
            decision = policy.decide(address, tenant_id=tenant_id)
            if not decision.is_allowed:
                return address, decision.reason
    return None


def _samples(span: Span, edges: list[int]) -> Iterable[Address]:
    if span.version == 6:
        return span
    inside = {edge - V4_MAPPED for edge in edges if span.first < edge - V4_MAPPED <= span.last}
    return [IPv4Address(number) for number in sorted({span.first, *inside})]


def excluded_spans(spans: tuple[Span, ...], tenant: Tenant | None) -> list[tuple[Span, str]]:
    """What exclusions take from `spans`, everybody's and the tenant's (a scan of no tenant heeds every tenant's)."""
    rows = (
        ScanExclusion.objects.all()
        if tenant is None
        else ScanExclusion.objects.filter(Q(tenant=None) | Q(tenant=tenant))
    )
    return [
        (_whole(parse_prefix(cidr)), note)
        for cidr, note in _touching(rows, spans).order_by("first_key", "-last_key").values_list("cidr", "note")
    ]


def _own(spans: tuple[Span, ...], policy: Policy, tenant_id: int | None) -> list[tuple[Span, str]]:
    """Where netmon's own database, broker and web server listen: left out, unless an allow rule names the address."""
    found = []
    for address, port in own_services():
        if targets.contains(spans, address):
            decision = policy.decide(address, tenant_id=tenant_id, port=port)
            if not decision.is_allowed:
                found.append((Span.of(address), decision.reason))
    return found


def _without_excluded(
    spans: tuple[Span, ...], tenant: Tenant | None, policy: Policy
) -> tuple[tuple[Span, ...], tuple[tuple[str, str], ...]]:
    taken = excluded_spans(spans, tenant) + _own(spans, policy, tenant.pk if tenant else None)
    told = tuple(
        (str(part), note or "excluded from scans") for span, note in taken for part in targets.within(spans, [span])
    )
    return targets.without(spans, (span for span, _ in taken)), told


def recheck(scan: Scan, spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """What may still be scanned when a scan runs, or runs on: rules may have changed since it was asked for.

    Raises ScanRefused.
    """
    policy = Policy.load()
    try:
        check_allowed(spans, tenant=scan.tenant, policy=policy)
    except ValidationError as error:
        raise ScanRefused(" ".join(error.messages)) from None
    left, excluded = _without_excluded(spans, scan.tenant, policy)
    if not left and excluded:
        raise ScanRefused("All of it is excluded from scans by now.")
    return left
