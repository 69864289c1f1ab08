"""Scripts that mean harm, against the real kernel: each is contained.

As root, as in CI, everything is tried with and without a process namespace; else with what this system allows.
"""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netmon.drivers.errors import LocalFault
from netmon.drivers.process import Limits, account_of, open_script, run
from tests.unit.drivers.process.scripts import IS_ROOT, ME, NAMESPACES, WAYS, alive, go, put

ROOT = Path(__file__).parents[4]
GIVEN = "+dac_read_search"  # with which the account also comes to the interpreter, wherever that is


@WAYS
def test_arguments_are_text_and_nothing_else(actions: Path, namespace: bool) -> None:
    hostile = ["1.2.3.4; id $(id) `id`", "-rf", "--x=a\nb", "'\"\\", "*", "~", "a&&b|c>d", "é\u202e", "", "%s$HOME"]
    ran = go(actions, 'for a in "$@"; do printf "<%s>" "$a"; done', *hostile, namespace=namespace)
    assert ran.text == "".join(f"<{one}>" for one in hostile)
    assert ran.outcome.exit_code == 0


@WAYS
def test_the_environment_is_clean_and_the_home_its_own(
    actions: Path, namespace: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETMON_FERNET_KEYS", "hush-hush")
    monkeypatch.setenv("LD_PRELOAD", "/nowhere.so")
    body = 'env | sort; pwd; umask; ls -A | wc -l; stat -c %a .; cat; echo "end $?"; touch "$HOME/x" && echo wrote'
    ran = go(actions, body, namespace=namespace, environment={"TOKEN": "given"})
    names = {line.partition("=")[0] for line in ran.text.splitlines() if "=" in line}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TOKEN"}
    assert "hush-hush" not in ran.text and "nowhere" not in ran.text
    home = next(line for line in ran.text.splitlines() if line.startswith("HOME="))[5:]
    assert f"\n{home}\n0077\n0\n700\nend 0\nwrote\n" in ran.text
    assert not Path(home).exists()


@WAYS
def test_it_has_no_rights(actions: Path, namespace: bool) -> None:
    ran = go(actions, "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs)' /proc/self/status", namespace=namespace)
    found = {line.split(":")[0]: line.split(":")[1].split() for line in ran.text.splitlines()}
    assert found["NoNewPrivs"] == ["1"]
    if not IS_ROOT:
        return
    assert found["Uid"] == found["Gid"] == ["65534"] * 4
    assert found["Groups"] == []
    assert {name: int(found[name][0], 16) for name in found if name.startswith("Cap")} == dict.fromkeys(
        ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0
    )
    secret = actions.parent / "secret"
    secret.write_text("hush-hush")
    secret.chmod(0o600)
    assert "hush-hush" not in go(actions, f"cat {secret}; echo x > {actions}/new", namespace=namespace).text
    assert not (actions / "new").exists()


@WAYS
def test_nothing_of_netmon_is_left_open(actions: Path, namespace: bool) -> None:
    with open(actions.parent / "of-netmon", "w") as kept:
        os.set_inheritable(kept.fileno(), True)
        ran = go(actions, "for f in /proc/self/fd/*; do readlink $f; done", namespace=namespace)
    assert "of-netmon" not in ran.text
    kinds = {line.partition(":")[0] for line in ran.text.splitlines() if "/proc/" not in line}
    assert kinds <= {"/dev/null", "pipe", str(actions / "script")}


@WAYS
def test_endless_output_is_cut_and_drained(actions: Path, namespace: bool) -> None:
    ran = go(actions, "head -c 50000000 /dev/zero; echo the end >&2; exit 3", namespace=namespace, output_limit=65536)
    assert len(ran.output) == 65536
    assert ran.outcome.is_truncated and ran.outcome.total_bytes == 50_000_008
    assert ran.outcome.exit_code == 3
    ran = go(actions, "exec yes", namespace=namespace, timeout=0.5)
    assert ran.outcome.killed_why == "timeout" and ran.outcome.is_truncated


@WAYS
def test_who_ignores_term_is_killed(actions: Path, namespace: bool) -> None:
    marker = f"ignores-{os.getpid()}-{namespace}"
    body = "trap 'echo told' TERM; (trap '' TERM; exec sleep 300) & while :; do sleep 0.1; done"
    ran = go(actions, body, marker, namespace=namespace, timeout=0.5)
    assert (ran.outcome.killed_why, ran.outcome.signal) == ("timeout", "SIGKILL")
    assert "told" in ran.text
    assert alive(marker) == []


@WAYS
def test_a_child_in_a_session_of_its_own_does_not_get_away(actions: Path, namespace: bool) -> None:
    marker = f"escapes-{os.getpid()}-{namespace}"
    body = 'setsid sh -c \'trap "" TERM HUP; echo ready; while :; do sleep 0.1; done\' sh "$1" & sleep 0.5; echo over'
    ran = go(actions, body, marker, namespace=namespace)
    assert "ready" in ran.text and "over" in ran.text
    assert ran.outcome.exit_code == 0
    assert ran.outcome.left_behind >= 1
    assert "left behind" in ran.outcome.notes[0]
    assert alive(marker) == []


@WAYS
def test_a_grandchild_whose_parents_are_gone_does_not_get_away(actions: Path, namespace: bool) -> None:
    marker = f"orphan-{os.getpid()}-{namespace}"
    daemon = (
        "#!/usr/bin/env python3\nimport os, sys, time\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "print('daemon', flush=True)\n"
        "time.sleep(300)\n"
    )
    # Several times: whether one is seen while its parent ends is a matter of microseconds.
    for _ in range(5):
        ran = go(actions, daemon, marker, namespace=namespace)
        assert ran.outcome.exit_code == 0
        assert alive(marker) == []


@WAYS
def test_who_keeps_the_pipe_open_does_not_hold_it_up(actions: Path, namespace: bool) -> None:
    ran = go(actions, "(sleep 300) & (setsid sleep 300) & echo done", namespace=namespace)
    assert ran.text == "done\n"
    assert ran.outcome.exit_code == 0 and ran.outcome.killed_why == ""


@WAYS
def test_a_fork_bomb_burns_out(actions: Path, namespace: bool) -> None:
    marker = f"bomb-{os.getpid()}-{namespace}"
    body = 'b() { b "$@" | b "$@" & }; b "$@"; sleep 1; echo survived'
    ran = go(actions, body, marker, namespace=namespace, timeout=3, limits=Limits(processes=40))
    assert "annot fork" in ran.text or ran.outcome.killed_why == "timeout" or ran.outcome.left_behind
    assert alive(marker) == []


@WAYS
def test_memory_cpu_files_and_file_size_are_bounded(actions: Path, namespace: bool) -> None:
    python = "#!/usr/bin/env python3\n"
    ran = go(actions, python + "x = bytearray(800 << 20)\nprint('got it')", namespace=namespace)
    assert "MemoryError" in ran.text and "got it" not in ran.text
    ran = go(actions, "while :; do :; done", namespace=namespace, limits=Limits(cpu_seconds=1))
    assert (ran.outcome.killed_why, ran.outcome.signal) == ("cpu", "SIGXCPU")
    opened = (
        "import os\nfds = []\ntry:\n  while True: fds.append(os.dup(1))\nexcept OSError as e: print(len(fds) < 128, e)"
    )
    assert "True" in go(actions, python + opened, namespace=namespace).text
    ran = go(actions, "head -c 40000000 /dev/zero > big; stat -c %s big; ulimit -c", namespace=namespace)
    assert int(ran.text.split()[-2]) <= 16 << 20
    assert ran.text.split()[-1] == "0"


@WAYS
def test_zombies_are_reaped(actions: Path, namespace: bool) -> None:
    body = (
        "#!/usr/bin/env python3\nimport os, time\n"
        "for _ in range(20):\n  if os.fork() == 0: os._exit(0)\n"
        "time.sleep(0.1)\nprint('made')\n"
    )
    before = zombies()
    ran = go(actions, body, namespace=namespace)
    assert ran.text == "made\n" and ran.outcome.exit_code == 0 and ran.outcome.left_behind == 0
    assert zombies() <= before, "nobody waits for us either"


def zombies() -> set[str]:
    """The dead children of this process that nobody has asked for."""
    found = set()
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            stat = Path("/proc", pid, "stat")
            if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
                found.add(pid)
    return found


@WAYS
def test_it_is_stopped_when_somebody_says_so(actions: Path, namespace: bool) -> None:
    begun = threading.Event()
    put(actions, "script", "#!/bin/sh\necho begun; while :; do sleep 0.1; done\n")
    with open_script(actions, "script", owners=ME) as script:
        outcome = run(
            script,
            [],
            account=account_of(""),
            environment={},
            timeout_seconds=60,
            wants_namespace=namespace,
            on_output=lambda raw: begun.set(),
            is_cancelled=begun.is_set,
        )
    assert begun.is_set()
    assert outcome.killed_why == "cancelled"


@WAYS
def test_a_fault_in_who_listens_ends_the_script(actions: Path, namespace: bool) -> None:
    marker = f"deaf-{os.getpid()}-{namespace}"
    put(actions, "script", "#!/bin/sh\necho begun; while :; do sleep 0.1; done\n")

    def fail(raw: bytes) -> None:
        raise RuntimeError("the database is away")

    with open_script(actions, "script", owners=ME) as script, pytest.raises(RuntimeError, match="away"):
        run(
            script,
            [marker],
            account=account_of(""),
            environment={},
            timeout_seconds=60,
            wants_namespace=namespace,
            on_output=fail,
        )
    assert alive(marker) == []


def test_within_a_namespace_it_sees_nobody_else(actions: Path) -> None:
    if True not in NAMESPACES:
        pytest.skip("this system gives no process namespace")
    ran = go(actions, "ls /proc | grep -c '^[0-9]'; kill -9 1 2>/dev/null; kill -0 $PPID 2>/dev/null; echo $PPID")
    count, parent = ran.text.split()
    assert int(count) <= 4 and parent == "1"
    assert ran.outcome.has_namespace
    home = go(actions, "df -k . | tail -1 | awk '{print $2}'").text  # a bounded file system of its own
    assert not IS_ROOT or int(home) <= 64 << 10


@WAYS
def test_what_cannot_be_started_says_why(actions: Path, namespace: bool) -> None:
    for body, text in (("#!/no/such/interpreter\n", "first line"), ("#!not a path\n", "first line")):
        with pytest.raises(LocalFault, match=text):
            go(actions, body, namespace=namespace)


@WAYS
def test_locked_and_deep_directories_go_with_it(actions: Path, namespace: bool, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir(mode=0o755)
    body = "mkdir -p a/b/c; touch a/b/c/f; ln -s / a/root; chmod 000 a/b; pwd"
    ran = go(actions, body, namespace=namespace, scratch=scratch)
    assert ran.outcome.exit_code == 0
    assert list(scratch.iterdir()) == []
    assert Path("/etc").exists()


@WAYS
@pytest.mark.parametrize("body", ['cd /; rm -rf "$HOME"', 'cd /; rmdir "$HOME"; ln -s /etc "$HOME"'])
def test_who_takes_its_home_away_changes_nothing_above_it(
    actions: Path, namespace: bool, for_all: Path, body: str
) -> None:
    scratch = for_all / "scratch"
    scratch.mkdir()
    scratch.chmod(0o1777)  # as the directory of temporary files is
    go(actions, body, namespace=namespace, scratch=scratch)
    assert stat.S_IMODE(scratch.stat().st_mode) == 0o1777
    assert list(scratch.iterdir()) == [] and Path("/etc/passwd").exists()


def as_nobody(place: Path, body: str) -> str:
    """What a script writes that a runner without root starts; its home is made below `place`."""
    put(place, "script", f"#!/bin/sh\n{body}\n")
    (place / "scratch").mkdir()
    os.chown(place / "scratch", 65534, 65534)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from netmon.drivers.process import account_of, open_script, run\n"
        "place = Path(sys.argv[2])\n"
        "with open_script(place, 'script') as script:\n"
        "    run(script, [], account=account_of(''), environment={}, timeout_seconds=20, wants_namespace=False,\n"
        "        on_output=lambda raw: print(raw.decode(), end=''), scratch=place / 'scratch')\n"
    )
    rights = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", GIVEN, "--ambient-caps", GIVEN]
    done = subprocess.run(
        ["setpriv", *rights, sys.executable, "-c", program, str(ROOT), str(place)],
        cwd="/", env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rights_of_the_runner_do_not_come_to_the_script(for_all: Path) -> None:
    """A runner without root may have been given single capabilities, which programs that it starts inherit."""
    if not IS_ROOT:
        pytest.skip("only root hands out capabilities")
    text = as_nobody(for_all, "grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status")
    found = {line.split(":")[0]: int(line.split()[1], 16) for line in text.splitlines()}
    assert found == dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapAmb"), 0)


@pytest.mark.parametrize(
    "body", ["mkdir -p a/b/c; touch a/b/c/f; ln -s /etc a/etc; chmod 000 a/b", "chmod 000 .", 'cd /; rmdir "$HOME"']
)
def test_without_root_homes_go_as_well(for_all: Path, body: str) -> None:
    if not IS_ROOT:
        pytest.skip("only root becomes somebody else")
    as_nobody(for_all, body)
    assert list((for_all / "scratch").iterdir()) == []
    assert stat.S_IMODE((for_all / "scratch").stat().st_mode) == 0o755


@pytest.fixture(autouse=True)
def _no_core_files(tmp_path: Path) -> Iterator[None]:
    yield
    assert not [path for path in tmp_path.rglob("core*") if stat.S_ISREG(path.stat().st_mode)]
