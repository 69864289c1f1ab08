"""The set-up text: it allows what netmon asks and nothing else, and no name or key in it can break out."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from inventory import ssh_setup
from inventory.models import Device
from inventory.ssh_setup import SetupUnknown, allowlist, setup
from netmon.drivers.platforms import clock, frr, frr_routes, linux, vendors, vyos
from netmon.drivers.platforms.shapes import RouteSummary
from netmon.drivers.ssh.detect import PROBES
from netmon.drivers.ssh.script import Command, Vtysh
from tests import factories, people

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGzKnbCq4BA1nGYnC0uz7gXOmPv5dXKKPMdQqTWQZbDm"
HOSTILE = [
    "a b", "a'b", 'a"b', "a$(touch PWNED)b", "a`touch PWNED`b", "a;touch PWNED;", "a'$(touch PWNED)'b", "--help",
    "a\\", "*", "a|b", "a&touch PWNED&", "$user", "a'; touch PWNED; '", "é☃",
]  # fmt: skip
TOOLS = ("id", "useradd", "usermod", "install", "getent", "cut", "passwd", "ssh-keygen", "sshd")


def lines_of(*tables: object) -> set[str]:
    return {Command(tuple(argv)).line for table in tables for argv in table.values()}  # type: ignore[attr-defined]


def plain_of(text: str) -> set[str]:
    """The commands that the script names outside of vtysh's part: read back by a shell's own rules."""
    found = re.findall(r"^  (\S.*)\) exec (.*) ;;$", text, re.MULTILINE)
    assert all(shlex.split(pattern) == [line] for pattern, line in found)
    return {line for _, line in found}


ROUTING = {*frr.COMMANDS.values(), *frr.COMMANDS_DEFAULT_VRF.values(), *frr_routes.protocol_commands()}
HOST = (PROBES, linux.COMMANDS, clock.COMMANDS)
EXPECTED = {
    "linux": (lines_of(*HOST), set()),
    "frr": (lines_of(*HOST, {"a": frr.COUNTERS, "b": frr.STARTUP_CONFIG}), ROUTING),
    "vyos": (lines_of(*HOST, vyos.COMMANDS), {*ROUTING, *vyos.VTYSH_COMMANDS.values()}),
}


class Restricted:
    """The allowlist script, run as sshd runs it, with programs that say what they were called with."""

    def __init__(self, directory: Path, platform: str) -> None:
        programs = directory / "programs"
        programs.mkdir()
        names = {shlex.split(line)[0] for line in ssh_setup.commands(platform)} | {"vtysh", "logger"}
        for name in names:
            program = programs / Path(name).name
            program.write_text('#!/bin/sh\nprintf "%s\\0" "${0##*/}" "$@"\n')
            program.chmod(0o755)
        # the system's own are not to be called here
        text = re.sub(r"PATH=\S+", f"PATH={programs}", allowlist(platform), count=1)
        self.script = directory / "netmon-ro"
        self.script.write_text(text.replace(vyos.OP_MODE, f"{programs}/{Path(vyos.OP_MODE).name}"))

    def run(self, asked: str | None) -> tuple[int, list[str]]:
        environment = {} if asked is None else {"SSH_ORIGINAL_COMMAND": asked}
        done = subprocess.run(["/bin/sh", str(self.script)], env=environment, capture_output=True, timeout=20)
        assert done.returncode != 126 or b"netmon-ro: refused" in done.stderr
        return done.returncode, done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("platform", ssh_setup.HOSTS)
class TestTheAllowlist:
    def test_names_what_is_asked_and_nothing_else(self, platform: str) -> None:
        plain, routing = EXPECTED[platform]
        assert plain_of(allowlist(platform)) == plain == set(ssh_setup.commands(platform))
        assert set(ssh_setup.vtysh_lines(platform)) == routing
        quoted = set(re.findall(r"'(show [^']*)'", allowlist(platform)))
        assert quoted == routing

    def test_runs_every_command_as_it_was_asked(self, platform: str, tmp_path: Path) -> None:
        restricted = Restricted(tmp_path, platform)
        for line in ssh_setup.commands(platform):
            wanted = shlex.split(line)
            if wanted[0] == vyos.OP_MODE:
                line = line.replace(vyos.OP_MODE, f"{tmp_path}/programs/{Path(vyos.OP_MODE).name}")
            assert restricted.run(line) == (0, [Path(wanted[0]).name, *wanted[1:]])

    def test_refuses_everything_else(self, platform: str, tmp_path: Path) -> None:
        restricted = Restricted(tmp_path, platform)
        known = [*ssh_setup.commands(platform)[:3], "vtysh -c 'show version'"]
        wrong = [
            f"{line}{more}" for line in known for more in (" ", ";id", "\nid", " x", "&", "|id", " -c 'configure'")
        ]
        wrong += [f"{more}{line}" for line in known for more in (" ", "id;", "x", "\n")]
        wrong += [
            "", "sh", "bash -i", "id", "cat /etc/shadow", "cat /proc/../etc/shadow", "vtysh", "vtysh -c", "vtysh -c ''",
            "vtysh -c 'configure terminal'", "vtysh -c 'show version' -c 'configure'", "vtysh -c 'show version' -d x",
            "vtysh -c 'show version", "vtysh -c show", "vtysh -c 'show version''", "vtysh -c 'show *'", "*", "$(id)",
            "vtysh -c 'show version'; id", "vtysh -c 'show version' -c '$(id)'", "internal-sftp",
        ]  # fmt: skip
        for asked in [*wrong, None]:
            assert restricted.run(asked) == (126, []), repr(asked)


def test_several_lines_of_vtysh_go_together(tmp_path: Path) -> None:
    restricted = Restricted(tmp_path, "frr")
    lines = tuple(line for line in frr.COMMANDS.values() if line.endswith(" json"))
    asked = Vtysh(lines).command(lines).line
    assert restricted.run(asked) == (0, list(frr.vtysh(*lines)))
    for line in ssh_setup.vtysh_lines("frr"):
        assert restricted.run(Command(frr.vtysh(line)).line) == (0, list(frr.vtysh(line)))


def test_every_line_of_a_big_table_is_allowed() -> None:
    counts = {"rib": 1, "fib": 1}
    summary: RouteSummary = {
        "family": "ipv6", "total": 10**6, "total_fib": 1, "by_protocol": dict.fromkeys(frr_routes._BY_PROTOCOL, counts),
    }  # fmt: skip
    assert set(frr_routes.table_commands(summary)) <= set(ssh_setup.vtysh_lines("frr"))


class TestHostileValues:
    def run(self, directory: Path, script: str) -> tuple[int, list[list[str]], bytes]:
        """Status, every program's words, and what was written; none of the real programs is there to be run."""
        programs = directory / "programs"
        programs.mkdir()
        calls = directory / "calls"
        calls.touch()
        for name in TOOLS:
            program = programs / name
            body = f'#!/bin/sh\nprintf "%s\\037" {name} "$@" >>{calls}\nprintf "\\n" >>{calls}\n'
            body += {"id": "exit 1\n", "cut": "echo /home/x\n", "install": f"/bin/cat >>{directory}/written\n"}.get(
                name, ""
            )
            program.write_text(body)
            program.chmod(0o755)
        done = subprocess.run(
            ["/bin/sh"],
            input=script.encode(),
            cwd=directory,
            env={"PATH": str(programs)},
            capture_output=True,
            timeout=20,
        )
        said = [line.split("\x1f")[:-1] for line in calls.read_text().split("\n") if line]
        written = directory / "written"
        return done.returncode, said, written.read_bytes() if written.exists() else b""

    @pytest.mark.parametrize("platform", ["linux", "frr"])
    @pytest.mark.parametrize("name", HOSTILE)
    def test_a_name_stays_one_word(self, tmp_path: Path, platform: str, name: str) -> None:
        for number, key in enumerate((KEY, "")):
            place = tmp_path / str(number)
            place.mkdir()
            status, calls, written = self.run(place, setup(platform, username=name, public_key=key).script)
            assert status == 0
            made = next(call for call in calls if call[0] == "useradd")
            assert made == ["useradd", "--system", "--create-home", "--shell", "/bin/sh", "--", name]
            assert {call[-1] for call in calls if call[0] in ("usermod", "passwd")} <= {name}
            assert not list(tmp_path.rglob("PWNED"))
            assert allowlist(platform).encode() in written
            assert (f'restrict,command="/usr/local/bin/netmon-ro" {KEY} netmon\n'.encode() in written) is bool(key)
            assert b"Match User" not in written, "sshd's patterns are no place for such a name"

    def test_a_plain_name_with_a_password_is_bound_by_sshd(self, tmp_path: Path) -> None:
        status, _, written = self.run(tmp_path, setup("linux", username="netmon").script)
        assert status == 0
        assert b"Match User netmon\n  ForceCommand /usr/local/bin/netmon-ro\n" in written

    @pytest.mark.parametrize("platform", sorted(set(ssh_setup.PLATFORMS) - {"linux", "frr"}))
    def test_where_nothing_quotes_only_plain_names_are_taken(self, platform: str) -> None:
        for name in HOSTILE:
            with pytest.raises(SetupUnknown):
                setup(platform, username=name, public_key=KEY)

    @pytest.mark.parametrize(
        "key", ["x", f"{KEY}\nssh-rsa AAAA", f"command=x {KEY}", "ssh-ed25519 AA'A", "ssh-dss $(id)"]
    )
    def test_what_is_no_public_key_is_not_written(self, key: str) -> None:
        with pytest.raises(SetupUnknown, match="make the key anew"):
            setup("linux", username="netmon", public_key=key)

    def test_the_comment_of_a_key_is_left_out(self) -> None:
        assert "PWNED" not in setup("linux", username="netmon", public_key=f"{KEY} '; touch PWNED").script

    def test_control_characters_are_refused(self) -> None:
        for name in ("a\nb", "a\x00b", "", "a\x1bb"):
            with pytest.raises(SetupUnknown):
                setup("linux", username=name)


