"""Everything that can go wrong, and the one property that matters: who says "not applied" is right."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import logging
import socket
import threading
import time
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.drivers import dialing, httpwire
from netmon.drivers.errors import (
    AuthenticationFailed,
    DeadlineExceeded,
    DriverError,
    NotSupported,
    ProtocolError,
    Rejected,
    Unreachable,
    UntrustedPeer,
)
from netmon.drivers.targets import Secret
from netmon.drivers.vyos import Locked, UnknownOutcome, VyosClient, creation, may_have_applied
from netmon.drivers.vyos.answers import judge
from netmon.drivers.vyos.texts import said
from netmon.lab.vyos import VERSIONS, Fault
from netmon.lab.vyos.certificates import make_certificate
from tests.daemons import wait_until
from tests.unit.drivers.vyos.items import KEY, SSH, SUBNET, router, target

QUICK = {"read_timeout_seconds": 0.5, "deadline_seconds": 0.8, "connect_timeout_seconds": 5.0}

# What a change meets, what a read meets: class and reason.
MET = {
    Fault.CLOSE_BEFORE: ((UnknownOutcome, "closed"), None),
    Fault.LOSE_ANSWER: ((UnknownOutcome, "closed"), None),
    Fault.GATEWAY_TIMEOUT_AFTER: ((UnknownOutcome, "gateway"), None),
    Fault.LOCKED: ((Locked, "locked"), None),
    Fault.GATEWAY_TIMEOUT: ((UnknownOutcome, "gateway"), (DeadlineExceeded, "gateway")),
    Fault.BAD_GATEWAY: ((UnknownOutcome, "gateway"), (Unreachable, "gateway")),
    Fault.INTERNAL_ERROR: ((UnknownOutcome, "internal_error"), (Rejected, "internal_error")),
    Fault.GARBAGE: ((UnknownOutcome, "garbage"), (ProtocolError, "garbage")),
    Fault.NESTED: ((UnknownOutcome, "garbage"), (ProtocolError, "garbage")),
    Fault.NOT_HTTP: ((UnknownOutcome, "garbage"), (ProtocolError, "garbage")),
    Fault.HUGE: ((UnknownOutcome, "too_large"), (ProtocolError, "too_large")),
    Fault.DRIP: ((UnknownOutcome, "timeout"), (DeadlineExceeded, "timeout")),
    Fault.SILENCE: ((UnknownOutcome, "timeout"), (DeadlineExceeded, "timeout")),
    Fault.REDIRECT: ((UnknownOutcome, "redirect"), (ProtocolError, "redirect")),
    Fault.HTML: ((UnknownOutcome, "garbage"), (ProtocolError, "garbage")),
    Fault.HALF: ((UnknownOutcome, "closed"), (Unreachable, "closed")),
    Fault.ECHO: ((Rejected, "refused"), (Rejected, "refused")),
}


@contextlib.contextmanager
def told_nothing(caplog):
    """The key is in no log, message, repr or traceback of what is raised inside."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DriverError) as raised:
        yield raised
    error = raised.value
    shown = [str(error), repr(error), error.detail, error.reason, caplog.text, *traceback.format_exception(error)]
    shown += [str(value) for value in vars(error).values()]
    for text in shown:
        for spelling in (KEY, KEY.replace("&", "&amp;"), KEY.replace('"', '\\"'), "very", "indeed"):
            assert spelling not in text
    assert error.detail and error.code.isidentifier() and len(error.detail) < 4000
    assert all(letter.isprintable() or letter in "\n\t" for letter in error.detail)


@pytest.mark.parametrize("version", ["1.3", "1.5-2026-02"])
@pytest.mark.parametrize("fault", [*MET, Fault.API_DOWN], ids=lambda fault: fault.name)
def test_a_change_that_goes_wrong(fault, version, caplog):
    with router(version, drip_seconds=0.05) as (machine, server, _):
        client = VyosClient(target(server, **QUICK, max_answer_bytes=1 << 20))
        before = copy.deepcopy(machine.running)
        machine.arm(fault)
        with told_nothing(caplog) as raised:
            client.configure(creation(SSH, version[:3]))
        if fault is Fault.API_DOWN:
            wanted, reason = UnknownOutcome, "api_down" if version == "1.3" else "gateway"
        else:
            wanted, reason = MET[fault][0]
        assert (type(raised.value), raised.value.reason) == (wanted, reason)
        # The property: what is said to be not applied is not applied, and what is applied is said to be unknown.
        assert may_have_applied(raised.value) is isinstance(raised.value, UnknownOutcome)
        assert raised.value.is_unanswered is may_have_applied(raised.value)
        if machine.running != before:
            assert may_have_applied(raised.value)
        assert (machine.running != before) is fault.comes_after
        # once it is over, reading back tells
        assert VyosClient(target(server)).exists(["nat", "destination", "rule", "10000"]) is fault.comes_after


