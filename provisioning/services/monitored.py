"""Born monitored: what is provisioned is watched from the moment it is on its router, and only as long as it is meant
to be reachable.

A machine gets a ping and, for each forward that carries TCP, an endpoint `tcp` at the inner port. Its check `tcp.port`
connects to the machine itself, `tcp.outside` to where the router offers the port: the endpoint's option `outside` names
these places. Both hang on the machine, which they are about: at the router's device they would call the router degraded
because somebody's web server stopped, and belong to the router's tenant. They share one endpoint because an inner and
an outer port may be the same number, of which a device has one endpoint only.

Not checked: UDP, for silence says nothing of a port that nobody speaks to by its own protocol; the other ports of a
range, for which of them has a service is not known; from outside, what admits some sources only, since this machine
need not be one of them, and what the target policy refuses.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db import transaction

from inventory.models import Device, ManagementEndpoint
from inventory.policy import Policy
from inventory.services import delete_endpoints, save_endpoint
from inventory.targets import MAX_PLACES
from monitoring.models import Check
from monitoring.modules.tcp_port import OUTSIDE
from monitoring.services import scheduling
from netmon.audit import services as audit
from netmon.common.addresses import parse_address
from provisioning.models import PortForward, Vm

FORWARDS = "forwards"  # the option that says whose endpoint it is: what somebody else made is left alone
RESTS = "rests_with_forward"  # in a check's memory: paused by what the router was told, not by a person


@dataclass(slots=True)
class Wanted:
    """What is to be watched at an inner port."""

    names: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    is_on: bool = False

    @property
    def options(self) -> dict[str, str]:
        options = {FORWARDS: ", ".join(self.names)[:255]}
        return options | ({"outside": ", ".join(self.places)} if self.places else {})


@transaction.atomic
def begin(vm: Vm) -> list[str]:
    """Watch a machine that its router now knows; the same again changes nothing.

    Returns what is not checked and why, a sentence each.
    """
    device = Device.objects.select_for_update().get(pk=vm.device_id)
    if device.status == Device.Status.PLANNED:
        before = audit.snapshot(device)
        device.status = Device.Status.ACTIVE
        device.save(update_fields=["status", "updated_at"])
        audit.record("update", device, before=before, after=audit.snapshot(device), detail="It is on its router.")
    pings = list(device.endpoints.filter(protocol="icmp"))
    if not pings:
        _add(ManagementEndpoint(device=device, protocol="icmp"))
    for endpoint in pings:  # made with the device, and not asked as long as it was planned
        scheduling.await_first_answer(endpoint)
    return _follow(vm, device)


@transaction.atomic
def follow(vm: Vm) -> list[str]:
    """Bring the checks to what the forwards now are: what is switched off rests, what is deleted goes.

    Returns what `begin` does. A machine that was not begun, or has gone, is left alone.
    """
    device = Device.objects.select_for_update().filter(pk=vm.device_id).first()
    if device is None or device.status != Device.Status.ACTIVE:
        return []
    return _follow(vm, device)


def applied(vm: Vm) -> list[str]:
    """What a worker calls after each change that its router has taken: `begin` for a new machine, else `follow`."""
    is_new = Device.objects.filter(pk=vm.device_id, status=Device.Status.PLANNED).exists()
    return begin(vm) if is_new else follow(vm)


@transaction.atomic
def end(vm: Vm) -> None:
    """Stop watching a machine that is off its router: its device is out of service, and goes with `vms.release`."""
    device = Device.objects.select_for_update().filter(pk=vm.device_id).first()
    if device is None:
        return
    delete_endpoints([endpoint.pk for endpoint in _own(device)])
    if device.status != Device.Status.RETIRED:
        before = audit.snapshot(device)
        device.status = Device.Status.RETIRED
        device.save(update_fields=["status", "updated_at"])
        audit.record("update", device, before=before, after=audit.snapshot(device), detail="It is off its router.")


def _own(device: Device) -> list[ManagementEndpoint]:
    rows = device.endpoints.filter(protocol="tcp").select_related("device__primary_ip", "device__tenant")
    return [row for row in rows.order_by("port") if FORWARDS in row.options]


def _add(endpoint: ManagementEndpoint) -> None:
    save_endpoint(endpoint)
    scheduling.await_first_answer(endpoint)


def _follow(vm: Vm, device: Device) -> list[str]:
    vm = Vm.objects.select_related("router").get(pk=vm.pk)
    is_meant = vm.state == Vm.State.ACTIVE
    forwards = vm.forwards.exclude(desired="absent").select_related("pool").order_by("rule_number")
    wanted, notes = _wanted(vm, device, forwards, is_meant=is_meant)
    own = {endpoint.port: endpoint for endpoint in _own(device)}
    delete_endpoints([endpoint.pk for port, endpoint in own.items() if port not in wanted])
    others = set(device.endpoints.filter(protocol="tcp").values_list("port", flat=True)) - set(own)
    for port, one in wanted.items():
        endpoint = own.get(port)
        if endpoint is None and port in others:
            notes.append(f"The endpoint tcp:{port} was made by somebody: it is left as it is.")
        elif endpoint is None:
            try:
                _add(ManagementEndpoint(device=device, protocol="tcp", port=port, options=one.options))
            except ValidationError as error:  # the target policy's; the machine is provisioned all the same
                notes.append(f"{', '.join(one.names)} is not checked: {' '.join(error.messages)}")
        else:
            _bring(endpoint, one)
    for endpoint in [*device.endpoints.filter(protocol="icmp"), *_own(device)]:
        mine = wanted.get(endpoint.port or 0)
        _switch(endpoint, is_on=is_meant if mine is None else mine.is_on)
    return notes


def _wanted(
    vm: Vm, device: Device, forwards: Iterable[PortForward], *, is_meant: bool
) -> tuple[dict[int, Wanted], list[str]]:
    """By inner port. The places of a port are those that are on, or all while none is."""
    policy = Policy.load()
    wanted: dict[int, Wanted] = {}
    notes: list[str] = []
    resting: dict[int, list[str]] = {}
    for forward in forwards:
        if "tcp" not in forward.protocols:
            notes.append(f"{forward.name} is not checked: a UDP port says nothing to who does not speak its protocol.")
            continue
        one = wanted.setdefault(forward.internal_port, Wanted())
        one.names.append(forward.name)
        is_on = is_meant and forward.desired == "enabled"
        one.is_on = one.is_on or is_on
        place, why = _place(vm, device, forward, policy)
        if why:
            notes.append(f"{forward.name} is not checked from outside: {why}")
        else:
            (one.places if is_on else resting.setdefault(forward.internal_port, [])).append(place)
    for port, one in wanted.items():
        one.places = (one.places or resting.get(port, []))[:MAX_PLACES]
    return wanted, notes


def _place(vm: Vm, device: Device, forward: PortForward, policy: Policy) -> tuple[str, str]:
    """Where the outside reaches a forward, or why that is not asked."""
    address = forward.pool.external_address or vm.router.external_address
    if not address:
        return "", "netmon does not know the router's external address: enter it at the router or the port pool."
    if forward.source:
        return "", f"it admits {forward.source} only, and netmon need not be there."
    try:
        decision = policy.decide(parse_address(address), tenant_id=device.tenant_id, port=forward.external_port)
    except ValidationError as error:
        return "", " ".join(error.messages)
    if not decision.is_allowed:
        return "", decision.reason
    return f"{address}:{forward.external_port}", ""


def _bring(endpoint: ManagementEndpoint, one: Wanted) -> None:
    options = {name: value for name, value in endpoint.options.items() if name not in (FORWARDS, "outside")}
    options |= one.options
    if options == endpoint.options:
        return
    endpoint.options = options
    save_endpoint(endpoint)
    if not one.places:
        scheduling.delete_checks(endpoint.checks.filter(module=OUTSIDE).select_related("endpoint"), for_good=False)
    scheduling.await_first_answer(endpoint)


def _switch(endpoint: ManagementEndpoint, *, is_on: bool) -> None:
    """Pause or resume its checks. Who was paused by a person stays so."""
    for check in endpoint.checks.select_related("endpoint").order_by("pk"):
        if is_on and check.status == Check.Status.PAUSED and check.memory.get(RESTS):
            check.memory.pop(RESTS)
            check.save(update_fields=["memory", "updated_at"])
            scheduling.resume(check)
        elif not is_on and check.status != Check.Status.PAUSED:
            check.memory[RESTS] = True
            scheduling.pause(check)