@pytest.mark.parametrize("platform", ssh_setup.VENDORS)
def test_a_vendors_text_lists_what_is_asked_there_and_says_that_it_is_untried(platform: str) -> None:
    for key in (KEY, ""):
        found = setup(platform, username="netmon", public_key=key)
        assert not found.is_tried and "not tried" in found.notes[0]
        for asks in vendors.COMMANDS[platform].values():
            for ask in asks:
                assert ask.line in found.script
        assert "netmon" in found.script and all(line.isprintable() for line in found.script.splitlines())
        assert (KEY in found.script) is bool(key)
    assert set(ssh_setup.VENDORS) == set(vendors.COMMANDS)


@pytest.mark.django_db
class TestTheDoors:
    @pytest.fixture
    def device(self) -> Device:
        endpoint = factories.make_ssh_endpoint(credential=factories.make_ssh_key(username="ro"))
        return endpoint.device

    def url(self, device: Device) -> str:
        return f"/api/v1/endpoints/{device.endpoints.get(protocol='ssh').pk}/setup/"

    def test_the_api_writes_the_endpoints_own_key(self, device: Device, cast: people.Cast) -> None:
        api: APIClient = people.client_for(cast.omar)
        body = api.get(self.url(device)).json()
        credential = device.endpoints.get(protocol="ssh").credential
        assert credential is not None
        kind, text, *_ = credential.public_key.split()
        assert (body["platform"], body["username"], body["is_tried"]) == ("linux", "ro", True)
        assert f"{kind} {text} netmon" in body["script"] and "user=ro\n" in body["script"]
        assert "frrvty" in api.get(self.url(device) + "?platform=frr").json()["script"]
        assert "PRIVATE" not in str(body)

    def test_what_is_known_of_the_device_chooses(self, device: Device, cast: people.Cast) -> None:
        Device.objects.filter(pk=device.pk).update(platform="arista_eos")
        assert people.client_for(cast.omar).get(self.url(device)).json()["platform"] == "arista_eos"
        device.endpoints.filter(protocol="ssh").update(options={"platform": "vyos"})
        assert people.client_for(cast.omar).get(self.url(device)).json()["platform"] == "vyos"

    def test_refusals(self, device: Device, cast: people.Cast) -> None:
        api = people.client_for(cast.omar)
        answer = api.get(self.url(device) + "?platform=toaster")
        assert answer.status_code == 400 and "platform" in str(answer.json())
        assert people.client_for(cast.vera).get(self.url(device)).status_code == 403
        endpoint = factories.make_endpoint(factories.make_device())
        answer = api.get(f"/api/v1/endpoints/{endpoint.pk}/setup/")
        assert (answer.status_code, answer.json()["code"]) == (409, "setup_unknown")

    def test_the_command(self, device: Device, capsys: pytest.CaptureFixture[str]) -> None:
        out = io.StringIO()
        call_command("ssh_setup", device.name, "--platform", "frr", stdout=out, stderr=io.StringIO())
        assert out.getvalue().startswith("#!/bin/sh\n") and "frrvty" in out.getvalue()
        out = io.StringIO()
        call_command("ssh_setup", device.name.upper(), "--json", stdout=out)
        assert json.loads(out.getvalue())["username"] == "ro"
        with pytest.raises(CommandError) as raised:
            call_command("ssh_setup", "nobody")
        assert raised.value.returncode == 4
