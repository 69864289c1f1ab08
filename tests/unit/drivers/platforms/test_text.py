from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.drivers.errors import NotSupported, ProtocolError
from netmon.drivers.platforms.text import address, clean, count, decimal, duration, instant, load_json, output, words
from netmon.drivers.ssh.answers import Answer


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]0;never ended", ""),
        ("\x1bPdcs\x1b\\text", "text"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\x1b[?2004l{}", "{}"),
        ("a\x00b\x07c\x9bd", "abcd"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("half \ud800 pair", "half  pair"),
        ("tab\tstays", "tab\tstays"),
        ("\x1b\x1b[0m[31mnested", "[31mnested"),
    ],
)
def test_clean(raw, cleaned):
    assert clean(raw) == cleaned


@given(st.text(alphabet=st.one_of(st.sampled_from("\x1b[]PX;0mA\x07\\\r\n"), st.characters())))
def test_clean_is_idempotent_and_leaves_nothing_behind(text):
    once = clean(text)
    assert clean(once) == once
    assert not any(ord(c) < 32 and c not in "\t\n" for c in once)
    once.encode()


def test_clean_is_linear():
    for piece in ("\x1b]", "\x1b[0;", "\x1b", "\x1bP\x1b", "\x1b[ "):
        clean(piece * 300_000)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5),
        ("1,234", 1234),
        (" 7 ", 7),
        (2.0, 2),
        (-1, None),
        (True, None),
        (1 << 64, None),
        ("1_0", None),
        ("9" * 5000, None),
        ("x", None),
        (None, None),
        ([], None),
        (1.5, None),
        ("²", None),
        (float("inf"), None),
    ],
)
def test_count(value, number):
    assert count(value) == number


def test_count_of_octal_digits():
    assert (count("377", base=8), count("8", base=8)) == (255, None)


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "x", None, True, [], "1_0", 10**400])
def test_decimal_refuses(value):
    assert decimal(value) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:02:54", 174),
        ("2m49s", 169),
        ("7.422s", 7.422),
        ("1d02h03m", 93780),
        ("2w3d05h", 1486800),
        ("never", None),
        ("1d02:03:04", 93784),
        ("1:02:03:04", 93784),
        ("102:03:04", 367384),
        ("3 days, 4:05:06", 273906),
        ("", None),
        ("1 year, 2 weeks, 3 days, 4 hours, 5 minutes", 33019500),
        ("3d 04:05:06", 273906),
        ("5 apples", None),
        (None, None),
        ("1" * 200, None),
    ],
)
def test_duration(text, seconds):
    assert duration(text) == seconds


def test_address():
    assert address("fe80:0::1%eth0") == "fe80::1"
    assert address("10.0.0.1/24") == "10.0.0.1"
    assert address("999.1.1.1") is None and address("x" * 1000) is None and address(7) is None


def test_instant():
    assert instant(1795303015) == "2026-11-21T23:16:55Z"
    assert instant(None) is None and instant(1e300) is None and instant(-5) is None


def test_words():
    assert words(" a\nb\x1b[0m  c ") == "a b c"
    assert words("x" * 2000, 10) == "x" * 10
    assert words({"no": "text"}) == ""


@pytest.mark.parametrize(
    "text", ["", "no", "{", "[NaN]", "[Infinity]", "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "%x"]
)
def test_load_json_refuses(text):
    with pytest.raises(ProtocolError, match="thing"):
        load_json(text, "thing")


def test_json_after_warnings_and_escapes():
    pty = "% Can't open configuration file /etc/frr/vtysh.conf due to 'Permission denied'.\r\n"
    assert load_json(pty + '\x1b[?2004l{"a": 1}', "thing") == {"a": 1}


def test_output():
    assert output(Answer("text"), "cat") == "text"
    for answer in (Answer("", "sh: 1: nosuch: not found", 127), Answer("", "cat: /x: No such file or directory", 1)):
        with pytest.raises(NotSupported):
            output(answer, "cat")
    for answer in (Answer("part", "", None), Answer("part", "", 124), Answer("", "boom", 2)):
        with pytest.raises(ProtocolError):
            output(answer, "cat")
