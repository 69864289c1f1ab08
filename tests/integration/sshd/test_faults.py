"""Servers that misbehave: each fault becomes the error that says what to do, in time, and never with a secret in it."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
import traceback
from random import Random

import pytest

from netmon.drivers.errors import (
    AuthenticationFailed,
    Busy,
    DeadlineExceeded,
    DriverError,
    NotSupported,
    ProtocolError,
    Unreachable,
    UntrustedPeer,
)
from netmon.drivers.ssh import Habits, OutputTooLarge, UntrustedHostKey, Vtysh, open_session, read_host_keys
from netmon.drivers.targets import HostKey, Secret, SshTarget
from tests.daemons import free_port
from tests.daemons.bad_ssh import CODE, PASSWORD, bad_ssh, new_host_key, talking
from tests.daemons.sshd import make_key

pytestmark = pytest.mark.integration


def failure(target: SshTarget, caplog: pytest.LogCaptureFixture, line: str = "show it") -> DriverError:
    """The error of one command, checked for secrets."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DriverError) as raised, open_session(target) as session:
        session.execute(line)
    error = raised.value
    shown = [str(error), repr(error), error.detail, caplog.text, *traceback.format_exception(error)]
    for secret in (target.password, target.private_key, target.passphrase):
        if secret:
            assert not any(secret.reveal().strip() in text for text in shown)
    assert error.reason and error.detail.endswith((".", "?"))
    return error


def raw_target(port: int, **over: object) -> SshTarget:
    values = {"address": "127.0.0.1", "port": port, "username": "netmon", "password": Secret(PASSWORD)}
    return SshTarget(**(values | {"trusts_first_use": True} | over))


@pytest.mark.parametrize(
    ("fault", "cls", "reason"),
    [
        ("drop-auth", Unreachable, "auth-aborted"),
        ("too-many", AuthenticationFailed, "auth-failed"),
        ("no-channel", Busy, "no-channel"),
        ("no-exec", NotSupported, "no-exec"),
        ("drop", ProtocolError, "cut"),
        ("no-status", ProtocolError, "cut"),
    ],
)
def test_a_fault_is_named(fault, cls, reason, caplog):
    with bad_ssh(fault) as server:
        error = failure(server.target(), caplog)
    assert (type(error), error.reason) == (cls, reason)


@pytest.mark.parametrize(
    ("fault", "over", "reason"),
    [
        ("hang-auth", {"auth_timeout_seconds": 0.5}, "auth-timeout"),
        ("hang", {"command_timeout_seconds": 0.5}, "command-timeout"),
        ("hang", {"deadline_seconds": 1.0}, "deadline"),
        ("hang-request", {"deadline_seconds": 1.0}, "deadline"),
        ("hang-auth", {"deadline_seconds": 1.0}, "deadline"),
    ],
)
def test_a_hang_ends_in_time(fault, over, reason, caplog):
    with bad_ssh(fault) as server:
        started = time.monotonic()
        error = failure(server.target(**over), caplog)
        elapsed = time.monotonic() - started
    assert (type(error), error.reason) == (DeadlineExceeded, reason)
    assert next(iter(over.values())) * 0.9 <= elapsed < next(iter(over.values())) + 2.5


def test_after_a_hang_the_session_is_closed():
    with bad_ssh("hang") as server, open_session(server.target(command_timeout_seconds=0.3)) as session:
        with pytest.raises(DeadlineExceeded):
            session.execute("show it")
        with pytest.raises(DriverError):
            session.execute("show it")


