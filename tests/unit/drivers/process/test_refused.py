"""Scripts, directories and accounts that are refused before anything starts."""

import hashlib
import os
from pathlib import Path

import pytest

from netmon.drivers.errors import LocalFault
from netmon.drivers.process import Refused, account_of, check_directory, confinement, open_script, run
from netmon.drivers.process.running import check_arguments
from tests.unit.drivers.process.scripts import IS_ROOT, ME, put


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
