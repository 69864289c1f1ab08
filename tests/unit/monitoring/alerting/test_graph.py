"""Ways through the network: rings, diamonds, twins, several parents, what nothing is known of."""

import math
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.alerting.graph import INFINITE, Graph

nodes = st.integers(1, 9)
edges = st.lists(st.tuples(nodes, nodes), max_size=25)


def plain_reach(pairs: list[tuple[int, int]], blocked: set[int]) -> set[int]:
    """The same by brute force: paths upward, one after the other."""
    parents: dict[int, set[int]] = {}
    every = {node for pair in pairs if pair[0] != pair[1] for node in pair}
    for child, parent in pairs:
        if child != parent:
            parents.setdefault(child, set()).add(parent)

    def above(node: int) -> set[int]:
        seen: set[int] = set()
        waiting = [node]
        while waiting:
            for parent in parents.get(waiting.pop(), ()):
                if parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
        return seen

    ups = {node: above(node) for node in every}
    # An anchor: everything above it is below it too.
    anchors = {node for node in every if all(node in ups[up] for up in ups[node])}
    reached: set[int] = set(anchors)
    for _ in every:
        for child, parent in pairs:
            if child != parent and parent in reached and parent not in blocked:
                reached.add(child)
    return reached


@given(edges, st.sets(nodes))
@settings(max_examples=400)
def test_what_is_reached_agrees_with_brute_force(pairs: list[tuple[int, int]], blocked: set[int]) -> None:
    assert Graph(pairs).reached(blocked) == plain_reach(pairs, blocked)


@given(edges, st.sets(nodes))
def test_twins_and_order_change_nothing(pairs: list[tuple[int, int]], blocked: set[int]) -> None:
    assert Graph(pairs).reached(blocked) == Graph([*reversed(pairs), *pairs]).reached(blocked)


@given(edges, st.sets(nodes))
def test_something_that_failed_is_always_a_cause(pairs: list[tuple[int, int]], blocked: set[int]) -> None:
    """Whatever is cut off has somebody above it who is not: one alert is never held back by nobody."""
    graph = Graph(pairs)
    reached = graph.reached(blocked)
    for node in graph.nodes - reached:
        causes = graph.causes(node, blocked, reached)
        assert causes and set(causes) <= blocked & reached


@given(edges, st.dictionaries(nodes, st.integers(0, 5)))
@settings(max_examples=300)
def test_the_best_way_is_the_widest(pairs: list[tuple[int, int]], strength: dict[int, int]) -> None:
    """A node is reached with strength s exactly when a way leads to it through nodes of at least s."""
    graph = Graph(pairs)
    arrived = graph.arrival({node: float(value) for node, value in strength.items()})
    for level, node in product(range(1, 6), graph.nodes):
        weak = {one for one, value in strength.items() if value < level}
        assert (arrived.get(node, -INFINITE) >= level) == (node in graph.reached(weak))


def test_a_diamond_needs_both_ways_cut() -> None:
    graph = Graph([(2, 1), (3, 1), (4, 2), (4, 3)])
    assert 4 in graph.reached({2})
    assert 4 not in graph.reached({2, 3})
    assert graph.behind({1}) == {2, 3, 4}
    assert graph.behind({2}) == set()


def test_members_of_a_ring_at_the_top_are_reached_by_themselves() -> None:
    graph = Graph([(1, 2), (2, 1), (3, 1)])
    assert graph.anchors == {1, 2}
    assert graph.reached({1, 2}) == {1, 2}
    assert graph.reached({1}) == {1, 2}


def test_a_ring_below_something_hangs_on_it() -> None:
    graph = Graph([(2, 1), (2, 3), (3, 2), (4, 3)])
    assert graph.reached({1}) == {1}
    assert graph.behind({1}) == {2, 3, 4}


def test_a_virtual_machine_needs_its_hypervisor_whatever_ways_there_are() -> None:
    graph = Graph([(10, 2), (10, 3)], needed=[(10, 5)])
    assert 10 in graph.reached({2})
    assert 10 not in graph.reached({5})
    assert 10 not in graph.reached({2, 3})


def test_unknown_nodes_speak_against_nothing() -> None:
    graph = Graph([(2, 1), (3, 2)])
    assert math.isinf(graph.arrival({1: 7.0})[2]) is False
    assert graph.arrival({1: 7.0})[3] == 7.0
    assert graph.arrival({})[3] == INFINITE


def test_a_chain_of_ten_thousand_is_no_recursion() -> None:
    graph = Graph([(i + 1, i) for i in range(1, 10_000)])
    assert graph.behind({1}) == set(range(2, 10_001))


def test_the_path_is_told_layer_by_layer() -> None:
    graph = Graph([(4, 2), (4, 3), (2, 1), (3, 1)])
    assert graph.path(4) == [[2, 3], [1]]
