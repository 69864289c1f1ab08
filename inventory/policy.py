"""Which addresses netmon may contact: the site's and the tenants' rules, what is refused anyway, and names.

`docs/reference/target-policy.md` is the precise statement of what this module does.
"""

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from typing import Any, Self
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from netmon.common.addresses import Address, Network, address_key, parse_address, prefix_range
from netmon.common.errors import NotConfigured

log = logging.getLogger(__name__)

RESOLVE_SECONDS = 3.0
OWN_SERVICES_SECONDS = 60.0
BITS = 128
V4_BITS = 96  # IPv4 lies in ::ffff:0:0/96: so both families have one order and one length of prefixes


class TargetRefused(NotConfigured):
    """netmon must not contact this address; `rule` says by what."""

    code = "target_refused"

    def __init__(self, detail: str, *, rule: str = "") -> None:
        super().__init__(detail)
        self.rule = rule


class NameUnknown(NotConfigured):
    """The name has no address, or is no name at all."""

    code = "name_unknown"


class NameUnanswered(NotConfigured):
    """The resolver said nothing in time, or that it cannot say now: the same may succeed later."""

    code = "name_unanswered"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in force. `length` is that of an IPv6 prefix; IPv4 ones are 96 longer. `pk` 0: built in."""

    pk: int
    tenant_id: int | None
    cidr: str
    first: int
    last: int
    length: int
    is_allowed: bool
    reason: str = ""

    def covers(self, number: int) -> bool:
        return self.first <= number <= self.last

    def inside(self, other: "Rule") -> bool:
        return other.first <= self.first and self.last <= other.last

    @property
    def label(self) -> str:
        if not self.pk:
            return f"built in: {self.cidr}"
        owner = "site-wide" if self.tenant_id is None else f"of tenant {self.tenant_id}"
        return f"rule {self.pk}, {owner}: {'allow' if self.is_allowed else 'refuse'} {self.cidr}"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy says of one address, and the rule that decided (None: no rule spoke of it)."""

    address: Address
    is_allowed: bool
    reason: str = ""
    rule: Rule | None = None

    @property
    def label(self) -> str:
        return self.rule.label if self.rule else ""


def _number(address: Address) -> int:
    return int(address_key(address), 16)


def rule_of(network: Network, *, is_allowed: bool, pk: int = 0, tenant_id: int | None = None, reason: str = "") -> Rule:
    """A rule over a network."""
    first, last = prefix_range(network)
    length = network.prefixlen + (V4_BITS if network.version == 4 else 0)
    return Rule(pk, tenant_id, str(network), int(first, 16), int(last, 16), length, is_allowed, reason)


_LINK_LOCAL = "Link-local addresses are refused: cloud metadata answers there."
_METADATA = "A cloud's metadata answers there and gives out its credentials."
_LOOPBACK = "Loopback addresses are netmon's own machine. NETMON_ALLOW_LOOPBACK=1 admits them for tests and demos."
_UNSPECIFIED = "The unspecified address belongs to no device."
_MULTICAST = "A multicast address is no device."
_REFUSED = {
    "0.0.0.0/8": _UNSPECIFIED,
    "::/128": _UNSPECIFIED,
    "127.0.0.0/8": _LOOPBACK,
    "::1/128": _LOOPBACK,
    "169.254.0.0/16": _LINK_LOCAL,
    "fe80::/10": _LINK_LOCAL,
    "169.254.169.254/32": _METADATA,
    "fd00:ec2::254/128": _METADATA,
    "100.100.100.200/32": _METADATA,
    "192.0.0.192/32": _METADATA,
    "fec0::/10": "Site-local addresses are no longer in use (RFC 3879): write the device's unique local one.",
    "224.0.0.0/4": _MULTICAST,
    "ff00::/8": _MULTICAST,
    "240.0.0.0/4": "Addresses of class E (240.0.0.0/4) belong to no device.",
    "255.255.255.255/32": "The broadcast address is no device.",
}
BUILT_IN = tuple(rule_of(ip_network(cidr), is_allowed=False, reason=reason) for cidr, reason in _REFUSED.items())
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_COMPATIBLE = ip_network("::/96")


