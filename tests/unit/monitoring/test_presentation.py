from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template

from monitoring import graphics, presentation
from monitoring.availability import Span


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, presentation.DASH), (float("nan"), presentation.DASH),
        (0, "0 bit/s"), (1, "1 bit/s"), (999, "999 bit/s"), (1000, "1 kbit/s"),
        (999.6e3, "1 Mbit/s"), (229_300_000, "229 Mbit/s"), (64_200_000, "64.2 Mbit/s"), (1_340_000_000, "1.34 Gbit/s"),
        (10e9, "10 Gbit/s"), (-86e6, "-86 Mbit/s"), (4.02e15, "4.02 Pbit/s"), (9.999e6, "10 Mbit/s"),
    ],
)  # fmt: skip
def test_bits_have_three_figures_and_a_decimal_prefix(value, text):
    assert presentation.si(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (840, "14 min"),
        (3900, "1 h 05 min"),
        (3740400, "43 d 07 h"),
        (-5, "0 s"),
    ],
)
def test_durations_have_two_units_at_most(seconds, text):
    assert presentation.duration(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(100, "100"), (99.999, "99.99"), (99.86, "99.86"), (0, "0.00")])
def test_a_fault_is_never_rounded_away(value, text):
    assert presentation.percent(value) == text


def test_ages():
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert presentation.age(now - timedelta(minutes=14), now) == "14 min ago"
    assert presentation.age(None, now) == "never"


def test_an_unknown_state_still_has_a_shape():
    assert presentation.state_class("strange") == "unknown"
    assert presentation.state_word("unknown") == "No data"


def test_the_sentence_under_a_strip():
    at = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
    assert presentation.sentence(86000, 120, 2400, 1, at) == (
        "1 outage of 2 min in all, the last at 08:30, 40 min without measurement (not counted)."
    )
    assert presentation.sentence(86400, 0, 0, 0) == "No outage."
    assert presentation.sentence(0, 0, 86400, 0) == "Nothing was measured in this time."


def test_a_state_escapes_what_a_device_says():
    html = Template('{% load netmon %}{% state value "pill" %}').render(Context({"value": '"><script>'}))
    assert "<script>" not in html and "unknown" in html


def test_pictures_have_no_inline_style():
    spans = [Span(0, 40, "up"), Span(40, 41, "down"), Span(41, 100, "unknown")]
    strip = graphics.mini_strip(spans, 0, 100)
    cell = {"up": 900.0, "down": 0.0, "unknown": 0.0}
    quarters = graphics.quarter_strip([cell] * 96, datetime(2026, 3, 1, tzinfo=UTC), 900, 'No "outage"')
    spark = graphics.sparkline([None, 1.0, 2.0, None, 3.0, 1.0])
    for picture in (strip, quarters, spark, graphics.sparkline([]), graphics.load_bar(71.0), graphics.load_bar(None)):
        assert "style" not in picture and picture.startswith("<svg") and picture.endswith("</svg>")
    assert strip.rindex('class="d"') > strip.rindex('class="n"')  # an outage is never covered
    assert quarters.count("<rect") == 96 and "&quot;outage&quot;" in quarters
    assert spark.count("M") == 4  # two runs, each with an area and a line
