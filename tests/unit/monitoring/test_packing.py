import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from monitoring import metrics
from monitoring.metrics import RAW, Column, MetricSet
from monitoring.models import COLUMN_COUNT, Series
from monitoring.store import points
from monitoring.store.packing import COUNT, CorruptChunk, pack_hot, pack_many, unpack, unpack_hot

NAN = float("nan")
ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, width=64)


def pack(values, exponents, **grid):
    """One chunk of (points, columns) values."""
    return pack_many(np.asarray(values, float)[None, None], exponents, **{"period": 60, **grid})[0]


def identical(a, b):
    """Equal bit for bit but for the sign of zero and the payload of NaN."""
    return a.shape == b.shape and bool(((a == b) | (np.isnan(a) & np.isnan(b))).all())


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 70), st.integers(1, 12)), elements=ANY_FLOAT))
@settings(max_examples=150, deadline=None)
def test_float64_columns_come_back_exactly(values):
    assert identical(unpack(pack(values, [RAW] * values.shape[1])).values[0], values)


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 70), st.integers(1, 12)), elements=ANY_FLOAT), st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_comes_back_to_its_resolution(values, data):
    exponents = data.draw(st.lists(st.integers(-9, 9), min_size=values.shape[1], max_size=values.shape[1]))
    back = unpack(pack(values, exponents)).values[0]
    step = 10.0 ** np.array(exponents)
    finite = np.isfinite(values)
    assert identical(np.isnan(back), np.isnan(values)) and identical(back[~finite], values[~finite])
    error = np.abs(np.where(finite, back, 0) - np.where(finite, values, 0))
    assert (error <= 0.5000001 * step + 4e-16 * np.abs(np.where(finite, values, 0))).all()


@given(st.lists(st.integers(-(2**53) + 1, 2**53 - 1), min_size=1, max_size=60))
def test_integers_below_2_53_are_exact(numbers):
    assert unpack(pack([[n] for n in numbers], [0])).values[0, :, 0].tolist() == [float(n) for n in numbers]


@given(st.integers(-9, -1), st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=60))
def test_decimals_on_the_resolution_are_exact(exponent, steps):
    values = [[n / 10**-exponent] for n in steps]
    assert unpack(pack(values, [exponent])).values[0].tolist() == values


@pytest.mark.parametrize("value", [2.0**53, 2.0**63, 1.8e19, -1e300, np.inf, -np.inf])
@pytest.mark.parametrize("exponent", [0, -2, 3])
def test_beyond_2_53_the_column_is_float64_and_its_neighbour_is_not_touched(value, exponent):
    chunk = unpack(pack([[value, 1.26], [NAN, NAN], [3.25, 7]], [exponent, -1]))
    if abs(value) / 10.0**exponent >= 2**53:
        assert chunk.values[0, :, 0].tolist()[::2] == [value, 3.25]
    assert chunk.values[0, [0, 2], 1].tolist() == [1.3, 7.0]
    assert np.isnan(chunk.values[0, 1]).all()


def test_only_the_series_that_needs_it_falls_back():
    values = np.array([[[[1e18]]], [[[1.004]]]])
    big, small = (unpack(data).values for data in pack_many(values, [-2], period=60))
    assert big[0, 0, 0] == 1e18 and small[0, 0, 0] == 1.0


def test_a_gap_is_neither_zero_nor_the_lowest_integer():
    assert np.isnan(unpack(pack([[NAN]], [0])).values).all()
    assert unpack(pack([[-(2.0**63)]], [0])).values[0, 0, 0] == -(2.0**63)
    assert unpack(pack([[0.0]], [0])).values[0, 0, 0] == 0.0


def test_the_grid_comes_back():
    chunk = unpack(pack([[1]] * 12, [0], offset=20, period=300))
    assert (chunk.offset, chunk.period) == (20, 300)
    assert chunk.times(1000).tolist() == [1020 + 300 * i for i in range(12)]


def test_four_statistics_count_in_whole_numbers():
    statistics = points.from_values(np.array([[1.25, NAN], [3.5, 2]]))
    chunk = unpack(pack_many(statistics[None], [1, -2], period=300)[0])
    assert chunk.values[COUNT].tolist() == [[1, 0], [1, 1]]
    assert chunk.values.shape == (4, 2, 2)


