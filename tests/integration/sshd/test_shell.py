"""Vendors' shells, and finding out what a device is."""

from __future__ import annotations

import shutil
import time

import pytest

from netmon.drivers.errors import AuthenticationFailed, DeadlineExceeded, NotSupported, ProtocolError
from netmon.drivers.ssh import OutputTooLarge, UntrustedHostKey, detect, open_shell
from netmon.drivers.ssh.shell import is_refusal
from netmon.drivers.targets import Secret
from tests.daemons.bad_ssh import bad_ssh
from tests.daemons.sshd import sshd
from tests.integration.sshd.test_session import fake_vtysh

pytestmark = pytest.mark.integration

VERSION = (
    b"Cisco IOS Software, C2960 Software (C2960-LANBASEK9-M), Version 15.0(2)SE11\nTechnical Support: www.cisco.com\n"
)


def ios(command: bytes) -> tuple[bytes, bytes, int]:
    """A switch that knows three commands, in its shell and on exec channels."""
    if command == b"show version":
        return VERSION, b"", 0
    if command == b"show clock":
        return b"*12:00:00.000 UTC Sun Nov 22 2026\n", b"", 0
    if command.startswith(b"terminal"):
        return b"", b"", 0
    return b"          ^\n% Invalid input detected at '^' marker.\n\n", b"", 1


IOS = {"answer": ios, "prompt": "sw-core-1#"}


def test_a_vendors_shell_answers_line_by_line():
    with bad_ssh(**IOS) as server, open_shell(server.target(platform="cisco_ios")) as session:
        found = session.run(["show clock", "show version", "show nonsense"])
        assert session.platform == "cisco_ios" and session.host_key == server.host_key and not session.first_use
    assert found["show clock"].stdout.strip() == "*12:00:00.000 UTC Sun Nov 22 2026"
    assert "C2960-LANBASEK9-M" in found["show version"].stdout and "sw-core-1" not in found["show version"].stdout
    assert [answer.status for answer in found.values()] == [0, 0, 1]
    assert "terminal length 0" in server.commands


def test_a_shell_through_a_jump_host(server):
    with bad_ssh(**IOS) as switch, open_shell(switch.target(platform="cisco_ios", jump=server.target())) as session:
        assert session.run(["show clock"])["show clock"].status == 0


def test_a_message_of_the_day_with_signs_of_prompts():
    with bad_ssh("motd") as server, open_shell(server.target(platform="linux")) as session:
        assert session.run(["uptime"])["uptime"].stdout.strip() == "ok uptime"


@pytest.mark.parametrize(
    ("fault", "cls", "reason"),
    [
        ("no-prompt", DeadlineExceeded, "prompt-timeout"),
        ("hang-shell", DeadlineExceeded, "command-timeout"),
        ("drop-shell", ProtocolError, "cut"),
    ],
)
def test_a_shell_that_fails_is_left_in_time(fault, cls, reason):
    with bad_ssh(fault) as server:
        limit = 2.0 if cls is DeadlineExceeded else 20.0
        target = server.target(platform="linux", command_timeout_seconds=limit)
        started = time.monotonic()
        with pytest.raises(cls) as raised, open_shell(target) as session:
            session.run(["show it"])
        elapsed = time.monotonic() - started
    assert type(raised.value) is cls and raised.value.reason == reason
    # netmiko alone would wait twice, and after a cut for the whole time
    assert elapsed < (2 * limit if cls is DeadlineExceeded else 10)


def test_the_deadline_ends_a_shell_too():
    with bad_ssh("hang-shell") as server:
        target = server.target(platform="linux", command_timeout_seconds=60.0, deadline_seconds=2.0)
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded) as raised, open_shell(target) as session:
            session.run(["show it"])
    assert raised.value.reason in ("deadline", "command-timeout") and time.monotonic() - started < 8


def test_a_shell_is_held_to_its_bytes():
    with bad_ssh(answer=lambda command: (b"x" * 200_000 + b"\n", b"", 0)) as server:
        target = server.target(platform="linux", max_output_bytes=65536)
        with pytest.raises(OutputTooLarge), open_shell(target) as session:
            session.run(["show it"])


def test_a_shell_gets_no_password_for_a_foreign_key_and_no_second_try():
    with bad_ssh() as server, bad_ssh() as other:
        with pytest.raises(UntrustedHostKey):
            open_shell(server.target(platform="cisco_ios", pins=(other.host_key,)))
        assert server.attempts == []
        with pytest.raises(AuthenticationFailed):
            open_shell(server.target(platform="cisco_ios", password=Secret("wrong")))
        assert len(server.attempts) == 1


def test_a_shell_wants_a_platform_and_printable_lines():
    with bad_ssh() as server:
        with pytest.raises(NotSupported):
            open_shell(server.target())
        with open_shell(server.target(platform="linux")) as session:
            for line in ("", " ", "a\nreload", "a\x03"):
                with pytest.raises(ValueError, match=r"^line: "):
                    session.run([line])


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("  ^\n% Invalid input detected at '^' marker.\n", True),
        ("% Unknown command: show x", True),
        ("Invalid input: nonsense", True),
        ("bad command name foo (line 1 column 1)", True),
        ("Error: Unrecognized command found at '^' position.", True),
        ("syntax error, expecting <command>.", True),
        ("100% of it\nall is well", False),
        ("line\n" * 5 + "% Invalid input in a log", False),
        ("", False),
    ],
)
def test_refusals(text, refused):
    assert is_refusal(text) is refused


def test_linux_frr_and_vyos_are_told_apart(server, tmp_path):
    folder = fake_vtysh(tmp_path / "bin")
    if not shutil.which("vtysh"):
        assert detect(server.target()).platform == "linux"
    with sshd(tmp_path / "frr", path=f"{folder}:/usr/bin:/bin") as running:
        found = detect(running.target())
    assert (found.platform, "vtysh" in found.evidence) == ("frr", True)

    def vyos(command):
        return {b"uname -s": (b"Linux\n", b"", 0), b"cat /etc/os-release": (b'NAME="VyOS"\nID=vyos\n', b"", 0)}.get(
            command, (b"", b"no", 126)
        )

    with bad_ssh(answer=vyos) as other:
        found = detect(other.target())
    assert (found.platform, found.evidence) == ("vyos", 'NAME="VyOS" ID=vyos')


@pytest.mark.parametrize(
    ("version", "platform"),
    [("SSH-2.0-ROSSSH", "mikrotik_routeros"), ("SSH-2.0-HUAWEI-1.5", "huawei"), ("SSH-2.0-Comware-7.1", "hp_comware")],
)
def test_some_greetings_tell_all(version, platform):
    with bad_ssh(version=version) as server:
        found = detect(server.target())
    assert (found.platform, found.evidence) == (platform, version) and server.commands == []


def test_a_version_on_an_exec_channel_tells():
    with bad_ssh(**IOS) as server:
        found = detect(server.target())
    assert found.platform == "cisco_ios" and found.evidence.startswith("Cisco IOS Software, C2960")


def test_a_vendors_shell_tells_where_nothing_else_does():
    with bad_ssh("no-exec", **IOS) as server:
        found = detect(server.target())
    assert found.platform == "cisco_ios" and found.evidence.startswith("Cisco IOS Software, C2960")


def test_what_nobody_knows_is_unknown():
    def mute(command):
        return b"\x1b[2Jwhat?\n", b"", 1

    with bad_ssh("no-exec", answer=mute) as server:
        found = detect(server.target(command_timeout_seconds=5.0))
    assert found.platform == "unknown" and found.evidence.isprintable()
