"""The generated allowlist as the forced command of a real sshd: netmon polls through it, and nobody does more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory.ssh_setup import allowlist
from netmon.drivers.errors import DriverError
from netmon.drivers.platforms import clock, frr, frr_routes, linux
from netmon.drivers.ssh import Vtysh, detect, open_session
from tests.daemons.sshd import Sshd, sshd

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def restricted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    directory = tmp_path_factory.mktemp("restricted")
    programs = directory / "programs"
    programs.mkdir()
    vtysh = programs / "vtysh"  # answers each of its lines with a document, as FRR does
    vtysh.write_text('#!/bin/sh\nwhile [ $# -gt 1 ]; do printf \'{"asked": "%s"}\\n\' "$2"; shift 2; done\n')
    vtysh.chmod(0o755)
    script = directory / "netmon-ro"
    script.write_text(allowlist("frr").replace("PATH=", f"PATH={programs}:", 1))
    script.chmod(0o755)
    with sshd(directory / "sshd", key_options=f'restrict,command="{script}"') as server:
        yield server


def test_a_poll_goes_through_it_command_by_command(restricted: Sshd) -> None:
    lines = tuple(line for line in frr.COMMANDS.values() if line.endswith(" json"))
    with open_session(restricted.target()) as session:
        answers = session.run({**linux.COMMANDS, **clock.COMMANDS, "frr": Vtysh(lines)})
        assert session.mode == "separate"
    assert linux.cpu_counters(answers["stat"])["cores"] >= 1
    assert linux.load(answers["loadavg"])
    assert answers["uname"].stdout.startswith("Linux")
    assert {answers[line].stdout.strip() for line in lines} == {f'{{"asked": "{line}"}}' for line in lines}
    assert all(answer.status != 126 for answer in answers.values())


def test_lines_without_json_too(restricted: Sshd) -> None:
    with open_session(restricted.target()) as session:
        answers = session.vtysh(list(frr.COMMANDS.values()))
    assert "show running-config" in answers["show running-config"].stdout


def test_the_platform_is_still_found(restricted: Sshd) -> None:
    assert detect(restricted.target()).platform == "frr"


@pytest.mark.parametrize("line", ["id", "sh", "cat /etc/shadow", "cat /proc/stat; id", "vtysh -c 'configure terminal'"])
def test_everything_else_is_refused(restricted: Sshd, line: str) -> None:
    with open_session(restricted.target()) as session:
        answer = session.execute(line)
    assert (answer.status, answer.stdout) == (126, "") and "netmon-ro: refused" in answer.stderr


@pytest.mark.parametrize("prefix", ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1", "::ffff:192.0.2.1"])
def test_a_prefix_may_be_asked_for(restricted: Sshd, prefix: str) -> None:
    line, _ = frr_routes.prefix_command(prefix)
    with open_session(restricted.target()) as session:
        assert session.vtysh([line])[line].stdout.strip() == f'{{"asked": "{line}"}}'


@pytest.mark.parametrize(
    "line",
    [
        "show ip route 10.0.0.0/8 longer-prefixes json",
        "show ip route  json",
        "show ip route vrf all json",
        "show ip route $(id) json",
        "show ip route 1.1.1.1 json' -c 'configure terminal' -c 'show ip route 1.1.1.1 json",
        "show ipv6 route ::1;id json",
        "configure show ip route 1.1.1.1 json",
        "show ip route 1.1.1.1",
    ],
)
def test_nothing_but_a_prefix_goes_where_a_prefix_goes(restricted: Sshd, line: str) -> None:
    with open_session(restricted.target()) as session:
        answer = session.execute(f"vtysh -c '{line}'")
    assert (answer.status, answer.stdout) == (126, "") and "netmon-ro: refused" in answer.stderr


def test_it_is_no_jump_host(restricted: Sshd) -> None:
    target = restricted.target(jump=restricted.target())
    with pytest.raises(DriverError), open_session(target):
        pass


def test_a_list_that_takes_single_lines_only_is_asked_line_by_line(tmp_path: Path) -> None:
    script = tmp_path / "exact"
    cases = "\n".join(f"  \"vtysh -c '{line}'\") echo '{{}}' ;;" for line in ("show a json", "show b json"))
    script.write_text(f'#!/bin/sh\ncase "$SSH_ORIGINAL_COMMAND" in\n{cases}\n  *) exit 126 ;;\nesac\n')
    script.chmod(0o755)
    options = f'restrict,command="{script}"'
    with sshd(tmp_path / "sshd", key_options=options) as server, open_session(server.target()) as session:
        answers = session.vtysh(["show a json", "show b json"])
        assert session.habits.mode == "separate" and not session.habits.batches_vtysh
    assert {answer.stdout.strip() for answer in answers.values()} == {"{}"}