@pytest.mark.parametrize(
    "fault", [*(fault for fault, met in MET.items() if met[1]), Fault.API_DOWN], ids=lambda fault: fault.name
)
@pytest.mark.parametrize("version", ["1.3", "1.4"])
def test_a_read_that_goes_wrong_is_never_of_unknown_outcome(fault, version, caplog):
    with router(version, drip_seconds=0.05) as (machine, server, _):
        client = VyosClient(target(server, **QUICK, max_answer_bytes=1 << 20))
        machine.arm(fault)
        with told_nothing(caplog) as raised:
            client.show_config(["system"])
        error = raised.value
        if fault is Fault.API_DOWN:
            wanted = (Unreachable, "api_down" if version == "1.3" else "gateway")
        else:
            wanted = MET[fault][1]
        assert (type(error), error.reason) == wanted and not may_have_applied(error) and not error.is_unanswered
        assert client.show_config(["system"])  # once: the next answer is good


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_key(version, caplog):
    with router(version) as (machine, server, _):
        client = VyosClient(target(server, key=Secret(KEY[:-3])))
        for call in (lambda: client.configure(creation(SSH, version[:3])), client.save, client.show_config):
            with told_nothing(caplog) as raised:
                call()
            assert type(raised.value) is AuthenticationFailed and not may_have_applied(raised.value)
        assert machine.is_saved and machine.counts["requests"] == 0


def test_the_key_is_redacted_wherever_the_router_puts_it(caplog):
    caplog.set_level(logging.DEBUG)
    with router() as (machine, _, client):
        machine.arm(Fault.ECHO_HEADER)
        assert client.show_config(["system"])
        machine.show = lambda words: f"key {KEY} and {KEY}\x1b]0;title\x07"
        assert client.show(["x"]) == "key *** and ***]0;title"
        keys = client.show_config(["service", "https", "api", "keys"])
        assert keys == {"id": {"netmon": {"key": "***"}}}
    assert KEY not in caplog.text and "very" not in caplog.text


@pytest.mark.parametrize(
    ("certificate", "trust", "reason"),
    [
        ({"days": -1}, {}, "expired"),
        ({"addresses": ("127.0.0.2",), "names": ("other.example",)}, {}, "hostname"),
        ({"addresses": (), "names": ("r1.example",)}, {"server_name": "r2.example"}, "hostname"),
        ({}, {"ca_pem": make_certificate().ca_pem}, "unknown_ca"),
        ({}, {"ca_pem": ""}, "unknown_ca"),
        ({}, {"certificate_sha256": "ab" * 32}, "pin_mismatch"),
    ],
    ids=["expired", "address", "name", "own authority", "system authorities", "pin"],
)
def test_whoever_cannot_prove_who_he_is_gets_no_key(certificate, trust, reason, caplog):
    with router(certificate=make_certificate(**certificate)) as (machine, server, _):
        client = VyosClient(target(server, **trust))
        with told_nothing(caplog) as raised:
            client.configure(creation(SSH, "1.5"))
        error = raised.value
        assert (type(error), error.code, error.reason) == (UntrustedPeer, "untrusted_peer", reason)
        assert not may_have_applied(error) and machine.counts["requests"] == 0 and "nat" not in machine.running


@pytest.mark.parametrize(
    ("certificate", "trust"),
    [
        ({"addresses": (), "names": ("r1.example",)}, {"server_name": "r1.example"}),
        ({"days": -1}, {"certificate_sha256": "pin", "ca_pem": ""}),
        ({"addresses": (), "names": ("any",)}, {"certificate_sha256": "pin"}),
    ],
    ids=["name", "pin of an expired one", "pin of another name"],
)
def test_who_is_trusted(certificate, trust):
    made = make_certificate(**certificate)
    if trust.get("certificate_sha256"):
        trust = {**trust, "certificate_sha256": made.fingerprint}
    with router(certificate=made) as (_, server, _):
        assert VyosClient(target(server, **trust)).exists(["system"])