def forms_of(address: Address) -> list[Address]:
    """The address, and the IPv4 addresses that gateways on the way may make of it (6to4, Teredo, NAT64, ::a.b.c.d)."""
    if isinstance(address, IPv4Address):
        return [address]
    found: list[IPv4Address] = [address.ipv4_mapped] if address.ipv4_mapped else []
    if address.sixtofour:
        found.append(address.sixtofour)
    if address.teredo:
        found.extend(address.teredo)
    if any(address in network for network in _NAT64) or (address in _COMPATIBLE and int(address) > 1):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [address, *found]


class Policy:
    """The rules as they are now: load it once for a shard or a request, then ask as often as you like."""

    def __init__(self, rules: Iterable[Rule], own: Iterable[tuple[Address, int]] = ()) -> None:
        self._by_tenant: dict[int | None, list[Rule]] = {None: []}
        for rule in rules:
            self._by_tenant.setdefault(rule.tenant_id, []).append(rule)
        self._built_in = [rule for rule in BUILT_IN if not (settings.ALLOW_LOOPBACK and rule.reason == _LOOPBACK)]
        self._own = list(own)

    @classmethod
    def load(cls) -> Self:
        """One query; what another process changed is seen at once."""
        from inventory.models import TargetRule

        rows = TargetRule.objects.order_by("pk").values_list(
            "pk", "tenant_id", "cidr", "first_key", "last_key", "action"
        )
        rules = []
        for pk, tenant_id, cidr, first, last, action in rows:
            low, high = int(first, 16), int(last, 16)
            length = BITS - (high - low).bit_length()
            rules.append(Rule(pk, tenant_id, cidr, low, high, length, action == TargetRule.Action.ALLOW))
        return cls(rules, own_services())

    def decide(
        self, address: Address, *, tenant_id: int | None, port: int | None = None, is_listed: bool = True
    ) -> Decision:
        """Whether a device of this tenant (None: of none) may be contacted at this address, on this port if known.

        `is_listed` False leaves allow-lists out: they say where devices are, and not all that is contacted is one.
        """
        forms = forms_of(address)
        for form in forms:
            decision = self._decide_form(form, tenant_id, is_asked=is_listed and form == address)
            if not decision.is_allowed:
                return Decision(address, False, _told(decision, address), decision.rule)
        if port is not None and (reason := self._own_service(forms, tenant_id, port)):
            return Decision(address, False, reason)
        return Decision(address, True, "", self._best(_number(address), tenant_id))

    def check(self, address: Address, *, tenant_id: int | None, port: int | None = None) -> None:
        """Raises TargetRefused."""
        decision = self.decide(address, tenant_id=tenant_id, port=port)
        if not decision.is_allowed:
            raise TargetRefused(f"{address} is not contacted. {decision.reason}", rule=decision.label)

    def is_confined(self, tenant_id: int | None) -> bool:
        """Whether an admin bound this tenant to an allow-list of its own."""
        return tenant_id is not None and bool(self._allow_list(self._by_tenant.get(tenant_id, [])))

    def edges(self, tenant_id: int | None) -> list[int]:
        """Where its answer may change: IPv4 addresses between two neighbours of these numbers get the same one."""
        rules = (*self._built_in, *self._rules(tenant_id))
        return sorted({edge for rule in rules for edge in (rule.first, rule.last + 1)})

    def _rules(self, tenant_id: int | None) -> list[Rule]:
        own = self._by_tenant.get(tenant_id, []) if tenant_id is not None else []
        return [*self._by_tenant[None], *own]

    def _best(self, number: int, tenant_id: int | None) -> Rule | None:
        """The longest rule that covers it. In a tie refusing wins, and what is built in gives way to an admin's."""
        found = [rule for rule in (*self._built_in, *self._rules(tenant_id)) if rule.covers(number)]
        return max(found, key=lambda rule: (rule.length, bool(rule.pk), not rule.is_allowed), default=None)

    def _allow_list(self, rules: Sequence[Rule]) -> list[Rule]:
        """The rules that make an allow-list: not those that only lift a refusal that is built in."""
        return [rule for rule in rules if rule.is_allowed and not any(rule.inside(refused) for refused in BUILT_IN)]

    def _decide_form(self, form: Address, tenant_id: int | None, *, is_asked: bool) -> Decision:
        number = _number(form)
        best = self._best(number, tenant_id)
        if best is not None and not best.is_allowed:
            return Decision(form, False, best.reason or f"A rule refuses it ({best.label}).", best)
        if not is_asked:  # the list names what may be asked for; what a gateway makes of it only must not be refused
            return Decision(form, True, "", best)
        own = self._by_tenant.get(tenant_id, []) if tenant_id is not None else []
        wanted = self._allow_list(own) or self._allow_list(self._by_tenant[None])
        is_exception = best is not None and any(best.inside(refused) for refused in BUILT_IN)
        if wanted and not is_exception and not any(rule.covers(number) for rule in wanted):
            owner = "this tenant" if self._allow_list(own) else "the site"
            return Decision(form, False, f"It is in no allow rule of {owner}: ask an admin for one.", None)
        return Decision(form, True, "", best)

    def _own_service(self, forms: Sequence[Address], tenant_id: int | None, port: int) -> str:
        for own, own_port in self._own:
            if own_port != port:
                continue
            for form in forms:
                if form != own and not ((own.is_loopback or own.is_unspecified) and _is_here(form)):
                    continue
                best = self._best(_number(form), tenant_id)
                if best is not None and best.is_allowed and best.length == BITS:
                    continue
                return f"netmon's own database, broker or web server listens on port {port} there."
        return ""


