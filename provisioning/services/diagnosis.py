"""Why does nobody get in? The way to a machine, step by step, asked now: router, mapping, rule, lease, host, ports."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.utils import timezone

from inventory.policy import Policy
from inventory.targets import vyos_target
from monitoring.alerting.wording import clean
from netmon.common.addresses import parse_address
from netmon.common.errors import NetmonError
from netmon.drivers.errors import DriverError
from netmon.drivers.vyos import Forward, Lease, SeenRule, StaticMapping, VyosClient, compare, read_leases, read_rules
from provisioning import vyos_items
from provisioning.models import PortForward, RuleClaim, RunningConfig, Vm, VyosRouter
from provisioning.obstacles import meets, shown
from provisioning.services import probing, routers
from provisioning.services.live import LEASES
from provisioning.services.probing import Probed
from provisioning.services.refusals import NoSuchPort

ALL_SECONDS, PROBE_SECONDS, WAIT_SECONDS, READ_SECONDS, LEASE_SECONDS = 9.5, 2.5, 1.0, 4.0, 1.5
LEAST_SECONDS = 0.2
T = TypeVar("T", StaticMapping, Forward)
MOST_PORTS = 16
MOST_TEXT = 500
LABELS = {
    "router": "Router reachable", "mapping": "DHCP mapping on the router", "rule": "NAT rule", "lease": "Lease",
    "host": "Host up", "inside": "Port open inside", "outside": "Port open outside",
}  # fmt: skip
HEAL = "Compare the router, and heal what differs."


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. `status` is ok, failed, unknown (nobody could find out) or skipped (it does not apply).

    `port` names the forward of a step that is about one. `remedy` is empty where there is nothing to do.
    """

    key: str
    status: str
    words: str
    remedy: str = ""
    port: str = ""

    @property
    def label(self) -> str:
        return LABELS[self.key]

    def as_dict(self) -> dict[str, Any]:
        return {"label": self.label, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was found, in the order of the way in; the first step that failed is what to look at."""

    at: datetime
    steps: tuple[Step, ...]

    @property
    def first_failed(self) -> Step | None:
        return next((step for step in self.steps if step.status == "failed"), None)

    def as_dict(self) -> dict[str, Any]:
        first = self.first_failed
        return {
            "at": self.at.isoformat(),
            "first_failed": first.as_dict() if first else None,
            "steps": [step.as_dict() for step in self.steps],
        }


@dataclass(slots=True)
class Heard:
    """What the router said. `why` tells why it said nothing; `running` is then what is known from before."""

    running: RunningConfig | None = None
    is_now: bool = False
    family: str = ""
    name: str = ""
    why: str = ""
    is_busy: bool = False
    leases: list[Lease] | None = None
    has_asked_leases: bool = False


@dataclass(slots=True)
class _Case:
    vm: Vm
    forwards: list[PortForward]
    heard: Heard
    probed: Probed
    steps: list[Step] = field(default_factory=list)

    def add(self, key: str, status: str, words: str, remedy: str = "", port: str = "") -> None:
        self.steps.append(
            Step(key=key, status=status, words=clean(words, MOST_TEXT), remedy=clean(remedy, MOST_TEXT), port=port)
        )


def diagnose(vm: Vm, *, port: str | None = None) -> Diagnosis:
    """Look at the way to a machine, or to one of its forwards by name, now; within ten seconds.

    Raises NoSuchPort. Whatever fails on the way is in the answer.
    """
    until = time.monotonic() + ALL_SECONDS
    vm = Vm.objects.select_related(
        "device", "router__endpoint__device__tenant", "router__endpoint__credential", "reservation__pool__prefix"
    ).get(pk=vm.pk)
    forwards = _forwards(vm, port)
    probed = probing.probe(
        vm.reservation.address,
        [forward.internal_port for forward in forwards if "tcp" in forward.protocols],
        list(_places(vm, forwards)),
        policy=Policy.load(),
        tenant_id=vm.device.tenant_id,
        seconds=PROBE_SECONDS,
    )
    case = _Case(vm, forwards, _ask(vm.router, until), probed)
    _router(case)
    _mapping(case)
    for forward in forwards:
        _rule(case, forward)
    _lease(case)
    _host(case)
    for forward in forwards:
        _inside(case, forward)
    for forward in forwards:
        _outside(case, forward)
    return Diagnosis(at=timezone.now(), steps=tuple(case.steps))


def _forwards(vm: Vm, port: str | None) -> list[PortForward]:
    rows = vm.forwards.exclude(desired="absent").select_related("pool", "vm__router", "vm__reservation")
    if port is None:
        return list(rows.order_by("rule_number")[:MOST_PORTS])
    if (found := rows.filter(name=port).first()) is None:
        raise NoSuchPort(f"{vm} has no port {port[:63]}: create it first.", field="port")
    return [found]


def _external(forward: PortForward) -> str:
    return forward.pool.external_address or forward.vm.router.external_address


def _places(vm: Vm, forwards: Sequence[PortForward]) -> Iterator[tuple[str, int]]:
    for forward in forwards:
        if "tcp" in forward.protocols and _external(forward):
            yield _external(forward), forward.external_port


def _ask(router: VyosRouter, until: float) -> Heard:
    """Configuration and leases in one conversation, each call bounded."""
    heard = Heard(running=RunningConfig.objects.filter(router=router).first(), family=router.version_family)
    try:
        with routers.session(router, wait_seconds=WAIT_SECONDS) as asked:
            # The same conversation with less patience: a change may take minutes, an answer to a person must not.
            asked.client = _hasty(router, READ_SECONDS, until)
            version = asked.version()
            heard.family, heard.name = version.family, version.name
            asked.client = _hasty(router, READ_SECONDS, until)
            heard.running, heard.is_now = asked.read(), True
            asked.client = _hasty(router, LEASE_SECONDS, until)
            heard.leases = read_leases(asked.call(asked.client.show, LEASES))
            heard.has_asked_leases = True
    except routers.RouterBusy as error:
        heard.why, heard.is_busy = error.detail, True
    except routers.LeaseLost:
        heard.why, heard.is_busy = "Another process is asking the router.", True
    except (DriverError, NetmonError) as error:
        heard.why = str(error.detail)
    return heard


def _hasty(router: VyosRouter, seconds: float, until: float) -> VyosClient:
    left = max(LEAST_SECONDS, min(seconds, until - time.monotonic()))
    target = vyos_target(router.endpoint)
    return VyosClient(replace(target, connect_timeout_seconds=left, read_timeout_seconds=left, deadline_seconds=left))


def _router(case: _Case) -> None:
    heard = case.heard
    if heard.is_now:
        case.add("router", "ok", f"The router {case.vm.router} answers ({heard.name or 'version not known'}).")
    elif heard.is_busy:
        case.add("router", "unknown", heard.why, "Ask again in a minute: a change may be under way.")
    else:
        case.add(
            "router",
            "failed",
            f"The router {case.vm.router} does not answer as it should: {heard.why}",
            "Check the router's address, its HTTP API, its key and its certificate.",
        )


def _compare(case: _Case, key: str, make: Callable[[], T], what: str, *, port: str = "", hint: str = "") -> T | None:
    """The item that stands on the router as it should; unless it does, the step is added and nothing returned."""
    heard = case.heard
    if heard.running is None or not heard.family:
        case.add(key, "unknown", f"Nobody knows whether the router has {what}: it was never read.", "", port)
        return None
    try:
        item = make()
        found = compare(item, routers.whole(heard.running), heard.family)
    except (ValueError, DriverError) as error:
        case.add(key, "unknown", f"What the router has is not understood: {error}", HEAL, port)
        return None
    if found.is_equal:
        return item
    words = "; ".join(one.words for one in found.differences)
    text = f"The router does not have {what}." if found.is_missing else f"On the router {what} differs: {words}."
    _judged(case, key, "failed", text + hint, HEAL, port)
    return None


def _judged(case: _Case, key: str, status: str, words: str, remedy: str = "", port: str = "") -> None:
    """What follows from a configuration that was read before is no verdict about now."""
    heard = case.heard
    if not heard.is_now and heard.running is not None:
        words = f"When the router was last read ({heard.running.read_at:%Y-%m-%d %H:%M} UTC): {words}"
        status = "unknown"
    case.add(key, status, words, remedy, port)


def _waiting(row: Any) -> str:
    return {
        "pending": " The change that brings it there waits or is under way.",
        "failed": " The change that was to bring it there failed: see the machine's changes.",
    }.get(row.applied, "")


def _mapping(case: _Case) -> None:
    held = case.vm.reservation
    if held.desired != "enabled":
        case.add("mapping", "failed", f"The machine's address is {held.desired}.", "Provision the machine anew.")
        return
    what = f"the mapping of {held.mac_address} to {held.address}"
    if _compare(case, "mapping", lambda: vyos_items.mapping(held), what, hint=_waiting(held)) is not None:
        _judged(case, "mapping", "ok", f"The router has {what}.")


def _rule(case: _Case, forward: PortForward) -> None:
    name = forward.name
    if forward.desired != "enabled":
        why = forward.get_why_disabled_display().lower() or "disabled"
        remedy = "Give it a later end." if forward.why_disabled == "expired" else "Enable it."
        case.add("rule", "failed", f"{name} is {why}: nobody comes in by it.", remedy, name)
        return
    what = f"the rule {forward.rule_number} of {name}"
    item = _compare(case, "rule", lambda: vyos_items.forward_rule(forward), what, port=name, hint=_waiting(forward))
    if item is None:
        return
    running = case.heard.running
    assert running is not None
    claimed = set(RuleClaim.objects.filter(router=case.vm.router, chain="destination").values_list("number", flat=True))
    for rule in read_rules(running.nat):
        if rule.rule >= forward.rule_number or rule.is_disabled or _is_own(rule, claimed):
            continue
        if meets(rule, item, case.vm.router.external_address):
            words = f"The rule {rule.rule} on the router takes the port {item.ports} before it ({shown(rule)})."
            remedy = "Take that rule off the router, or give the forward another external port."
            _judged(case, "rule", "failed", words, remedy, name)
            return
    _judged(case, "rule", "ok", f"The rule {forward.rule_number} stands and is on.", "", name)


def _is_own(rule: SeenRule, claimed: set[int]) -> bool:
    return rule.rule in claimed and vyos_items.is_marked(rule.description)


def _lease(case: _Case) -> None:
    held, heard = case.vm.reservation, case.heard
    if not heard.has_asked_leases:
        case.add("lease", "unknown", "The router could not be asked for its leases.")
        return
    if heard.leases is None:
        case.add("lease", "unknown", "The router's table of leases is not understood: its version prints another.")
        return
    mine = [lease for lease in heard.leases if lease.mac_address == held.mac_address]
    there = next((lease for lease in heard.leases if lease.address == held.address), None)
    if any(lease.address == held.address for lease in mine):
        state = next(lease.state for lease in mine if lease.address == held.address)
        ends = next(lease.ends for lease in mine if lease.address == held.address)
        case.add("lease", "ok", f"It has its lease ({state}{f', until {ends}' if ends else ''}).")
    elif mine:
        words = f"It still has the address {mine[0].address}, not {held.address}."
        case.add("lease", "failed", words, "Let the machine renew its lease, or reboot it.")
    elif there is not None and there.mac_address:
        words = f"{held.address} is leased to {there.mac_address}, not to {held.mac_address}."
        case.add("lease", "failed", words, "Correct the machine's MAC address, or find out whose that one is.")
    elif case.probed.is_there:
        words = f"The router holds no lease for {held.mac_address}, but {held.address} answers: set by hand, perhaps."
        case.add("lease", "unknown", words, "Let the machine use DHCP, so that nobody else gets its address.")
    else:
        words = f"The router holds no lease for {held.mac_address}."
        remedy = "Start the machine; check that it has this MAC address, asks DHCP, and is in the right network."
        case.add("lease", "failed", words, remedy)


def _host(case: _Case) -> None:
    address, probed = case.vm.reservation.address, case.probed
    if probed.refusal:
        case.add("host", "skipped", f"{address} is not contacted. {probed.refusal}", "Ask an admin to admit it.")
    elif probed.rtt_ms is not None:
        case.add("host", "ok", f"{address} answers a ping in {probed.rtt_ms:.1f} ms.")
    elif probed.is_there:
        case.add("host", "ok", f"{address} answers on its ports, though no ping.")
    elif probed.is_blind:
        case.add("host", "unknown", f"netmon could not ping. {probed.ping_error}")
    else:
        remedy = "Start the machine. Where it drops pings, what follows tells more; netmon may also have no way there."
        case.add("host", "failed", f"{address} does not answer a ping. {probed.ping_error}", remedy)


def _inside(case: _Case, forward: PortForward) -> None:
    name, place = forward.name, f"{case.vm.reservation.address}:{forward.internal_port}"
    if "tcp" not in forward.protocols:
        words = f"{name} is UDP: its port says nothing to who does not speak its protocol."
        case.add("inside", "skipped", words, "", name)
        return
    found = case.probed.inside.get(forward.internal_port)
    if found is None:
        case.add("inside", "skipped", f"{place} is not contacted. {case.probed.refusal}", "", name)
    elif found.is_open:
        case.add("inside", "ok", f"{place} accepts connections.", "", name)
    elif found.is_blind:
        case.add("inside", "unknown", f"netmon could not ask {place}. {found.words}", "", name)
    elif found.reason == "refused":
        remedy = f"Start the service, and let it listen on {place}, not on 127.0.0.1 only."
        case.add("inside", "failed", f"Nothing listens on {place}: the machine refuses.", remedy, name)
    else:
        remedy = "Check the machine's own firewall, and that netmon has a way there."
        case.add("inside", "failed", f"{place} does not accept connections. {found.words}", remedy, name)


def _outside(case: _Case, forward: PortForward) -> None:
    name, address = forward.name, _external(forward)
    if "tcp" not in forward.protocols:
        case.add("outside", "skipped", f"{name} is UDP: its port cannot be asked.", "", name)
        return
    if not address:
        remedy = "Enter it at the router or the port pool."
        case.add("outside", "skipped", "netmon does not know the router's external address.", remedy, name)
        return
    place = f"{address}:{forward.external_port}"
    found = case.probed.outside.get((address, forward.external_port))
    if found is None or found.refusal:
        why = found.refusal if found is not None else ""
        case.add("outside", "skipped", f"{place} is not contacted. {why}", "Ask an admin to admit it.", name)
    elif found.is_open:
        case.add("outside", "ok", f"{place} accepts connections.", "", name)
    elif found.is_blind:
        case.add("outside", "unknown", f"netmon could not ask {place}. {found.words}", "", name)
    elif forward.source:
        words = f"{place} does not admit netmon; it admits {forward.source} only."
        case.add("outside", "unknown", words, "Try it from an address that it admits.", name)
    elif _is_private_side(case, address):
        words = (
            f"{place} does not accept connections from here; netmon may stand inside, where the forward is not seen."
        )
        case.add("outside", "unknown", f"{words} {found.words}", "Try it from outside.", name)
    else:
        remedy = (
            "Where the steps before are well, the router's firewall or the provider drops it: let forwards through."
        )
        case.add("outside", "failed", f"{place} does not accept connections. {found.words}", remedy, name)


def _is_private_side(case: _Case, address: str) -> bool:
    """Whether the way of this machine to the external address starts in the machines' own subnet."""
    try:
        own = parse_address(probing.own_address_towards(address))
    except ValidationError:
        return False
    return own in case.vm.reservation.pool.network and not any(row.wants_hairpin for row in case.forwards)