@pytest.mark.parametrize(
    ("chunks", "hangs_up", "cls", "reason"),
    [
        ((), True, Busy, "no-banner"),
        ((), False, DeadlineExceeded, "banner-timeout"),
        ((b"SSH-2.0-Slow\r\n",), False, DeadlineExceeded, "handshake-timeout"),
        ((b"SSH-2.0-Cut\r\n",), True, ProtocolError, "cut"),
        ((b"SSH-1.5-Old\r\n",), False, NotSupported, "version-incompatible"),
        ((b"HTTP/1.0 400 Bad Request\r\n" * 120,), False, ProtocolError, "not-ssh"),
        ((b"\xff\xfe\x00\n" * 120,), False, ProtocolError, "not-ssh"),
        ((b"SSH-2.0-\xff\xfe\r\n", bytes(range(256)) * 8), False, ProtocolError, None),
        ((b"SSH-2.0-x\r\n", b"\xff" * 4096), False, ProtocolError, "malformed"),
        ((b"SSH-2.0-x\r\n", b"\x00\x00\x00\x0c\x0a\x14" + b"\0" * 64), False, NotSupported, "kex-incompatible"),
    ],
)
def test_what_is_no_ssh_server_is_told_apart(chunks, hangs_up, cls, reason, caplog):
    with talking(*chunks, hangs_up=hangs_up) as port:
        # the silent ones are waited for; the others answer at once, on a machine that may be busy
        limit = 1.0 if cls is DeadlineExceeded else 30.0
        error = failure(raw_target(port, connect_timeout_seconds=limit), caplog)
    assert type(error) is cls
    assert reason in (None, error.reason)


@pytest.mark.parametrize("seed", range(12))
def test_no_greeting_whatsoever_raises_anything_else(seed, caplog):
    random = Random(seed)
    names = [b"curve25519-sha256@libssh.org", b"rsa-sha2-512", b"aes128-ctr", b"hmac-sha2-256", b"\xff" * 9, b""]
    lists = [random.choice(names) for _ in range(10)]
    body = b"\x14" + random.randbytes(16) + b"".join(len(one).to_bytes(4, "big") + one for one in lists)
    body = bytearray(body + bytes(9))
    for _ in range(random.randrange(4)):
        body[random.randrange(len(body))] = random.randrange(256)
    padding = 8 - (len(body) + 5) % 8 + 8
    packet = (len(body) + padding + 1).to_bytes(4, "big") + bytes((padding,)) + body + bytes(padding)
    with talking(b"SSH-2.0-Fuzz\r\n", packet, random.randbytes(512), hangs_up=True) as port:
        error = failure(raw_target(port, connect_timeout_seconds=5.0), caplog)
    assert type(error) in (ProtocolError, NotSupported, DeadlineExceeded)


def test_nobody_listens(caplog):
    error = failure(raw_target(free_port()), caplog)
    assert (type(error), error.reason) == (Unreachable, "refused")


def test_a_wrong_password_is_tried_once(caplog):
    with bad_ssh() as server:
        error = failure(server.target(password=Secret("not-this-one")), caplog)
    assert (type(error), error.reason, error.retryable) == (AuthenticationFailed, "auth-failed", False)
    assert server.attempts == [("password", "netmon", "not-this-one")]


def test_keyboard_interactive_as_the_only_method():
    with bad_ssh(methods=("keyboard-interactive",)) as server, open_session(server.target()) as session:
        assert session.execute("hello").stdout == "ok hello\n"
    assert server.attempts[-1] == ("answers", "", PASSWORD)


@pytest.mark.parametrize("fault", ["code", "second-question"])
def test_more_questions_than_one_password_are_not_answered(fault, caplog):
    with bad_ssh(fault, methods=("keyboard-interactive",)) as server:
        error = failure(server.target(), caplog)
    assert (type(error), error.reason) == (AuthenticationFailed, "auth-method")
    assert CODE not in str(server.attempts)
    assert [one for one in server.attempts if one[0] == "answers"] == (
        [] if fault == "code" else [("answers", "", PASSWORD)]
    )


