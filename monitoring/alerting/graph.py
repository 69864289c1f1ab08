"""What is reached through what, pure: which faults are causes, and which only follow.

Several parents are ways beside each other: one that stands is enough. A hypervisor is needed besides. Where the ways
begin is at the devices without a parent; in a ring that nothing leads into, at each of its members.
"""

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

INFINITE = float("inf")


class Graph:
    """Edges as pairs (device, parent); `needed` as pairs (device, what it cannot be without). Twins count once."""

    def __init__(self, edges: Iterable[tuple[int, int]] = (), needed: Iterable[tuple[int, int]] = ()) -> None:
        self.parents: dict[int, set[int]] = defaultdict(set)
        self.needs: dict[int, set[int]] = defaultdict(set)
        self.children: dict[int, set[int]] = defaultdict(set)
        self.nodes: set[int] = set()
        for device, parent in edges:
            if device != parent:
                self.parents[device].add(parent)
                self._link(device, parent)
        for device, host in needed:
            if device != host:
                self.needs[device].add(host)
                self._link(device, host)
        self.anchors = self._find_anchors()

    def _link(self, device: int, above: int) -> None:
        self.children[above].add(device)
        self.nodes |= {device, above}

    def above(self, node: int) -> set[int]:
        return self.parents.get(node, set()) | self.needs.get(node, set())

    def ancestors(self, nodes: Iterable[int]) -> set[int]:
        """Everything above these, themselves only where a ring leads back."""
        found: set[int] = set()
        waiting = [parent for node in nodes for parent in self.above(node)]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting.extend(self.above(node))
        return found

    def below(self, nodes: Iterable[int]) -> set[int]:
        """Everything that some way leads to through these."""
        found: set[int] = set()
        waiting = [child for node in nodes for child in self.children.get(node, ())]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting.extend(self.children.get(node, ()))
        return found

    def arrival(self, strength: Mapping[int, float]) -> dict[int, float]:
        """How strong the best way to each node is: of each way the weakest node before it, of all ways the strongest.

        `strength` of a node left out is infinite: nothing is known of it, so nothing speaks against it. A node that
        no way leads to is left out of the answer. (Dijkstra's algorithm for bottlenecks, in Knuth's form for AND.)
        """
        arrived: dict[int, float] = {}
        soft: dict[int, float] = {}
        hard: dict[int, list[float]] = defaultdict(list)
        heap = [(-INFINITE, node) for node in self.anchors]
        heapq.heapify(heap)
        while heap:
            negative, node = heapq.heappop(heap)
            if node in arrived:
                continue
            arrived[node] = -negative
            passes = min(-negative, strength.get(node, INFINITE))
            if passes == -INFINITE:
                continue
            for child in self.children.get(node, ()):
                if child in arrived:
                    continue
                if node in self.parents.get(child, ()):
                    soft[child] = max(passes, soft.get(child, -INFINITE))
                if node in self.needs.get(child, ()):
                    hard[child].append(passes)
                if self.parents.get(child) and child not in soft:
                    continue
                if len(hard[child]) < len(self.needs.get(child, ())):
                    continue
                best = min([soft.get(child, INFINITE), *hard[child]])
                heapq.heappush(heap, (-best, child))
        return arrived

    def reached(self, blocked: Collection[int]) -> set[int]:
        """The nodes that a way without blocked nodes leads to. A blocked node itself may be reached: it is a cause."""
        return set(self.arrival(dict.fromkeys(blocked, -INFINITE)))

    def behind(self, blocked: Collection[int]) -> set[int]:
        """What is cut off when these fail, themselves not counted."""
        return self.nodes - self.reached(blocked) - set(blocked)

    def causes(self, node: int, blocked: Collection[int], reached: Collection[int]) -> list[int]:
        """Of a node that is cut off: the blocked ones nearest above it that are themselves reached."""
        seen: set[int] = set()
        layer = sorted(self.above(node))
        while layer:
            found = [one for one in layer if one in blocked and one in reached]
            if found:
                return found
            seen.update(layer)
            layer = sorted({up for one in layer for up in self.above(one)} - seen)
        return []

    def path(self, node: int) -> list[list[int]]:
        """The layers above a node, nearest first, each node once."""
        layers: list[list[int]] = []
        seen = {node}
        layer = sorted(self.above(node))
        while layer:
            layers.append(layer)
            seen.update(layer)
            layer = sorted({up for one in layer for up in self.above(one)} - seen)
        return layers

    def _find_anchors(self) -> set[int]:
        """Nodes without a parent, and all members of rings that nothing leads into."""
        anchors: set[int] = set()
        for component in self._components():
            members = set(component)
            if not any(parent not in members for node in component for parent in self.above(node)):
                anchors |= members
        return anchors

    def _components(self) -> list[list[int]]:
        """Strongly connected components (Tarjan), without recursion: a chain may be long."""
        index: dict[int, int] = {}
        low: dict[int, int] = {}
        on_stack: set[int] = set()
        stack: list[int] = []
        components: list[list[int]] = []
        for root in sorted(self.nodes):
            if root in index:
                continue
            work = [(root, iter(sorted(self.above(root))))]
            index[root] = low[root] = len(index)
            stack.append(root)
            on_stack.add(root)
            while work:
                node, ups = work[-1]
                following = next(ups, None)
                if following is not None:
                    if following not in index:
                        index[following] = low[following] = len(index)
                        stack.append(following)
                        on_stack.add(following)
                        work.append((following, iter(sorted(self.above(following)))))
                    elif following in on_stack:
                        low[node] = min(low[node], index[following])
                    continue
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.append(member)
                        if member == node:
                            break
                    components.append(component)
        return components
