"""How things stand around the alerts that are to be decided: who is reached, what is covered by work, who sees nothing.

Read before any row is locked; what changes meanwhile is seen at the next look, seconds later.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Max

from inventory.models import Dependency, Device
from monitoring import modules
from monitoring.alerting import windows
from monitoring.alerting.graph import INFINITE, Graph
from monitoring.alerting.rulebook import Scope
from monitoring.models.checks import Check, DeviceState
from monitoring.models.rules import MaintenanceWindow
from netmon.drivers import icmp
from netmon.drivers.errors import DriverError
from netmon.drivers.targets import IcmpTarget

# What is already known to be dead says nothing of the poller.
RECENT = timedelta(minutes=5)
BLIND_SHARE = 0.6
# Below, one broken switch would look like a blind poller.
BLIND_LEAST = 20
CANARY_SECONDS = 1.0
FEW = 2000


@dataclass(frozen=True, slots=True)
class Node:
    """What is known of one device as a part of ways: down, and when it answered last (epoch seconds)."""

    is_down: bool
    answered_at: float
    is_watched: bool
    up_since: float = -INFINITE
    expected_seconds: int = 60


@dataclass(slots=True)
class Situation:
    now: datetime
    graph: Graph
    nodes: Mapping[int, Node]
    blocked: set[int] = field(default_factory=set)  # down, or in maintenance
    reached: set[int] = field(default_factory=set)  # by a way through what is not blocked
    arrival: Mapping[int, float] = field(default_factory=dict)  # last answer of the weakest node of the best way
    covered: Mapping[int, MaintenanceWindow] = field(default_factory=dict)  # by device
    has_paths: bool = False  # whether all the above was looked up
    blind: str = ""  # why nothing is said of devices; empty: the poller sees

    def has_parents(self, device_id: int) -> bool:
        return bool(self.graph.above(device_id))

    def is_cut(self, device_id: int) -> bool:
        """Every way to it leads through something that is down or in maintenance."""
        return device_id in self.graph.nodes and device_id not in self.reached

    def answered_since(self, device_id: int, moment: datetime) -> bool:
        """Whether some way to it was seen alive, node by node, after the moment: then its fault is its own."""
        return self.arrival.get(device_id, -INFINITE) >= moment.timestamp()

    def back_since(self, device_id: int, moment: datetime) -> float | None:
        """When the last of its ancestors came up that was down at the moment or since; None when none was."""
        since = [
            node.up_since
            for pk in self.graph.ancestors([device_id])
            if (node := self.nodes.get(pk)) and not node.is_down and node.up_since > moment.timestamp()
        ]
        return max(since, default=None)

    def stale_ancestors(self, device_ids: Iterable[int], moment: datetime) -> set[int]:
        """The nodes above these that were not heard since the moment, and can be asked."""
        return {
            node
            for node in self.graph.ancestors(device_ids)
            if (known := self.nodes.get(node)) and known.is_watched and known.answered_at < moment.timestamp()
        }

    def window_of(self, device_id: int | None) -> MaintenanceWindow | None:
        return self.covered.get(device_id) if device_id is not None else None


def load_graph() -> Graph:
    """Confirmed dependencies, and virtual machines on their hypervisors."""
    edges = Dependency.objects.filter(is_confirmed=True).values_list("device_id", "parent_id")
    hosts = Device.objects.filter(hypervisor__isnull=False).values_list("pk", "hypervisor_id")
    return Graph(edges, hosts)


def load_nodes(device_ids: Collection[int]) -> dict[int, Node]:
    """How these devices stand. One that is not watched, or not in service, is known of nothing."""
    ways_in = [module.key for module in modules.MODULES.values() if module.is_availability]
    checks = Check.objects.filter(
        module__in=ways_in, endpoint__is_enabled=True, endpoint__device__status=Device.Status.ACTIVE
    ).exclude(status=Check.Status.PAUSED)
    rows = DeviceState.objects.all()
    if len(device_ids) <= FEW:  # a statement holds so many parameters and no more; of a large network all is read
        checks = checks.filter(endpoint__device_id__in=device_ids)
        rows = rows.filter(device_id__in=device_ids)
    answered = dict(checks.order_by().values_list("endpoint__device_id").annotate(at=Max("last_success_at")))
    nodes: dict[int, Node] = {}
    columns = ("device_id", "state", "since", "watched_since", "expected_every_seconds")
    for pk, state, since, watched_since, expected in rows.values_list(*columns):
        is_watched = pk in answered and state != DeviceState.State.UNKNOWN
        last = answered.get(pk)
        nodes[pk] = Node(
            is_down=is_watched and state == DeviceState.State.DOWN,
            answered_at=last.timestamp() if last else -INFINITE,
            is_watched=is_watched,
            # One that was never asked before did not come back: it was only looked at for the first time.
            up_since=since.timestamp() if watched_since and since > watched_since else -INFINITE,
            expected_seconds=expected,
        )
    return nodes


def look(now: datetime, *, with_paths: bool = True) -> Situation:
    """The situation now. `with_paths`: some alert is to be decided that the failure of another device may explain."""
    graph = load_graph()
    nodes = load_nodes(graph.nodes) if with_paths else {}
    situation = Situation(now, graph, nodes, has_paths=with_paths)
    situation.covered = covered(now, graph)
    if not with_paths:
        return situation
    # A parent in maintenance counts as down: what is behind it is nobody's surprise.
    situation.blocked = {pk for pk, node in nodes.items() if node.is_down} | blocking(situation.covered, graph)
    situation.reached = graph.reached(situation.blocked)
    strength = {pk: node.answered_at for pk, node in nodes.items() if node.is_watched}
    strength |= dict.fromkeys(situation.blocked, -INFINITE)
    situation.arrival = graph.arrival(strength)
    situation.blind = why_blind(now, situation)
    return situation


def covered(now: datetime, graph: Graph) -> dict[int, MaintenanceWindow]:
    """Devices in maintenance, with the window: those in its scope, and what is reached only through them."""
    found: dict[int, MaintenanceWindow] = {}
    for window in active_windows(now):
        for pk in covered_by(window, graph):
            found.setdefault(pk, window)
    return found


def covered_by(window: MaintenanceWindow, graph: Graph) -> dict[int, bool]:
    """The devices of a window while it is open, and of each whether it is so only for what it is reached through.

    A tenant's window covers that tenant's devices only, whatever else is reached through these.
    """
    own = devices_in(Scope.of(window))
    found = dict.fromkeys(own, False)
    if window.include_children and own:
        behind = graph.behind(own)
        if window.tenant_id is not None:
            behind &= devices_in(Scope(tenant_id=window.tenant_id))
        found |= dict.fromkeys(behind - own, True)
    return found


def blocking(covered: Mapping[int, MaintenanceWindow], graph: Graph) -> set[int]:
    """Devices in maintenance at which ways end, as at one that is down.

    The work of a tenant explains no fault of what others have behind it: there, only being down does.
    """
    by_tenant: dict[int | None, set[int]] = defaultdict(set)
    for pk, window in covered.items():
        if pk in graph.nodes:
            by_tenant[window.tenant_id].add(pk)
    found = by_tenant.pop(None, set())
    for tenant_id, nodes in by_tenant.items():
        if graph.behind(nodes) <= devices_in(Scope(tenant_id=tenant_id)):
            found |= nodes
    return found


def active_windows(now: datetime) -> list[MaintenanceWindow]:
    # Those of everybody first: they reach further than a tenant's.
    rows = MaintenanceWindow.objects.filter(starts_at__lte=now).order_by(F("tenant").asc(nulls_first=True), "pk")
    return [window for window in rows if windows.present(window, now) is not None]


def devices_in(scope: Scope) -> set[int]:
    """The devices of a scope."""
    rows = Device.objects.all()
    if scope.tenant_id is not None:
        rows = rows.filter(tenant=scope.tenant_id)
    if scope.site_id is not None:
        rows = rows.filter(site=scope.site_id)
    if scope.kind:
        rows = rows.filter(kind=scope.kind)
    if scope.tag_id is not None:
        rows = rows.filter(tags=scope.tag_id)
    if scope.device_id is not None:
        rows = rows.filter(pk=scope.device_id)
    found = set(rows.values_list("pk", flat=True)) if scope.listed != frozenset() else set()
    return found if scope.listed is None else found & scope.listed


def why_blind(now: datetime, situation: Situation) -> str:
    """Why the poller is taken for blind; empty when it is not.

    Of the devices that nothing else explains, those that fell within the last minutes are held against those that
    might have: what has been dead for long, and what is cut off, counts on neither side.
    """
    silent = silent_canaries(settings.CANARIES)
    if settings.CANARIES and len(silent) == len(settings.CANARIES):
        return f"No canary answers: {', '.join(silent[:3])}."
    states: dict[bool, set[int]] = defaultdict(set)
    rows = DeviceState.objects.filter(
        state__in=["up", "degraded", "down"], device__status=Device.Status.ACTIVE
    ).values_list("device_id", "state", "since")
    for pk, state, since in rows:
        if pk in situation.covered or situation.is_cut(pk):
            continue
        if state != DeviceState.State.DOWN:
            states[False].add(pk)
        elif since >= now - RECENT:
            states[True].add(pk)
    fell, total = len(states[True]), len(states[True]) + len(states[False])
    if total >= BLIND_LEAST and fell > BLIND_SHARE * total:
        return f"{fell} of {total} devices that have nothing to do with each other fell silent at once."
    return ""


def silent_canaries(addresses: Collection[str]) -> list[str]:
    """Those of these addresses that do not answer a ping within a second, all asked at once."""

    async def ask(address: str) -> bool:
        try:
            await icmp.ping(IcmpTarget(address=address, timeout_seconds=CANARY_SECONDS, count=1))
        except DriverError:
            return False
        return True

    async def ask_all() -> list[bool]:
        return list(await asyncio.gather(*(ask(address) for address in addresses)))

    if not addresses:
        return []
    return [address for address, answers in zip(addresses, asyncio.run(ask_all()), strict=True) if not answers]
