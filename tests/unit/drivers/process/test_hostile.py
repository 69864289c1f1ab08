"""Scripts that mean harm, against the real kernel: each is refused before it starts, or contained.

As root, as in CI, everything is tried with and without a process namespace; else with what this system allows.
"""

import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netmon.drivers.errors import LocalFault
from netmon.drivers.process import Limits, Outcome, Refused, account_of, check_directory, confinement, open_script, run
from netmon.drivers.process.confinement import may_have_namespace
from netmon.drivers.process.running import check_arguments

ROOT = Path(__file__).parents[4]
IS_ROOT = os.geteuid() == 0
ME = (os.geteuid(), 0)
GIVEN = "+dac_read_search"  # with which the account also comes to the interpreter, wherever that is
NAMESPACES = [True, False] if may_have_namespace() else [False]
WAYS = pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda one: "namespace" if one else "subreaper")


@pytest.fixture
def for_all() -> Iterator[Path]:
    """A directory that every account comes to: those above `tmp_path` are closed to others."""
    with tempfile.TemporaryDirectory(prefix="netmon-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


@pytest.fixture
def actions(tmp_path: Path) -> Path:
    path = tmp_path / "actions"
    path.mkdir(mode=0o755)
    return path


def put(actions: Path, name: str, text: str, mode: int = 0o755) -> Path:
    path = actions / name
    path.write_text(text)
    path.chmod(mode)
    return path


class Ran:
    def __init__(self, outcome: Outcome, output: bytes) -> None:
        self.outcome, self.output = outcome, output
        self.text = output.decode(errors="replace")


def go(actions: Path, body: str, *arguments: str, namespace: bool = True, timeout: float = 20, **over: Any) -> Ran:
    """Run a script of the Bourne shell."""
    head = "" if body.startswith("#!") else "#!/bin/sh\n"
    put(actions, "script", head + body)
    pieces: list[bytes] = []
    with open_script(actions, "script", owners=ME) as script:
        outcome = run(
            script,
            arguments,
            account=over.pop("account", account_of("")),
            environment=over.pop("environment", {}),
            timeout_seconds=timeout,
            wants_namespace=namespace,
            on_output=pieces.append,
            **over,
        )
    return Ran(outcome, b"".join(pieces))


def alive(marker: str) -> list[str]:
    """Processes that have `marker` among their arguments."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid():
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if marker.encode() in words:
                found.append(path.name)
    return found


# --- what is refused before it starts


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../script", "/bin/sh", "a/b", "./script", ".hidden", "-rf", "script\n", "script\x00", "sc ript",
        "script;id", "$(id)", "é", "x" * 101, "%2e%2e", "a\\b",
    ],
)  # fmt: skip
def test_only_bare_names_are_names(actions: Path, name: str) -> None:
    put(actions, "script", "#!/bin/sh\n")
    with pytest.raises(Refused) as error:
        open_script(actions, name, owners=ME)
    assert error.value.reason == "name"


def _link(actions: Path) -> None:
    (actions / "script").symlink_to("/bin/true")


def _link_inside(actions: Path) -> None:
    put(actions, "real", "#!/bin/sh\n")
    (actions / "script").symlink_to("real")


def _hard_link(actions: Path) -> None:
    os.link(put(actions, "other", "#!/bin/sh\n"), actions / "script")


def _foreign(actions: Path) -> None:
    os.chown(put(actions, "script", "#!/bin/sh\n"), 12345, 12345)


WRONG = {
    "symlink": (_link, "symlink"),
    "symlink inside": (_link_inside, "symlink"),
    "hard link": (_hard_link, "hard-link"),
    "missing": (lambda actions: None, "missing"),
    "directory": (lambda actions: (actions / "script").mkdir(), "type"),
    "named pipe": (lambda actions: os.mkfifo(actions / "script", 0o755), "type"),
    "world-writable": (lambda actions: put(actions, "script", "#!/bin/sh\n", 0o757), "writable"),
    "group-writable": (lambda actions: put(actions, "script", "#!/bin/sh\n", 0o775), "writable"),
    "set-user-id": (lambda actions: put(actions, "script", "#!/bin/sh\n", 0o4755), "suid"),
    "set-group-id": (lambda actions: put(actions, "script", "#!/bin/sh\n", 0o2755), "suid"),
    "not executable": (lambda actions: put(actions, "script", "#!/bin/sh\n", 0o644), "not-executable"),
    "for its owner only": (lambda actions: put(actions, "script", "#!/bin/sh\n", 0o700), "unreadable"),
    "empty": (lambda actions: put(actions, "script", ""), "size"),
    "somebody else's": (_foreign, "owner"),
}


@pytest.mark.parametrize("case", WRONG)
def test_files_that_are_not_what_may_run_are_refused(actions: Path, case: str) -> None:
    if case == "somebody else's" and not IS_ROOT:
        pytest.skip("only root gives a file away")
    prepare, reason = WRONG[case]
    prepare(actions)
    with pytest.raises(Refused) as error:
        open_script(actions, "script", owners=ME)
    assert error.value.reason == reason


def test_directories_that_others_write_are_refused(tmp_path: Path, actions: Path) -> None:
    check_directory(actions, owners=ME)
    for mode in (0o775, 0o757, 0o1777):
        actions.chmod(mode)
        with pytest.raises(Refused, match="writable"):
            check_directory(actions, owners=ME)
    actions.chmod(0o755)
    tmp_path.chmod(0o777)  # they could put another one in its place
    with pytest.raises(Refused, match="writable by others"):
        check_directory(actions, owners=ME)
    tmp_path.chmod(0o755)
    link = tmp_path / "link"
    link.symlink_to(actions)
    for path in (link, tmp_path / "none", actions / "..", Path("actions")):
        with pytest.raises(Refused):
            check_directory(path / "" if path.is_absolute() else path, owners=(4242,))
    with pytest.raises(Refused) as error:
        check_directory(link, owners=ME)
    assert error.value.reason == "symlink"
    (link_above := tmp_path / "above").symlink_to(tmp_path)
    with pytest.raises(Refused, match="symbolic link"):
        check_directory(link_above / "actions", owners=ME)
    with pytest.raises(Refused, match="chown root"):
        check_directory(actions, owners=(4242,))


def test_what_was_checked_is_what_runs(actions: Path) -> None:
    put(actions, "script", "#!/bin/sh\necho checked\n")
    pieces: list[bytes] = []
    with open_script(actions, "script", owners=ME) as script:
        assert script.sha256 == hashlib.sha256(b"#!/bin/sh\necho checked\n").hexdigest()
        (actions / "script").unlink()
        put(actions, "script", "#!/bin/sh\necho swapped\n")
        run(script, [], account=account_of(""), environment={}, timeout_seconds=20, on_output=pieces.append)
        assert script.content().endswith(b"echo checked\n")
    assert b"".join(pieces) == b"checked\n"


def test_arguments_that_cannot_be_passed_are_refused() -> None:
    for arguments in (["a\x00b"], ["x" * 5000], ["x"] * 65, ["x" * 4000] * 20):
        with pytest.raises(ValueError, match="arguments"):
            check_arguments(arguments)
    check_arguments(["-x", "", "$(id)"])


def test_root_is_never_the_account() -> None:
    if not IS_ROOT:
        pytest.skip("asks as root")
    for name in ("root", "no-such-account-here"):
        with pytest.raises(LocalFault):
            account_of(name)
    assert account_of("").uid == 65534
    assert "nobody" in account_of("").notes[0]
    assert "nobody" in confinement().notes[0]


# --- what is contained


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
