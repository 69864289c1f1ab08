"""What this system lets us do to keep a script away from everything else."""

from __future__ import annotations

import functools
import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from netmon.drivers.errors import LocalFault

GUARD = Path(__file__).with_name("guard.py")
NOBODY = 65534
PROBE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Account:
    """Whose rights a script has; `uid` None: those of netmon itself, which may not change them."""

    uid: int | None
    gid: int | None
    name: str
    is_own: bool = True

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as it should be, in sentences that hold before a run and after it."""
        if self.uid is None:
            return ("As netmon's own user: the script can read what netmon can.",)
        return () if self.is_own else (f"As {self.name}, which others use too: no account is set for actions.",)


@dataclass(frozen=True, slots=True)
class Confinement:
    """`has_namespace`: whether a script sees no process but its own, and none of them outlives it."""

    account: Account
    has_namespace: bool

    @property
    def notes(self) -> tuple[str, ...]:
        if self.has_namespace:
            return self.account.notes
        text = "Without a process namespace: the script sees other processes, and its children are ended by number."
        return (*self.account.notes, text)


def account_of(name: str) -> Account:
    """The account that scripts get. Raises LocalFault for one that there is not, or that is root.

    Only root may change to another; without a name it takes nobody's.
    """
    if os.geteuid() != 0:
        if name and pwd.getpwuid(os.geteuid()).pw_name != name:
            raise LocalFault(
                f"Only root may run actions as {name}: run the runner as {name}, or leave the account out."
            )
        return Account(None, None, name or "netmon's own user", is_own=bool(name))
    if not name:
        return Account(NOBODY, NOBODY, "nobody", is_own=False)
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise LocalFault(f"There is no account {name}: create it, or name another.") from None
    if found.pw_uid == 0:
        raise LocalFault(f"{name} is root: name an account without rights.")
    return Account(found.pw_uid, found.pw_gid, name)


@functools.cache
def may_have_namespace() -> bool:
    """Whether this process may give a script a process namespace of its own; tried once."""
    command = [sys.executable, "-I", "-S", str(GUARD), "probe"]
    try:
        done = subprocess.run(command, env={}, capture_output=True, timeout=PROBE_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def confinement(account_name: str = "") -> Confinement:
    """What a run would have now. Raises LocalFault."""
    return Confinement(account_of(account_name), may_have_namespace())