def test_the_pin_is_compared_before_the_first_byte_of_the_request():
    """A server that only counts what comes after the handshake."""
    with router() as (_, lender, _):
        context = lender._http.tls
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            sock, _ = listener.accept()
            with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as tls:
                got.append(tls.recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        place = dataclasses.replace(target(lender, certificate_sha256="cd" * 32), port=listener.getsockname()[1])
        with pytest.raises(UntrustedPeer):
            VyosClient(place).save()
        thread.join(5)
    assert got in ([], [b""])


def test_a_ca_text_that_cannot_be_read():
    with router() as (_, server, _), pytest.raises(ProtocolError):
        VyosClient(target(server, ca_pem="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")).save()


@contextlib.contextmanager
def plain(answer: bytes):
    """A TCP server that says `answer` to whoever comes, without TLS; None: nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    with sock:
                        if answer:
                            sock.sendall(answer)
                        else:
                            stop.wait(5)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        stop.set()


def test_http_without_tls_is_refused(caplog):
    with router() as (_, server, _), plain(b"HTTP/1.1 200 OK\r\n\r\n" * 50) as port:
        with told_nothing(caplog) as raised:
            VyosClient(dataclasses.replace(target(server), port=port)).save()
        assert type(raised.value) is ProtocolError and not may_have_applied(raised.value)


def test_silence_before_tls_ends_with_the_time_to_connect(caplog):
    with router() as (_, server, _), plain(b"") as port:
        started = time.monotonic()
        with told_nothing(caplog) as raised:
            VyosClient(dataclasses.replace(target(server, connect_timeout_seconds=0.3), port=port)).save()
        assert type(raised.value) is DeadlineExceeded and not may_have_applied(raised.value)
        assert 0.25 < time.monotonic() - started < 1.5


def test_nobody_there(caplog):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with router() as (_, server, _), told_nothing(caplog) as raised:
        VyosClient(dataclasses.replace(target(server), port=port)).save()
    error = raised.value
    assert (type(error), error.reason, error.retryable) == (Unreachable, "refused", True)
    assert not may_have_applied(error)


def test_a_slow_commit_within_the_limits_is_awaited_and_beyond_them_unknown():
    with router(commit_seconds=0.6) as (machine, server, _):
        VyosClient(target(server, read_timeout_seconds=5.0)).configure(creation(SSH, "1.5"))
        with pytest.raises(UnknownOutcome) as raised:
            VyosClient(target(server, read_timeout_seconds=0.2)).configure(creation(SUBNET, "1.5"))
        assert raised.value.reason == "timeout"
        # it is applied after all, after nobody waits any more
        wait_until(lambda: machine.counts["commits"] == 2, what="the second commit")


def test_a_dripping_answer_ends_at_the_deadline():
    with router(drip_seconds=0.1) as (machine, server, _):
        machine.arm(Fault.DRIP)
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            VyosClient(target(server, deadline_seconds=0.7, read_timeout_seconds=5.0)).show_config()
        assert time.monotonic() - started < 2


def test_an_api_that_hangs_is_a_timeout():
    with router() as (machine, server, _):
        machine._is_hung = True
        with pytest.raises(DeadlineExceeded):
            VyosClient(target(server, **QUICK)).show_config()


@pytest.mark.parametrize("version", VERSIONS)
def test_endpoints_that_a_version_lacks(version):
    with router(version) as (_, _, client):
        if version == "1.5-2026-02":
            assert client.info().hostname == "vyos-lab"
            return
        with pytest.raises(NotSupported) as raised:
            client.info()
        assert raised.value.reason == "no_endpoint"


BAD = b'{"success": false, "data": null, "error": "%s"}'


@pytest.mark.parametrize(
    ("status", "body", "wanted", "reason"),
    [
        (401, b"<html>", AuthenticationFailed, ""),
        (422, BAD % b"x", AuthenticationFailed, ""),
        (403, b"<html>", Rejected, "client_refused"),
        (404, b"<html>", NotSupported, "no_endpoint"),
        (404, b'{"detail": "Not Found"}', NotSupported, "no_endpoint"),
        (413, b"<html>", Rejected, "too_large"),
        (400, BAD % b"Commit failed", DriverError, ""),
        (400, BAD % b"", Rejected, "refused"),
        (400, b"<html>400", UnknownOutcome, "garbage"),
        (200, b"", UnknownOutcome, "garbage"),
        (200, b"[]", UnknownOutcome, "garbage"),
        (200, b"null", UnknownOutcome, "garbage"),
        (200, b"{}", UnknownOutcome, "garbage"),
        (200, b'{"success": "true"}', UnknownOutcome, "garbage"),
        (200, b'{"success": 1}', UnknownOutcome, "garbage"),
        (200, b'{"error": "down"}', UnknownOutcome, "api_down"),
        (200, BAD % b"no", Rejected, "refused"),
        (500, b'{"success": true, "data": null}', UnknownOutcome, "garbage"),
        (500, BAD % b"An internal error occured.", UnknownOutcome, "internal_error"),
        (503, b"", UnknownOutcome, "gateway"),
        (301, b"", UnknownOutcome, "redirect"),
        (418, b"tea", UnknownOutcome, "garbage"),
    ],
)
def test_answers_to_a_change_are_judged_by_what_they_prove(status, body, wanted, reason):
    with pytest.raises(wanted) as raised:
        judge(status, body, key=Secret(KEY), changes=True)
    assert raised.value.reason == reason


@given(status=st.integers(min_value=100, max_value=599), body=st.binary(max_size=200), changes=st.booleans())
def test_any_answer_is_judged(status, body, changes):
    with contextlib.suppress(DriverError):
        judge(status, body, key=Secret(KEY), changes=changes)


@given(before=st.text(max_size=30), after=st.text(max_size=30), key=st.text(min_size=3, max_size=40))
def test_a_key_is_never_said(before, after, key):
    if not key.isprintable() or key in "***":
        return
    text = said(f"{before}{key}{after}", Secret(key))
    assert key not in text or key in f"{before}***{after}" or key in said(f"{before}***{after}", Secret("\x01\x02"))


def test_a_short_key_does_not_eat_the_configuration():
    key = Secret("vyos")
    answer = b'{"success": true, "data": {"host-name": "vyos-lab", "key": "vyos", "vyos": {"a": "x vyos"}}}'
    assert judge(200, answer, key=key) == {"host-name": "vyos-lab", "key": "***", "vyos": {"a": "x vyos"}}
    with pytest.raises(Rejected) as raised:
        judge(400, b'{"success": false, "error": "bad key vyos"}', key=key)
    assert raised.value.detail == "bad key ***"


def test_an_error_text_is_short_unescaped_and_printable():
    text = said("a &lt;b&gt; &amp; c\x1b[31m\r\n\n\u202e  \n" + "x" * 10_000, Secret(KEY))
    assert text.startswith("a <b> & c[31m\nxxx") and len(text) <= 2000


def test_a_server_that_ends_in_the_middle_of_the_request_is_no_unknown_outcome(monkeypatch):
    """It has not got all of it, so it cannot have acted on it."""

    def dial_with_a_small_buffer(*args, **kwargs):  # a larger one takes the request whole, and nobody knows
        sock, address = dialing.dial(*args, **kwargs)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return sock, address

    monkeypatch.setattr(httpwire, "dial", dial_with_a_small_buffer)
    with router() as (_, server, _):
        context = server._http.tls
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

            def serve():
                sock, _ = listener.accept()
                with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as tls:
                    tls.recv(100)
                    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

            thread = threading.Thread(target=serve)
            thread.start()
            place = dataclasses.replace(target(server), port=listener.getsockname()[1])
            many = [dataclasses.replace(SSH, rule=number) for number in range(1, 900)]
            with pytest.raises(DriverError) as raised:
                VyosClient(place).configure([line for item in many for line in creation(item, "1.5")])
            thread.join(5)
    assert type(raised.value) is Unreachable and not may_have_applied(raised.value)


@contextlib.contextmanager
def cutting(port: int, most: dict[str, int]):
    """A way to the server that breaks after so many bytes "up" or "down"."""
    ends: list[socket.socket] = []

    def relay(source, sink, left):
        with contextlib.suppress(OSError):
            while left > 0 and (chunk := source.recv(min(left, 1024))):
                sink.sendall(chunk)
                left -= len(chunk)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
                ends.extend((near, far))
                down = threading.Thread(target=relay, args=(far, near, most.get("down", 1 << 30)), daemon=True)
                down.start()
                relay(near, far, most.get("up", 1 << 30))
                down.join(5)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)
    for end in ends:
        end.close()


@pytest.mark.parametrize("direction", ["up", "down"])
def test_wherever_a_connection_breaks_not_applied_is_never_said_of_what_was(direction):
    met = set()
    for most in [*range(0, 2400, 120), 1 << 20]:
        with router() as (machine, server, _), cutting(server.port, {direction: most}) as port:
            place = dataclasses.replace(target(server, **QUICK), port=port)
            error = None
            try:
                VyosClient(place).configure(creation(SSH, "1.5"))
            except DriverError as raised:
                error = raised
            server.close()  # whatever was under way is over
            applied = "nat" in machine.running
            met.add((applied, type(error)))
            assert applied if error is None else (may_have_applied(error) or not applied), (most, error)
    assert (True, type(None)) in met and (False, Unreachable) in met
    assert (direction == "up") or (True, UnknownOutcome) in met


def test_two_servers_in_one_process_share_nothing():
    with router() as (one, _, _), router() as (two, _, client):
        client.configure(creation(SSH, "1.5"))
        assert "nat" in two.running and "nat" not in one.running
