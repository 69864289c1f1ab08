"""`config_backup` and `export_configs`: what they print, what they write, and their exit codes."""

import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from inventory.models import Device
from monitoring import modules
from monitoring.models import ConfigVersion
from monitoring.modules.config_backup import Backup, ConfigText
from netmon.audit.models import AuditEvent
from netmon.drivers.errors import AuthenticationFailed, DriverError
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "hush-hush-9"


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A module that answers at once; an error or the text under "text"."""
    answer: dict[str, Any] = {"text": factories.CONFIG}

    def collect(target: Any, context: Any) -> Backup:
        if isinstance(answer["text"], DriverError):
            raise answer["text"]
        texts = (ConfigText("running", answer["text"], answer.get("who", ""), "x"),) if answer["text"] else ()
        nothing = "" if texts else "It is a host without FRR."
        facts = {"ssh_meta": {"platform": "frr"}}
        values = {"platform": "frr", "configs": texts, "nothing": nothing, "facts": facts}
        return Backup(collected_at=1_800_000_000.0, monotonic_at=1.0, **values)

    old = modules.MODULES["config.backup"]
    monkeypatch.setitem(
        modules.MODULES,
        "config.backup",
        modules.Module(key=old.key, protocol="ssh", collect=collect, context=old.context, store=old.store),
    )
    return answer


def run(command: str, *arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(command, *arguments, stdout=out)
    return int(str(ended.value.code)), out.getvalue()


def test_it_says_what_changed_and_who(says: dict[str, Any]) -> None:
    device = factories.make_ssh_endpoint().device
    assert run("config_backup", device.name) == (0, f"{device.name}  changed  running 1: First backup.\n")
    assert run("config_backup", device.name.upper()) == (0, f"{device.name}  unchanged\n")
    says |= {"text": factories.CONFIG.replace("65002", "65003").replace(SECRET, "another-7"), "who": "ada"}
    code, text = run("config_backup", "--all", "--diff")
    assert code == 0 and "By ada." in text and "- neighbor" not in text
    assert "-  neighbor 192.0.2.2 remote-as 65002\n+  neighbor 192.0.2.2 remote-as 65003\n" in text
    assert SECRET not in text and "another-7" not in text


def test_it_ends_as_other_commands_do(says: dict[str, Any]) -> None:
    with pytest.raises(CommandError) as none:
        call_command("config_backup", "--all")
    assert none.value.returncode == 4
    device = factories.make_ssh_endpoint().device
    bare = factories.make_device(name="bare")
    for arguments in ([], [device.name, "--all"]):
        with pytest.raises(CommandError) as usage:
            call_command("config_backup", *arguments)
        assert usage.value.returncode == 2
    with pytest.raises(CommandError, match="nobody") as missing:
        call_command("config_backup", "nobody")
    assert missing.value.returncode == 4
    code, text = run("config_backup", device.name, bare.name)
    assert code == 3 and "no_endpoint" in text
    says["text"] = AuthenticationFailed("The password was refused.")
    assert run("config_backup", device.name) == (5, f"{device.name}  failed  auth_failed: The password was refused.\n")
    assert run("config_backup", bare.name)[0] == 1
    says["text"] = ""
    assert run("config_backup", device.name) == (0, f"{device.name}  nothing  It is a host without FRR.\n")


def test_it_speaks_json(says: dict[str, Any]) -> None:
    device = factories.make_ssh_endpoint().device
    code, text = run("config_backup", device.name, "--json", "--diff")
    (entry,) = json.loads(text)["devices"]
    assert code == 0 and entry["device"]["name"] == device.name and entry["diffs"] == []
    assert entry["versions"][0]["is_new"] and entry["changed"]


def git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=directory, capture_output=True, text=True, check=True)
    return done.stdout


def test_an_export_is_a_commit_with_a_file_for_each_device(tmp_path: Path) -> None:
    where = tmp_path / "configs"
    one, two = factories.make_device(name="core-1"), factories.make_device(name="core-2")
    for device in (one, two):
        factories.make_config(device)
    assert run("export_configs", str(where)) == (
        0,
        f"Configurations: 2 added.\n2 configurations in {where}.\n",
    )
    text = (where / "core-1.cfg").read_text()
    assert SECRET not in text and "neighbor 192.0.2.2" in text
    assert git(where, "log", "--format=%an <%ae> %s") == "netmon <netmon@localhost> Configurations: 2 added.\n"
    assert run("export_configs", str(where))[1].startswith("Nothing has changed")
    factories.make_config(one, factories.CONFIG + "ip route 1\n")
    Device.objects.filter(pk=two.pk).delete()
    code, told = run("export_configs", str(where), "--json")
    assert code == 0 and json.loads(told)["changed"] == ["core-1.cfg"] and json.loads(told)["removed"] == ["core-2.cfg"]
    assert git(where, "log", "-1", "--format=%B").strip() == (
        "Configurations: 1 changed, 1 removed.\n\nchanged: core-1.cfg\nremoved: core-2.cfg"
    )
    assert git(where, "status", "--porcelain") == "" and not (where / "core-2.cfg").exists()
    assert AuditEvent.objects.filter(action="export").count() == 3


def test_hostile_names_stay_in_the_directory(tmp_path: Path) -> None:
    where = tmp_path / "configs"
    names = ["../../etc/passwd", ".git", "-rf", "a/b", "A_B", "\U0001f4a5", "\u202egfc", "con", "x" * 100]
    for name in names:
        factories.make_config(factories.make_device(name=name))
    assert run("export_configs", str(where))[0] == 0
    files = sorted(path.name for path in where.iterdir())
    assert len(files) == len(names) + 2 and {path.name for path in tmp_path.iterdir()} == {"configs"}
    assert len({name.casefold() for name in files}) == len(files)
    assert all(name[0].isalnum() for name in files if name.endswith(".cfg"))


def test_whole_texts_want_a_word_and_are_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = tmp_path / "configs"
    factories.make_config(factories.make_device(name="core-1"))
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    with pytest.raises(CommandError, match="--yes"):
        call_command("export_configs", str(where), "--raw")
    assert not where.exists()
    assert run("export_configs", str(where), "--raw", "--yes")[0] == 0
    assert SECRET in (where / "core-1.cfg").read_text()
    assert (where / "core-1.cfg").stat().st_mode & 0o077 == 0
    assert "1 whole configurations" in AuditEvent.objects.get(action="reveal").detail


def test_what_is_somebody_else_s_is_not_touched(tmp_path: Path) -> None:
    factories.make_config(factories.make_device(name="core-1"))
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(CommandError, match="not empty"):
        call_command("export_configs", str(tmp_path))
    with pytest.raises(CommandError, match="cannot be used"):
        call_command("export_configs", str(tmp_path / "notes"))
    where = tmp_path / "configs"
    assert run("export_configs", str(where))[0] == 0
    (where / "core-1.cfg").unlink()
    (where / "core-1.cfg").symlink_to(tmp_path / "notes")
    (where / "README").write_text("ours")
    assert run("export_configs", str(where))[0] == 0
    assert (tmp_path / "notes").read_text() == "mine" and (where / "README").exists()
    assert not (where / "core-1.cfg").is_symlink()


def test_no_hook_and_nobody_s_configuration_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.make_config(factories.make_device(name="core-1"))
    where, home, ran = tmp_path / "configs", tmp_path / "home", tmp_path / "ran"
    hooks = home / "hooks"
    hooks.mkdir(parents=True)
    for name in ("pre-commit", "post-commit", "commit-msg"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (hooks / name).chmod(0o755)
    (home / ".gitconfig").write_text(f"[core]\nhooksPath={hooks}\n[user]\nname=eve\n[init]\ntemplateDir={home}\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "eve")
    assert run("export_configs", str(where))[0] == 0
    monkeypatch.delenv("GIT_DIR")
    assert not ran.exists() and git(where, "log", "--format=%an") == "netmon\n"


def test_without_git_or_a_key_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    factories.make_config(factories.make_device(name="core-1"))
    where = tmp_path / "configs"
    assert run("export_configs", str(where))[0] == 0
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    code, text = run("export_configs", str(where))
    assert code == 3 and "core-1" in text and (where / "core-1.cfg").exists()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match="no git"):
        call_command("export_configs", str(where))
    assert ConfigVersion.objects.count() == 1 and os.environ["PATH"] == str(tmp_path)
