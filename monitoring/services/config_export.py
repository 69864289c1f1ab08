"""All current configurations in a plain git repository: a file for each device, one commit for each run."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from inventory.models import Device
from monitoring.models import ConfigVersion
from monitoring.services import configs
from netmon.audit import services as audit
from netmon.common.errors import NotConfigured
from netmon.common.secrets import Undecryptable

AUTHOR = ("netmon", "netmon@localhost")
SWITCHED_OFF = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.autocrlf=false", "core.attributesFile=/dev/null",
    "commit.gpgSign=false", "gc.auto=0",
)  # fmt: skip
GIT_SECONDS = 120
MARK = ".netmon"  # says that the directory is ours, and which files in it
SHOWN = 20  # devices named in a message


class ExportRefused(NotConfigured):
    """The directory is not one that netmon may write its files into, or git failed."""


@dataclass(slots=True)
class Exported:
    """What a run wrote: file names by what became of them, and the commit, "" when nothing had changed."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    devices: int = 0
    commit: str = ""

    @property
    def message(self) -> str:
        """The run in words: a subject and, where there is more to say, a line for each kind of change."""
        parts = [
            (word, names)
            for word, names in (("added", self.added), ("changed", self.changed), ("removed", self.removed))
            if names
        ]
        subject = "Configurations: " + ", ".join(f"{len(names)} {word}" for word, names in parts) + "."
        lines = [f"{word}: {_names(names)}" for word, names in parts]
        return "\n".join([subject, "", *lines, ""])


def _names(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(sorted(names)[:SHOWN]) + more


def export(directory: Path, devices: Iterable[Device], *, is_raw: bool) -> Exported:
    """Write the newest running configuration of each device below `directory` and commit what changed.

    Masked unless `is_raw`, which is on record. Raises ExportRefused: no git, or a directory that is somebody else's.
    """
    git = shutil.which("git")
    if git is None:
        raise ExportRefused("There is no git on this machine: install it, or fetch configurations by the API.")
    repository = _Repository(git, directory)
    repository.prepare()
    found = Exported()
    written: dict[str, str] = {}
    for device in devices:
        version = configs.latest(device, ConfigVersion.Kind.RUNNING)
        if version is None:
            continue
        found.devices += 1
        name = _free_name(device, written)
        try:
            written[name] = configs.whole_of(version) if is_raw else configs.text_of(version)
        except Undecryptable:
            written[name] = ""  # what was exported before stays
            found.unreadable.append(device.name)
    if is_raw and found.devices:
        detail = f"{found.devices} whole configurations exported to {directory}"
        audit.record("reveal", object_type=ConfigVersion._meta.label_lower, detail=detail)
    repository.write(written, found)
    return found


def _free_name(device: Device, taken: dict[str, str]) -> str:
    """A file name for a device: its name made harmless, with its number where another has the same."""
    name = configs.file_name(device.name)
    folded = {one.casefold() for one in taken}  # some file systems know no case
    if f"{name}.cfg".casefold() in folded or name.casefold() in ("device", "con", "nul", "aux", "prn"):
        name = f"{name}-{device.pk}"
    return f"{name}.cfg"


class _Repository:
    """A working tree of git, reached by its executable alone: no shell, no hooks, nobody's configuration."""

    def __init__(self, git: str, directory: Path) -> None:
        self.git = git
        self.directory = directory

    def prepare(self) -> None:
        """Make the repository, or make sure that it is one of ours."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            names = {path.name for path in self.directory.iterdir()}
        except OSError as error:
            raise ExportRefused(f"{self.directory}: cannot be used as a directory: {error.strerror}.") from None
        if not names:
            self._run("init", "--quiet", "--initial-branch=main", "--template=")
            self._put(MARK, "")
        elif MARK not in names or not (self.directory / ".git").is_dir():
            raise ExportRefused(f"{self.directory}: it is not empty, and was not made by this command: give another.")

    def write(self, texts: dict[str, str], found: Exported) -> None:
        """Bring the files to `texts` and commit; an empty text leaves its file as it is.

        What changed is git's word, not ours: a run that broke off before its commit is caught up.
        """
        known = {line for line in (self.directory / MARK).read_text(encoding="utf-8").splitlines() if _is_ours(line)}
        for name, text in texts.items():
            path = self.directory / name
            if text and (path.is_symlink() or not path.is_file() or path.read_bytes() != text.encode()):
                self._put(name, text)
        for name in known - set(texts):
            (self.directory / name).unlink(missing_ok=True)
        self._put(MARK, "".join(f"{name}\n" for name in sorted(texts) if (self.directory / name).is_file()))
        self._run("add", "--all", "--", ":(glob)*.cfg", MARK)
        words = self._run("diff", "--cached", "--no-renames", "--name-status", "-z").split("\0")
        by_sign = {"A": found.added, "M": found.changed, "T": found.changed, "D": found.removed}
        for sign, name in zip(words[::2], words[1::2], strict=False):
            if name != MARK and sign in by_sign:
                by_sign[sign].append(name)
        if not (found.added or found.changed or found.removed):
            return
        self._run("commit", "--quiet", "--no-verify", "--no-gpg-sign", "--file=-", text=found.message)
        found.commit = self._run("rev-parse", "HEAD").strip()

    def _put(self, name: str, text: str) -> None:
        """A new file in the place of the old one: a link that somebody put there is not followed."""
        path, fresh = self.directory / name, self.directory / f".new-{os.getpid()}"
        try:
            fresh.unlink(missing_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            fresh.replace(path)
        except OSError as error:
            raise ExportRefused(f"{path}: cannot be written: {error.strerror}.") from None

    def _run(self, *arguments: str, text: str = "") -> str:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        name, email = AUTHOR
        environment = {
            **kept,
            "HOME": os.devnull,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CEILING_DIRECTORIES": str(self.directory.resolve().parent),
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": email,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": email,
        }
        argv = [self.git, *(word for setting in SWITCHED_OFF for word in ("-c", setting)), *arguments]
        try:
            done = subprocess.run(  # noqa: S603 - argv alone, no shell
                argv, cwd=self.directory, env=environment, input=text, capture_output=True, text=True,
                timeout=GIT_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ExportRefused(f"git {arguments[0]} did not end within {GIT_SECONDS} s.") from None
        except OSError as error:
            raise ExportRefused(f"git could not be run: {error.strerror}.") from None
        if done.returncode:
            said = re.sub(r"[^\x20-\x7e]+", " ", done.stderr or done.stdout).strip()[:300]
            raise ExportRefused(f"git {arguments[0]} failed: {said or f'status {done.returncode}'}")
        return done.stdout


def _is_ours(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*\.cfg", name) is not None
