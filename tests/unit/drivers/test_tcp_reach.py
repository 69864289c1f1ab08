"""Whether a port accepts: real sockets on loopback."""

import asyncio
import socket
from contextlib import ExitStack

import pytest

from netmon.drivers.errors import DeadlineExceeded, Unreachable
from netmon.drivers.targets import TcpTarget
from netmon.drivers.tcp.reach import reach


def ask(port: int, **over: object) -> float:
    return asyncio.run(reach(TcpTarget(**{"address": "127.0.0.1", "port": port, **over})))  # type: ignore[arg-type]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_listener_accepts_and_nothing_is_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert 0 < ask(server.getsockname()[1]) < 1000
        server.settimeout(5)
        peer, _ = server.accept()
        with peer:
            assert peer.recv(1) == b""


def test_over_ipv6_it_is_the_same() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert ask(server.getsockname()[1], address="::1") > 0


def test_a_closed_port_says_that_the_host_is_there() -> None:
    with pytest.raises(Unreachable, match="refused") as caught:
        ask(free_port())
    assert caught.value.reason == "refused" and "127.0.0.1:" in caught.value.detail


def test_who_does_not_answer_is_given_up_in_time() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = server.getsockname()
        for _ in range(3):  # a full queue of connections drops what comes
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        with pytest.raises(DeadlineExceeded, match=r"within 0\.2 s"):
            ask(address[1], timeout_seconds=0.2)


def test_every_place_must_accept_and_the_one_that_does_not_is_named() -> None:
    closed = free_port()
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.2", 0)) as two:
        first, second = one.getsockname()[1], two.getsockname()[1]
        assert ask(first, beside=(("127.0.0.2", second),)) > 0
        with pytest.raises(Unreachable, match=rf"127\.0\.0\.2:{closed}"):
            ask(first, beside=(("127.0.0.2", second), ("127.0.0.2", closed)))


@pytest.mark.parametrize("over", [{"port": 0}, {"port": 70000}, {"address": "router.example"}, {"timeout_seconds": 0}])
def test_a_target_that_is_none_is_refused(over: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"port|address|timeout_seconds"):
        TcpTarget(**{"address": "127.0.0.1", "port": 22, **over})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"port|address"):
        TcpTarget(address="127.0.0.1", port=22, beside=(("router.example", 0),))