def _told(decision: Decision, asked: Address) -> str:
    return decision.reason if decision.address == asked else f"It leads to {decision.address}. {decision.reason}"


def _is_here(address: Address) -> bool:
    """Whether this machine has the address: only then can a socket be bound to it. Nothing is sent."""
    if address.is_loopback:
        return True
    try:
        with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def check_target(address: Address, *, tenant_id: int | None, port: int | None = None) -> None:
    """Raises TargetRefused unless netmon may contact it. For one address; for many, ask one Policy."""
    Policy.load().check(address, tenant_id=tenant_id, port=port)


def check_contactable(value: str, *, tenant_id: int | None, policy: Policy | None = None) -> Address:
    """The parsed address if netmon may contact it. Raises ValidationError, for forms and serializers."""
    address = parse_address(value)
    decision = (policy or Policy.load()).decide(address, tenant_id=tenant_id)
    if not decision.is_allowed:
        raise ValidationError(decision.reason, code="address_refused")
    return address


# --- Names ------------------------------------------------------------------------------------------------------------
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBERISH = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


def parse_host(host: str) -> Address | str:
    """An address, or a name fit to be resolved. Raises ValidationError.

    What ends in a number is taken for an address only in its plain form: resolvers read 2130706433, 0x7f.1 and 127.1
    as addresses too, each in its own way.
    """
    text = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return parse_address(text)
    except ValidationError as error:
        refused = error
    name = text.removesuffix(".")
    labels = name.split(".")
    if ":" in text or _NUMBERISH.fullmatch(labels[-1]):
        raise refused
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValidationError("Not a host: write an IP address or a DNS name.", code="invalid_address")
    return name.lower()


