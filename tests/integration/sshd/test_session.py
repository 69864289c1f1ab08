"""The driver against real OpenSSH servers: scripts, streams, host keys, jump hosts."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from netmon.drivers.errors import (
    AuthenticationFailed,
    Busy,
    DeadlineExceeded,
    NotSupported,
    ProtocolError,
    Rejected,
    Unreachable,
)
from netmon.drivers.ssh import (
    Command,
    Habits,
    OutputTooLarge,
    UntrustedHostKey,
    Vtysh,
    open_session,
    read_host_keys,
)
from netmon.drivers.targets import HostKey, Secret
from tests.daemons import free_port, require
from tests.daemons.sshd import fingerprint, make_key, sshd

pytestmark = pytest.mark.integration
MIB = 1 << 20


def fake_vtysh(folder: Path) -> str:
    """A vtysh that answers as FRR's does: documents one after the other, and nothing after the first error."""
    folder.mkdir(exist_ok=True)
    path = folder / "vtysh"
    path.write_text(
        """#!/bin/sh
echo "% Can't open configuration file /etc/frr/vtysh.conf due to 'Permission denied'." >&2
while [ $# -gt 0 ]; do
    shift
    case $1 in
    "show slow json") exec sleep 60 ;;
    *bad*) echo "% Unknown command: $1"; exit 1 ;;
    *empty*) ;;
    *json) printf '{"line":\\n "%s"}\\n' "$1" ;;
    *) echo "text of $1" ;;
    esac
    shift
done
"""
    )
    path.chmod(0o755)
    return str(folder)


def test_one_script_keeps_status_and_streams_of_each_command_apart(server, tmp_path):
    with open_session(server.target()) as session:
        found = session.run(
            {
                "plain": ("printf", r"a\nb"),
                "nothing": ("true",),
                "failing": ("sh", "-c", "echo out; echo err >&2; exit 3"),
                "missing": ("no-such-program",),
                "absent": ("cat", "/no/such/file"),
                "slow": Command(("sleep", "30"), 1.0),
                "greedy": ("cat",),
                "quoted": ("printf", "%s|", "it's", '$HOME `id` "x" \\ ; exit 9', "*", ""),
                "unicode": ("printf", "%s", "\N{PILE OF POO}é"),
            }
        )
        assert session.mode == "marked"
    told = {name: (answer.stdout, answer.status) for name, answer in found.items()}
    assert told["plain"] == ("a\nb", 0) and told["nothing"] == ("", 0) and told["greedy"] == ("", 0)
    assert told["failing"] == ("out\n", 3) and found["failing"].stderr == "err\n"
    assert found["missing"].status == 127 and found["absent"].status == 1 and found["absent"].stderr
    assert found["slow"].status == 124 and not found["slow"].is_whole
    assert told["quoted"] == ('it\'s|$HOME `id` "x" \\ ; exit 9|*||', 0)
    assert told["unicode"] == ("\N{PILE OF POO}é", 0)


def test_an_answer_that_imitates_the_script_is_only_text(server):
    forged = r"\n@@0123456789abcdef rc 0\n\n@@0123456789abcdef 1\nfalse\n"
    with open_session(server.target()) as session:
        found = session.run({"a": ("printf", forged), "b": ("echo", "true")})
    assert found["a"].stdout == forged.replace(r"\n", "\n") and found["b"].stdout == "true\n"


def test_a_section_without_its_end_is_unknown_not_empty(tmp_path):
    gate = tmp_path / "gate"
    gate.write_text('#!/bin/sh\nsh -c "$SSH_ORIGINAL_COMMAND"\nexit 0\n')
    gate.chmod(0o755)
    suicide = "echo part; kill -9 $(cut -d' ' -f4 /proc/$PPID/stat)"  # the parent of timeout is the script's shell
    with (
        sshd(tmp_path / "sshd", key_options=f'command="{gate}"') as running,
        open_session(running.target()) as session,
    ):
        found = session.run({"a": ("echo", "whole"), "b": ("sh", "-c", suicide), "c": ("echo", "never")})
        assert session.mode == "marked"
    assert (found["a"].stdout, found["a"].status) == ("whole\n", 0)
    assert (found["b"].status, found["c"].status) == (None, None) and not found["c"].is_whole


