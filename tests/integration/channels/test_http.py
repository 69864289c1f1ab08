"""The HTTP driver against real servers: what it sends, where it goes, when it gives up."""

import socket
import threading
import time
from typing import Any

import pytest

from netmon.drivers import dialing, http
from netmon.drivers.errors import AddressRefused, DeadlineExceeded, ProtocolError, Unreachable, UntrustedPeer
from tests.daemons.receivers import Receiver, Reply, dripping, silence, talking


def post(url: str, **over: Any) -> http.Answer:
    asked: dict[str, Any] = {
        "body": b'{"a": 1}', "headers": {"X-Mark": "m"}, "refuse": lambda address: "", "deadline_seconds": 5,
    }  # fmt: skip
    return http.post(url, **{**asked, **over})


def test_it_posts_and_gives_the_answer_back(receiver: Receiver) -> None:
    receiver.says(Reply(202, b"thanks", {"X-Word": "yes"}))
    answer = post(receiver.url)
    assert (answer.status, answer.body, answer.headers["x-word"], answer.address) == (
        202,
        b"thanks",
        "yes",
        "127.0.0.1",
    )
    [got] = receiver.got
    assert (got.method, got.path, got.body) == ("POST", "/hook?x=1", b'{"a": 1}')
    assert got.headers["Host"] == f"127.0.0.1:{receiver.port}" and got.headers["X-Mark"] == "m"


def test_a_redirect_is_an_answer(receiver: Receiver) -> None:
    receiver.says(Reply(302, b"", {"Location": "http://127.0.0.1:1/"}))
    assert post(receiver.url).status == 302
    assert len(receiver.got) == 1


def test_a_long_answer_is_cut(receiver: Receiver) -> None:
    receiver.says(Reply(200, b"x" * 5_000_000))
    assert len(post(receiver.url).body) == http.MOST_BYTES


def test_tls_is_verified_against_the_name(secure_receiver: Receiver, trusted: None) -> None:
    assert post(secure_receiver.url).status == 200
    assert post(f"https://localhost:{secure_receiver.port}/").status == 200
    assert secure_receiver.got[1].headers["Host"] == f"localhost:{secure_receiver.port}"


def test_a_certificate_nobody_vouches_for_gets_nothing(secure_receiver: Receiver) -> None:
    with pytest.raises(UntrustedPeer, match="not trusted"):
        post(secure_receiver.url)
    assert secure_receiver.got == []
    assert post(secure_receiver.url, verify=False).status == 200


def test_a_certificate_of_another_name_gets_nothing(
    secure_receiver: Receiver, trusted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, [["127.0.0.1"]])
    with pytest.raises(UntrustedPeer):
        post(f"https://hooks.example.org:{secure_receiver.port}/")
    assert secure_receiver.got == []


def answer_with(monkeypatch: pytest.MonkeyPatch, answers: list[list[str]]) -> list[str]:
    """Name servers that say one answer after the other, the last for ever. Gives the names asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        asked.append(host)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in answer
        ]

    monkeypatch.setattr(dialing.socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_name_is_resolved_once_so_that_its_second_answer_is_never_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answer_with(monkeypatch, [["127.0.0.1"], ["127.0.0.66"]])
    judged: list[str] = []

    def refuse(address: dialing.Address) -> str:
        judged.append(str(address))
        return "" if str(address) == "127.0.0.1" else "no"

    answer = post(f"http://rebind.example:{receiver.port}/", refuse=refuse)
    assert (asked, judged, answer.address) == (["rebind.example"], ["127.0.0.1"], "127.0.0.1")


def test_one_refused_address_of_several_refuses_the_name(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, [["127.0.0.1", "169.254.169.254"]])
    with pytest.raises(AddressRefused, match="is not contacted"):
        post(f"http://mixed.example:{receiver.port}/", refuse=lambda a: "never" if a.is_link_local else "")
    assert receiver.got == []


def test_the_second_address_is_tried_when_the_first_is_closed(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, [["127.0.0.77", "127.0.0.1"]])
    assert post(f"http://two.example:{receiver.port}/").address == "127.0.0.1"


def test_no_proxy_of_the_environment_is_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(receiver.url).status == 200


@pytest.mark.parametrize(
    "talk",
    [silence, dripping(b""), dripping(b"HTTP/1.1 100 Continue\r\n\r\n"), dripping(b"HTTP/1.1 200 OK\r\nX-Long: ")],
    ids=["silence", "drip", "continue", "header"],
)
def test_a_slow_peer_ends_at_the_deadline(talk: Any) -> None:
    with talking(talk) as port:
        started = time.monotonic()
        with pytest.raises((DeadlineExceeded, ProtocolError)):
            post(f"http://127.0.0.1:{port}/", deadline_seconds=0.6)
        assert time.monotonic() - started < 2


def test_silence_in_the_handshake_ends_at_the_deadline() -> None:
    with talking(silence) as port:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded, match=r"within 0.5 s"):
            post(f"https://127.0.0.1:{port}/", deadline_seconds=0.5)
        assert time.monotonic() - started < 2


def test_a_body_that_drips_for_ever_counts_by_its_status() -> None:
    with talking(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")) as port:
        started = time.monotonic()
        answer = post(f"http://127.0.0.1:{port}/", deadline_seconds=0.6)
        assert answer.status == 200 and time.monotonic() - started < 2


def test_a_peer_that_reads_nothing_ends_at_the_deadline() -> None:
    with talking(silence) as port:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            post(f"http://127.0.0.1:{port}/", body=b"x" * 50_000_000, deadline_seconds=0.6)
        assert time.monotonic() - started < 3


def hang_up(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(65536)


def greet(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    over.wait(5)


def test_what_is_wrong_is_told_apart(receiver: Receiver) -> None:
    with talking(greet) as port, pytest.raises(ProtocolError, match="no HTTP"):
        post(f"http://127.0.0.1:{port}/")
    with talking(hang_up) as port, pytest.raises(Unreachable, match="closed"):
        post(f"http://127.0.0.1:{port}/")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable, match="refused") as raised:
        post(f"http://127.0.0.1:{port}/")
    assert raised.value.reason == "refused"
    with pytest.raises(ProtocolError, match="No TLS"):
        post(f"https://127.0.0.1:{receiver.port}/", deadline_seconds=2)
    with pytest.raises(Unreachable, match="does not resolve"):
        post("http://no-such-host.invalid/")
    for url in ("ftp://127.0.0.1/", "http:///x", "nonsense", "http://[::1/"):
        with pytest.raises(ProtocolError):
            post(url)


def test_no_error_holds_the_address_which_may_be_a_secret() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable) as raised:
        post(f"http://127.0.0.1:{port}/services/T0/B0/hush-hush")
    assert "hush-hush" not in f"{raised.value!r} {raised.value.detail}"
