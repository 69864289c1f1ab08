"""No secret comes through, in whatever pieces it was written."""

import base64
import json
import shlex

import pytest

from provisioning.redaction import Redactor

SECRET = "hush-hush/sécret+1"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_secret_cut_in_pieces_is_still_found(size: int) -> None:
    raw = f"before {SECRET} and {base64.b64encode(SECRET.encode()).decode()} after\n".encode() * 3
    redactor = Redactor([SECRET])
    text = "".join(redactor.feed(raw[at : at + size]) for at in range(0, len(raw), size)) + redactor.end()
    assert text == "before [secret] and [secret] after\n" * 3


def test_the_beginning_of_a_secret_at_the_end_goes_as_well() -> None:
    redactor = Redactor([SECRET])
    assert redactor.feed(f"is {SECRET[:8]}".encode()) + redactor.end() == "is [secret]"


def test_control_characters_and_escape_sequences_do_not_come_through() -> None:
    redactor = Redactor([])
    raw = b"a\x00b\x1b[31mred\x1b[0m\r\nc\x07\xff\xfe\tend"
    text = "".join(redactor.feed(raw[at : at + 1]) for at in range(len(raw))) + redactor.end()
    assert text == "a\ufffdbred\nc\ufffd\ufffd\ufffd\tend"


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_colours_within_a_secret_do_not_hide_it(size: int) -> None:
    """As a search writes that marks what it found."""
    raw = b"key hush\x1b[01;31m\x1b[K-hu\x1b[m\x1b[Ksh! end\n"
    redactor = Redactor(["hush-hush!"])
    text = "".join(redactor.feed(raw[at : at + size]) for at in range(0, len(raw), size)) + redactor.end()
    assert text == "key [secret] end\n"


def test_forms_that_documents_and_shells_give_it_are_found() -> None:
    secret = "pä\"ss'wörd\\x"
    for form in (json.dumps(secret), json.dumps(secret, ensure_ascii=False), shlex.quote(secret), repr(secret)):
        redactor = Redactor([secret])
        text = redactor.feed(form.encode()) + redactor.end()
        assert text.strip("'\"") == "[secret]", form


def test_a_key_of_several_lines_is_found_with_the_line_ends_of_others() -> None:
    key = "-----BEGIN KEY-----\nabcdefghijkl\nmnopqrstuvwx\n-----END KEY-----\n"
    redactor = Redactor([key])
    text = redactor.feed(key.replace("\n", "\r\n").encode()) + redactor.end()
    assert "abcdefghijkl" not in text and "mnopqrstuvwx" not in text


def test_what_cannot_be_a_secret_comes_at_once() -> None:
    redactor = Redactor([SECRET])
    assert redactor.feed(b"begun\n") == "begun\n"