def test_no_agent_no_file_and_no_environment_is_asked(tmp_path, monkeypatch, caplog):
    home = tmp_path / ".ssh"
    home.mkdir()
    make_key(home / "id_ed25519")
    asked: list[object] = []
    with bad_ssh("any-key", methods=("publickey",)) as server, socket.socket(socket.AF_UNIX) as agent:
        line = HostKey(new_host_key().get_name(), new_host_key().get_base64()).line
        (home / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {line}\n")
        (home / "config").write_text(f"Host *\n  User root\n  IdentityFile {home}/id_ed25519\n  ProxyCommand false\n")
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        agent.settimeout(0)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        error = failure(server.target(), caplog)
        with contextlib.suppress(BlockingIOError):
            asked.append(agent.accept())
    assert error.reason == "auth-method" and not asked
    assert [attempt[0] for attempt in server.attempts] == ["password"]


def test_a_method_the_server_does_not_have(caplog):
    with bad_ssh(methods=("publickey",)) as server:
        error = failure(server.target(), caplog)
    assert (type(error), error.reason) == (AuthenticationFailed, "auth-method")
    assert "publickey" in error.detail


def test_key_and_then_password_where_both_are_wanted(tmp_path):
    key = Secret(make_key(tmp_path / "key"))
    with (
        bad_ssh("partial", methods=("publickey",)) as server,
        open_session(server.target(private_key=key)) as session,
    ):
        assert session.execute("hello").stdout == "ok hello\n"
    assert [attempt[0] for attempt in server.attempts] == ["publickey", "keyboard-interactive", "answers"]


def test_the_password_after_a_key_that_was_refused(tmp_path, caplog):
    key = Secret(make_key(tmp_path / "key"))
    with bad_ssh(methods=("publickey", "password")) as server:
        with open_session(server.target(private_key=key)) as session:
            assert session.execute("hello").status == 0
        error = failure(server.target(private_key=key, password=None), caplog)
    assert (type(error), error.reason) == (AuthenticationFailed, "auth-failed")


@pytest.mark.parametrize("text", ["no key at all", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END", "\0\n" * 9])
def test_a_key_that_cannot_be_read_is_never_tried(text, caplog):
    with bad_ssh() as server:
        error = failure(server.target(private_key=Secret(text)), caplog)
    assert (type(error), error.reason) == (AuthenticationFailed, "key-unusable")
    assert server.attempts == [] and server.connections == 0


@pytest.mark.parametrize("passphrase", [None, Secret("wrong-passphrase")])
def test_a_locked_key(passphrase, tmp_path, caplog):
    locked = Secret(make_key(tmp_path / "key", passphrase="the-right-passphrase"))
    with bad_ssh("any-key", methods=("publickey",)) as server:
        target = server.target(private_key=locked, passphrase=passphrase, password=None)
        assert failure(target, caplog).reason == "key-unusable"
        with open_session(server.target(private_key=locked, passphrase=Secret("the-right-passphrase"))) as session:
            assert session.execute("hello").status == 0


@pytest.mark.parametrize(
    ("pins", "trusts", "reason"),
    [("none", False, "unknown"), ("other", False, "changed"), ("other", True, "changed")],
)
def test_no_credential_leaves_for_a_key_that_is_not_trusted(pins, trusts, reason, tmp_path, caplog):
    other = new_host_key()
    with bad_ssh("any-key", methods=("publickey", "password")) as server:
        known = (HostKey(other.get_name(), other.get_base64()),) if pins == "other" else ()
        key = Secret(make_key(tmp_path / "key"))
        error = failure(server.target(pins=known, trusts_first_use=trusts, private_key=key), caplog)
        offered = server.host_key
    assert isinstance(error, UntrustedHostKey) and error.code == "untrusted_peer" and error.reason == reason
    assert error.offered == offered and offered.fingerprint in error.detail
    assert all(pin.fingerprint in error.detail for pin in known)
    assert server.connections == 1 and server.attempts == []


def test_a_key_that_the_server_cannot_prove_is_no_key(caplog):
    with bad_ssh() as server:
        target = server.target()
        server.key.sign_ssh_data = new_host_key().sign_ssh_data  # it copied the public part only
        error = failure(target, caplog)
    assert (type(error), error.reason) == (UntrustedPeer, "hostkey-unproven") and server.attempts == []


def test_the_first_key_is_taken_where_the_caller_says_so():
    with bad_ssh() as server:
        with open_session(server.target(pins=(), trusts_first_use=True)) as session:
            assert session.first_use and session.host_key == server.host_key
        with open_session(server.target(trusts_first_use=True)) as session:
            assert not session.first_use


def test_looking_at_keys_sends_no_user_and_no_credential():
    with bad_ssh() as server:
        assert read_host_keys("127.0.0.1", server.port) == [server.host_key]
    assert server.attempts == []


def test_looking_at_keys_where_nobody_listens():
    with pytest.raises(Unreachable):
        read_host_keys("127.0.0.1", free_port())


def test_a_flood_ends_the_session(caplog):
    with bad_ssh("flood") as server:
        error = failure(server.target(max_output_bytes=1 << 20), caplog)
    assert type(error) is OutputTooLarge and error.code == "output_too_large" and not error.retryable


def test_a_banner_of_many_lines_is_no_obstacle():
    with bad_ssh(banner="WARNING\r\n" * 500) as server, open_session(server.target()) as session:
        assert session.execute("hello").stdout == "ok hello\n"


def test_hostile_answers_stay_text():
    hostile = b"\x1b[2J\x1b]0;owned\x07\xf0\x9f\x92\xa9\x00\xff\xfe\xc3(\n"
    with bad_ssh(answer=lambda command: (hostile, hostile, 7)) as server, open_session(server.target()) as session:
        answer = session.execute("show it")
    assert answer.stdout == answer.stderr == hostile.decode(errors="replace")
    assert answer.status == 7 and "\N{PILE OF POO}" in answer.stdout


@pytest.mark.parametrize("username", ["$(reboot)", "a;b|c", "ünïcødé \N{PILE OF POO}", "x" * 255, "-oProxyCommand=id"])
def test_hostile_user_names_arrive_as_they_are(username):
    with bad_ssh() as server, open_session(server.target(username=username)) as session:
        assert session.execute("hello").status == 0
    assert server.attempts == [("password", username, PASSWORD)]


def test_a_restricted_account_gets_each_command_on_its_own():
    allowed = {b"cat /proc/stat": b"cpu 1\n", b"vtysh -c 'show ip ospf json' -c 'show bgp json'": b'{"a": 1}\n{}\n'}

    def answer(command):
        return (allowed[command], b"", 0) if command in allowed else (b"", b"not allowed\n", 126)

    with bad_ssh(answer=answer) as server, open_session(server.target()) as session:
        batch = Vtysh(("show ip ospf json", "show bgp json"))
        commands = {"stat": ("cat", "/proc/stat"), "frr": batch, "other": ("id",)}
        found = session.run(commands)
        assert session.mode == "separate" and session.habits == Habits("separate")
        assert found["stat"].stdout == "cpu 1\n" and found["show bgp json"].stdout == "{}"
        assert found["other"].status == 126
        server.commands.clear()
        session.run(commands)
        assert server.commands[0] == "cat /proc/stat" and len(server.commands) == 3


def test_a_login_shell_that_is_vtysh():
    def answer(command):
        lines = command.decode().split("\n")
        if not all(line.startswith("show") for line in lines):
            return f"% Unknown command: {lines[0]}\n".encode(), b"", 1
        return "".join(f'{{"line": "{line}"}}\n' for line in lines).encode(), b"", 0

    with bad_ssh(answer=answer) as server, open_session(server.target()) as session:
        found = session.vtysh(["show bgp summary json", "show ip ospf neighbor json"])
        assert session.mode == "vtysh"
    assert found["show bgp summary json"].stdout == '{"line": "show bgp summary json"}'
    assert server.commands[-1] == "show bgp summary json\nshow ip ospf neighbor json"


def test_a_command_that_hangs_costs_only_itself_where_each_has_its_channel():
    with bad_ssh("hang") as server:
        target = server.target(command_timeout_seconds=1.0)
        with open_session(target, habits=Habits("separate")) as session:
            found = session.run({"one": ("a",), "two": ("b",)})
    assert [answer.status for answer in found.values()] == [124, 124] and not found["one"].is_whole
