"""What `config.backup` asks of each platform, and what it makes of the answers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from inventory import ssh_setup
from monitoring.modules import config_backup, ssh_sessions
from monitoring.modules.config_backup import collect
from netmon.drivers.errors import DeadlineExceeded, DriverError, NotSupported, ProtocolError, Rejected
from netmon.drivers.ssh.answers import Answer
from netmon.drivers.ssh.detect import Detection
from netmon.drivers.ssh.script import Command, Vtysh
from netmon.drivers.ssh.session import Habits
from netmon.drivers.targets import HostKey as DriverHostKey
from netmon.drivers.targets import Secret, SshTarget
from tests import factories

FRR = "Current configuration:\n!\nfrr version 8.4.4\nhostname r1\nrouter bgp 65001\nexit\nend\n"
IOS = "! Last configuration change at 10:11 UTC Mon Nov 2 2026 by ada\n!\nversion 15.2\nhostname sw\nip routing\nend\n"
VYOS = "set system host-name 'r'\nset system login user ada\nset protocols bgp system-as 65001\n"
BOOT = 'system {\n    host-name "r"\n}\nprotocols {\n}\n'


def target(platform: str) -> SshTarget:
    return SshTarget(address="192.0.2.1", username="netmon", password=Secret("x"), platform=platform)


class Session:
    """Answers by the name or the line that was asked; an error is raised, what is not known does not exist."""

    habits, shown_keys = Habits(), ((DriverHostKey.parse(factories.HOST_KEY_LINES[0]), False),)

    def __init__(self, answers: Mapping[str, Answer | DriverError]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def run(self, commands: Any, *, timeout_seconds: float | None = None) -> dict[str, Answer]:
        names: list[str] = []
        for name in commands:
            command = commands[name] if isinstance(commands, dict) else None
            names += list(command.lines) if isinstance(command, Vtysh) else [name]
            if isinstance(command, tuple):
                command = Command(command)
            self.asked.append(command.line if isinstance(command, Command) else name)
        found = {name: self.answers.get(name, Answer("", "not found", 127)) for name in names}
        for answer in found.values():
            if isinstance(answer, DriverError):
                raise answer
        return found  # type: ignore[return-value]


@pytest.fixture
def session() -> Session:
    return Session({})


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, session: Session) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    session.answers = answers

    @contextmanager
    def borrow(_: SshTarget, habits: Any = None) -> Iterator[Session]:
        yield session

    monkeypatch.setattr(config_backup, "borrow", borrow)
    monkeypatch.setattr(config_backup, "borrow_shell", borrow)
    monkeypatch.setattr(ssh_sessions, "detect", lambda _: Detection("unknown", "nothing"))
    return answers


def test_frr_with_and_without_its_file(device: dict[str, Any]) -> None:
    device["show running-config"] = Answer(FRR)
    assert [config.kind for config in collect(target("frr"), {}).configs] == ["running"]
    device["startup"] = Answer("cat: /etc/frr/frr.conf: Permission denied\n", "", 0)
    assert [config.kind for config in collect(target("linux"), {}).configs] == ["running"]
    device["startup"] = Answer(FRR.replace("end\n", ""))
    found = collect(target("frr"), {})
    assert [config.kind for config in found.configs] == ["running", "startup"]
    assert "hostname" not in repr(found) and set(found.facts) == {"ssh_meta"}


@pytest.mark.parametrize("platform", ssh_setup.HOSTS)
def test_the_allowlist_knows_all_that_is_asked(device: dict[str, Any], session: Session, platform: str) -> None:
    device |= {"show running-config": Answer(FRR), "running": Answer(VYOS), "startup": Answer(BOOT)}
    if platform == "linux":  # its allowlist refuses vtysh, and nothing more is asked then
        device["show running-config"] = Answer("", "netmon-ro: refused", 126)
    found = collect(target(platform), {})
    lines = set(ssh_setup.vtysh_lines(platform))
    asked = [line for line in session.asked if line != "vtysh"]
    assert set(asked) <= set(ssh_setup.commands(platform)), asked
    if platform == "linux":
        assert not asked and not found.configs
    else:
        assert len(asked) == (3 if platform == "vyos" else 1) and config_backup.RUNNING_LINE in lines


def test_a_daemon_that_is_down_is_no_change(device: dict[str, Any]) -> None:
    device["show running-config"] = Answer(FRR, "bgpd is not running\n", 0)
    with pytest.raises(ProtocolError, match="bgpd is not running"):
        collect(target("frr"), {})


def test_what_ran_into_its_limit_or_was_cut(device: dict[str, Any]) -> None:
    device["show running-config"] = Answer(FRR, "", 124)
    with pytest.raises(DeadlineExceeded):
        collect(target("frr"), {})
    device["show running-config"] = Answer(FRR, "", None)
    with pytest.raises(ProtocolError, match="cut off"):
        collect(target("frr"), {})


def test_a_router_without_vtysh_is_a_fault_and_a_host_is_none(device: dict[str, Any]) -> None:
    with pytest.raises(NotSupported):
        collect(target("frr"), {})
    found = collect(target("linux"), {})
    assert not found.configs and "without FRR" in found.nothing


def test_vyos_says_who_committed(device: dict[str, Any]) -> None:
    device |= {
        "running": Answer(VYOS),
        "startup": Answer(BOOT),
        "commits": Answer("0   2026-11-02 10:11:12 by ada via cli\n"),
    }
    running, startup = collect(target("vyos"), {}).configs
    assert (running.changed_by, startup.kind, startup.text) == ("ada", "startup", BOOT)
    device["running"] = Answer("Invalid command\n", "", 0)
    with pytest.raises(ProtocolError):
        collect(target("vyos"), {})
    device["running"] = Answer(VYOS, "", 124)
    with pytest.raises(DeadlineExceeded):
        collect(target("vyos"), {})


def test_a_vendor_s_shell(device: dict[str, Any]) -> None:
    device |= {"show running-config": Answer(IOS), "show startup-config": Answer(IOS)}
    running, startup = collect(target("cisco_ios"), {}).configs
    assert (running.changed_by, startup.kind) == ("ada", "startup")
    device["show startup-config"] = Answer("startup-config is not present\n")
    assert [config.kind for config in collect(target("cisco_ios"), {}).configs] == ["running"]
    device["show startup-config"] = DeadlineExceeded("It hung.")
    assert [config.kind for config in collect(target("cisco_ios"), {}).configs] == ["running"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("% Invalid input detected at '^' marker.", NotSupported),
        ("Command authorization failed. % Not authorized", Rejected),
        ("", ProtocolError),
        (IOS.removesuffix("end\n"), ProtocolError),
    ],
)
def test_a_vendor_s_refusal(device: dict[str, Any], text: str, error: type[DriverError]) -> None:
    device["show running-config"] = Answer(text, "", 1 if text.startswith("%") else 0)
    with pytest.raises(error):
        collect(target("cisco_ios"), {})


def test_what_nobody_knows_how_to_ask_has_nothing_to_keep(device: dict[str, Any]) -> None:
    assert "zyxel_os" in collect(target("zyxel_os"), {}).nothing
    with pytest.raises(NotSupported, match="set its platform"):
        collect(target("auto"), {})
    device["show running-config"] = Answer(FRR)
    assert collect(target("auto"), {"platform": "frr"}).platform == "frr"


def test_a_system_without_a_startup_configuration(device: dict[str, Any]) -> None:
    device["show configuration | display set"] = Answer("set version 21\nset system host-name r\nset system services\n")
    (running,) = collect(target("juniper_junos"), {}).configs
    assert running.kind == "running"