def resolve_all(host: str, *, timeout_seconds: float = RESOLVE_SECONDS) -> list[Address]:
    """The addresses of a host, asked for once. Raises ValidationError, NameUnknown or NameUnanswered."""
    parsed = parse_host(host)
    if not isinstance(parsed, str):
        return [parsed]
    found: list[Any] = []
    thread = threading.Thread(target=_look_up, args=(parsed, found), name="netmon-resolve", daemon=True)
    thread.start()
    thread.join(timeout_seconds)
    if not found:
        raise NameUnanswered(f"The name {parsed} did not resolve within {timeout_seconds:g} s.")
    (answer,) = found
    if isinstance(answer, socket.gaierror) and answer.errno in (socket.EAI_AGAIN, socket.EAI_SYSTEM):
        raise NameUnanswered(f"The name {parsed} does not resolve now: {answer.strerror}.")
    if isinstance(answer, (OSError, UnicodeError)):
        raise NameUnknown(f"The name {parsed} does not resolve: {getattr(answer, 'strerror', answer)}.")
    addresses = [parse_address(entry[4][0]) for entry in answer if "%" not in entry[4][0]]
    if not addresses:
        raise NameUnknown(f"The name {parsed} has no address.")
    return list(dict.fromkeys(addresses))


def _look_up(name: str, found: list[Any]) -> None:
    try:
        found.append(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        found.append(error)


def resolve_once(
    host: str,
    *,
    policy: Policy | None = None,
    tenant_id: int | None = None,
    port: int | None = None,
    timeout_seconds: float = RESOLVE_SECONDS,
) -> Address:
    """The one address to connect to: the name is asked for once, and with a policy every answer must pass it.

    A name with a good and a refused address is refused: whoever answers so chooses which one is used.
    Raises ValidationError, NameUnknown, NameUnanswered or TargetRefused.
    """
    addresses = resolve_all(host, timeout_seconds=timeout_seconds)
    if policy is not None:
        for address in addresses:
            policy.check(address, tenant_id=tenant_id, port=port)
    return addresses[0]


def explain(
    host: str, *, tenant_id: int | None, port: int | None = None, policy: Policy | None = None
) -> dict[str, Any]:
    """What the policy says of an address, or of every address of a name, as one JSON-able answer.

    Raises ValidationError for what is neither, NameUnknown or NameUnanswered.
    """
    policy = policy or Policy.load()
    decisions = [policy.decide(address, tenant_id=tenant_id, port=port) for address in resolve_all(host)]
    return {
        "address": host,
        "allowed": all(decision.is_allowed for decision in decisions),
        "verdicts": [
            {
                "address": str(decision.address),
                "allowed": decision.is_allowed,
                "reason": decision.reason,
                "rule": decision.label,
            }
            for decision in decisions
        ],
    }


# --- What netmon itself listens on ------------------------------------------------------------------------------------
_own_lock = threading.Lock()
_own_known: dict[str, list[Address]] = {}
_own_asked_at: dict[str, float] = {}


def own_services() -> list[tuple[Address, int]]:
    """Address and port of netmon's database, broker and web server, as far as they are known and speak TCP."""
    return [(address, port) for host, port in _own_places() for address in _own_addresses(host)]


def _own_places() -> list[tuple[str, int]]:
    places: list[tuple[str, int]] = []
    for database in settings.DATABASES.values():
        if "sqlite" in str(database["ENGINE"]):
            continue
        ports = str(database.get("PORT") or 5432).split(",")
        for position, host in enumerate(str(database.get("HOST") or "").split(",")):
            if host and not host.startswith("/"):
                places.append((host, int(ports[min(position, len(ports) - 1)])))
    for url in (settings.BROKER_URL or "").split(";"):
        parts = urlsplit(url)
        if parts.hostname:
            places.append((parts.hostname, parts.port or (5671 if parts.scheme.startswith("amqp") else 6379)))
    if bind := os.environ.get("NETMON_SUPERVISED_BIND"):
        host, _, port = bind.rpartition(":")
        places.append((host.strip("[]"), int(port)))
    return places


def _own_addresses(host: str) -> list[Address]:
    """Asked for once a minute; when the resolver is silent, what it said before stays true."""
    with _own_lock:
        if time.monotonic() - _own_asked_at.get(host, -OWN_SERVICES_SECONDS) >= OWN_SERVICES_SECONDS:
            try:
                _own_known[host] = resolve_all(host)
            except (ValidationError, NotConfigured) as error:
                log.warning("netmon's own host %s does not resolve: %s", host, error)
            _own_asked_at[host] = time.monotonic()
        return _own_known.get(host, [])