def test_a_script_that_is_killed_is_no_answer(server):
    with open_session(server.target()) as session, pytest.raises(ProtocolError) as raised:
        session.run({"a": ("sh", "-c", "kill -9 $(cut -d' ' -f4 /proc/$PPID/stat)")})
    assert raised.value.reason == "cut"


@pytest.mark.parametrize("argv", [(), ("",), ("a\nb",), ("a", "b\0"), ("a", "\x1b[2J"), ("a", "\udc80")])
def test_control_characters_never_reach_a_shell(argv):
    with pytest.raises(ValueError):
        Command(argv)


def test_large_answers_come_whole_on_both_streams(server):
    with open_session(server.target(command_timeout_seconds=60.0)) as session:
        answer = session.execute(f"head -c {10 * MIB} /dev/zero; head -c {3 * MIB} /dev/zero >&2; exit 5")
        assert (len(answer.stdout), len(answer.stderr), answer.status) == (10 * MIB, 3 * MIB, 5)
        answer = session.run({"x": ("head", "-c", str(5 * MIB // 2), "/dev/zero")})["x"]
        assert (len(answer.stdout), answer.status) == (5 * MIB // 2, 0)


def test_too_much_ends_the_session(server):
    with open_session(server.target(max_output_bytes=MIB)) as session, pytest.raises(OutputTooLarge, match="1048576"):
        session.run({"x": ("head", "-c", str(8 * MIB), "/dev/zero")})


def test_a_hang_ends_at_the_deadline(server):
    with open_session(server.target(deadline_seconds=1.5)) as session, pytest.raises(DeadlineExceeded) as raised:
        session.execute("exec cat")  # it waits for its stdin, and ends with the channel
    assert raised.value.reason in ("deadline", "command-timeout")


@pytest.fixture
def routed(server, tmp_path, monkeypatch):
    """A session's target on a server whose PATH begins with our vtysh."""
    folder = fake_vtysh(tmp_path / "bin")
    with sshd(tmp_path / "sshd", path=f"{folder}:/usr/bin:/bin:/usr/sbin:/sbin") as running:
        yield running


def test_one_vtysh_answers_all_lines_beside_the_other_commands(routed):
    with open_session(routed.target()) as session:
        batch = Vtysh(("show bgp summary json", "show version", "show ip ospf neighbor json"))
        found = session.run({"stat": ("head", "-1", "/proc/stat"), "frr": batch})
        assert session.habits == Habits()
    assert list(found) == ["stat", *batch.lines]
    assert found["show bgp summary json"].stdout == '{"line":\n "show bgp summary json"}'
    assert found["show version"].stdout == "text of show version\n"
    assert found["stat"].stdout.startswith("cpu ")
    assert "Permission denied" in found["show bgp summary json"].stderr


@pytest.mark.parametrize("odd", ["show bad json", "show empty json"])
def test_lines_are_asked_one_by_one_where_one_stops_or_says_nothing(odd, routed):
    with open_session(routed.target()) as session:
        found = session.vtysh(["show a json", odd, "show b json"])
        assert session.habits == Habits(batches_vtysh=False)
        again = session.vtysh(["show a json", odd, "show b json"])
    assert found == again
    assert found["show b json"].stdout == '{"line":\n "show b json"}\n'
    assert (found[odd].status, found[odd].stdout) == ((1, f"% Unknown command: {odd}\n") if "bad" in odd else (0, ""))


def test_a_line_that_hangs_costs_only_itself(routed):
    with open_session(routed.target(command_timeout_seconds=1.0)) as session:
        found = session.vtysh(["show slow json", "show b json"])
    assert found["show slow json"].status == 124 and found["show b json"].status == 0


def test_no_vtysh_at_all(tmp_path):
    with (
        sshd(tmp_path / "sshd", path="/nowhere") as running,
        open_session(running.target()) as session,
    ):
        found = session.run({"frr": Vtysh(("show a json", "show b json"), prefix=("/usr/bin/env",))})
    assert [answer.status for answer in found.values()] == [127, 127]


def test_an_account_with_a_list_of_commands(tmp_path):
    gate = tmp_path / "gate"
    gate.write_text(
        '#!/bin/sh\ncase $SSH_ORIGINAL_COMMAND in "cat /proc/uptime") exec cat /proc/uptime ;; esac\n'
        'echo "not allowed" >&2\nexit 126\n'
    )
    gate.chmod(0o755)
    with sshd(tmp_path / "sshd", key_options=f'restrict,command="{gate}"') as running:
        with open_session(running.target()) as session:
            found = session.run({"uptime": ("cat", "/proc/uptime"), "id": ("id",)})
            habits = session.habits
        assert habits.mode == session.mode == "separate"
        with open_session(running.target(), habits=habits) as session:
            assert session.run({"uptime": ("cat", "/proc/uptime")})["uptime"].status == 0
    assert found["uptime"].status == 0 and (found["id"].status, found["id"].stderr) == (126, "not allowed\n")


@pytest.mark.parametrize("shell", ["tcsh", "fish", "dash"])
def test_the_login_shell_may_be_any(shell, tmp_path):
    path = require(shell)
    gate = tmp_path / "gate"
    gate.write_text(f'#!/bin/sh\nexec {path} -c "$SSH_ORIGINAL_COMMAND"\n')
    gate.chmod(0o755)
    with (
        sshd(tmp_path / "sshd", key_options=f'command="{gate}"') as running,
        open_session(running.target()) as session,
    ):
        found = session.run({"a": ("echo", "it's $HOME!"), "b": ("sh", "-c", "exit 4")})
        assert session.mode == "marked"
    assert found["a"].stdout == "it's $HOME!\n" and found["b"].status == 4


def test_a_login_that_talks_before_the_script(tmp_path):
    gate = tmp_path / "gate"
    gate.write_text('#!/bin/sh\nprintf "Welcome @@ # $"; printf "hm" >&2\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    gate.chmod(0o755)
    with (
        sshd(tmp_path / "sshd", key_options=f'command="{gate}"') as running,
        open_session(running.target()) as session,
    ):
        answer = session.run({"a": ("echo", "x")})["a"]
    assert (answer.stdout, answer.stderr, answer.status) == ("x\n", "", 0)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_each_kind_of_host_key_is_asked_for_when_only_it_is_pinned(kind, server):
    with open_session(server.target(pins=(server.host_keys[kind],))) as session:
        assert session.host_key == server.host_keys[kind]


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_each_kind_of_user_key_logs_in(kind, server, tmp_path):
    key = make_key(tmp_path / "key", kind)
    authorized = server.directory / "authorized_keys"
    with authorized.open("a") as file:
        file.write((tmp_path / "key.pub").read_text())
    with open_session(server.target(private_key=Secret(key))) as session:
        assert session.execute("true").status == 0


def test_a_key_of_another_type_is_worded_differently(tmp_path):
    make_key(tmp_path / "old", "rsa")
    old = HostKey.parse((tmp_path / "old.pub").read_text())
    with sshd(tmp_path / "sshd") as running:
        with pytest.raises(UntrustedHostKey) as raised, open_session(running.target(pins=(old,))):
            pass
        other = raised.value
        make_key(tmp_path / "new", "ed25519")
        new = HostKey.parse((tmp_path / "new.pub").read_text())
        with pytest.raises(UntrustedHostKey) as raised, open_session(running.target(pins=(new, old))):
            pass
        assert "Accepted" not in running.log
        assert (other.reason, raised.value.reason) == ("other_type", "changed")
        assert other.offered == raised.value.offered == running.host_keys["ed25519"]


def test_the_keys_a_server_offers_are_those_ssh_keygen_names(server):
    found = read_host_keys(server.address, server.port)
    assert found == list(server.host_keys.values())
    assert [key.fingerprint for key in found] == [
        fingerprint(server.directory / f"host_{kind}.pub") for kind in server.host_keys
    ]


@pytest.mark.parametrize(
    ("setting", "reason", "legacy_helps"),
    [
        ("KexAlgorithms diffie-hellman-group14-sha1", "kex-incompatible", False),
        ("HostKeyAlgorithms ssh-rsa", "hostkey-incompatible", False),
        ("Ciphers aes128-cbc", "cipher-incompatible", True),
        ("MACs hmac-md5", "cipher-incompatible", True),
    ],
)
def test_old_algorithms_are_named_and_come_back_where_they_can(setting, reason, legacy_helps, tmp_path):
    with sshd(tmp_path / "sshd", host_keys=("rsa",), settings=[setting]) as running:
        target = running.target(pins=(), trusts_first_use=True)
        with pytest.raises(NotSupported) as raised, open_session(target):
            pass
        assert raised.value.reason == reason
        target = running.target(pins=(), trusts_first_use=True, legacy_crypto=True)
        if legacy_helps:
            with open_session(target) as session:
                assert session.execute("true").status == 0
        else:
            with pytest.raises(NotSupported), open_session(target):
                pass


def test_a_server_with_too_many_guests_is_busy(tmp_path):
    with sshd(tmp_path / "sshd", settings=["MaxStartups 1:100:1"]) as running, contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection((running.address, running.port)))
        with pytest.raises(Busy) as raised, open_session(running.target()):
            pass
    assert raised.value.reason == "no-banner" and raised.value.retryable


def test_wrong_key_user_and_method(server, tmp_path):
    other = Secret(make_key(tmp_path / "other"))
    for over, reason in (
        ({"private_key": other}, "auth-failed"),
        ({"username": "no-such-user"}, "auth-failed"),
        ({"private_key": None, "password": Secret("guess")}, "auth-method"),
    ):
        with pytest.raises(AuthenticationFailed) as raised, open_session(server.target(**over)):
            pass
        assert raised.value.reason == reason and not raised.value.retryable


def test_over_ipv6(tmp_path):
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").read_text():
        pytest.skip("no IPv6 here")
    with sshd(tmp_path / "sshd", address="::1") as running, open_session(running.target()) as session:
        assert session.execute("echo $SSH_CONNECTION").stdout.startswith("::1 ")
        assert read_host_keys("::1", running.port) == [running.host_keys["ed25519"]]


def test_through_a_jump_host(server, tmp_path):
    with sshd(tmp_path / "jump") as jump:
        with open_session(server.target(jump=jump.target())) as session:
            assert session.host_key == server.host_keys["ed25519"]
            assert session.run({"x": ("echo", "here")})["x"].stdout == "here\n"
            port = session.execute("echo $SSH_CONNECTION").stdout.split()[3]
        assert port == str(server.port) and "Accepted publickey" in jump.log
        assert read_host_keys(server.address, server.port, jump=jump.target()) == list(server.host_keys.values())


def test_a_jump_host_is_pinned_as_well(server, tmp_path):
    with sshd(tmp_path / "jump") as jump:
        wrong = jump.target(pins=(server.host_keys["ed25519"],))
        with pytest.raises(UntrustedHostKey, match=r"^Jump host 127\.0\.0\.1: ") as raised:
            open_session(server.target(jump=wrong))
        assert (raised.value.port, raised.value.offered) == (jump.port, jump.host_keys["ed25519"])
        assert "Accepted" not in jump.log
        wrong = server.target(pins=(jump.host_keys["ed25519"],), jump=jump.target())
        with pytest.raises(UntrustedHostKey) as raised:
            open_session(wrong)
        assert raised.value.port == server.port and "Jump host" not in str(raised.value)


def test_a_jump_host_that_does_not_reach_or_forbids(server, tmp_path):
    with sshd(tmp_path / "jump") as jump:
        with pytest.raises(Unreachable) as raised:
            open_session(server.target(port=free_port(socket.SOCK_STREAM), jump=jump.target()))
        assert raised.value.reason == "refused"
    with sshd(tmp_path / "strict", settings=["AllowTcpForwarding no"]) as jump, pytest.raises(Rejected) as refused:
        open_session(server.target(jump=jump.target()))
    assert refused.value.reason == "jump-forbidden"


def test_sessions_beside_each_other(server):
    failed = []

    def ask(number: int) -> None:
        with open_session(server.target()) as session:
            if session.run({"x": ("echo", str(number))})["x"].stdout != f"{number}\n":
                failed.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed and not any(thread.is_alive() for thread in threads)
