"""The machine, without a database: how often, how long, with which gap between bad and good."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerting import machine
from monitoring.alerting.machine import Look, Terms, Trace

T0 = datetime(2026, 3, 2, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def looks(text: str, every: int = 60) -> list[Look]:
    """x bad, . good, blank nothing."""
    return [Look(at(i * every), is_bad=char == "x") for i, char in enumerate(text) if char != " "]


def episodes(text: str, terms: Terms, until: float | None = None) -> list[tuple[float, float, float | None]]:
    found = machine.replay(looks(text), terms, until=None if until is None else at(until))
    return [
        (
            (one.started_at - T0).total_seconds(),
            (one.raised_at - T0).total_seconds(),
            (one.resolved_at - T0).total_seconds() if one.resolved_at else None,
        )
        for one in found
    ]


def test_one_bad_look_is_enough_without_terms() -> None:
    assert episodes("..x..", Terms()) == [(120, 120, 180)]


def test_so_many_bad_looks_in_a_row_are_needed() -> None:
    assert episodes("xx.xxx..", Terms(for_checks=3)) == [(180, 300, 360)]


def test_so_long_must_it_last() -> None:
    assert episodes("xxxxx.", Terms(for_seconds=150)) == [(0, 150, 300)]
    assert episodes("xx.", Terms(for_seconds=150)) == []


def test_both_terms_must_be_met() -> None:
    assert episodes("xxxxx.", Terms(for_seconds=60, for_checks=4)) == [(0, 180, 300)]
    assert episodes("xxxxx.", Terms(for_seconds=200, for_checks=2)) == [(0, 200, 300)]


def test_what_is_ripe_fires_though_nobody_looks_again() -> None:
    assert episodes("x", Terms(for_seconds=90), until=100) == [(0, 90, None)]
    assert episodes("x", Terms(for_seconds=90), until=80) == []


def test_good_looks_are_counted_before_it_is_over() -> None:
    assert episodes("x.x..x", Terms(clear_checks=2)) == [(0, 0, 240), (300, 300, None)]


def test_good_must_last_where_the_rule_says_so() -> None:
    assert episodes("x.....", Terms(clear_seconds=100)) == [(0, 0, 160)]


def test_a_gap_between_the_limits_keeps_an_alert_from_chattering() -> None:
    values = [89, 91, 89, 91, 89, 84, 91]
    found = machine.replay(
        [Look(at(i), value=value) for i, value in enumerate(values)], Terms(), raise_value=90, clear_value=85
    )
    assert [(one.raised_at, one.resolved_at) for one in found] == [(at(1), at(5)), (at(6), None)]


def test_no_value_changes_nothing() -> None:
    found = machine.replay([Look(at(0), value=95), Look(at(60)), Look(at(120), value=10)], Terms(), raise_value=90)
    assert [(one.started_at, one.resolved_at) for one in found] == [(at(0), at(120))]


def test_a_look_from_before_the_last_is_passed_over() -> None:
    memory = Trace(at(100), at(100))
    machine.note(memory, False, at(90))
    assert memory.is_bad and memory.good_checks == 0


def test_every_comparator_means_what_it_says() -> None:
    cases = {"gt": (91, 90), "ge": (90, 89), "lt": (89, 90), "le": (90, 91), "eq": (90, 91), "ne": (91, 90)}
    for comparator, (bad, good) in cases.items():
        assert machine.is_beyond(bad, comparator, 90, None, is_open=False), comparator
        assert not machine.is_beyond(good, comparator, 90, None, is_open=False), comparator


@given(st.text("x. ", max_size=60), st.integers(0, 400), st.integers(1, 5), st.integers(0, 200), st.integers(1, 3))
def test_episodes_are_in_order_and_long_enough(
    text: str, for_seconds: int, for_checks: int, clear_seconds: int, clear_checks: int
) -> None:
    terms = Terms(for_seconds, for_checks, clear_seconds, clear_checks)
    found = machine.replay(looks(text), terms, until=at(60 * 60))
    last = at(-1)
    for one in found:
        assert one.started_at > last
        assert one.raised_at - one.started_at >= timedelta(seconds=for_seconds)
        assert one.resolved_at is None or one.resolved_at >= one.raised_at
        bad = [look for look in looks(text) if look.is_bad and one.started_at <= look.at <= one.raised_at]
        assert len(bad) >= for_checks
        last = one.resolved_at or at(60 * 60)
    assert all(one.resolved_at is not None for one in found[:-1])


def test_results_that_overtake_each_other_are_passed_over_and_a_clock_that_was_set_is_not() -> None:
    memory = Trace(at(0), at(3600))
    machine.note(memory, False, at(3500))
    assert memory.is_bad
    machine.note(memory, True, at(-3600))
    assert memory.bad_checks == 2 and memory.started_at == memory.last_seen_at == at(-3600)
    assert machine.ripe_at(memory, Terms(for_seconds=60)) == at(-3540)
