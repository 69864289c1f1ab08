"""`run`: what it says of a wrong address, and under which names it answers."""

import socket
from io import StringIO

import pytest
from django.core.management import CommandError

from netmon.management.commands import run


@pytest.mark.parametrize("bind", ["8000", "localhost:8000", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http", ""])
def test_a_wrong_address_is_a_usage_error_that_says_how(bind: str) -> None:
    with pytest.raises(CommandError) as caught:
        run.parse_bind(bind)
    assert caught.value.returncode == 2 and "--bind" in str(caught.value)


def test_ipv6_is_written_in_brackets() -> None:
    assert run.parse_bind("[::1]:8000") == ("::1", 8000)


def test_a_taken_port_is_said_before_anything_is_started() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CommandError, match="Cannot listen"):
            run.check_free("127.0.0.1", port)


@pytest.mark.parametrize(("host", "named"), [("127.0.0.1", False), ("0.0.0.0", False), ("192.0.2.7", True)])
def test_it_answers_under_the_address_asked_for(monkeypatch: pytest.MonkeyPatch, host: str, named: bool) -> None:
    monkeypatch.delenv("NETMON_ALLOWED_HOSTS", raising=False)
    out = StringIO()
    command = run.Command(stdout=out)
    command.admit(host, host)
    import os

    admitted = os.environ.pop("NETMON_ALLOWED_HOSTS", "")
    assert (host in admitted.split(",")) is named
    assert ("NETMON_ALLOWED_HOSTS" in out.getvalue()) is (host == "0.0.0.0")