@given(st.binary(max_size=200))
def test_garbage_is_refused(data):
    with pytest.raises(CorruptChunk):
        unpack(data)


@given(st.data())
@settings(max_examples=200)
def test_no_flipped_bit_and_no_cut_passes(data):
    good = pack(np.arange(60.0).reshape(20, 3), [0, -1, RAW])
    position = data.draw(st.integers(0, len(good) * 8 - 1))
    flipped = bytearray(good)
    flipped[position // 8] ^= 1 << position % 8
    with pytest.raises(CorruptChunk):
        unpack(bytes(flipped))
    with pytest.raises(CorruptChunk):
        unpack(good[: position // 8])
    with pytest.raises(CorruptChunk):
        unpack(good + b"\0")


@given(st.lists(ANY_FLOAT | st.none(), min_size=1, max_size=12))
def test_hot_rows_come_back(values):
    back = unpack_hot(pack_hot(values))
    assert identical(back, np.array([NAN if value is None else value for value in values]))
    assert pack_hot(np.array(back)) == pack_hot(values)


def test_a_cut_hot_row_is_refused():
    with pytest.raises(CorruptChunk):
        unpack_hot(b"1234567")


def test_a_chunk_of_an_hour_of_zeros_is_small():
    assert len(pack(np.zeros((60, 10)), [0] * 10)) < 60


def test_roll_up_keeps_extremes_and_gaps():
    values = np.array([[1.0], [5.0], [NAN], [NAN], [2.0]])
    rolled = points.roll_up(points.from_values(values), np.array([0, 0, 0, 1, 3]), 4)
    assert identical(
        rolled[:, :, 0], np.array([[6, NAN, NAN, 2], [1, NAN, NAN, 2], [5, NAN, NAN, 2], [2, 0, 0, 1]], float)
    )


def test_roll_up_of_nothing_is_gaps():
    rolled = points.roll_up(points.gaps(0, 2), np.array([], np.int64), 3)
    assert rolled[COUNT].tolist() == [[0, 0]] * 3


def test_place_cuts_what_sticks_out_and_lets_gaps_pass():
    dense = points.from_values(np.arange(6.0).reshape(6, 1))
    points.place(dense, points.from_values(np.array([[9.0], [8.0], [NAN]])), -1)
    points.place(dense, points.from_values(np.array([[7.0], [6.0]])), 5)
    points.place(dense, points.from_values(np.array([[7.0]])), 6)
    assert dense[0, :, 0].tolist() == [8, 1, 2, 3, 4, 7]


def test_widen_appends_gaps_and_cuts():
    statistics = points.from_values(np.ones((3, 2)))
    wide = points.widen(statistics, 4)
    assert wide.shape == (4, 3, 4) and (wide[COUNT, :, 2:] == 0).all() and np.isnan(wide[0, :, 2:]).all()
    assert identical(points.widen(wide, 2), statistics)


def test_the_catalogue_refuses_a_second_owner_and_what_cannot_be_stored():
    assert metrics.register(metrics.ICMP) is metrics.ICMP
    with pytest.raises(ValueError, match="icmp"):
        metrics.register(MetricSet("icmp", "Another", (Column("x", "", 1),)))
    with pytest.raises(ValueError, match="1 to 12"):
        MetricSet("wide", "", tuple(Column(f"c{i}", "", 1) for i in range(13)))
    with pytest.raises(ValueError, match="one name"):
        MetricSet("twins", "", (Column("a", "", 1), Column("a", "", 1)))
    with pytest.raises(ValueError, match="power of ten"):
        Column("third", "", 0.3)
    with pytest.raises(LookupError, match="rtt_ms"):
        metrics.ICMP.index("rtt")
    with pytest.raises(LookupError, match=r"no\.such"):
        metrics.get("no.such")
    assert [Column("c", "", r).exponent for r in (1, 0.1, 0.01, 0.001, 1000, 0)] == [0, -1, -2, -3, 3, RAW]


def test_the_catalogue_fits_the_series():
    assert metrics.MAX_COLUMNS == COLUMN_COUNT == sum(field.name[1:].isdigit() for field in Series._meta.fields)
    for metric_set in metrics.SETS.values():
        assert metric_set.index(metric_set.names[-1]) == len(metric_set.columns) - 1
