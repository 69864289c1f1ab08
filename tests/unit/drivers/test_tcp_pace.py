"""Rates and timeouts by a clock of the test's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.drivers.pacing import BURST_SECONDS, GRAIN, TokenBucket
from netmon.drivers.tcp import Limits
from netmon.drivers.tcp.pace import LEAST_RATE, LEAST_TIMEOUT, MOST_TIMEOUT, STEP, Pace

POLITE, FAST = Limits.profile("polite"), Limits.profile("fast")


def answer(pace, count, *, tries=1, rtt=0.01, in_flight=0):
    for _ in range(count):
        pace.answered(rtt, tries, in_flight)


@given(
    st.floats(1, 50_000),
    st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 64)), min_size=1, max_size=60),
)
def test_a_bucket_never_gives_more_than_its_rate_and_one_burst(rate, steps):
    now, given_ = 0.0, 0
    bucket = TokenBucket(rate, now)
    for wait, wanted in steps:
        now += wait
        given_ += bucket.take(wanted, now)
    assert given_ <= rate * now + max(GRAIN, rate * BURST_SECONDS) + 1e-6


@given(st.floats(1, 50_000), st.integers(1, GRAIN))
def test_waiting_as_long_as_it_says_is_enough(rate, wanted):
    bucket = TokenBucket(rate, 0.0)
    while bucket.take(GRAIN, 0.0):
        pass
    wait = bucket.seconds_until(wanted)
    assert bucket.take(wanted, wait + 1e-6) == wanted


def test_a_clock_that_stands_still_gives_nothing():
    bucket = TokenBucket(1000, 5.0)
    bucket.take(GRAIN, 5.0)
    assert bucket.take(GRAIN, 5.0) == bucket.take(GRAIN, 4.0) == 0
    bucket.put_back(3)
    assert bucket.take(GRAIN, 5.0) == 3


@given(st.lists(st.floats(0, 5), max_size=100), st.one_of(st.none(), st.floats(0, 5)))
def test_timeouts_stay_within_their_bounds(rtts, seed):
    pace = Pace(POLITE, seed, 0.0)
    for rtt in rtts:
        pace.answered(rtt, 1, 0)
        if pace.srtt is not None:
            assert LEAST_TIMEOUT * 0.94 <= pace.timeout(1) <= MOST_TIMEOUT
        assert LEAST_TIMEOUT <= pace.timeout(2) <= 2 * MOST_TIMEOUT


def test_without_a_sample_the_first_try_ends_before_the_kernel_asks_again():
    pace = Pace(POLITE, None, 0.0)
    assert pace.timeout(1) == 0.95 and pace.timeout(2) == 2.0


def test_a_ping_gives_a_short_timeout_and_answers_keep_it():
    pace = Pace(POLITE, 0.05, 0.0)
    assert pace.timeout(1) == pytest.approx(0.15)
    answer(pace, 50, rtt=0.05)
    assert pace.timeout(1) == LEAST_TIMEOUT


def test_an_answer_that_may_be_to_the_kernels_own_second_syn_is_no_sample():
    pace = Pace(POLITE, 0.05, 0.0)
    pace.answered(1.2, 1, 0)
    assert pace.srtt == 0.05 and pace.answers == 1


def test_a_retry_that_is_answered_gives_more_tries_up_to_the_limit():
    pace = Pace(POLITE, 0.01, 0.0)
    assert pace.max_tries == 2
    for tries, wanted in ((2, 3), (3, 4), (4, 4)):
        answer(pace, 1, tries=tries)
        assert pace.max_tries == wanted
    assert Pace(Limits(max_tries=1), None, 0.0).max_tries == 1


def test_losses_slow_a_host_down_to_the_floor_and_answers_let_it_rise_again():
    pace = Pace(POLITE, 0.01, 0.0)
    answer(pace, STEP, tries=2)
    assert pace.bucket.rate == pytest.approx(700)
    answer(pace, 20 * STEP, tries=2)
    assert pace.bucket.rate == pace.lowest_rate == LEAST_RATE
    answer(pace, STEP)
    assert LEAST_RATE < pace.bucket.rate < 130
    answer(pace, 40 * STEP)
    assert pace.bucket.rate == POLITE.host_packets_per_second


def test_a_late_answer_is_no_loss():
    pace = Pace(POLITE, 0.01, 0.0)
    for rtt in (0.2, 0.4, 0.6, 0.8) * STEP:
        pace.srtt, pace.rttvar = 0.01, 0.0
        pace.answered(rtt, 2, 0)
    assert pace.bucket.rate == POLITE.host_packets_per_second


def test_fast_grows_while_nothing_is_lost_and_stops_for_good_when_something_is():
    pace = Pace(FAST, 0.001, 0.0)
    answer(pace, 10 * STEP, rtt=0.001)
    assert pace.bucket.rate > 30_000
    answer(pace, 20 * STEP, rtt=0.001)
    assert pace.bucket.rate == FAST.packets_per_second
    answer(pace, STEP, tries=2, rtt=0.001)
    slowed = pace.bucket.rate
    assert slowed < FAST.packets_per_second


def test_questions_piling_up_hold_it_back():
    pace = Pace(FAST, 0.001, 0.0)
    answer(pace, 10 * STEP, rtt=0.001, in_flight=500)
    assert pace.bucket.rate == FAST.host_packets_per_second


def test_a_slow_profile_has_no_floor_above_itself():
    pace = Pace(Limits(host_packets_per_second=5), 0.01, 0.0)
    answer(pace, 3 * STEP, tries=2)
    pace.go_easy()
    assert pace.bucket.rate == 5


@pytest.mark.parametrize(
    "over",
    [
        {"packets_per_second": 0},
        {"host_packets_per_second": float("nan")},
        {"max_tries": 5},
        {"max_packets": 0},
        {"silent_after": 70_000},
        {"max_sockets": 0},
        {"deadline_seconds": 0},
    ],
)
def test_limits_that_cannot_work_are_refused(over):
    with pytest.raises(ValueError, match=f"^{next(iter(over))}: "):
        Limits(**over)


def test_profiles_have_names():
    assert Limits.profile("gentle").host_packets_per_second == 100
    assert Limits.profile("gentle").is_closing_gracefully
    with pytest.raises(ValueError, match="give one of gentle, polite, normal, fast"):
        Limits.profile("insane")
