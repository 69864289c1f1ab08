"""Finding a script by its bare name in one checked directory, and holding it open: what was checked is what runs."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from netmon.drivers.errors import DriverError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
MAX_BYTES = 16 << 20
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Refused(DriverError):
    """The directory or the file is not what may be run; `reason` says in a word why."""

    code = "script_refused"


@dataclass(slots=True)
class Script:
    """An open file that passed every check, and the sha256 of its content. Use it in `with`, or close it."""

    name: str
    fd: int = field(repr=False)
    sha256: str
    size: int

    def __enter__(self) -> Script:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """A second time does nothing."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def content(self) -> bytes:
        """The whole of it. Raises Refused where it is no longer what was checked."""
        raw = _read(self.fd, self.size)
        if hashlib.sha256(raw).hexdigest() != self.sha256:
            raise Refused(f"{self.name} was changed while it was read: try again.", reason="changed")
        return raw


def check_directory(directory: Path, *, owners: Collection[int] = (0,)) -> None:
    """Raises Refused unless the directory, and each one above it, is theirs and written by nobody else."""
    os.close(_open_directory(directory, owners))


def open_script(directory: Path, name: str, *, owners: Collection[int] = (0,), is_for_others: bool = True) -> Script:
    """The script `name`, checked and open. Raises Refused.

    `owners` are the user ids that directory and file may belong to. `is_for_others`: another account runs it, so
    everybody must be allowed to read and execute it.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Refused(
            "Write the bare name of a file: letters, digits, dot, underscore and hyphen, not beginning with a dot or a "
            "hyphen, and no slash.",
            reason="name",
        )
    folder = _open_directory(directory, owners)
    try:
        # Not blocking, for a named pipe would wait for whoever writes it.
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        raise _not_opened(name, directory, error) from None
    finally:
        os.close(folder)
    try:
        size = _check_file(name, os.fstat(fd), owners, is_for_others=is_for_others)
        return Script(name, fd, hashlib.sha256(_read(fd, size)).hexdigest(), size)
    except DriverError:
        os.close(fd)
        raise


def _open_directory(directory: Path, owners: Collection[int]) -> int:
    if not directory.is_absolute():
        raise Refused(f"{directory}: write the whole path of the actions directory.", reason="directory")
    for above in directory.parents:
        try:
            found = above.lstat()
        except OSError as error:
            raise Refused(f"{above}: {error.strerror}.", reason="directory") from None
        if stat.S_ISLNK(found.st_mode):
            raise Refused(f"{above} is a symbolic link: write where the directory really is.", reason="symlink")
        # In a sticky directory nobody renames what is another's.
        if found.st_mode & OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
            raise Refused(f"{above} is writable by others: chmod go-w {above}", reason="writable")
        if found.st_uid != 0 and found.st_uid not in owners:
            raise Refused(f"{above} belongs to user {found.st_uid}: chown root {above}", reason="owner")
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        word = "symlink" if error.errno in (errno.ELOOP, errno.ENOTDIR) and directory.is_symlink() else "directory"
        raise Refused(f"The actions directory {directory} cannot be opened: {error.strerror}.", reason=word) from None
    found = os.fstat(fd)
    problem = ""
    if found.st_uid not in owners:
        problem, remedy = "owner", f"belongs to user {found.st_uid}: chown root {directory}"
    elif found.st_mode & OTHERS_WRITE:
        problem, remedy = "writable", f"is writable by its group or by everybody: chmod go-w {directory}"
    if problem:
        os.close(fd)
        raise Refused(f"The actions directory {directory} {remedy}", reason=problem)
    return fd


def _not_opened(name: str, directory: Path, error: OSError) -> Refused:
    if error.errno == errno.ELOOP:
        return Refused(f"{name} is a symbolic link: put the file itself into {directory}.", reason="symlink")
    if error.errno == errno.ENOENT:
        return Refused(f"There is no file {name} in {directory}: deploy it there.", reason="missing")
    return Refused(f"{name} cannot be opened: {error.strerror}.", reason="unreadable")


def _check_file(name: str, found: os.stat_result, owners: Collection[int], *, is_for_others: bool) -> int:
    """Its size. Raises Refused."""
    mode = found.st_mode
    needed = 0o005 if is_for_others else 0o500
    checks = (
        (not stat.S_ISREG(mode), "type", "is no regular file"),
        (found.st_uid not in owners, "owner", f"belongs to user {found.st_uid}: chown root {name}"),
        (bool(mode & OTHERS_WRITE), "writable", f"is writable by its group or by everybody: chmod go-w {name}"),
        (bool(mode & (stat.S_ISUID | stat.S_ISGID)), "suid", f"is set-user-id or set-group-id: chmod ug-s {name}"),
        (found.st_nlink != 1, "hard-link", "has another name (a hard link): copy it into the directory"),
        (not mode & 0o111, "not-executable", f"is not executable: chmod a+rx {name}"),
        (
            mode & needed != needed,
            "unreadable",
            f"may not be read and run by the account of actions: chmod a+rx {name}",
        ),
        (found.st_size > MAX_BYTES, "size", f"has more than {MAX_BYTES >> 20} MiB"),
        (found.st_size == 0, "size", "is empty"),
    )
    for is_wrong, reason, text in checks:
        if is_wrong:
            raise Refused(f"{name} {text}.", reason=reason)
    return found.st_size


def _read(fd: int, size: int) -> bytes:
    parts, position = [], 0
    while position < size:
        chunk = os.pread(fd, min(1 << 20, size - position), position)
        if not chunk:
            break
        parts.append(chunk)
        position += len(chunk)
    return b"".join(parts)
