"""`.ci/environment` says what to install when it cannot go on; it is tried with pretended machines."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
TOOLS = ("sh", "cat", "cksum", "dirname", "rm", "id", "env")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A copy of what the script reads, and a PATH with a few plain tools only."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / ".ci").mkdir()
    shutil.copy(REPOSITORY / ".ci/environment", tmp_path / ".ci/environment")
    (tmp_path / "requirements/base.txt").write_text("nothing==1.0\n")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        path = shutil.which(tool)
        assert path is not None
        (tmp_path / "bin" / tool).symlink_to(path)
    return tmp_path


def pretend(machine: Path, name: str, text: str) -> None:
    path = machine / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def run(machine: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["/bin/sh", str(machine / ".ci/environment"), "base"],
        env={"PATH": str(machine / "bin"), "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_without_python_it_says_what_to_install(machine: Path) -> None:
    done = run(machine)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr and "apt-get install python3" in done.stderr
    assert not (machine / ".venv").exists()


def test_an_old_python_is_not_taken(machine: Path) -> None:
    pretend(machine, "python3", 'case "$*" in *version_info*) exit 1;; esac; echo "Python 3.9.2"')
    done = run(machine)
    assert done.returncode == 1 and "needs Python 3.11 or newer" in done.stderr


def test_without_the_venv_module_it_names_the_package(machine: Path) -> None:
    pretend(machine, "id", "echo 1000")
    pretend(
        machine,
        "python3",
        'case "$*" in *ensurepip*) exit 1;; *print*) echo python3.12-venv;; -V) echo "Python 3.12.1";; esac',
    )
    done = run(machine)
    assert done.returncode == 1
    assert "apt-get install python3.12-venv" in done.stderr
    assert not (machine / ".venv").exists()


def test_uv_is_asked_for_pip(machine: Path) -> None:
    pretend(machine, "python3", 'echo "Python 3.12.1"')
    pretend(machine, "uv", f'echo "$*" >> {machine}/uv.log')
    run(machine)
    assert "--seed" in (machine / "uv.log").read_text().splitlines()[0].split()


def test_an_environment_without_pip_gets_it_when_uv_is_gone(machine: Path) -> None:
    (machine / ".venv/bin").mkdir(parents=True)
    python = machine / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\necho "$*" >> {machine}/python.log\ncase "$*" in *--version*) exit 1;; esac\n')
    python.chmod(0o755)
    assert run(machine).returncode == 0
    steps = [line for line in (machine / "python.log").read_text().splitlines() if line.startswith("-m ")]
    assert steps[:2] == ["-m pip --version", "-m ensurepip"] and steps[2].startswith("-m pip install")


def test_every_target_that_needs_the_environment_makes_it_first() -> None:
    text = (REPOSITORY / "Makefile").read_text()
    recipes = re.findall(r"^([a-z-]+):.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    users = {name: lines for name, lines in recipes if "$(PYTHON_IN_VENV)" in lines or ".venv/bin/" in lines}
    assert {"lint", "types", "contracts", "migrations", "schema", "vendor", "format", "unit", "run"} <= set(users)
    for name, lines in users.items():
        assert lines.startswith("\t@sh .ci/environment "), name


def test_what_is_installed_already_is_not_installed_again(machine: Path) -> None:
    (machine / ".venv/bin").mkdir(parents=True)
    python = machine / ".venv/bin/python"
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)
    mark = subprocess.run(
        ["cksum"], stdin=(machine / "requirements/base.txt").open(), capture_output=True, text=True, check=True
    )
    (machine / ".venv/.netmon-base").write_text(mark.stdout)
    done = run(machine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
