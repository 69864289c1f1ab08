"""Vendors' devices: commands typed into netmiko's interactive shell, where exec channels do not help."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import TracebackType

from netmon.drivers.errors import DriverError, NotSupported
from netmon.drivers.ssh import failures, library, script
from netmon.drivers.ssh.answers import Answer
from netmon.drivers.ssh.link import Clock, Link, OverLink
from netmon.drivers.targets import SshTarget

# A shell has no exit status: this is how the vendors' shells say that they did not take a line.
REFUSALS = re.compile(
    r"^\s*(?:%\s*(?:invalid|incomplete|ambiguous|unknown|unrecognized|bad|error|authorization|command)\b"
    r"|(?:error:\s*)?(?:invalid input|invalid command|unknown command|syntax error|unrecognized command"
    r"|bad command name|command not found|wrong parameter)\b)",
    re.IGNORECASE | re.MULTILINE,
)
# netmiko's names where they are not ours
DEVICE_TYPES = {"frr": "linux"}
# A refusal is short and at the beginning; a configuration may well quote one.
REFUSAL_LINES = 3


class ShellSession(OverLink):
    """An interactive shell that is ready; made by `open_shell`. It is for one thread, and for reading only.

    `host_key`, `first_use` and `server_version` as in SshSession; `platform` is the target's. Verbs raise DriverError.
    """

    def __init__(self, link: Link, platform: str) -> None:
        super().__init__(link)
        self.platform = platform

    def __enter__(self) -> ShellSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hangs up, without a word to the device: a shell that hangs would make us wait once more."""
        self._link.close()

    def run(self, lines: Sequence[str], *, timeout_seconds: float | None = None) -> dict[str, Answer]:
        """What the device answers to each line, typed one after the other, without echo and prompt.

        Status is 0, or 1 where the answer begins as vendors' refusals do. A line that hangs ends the session with
        DeadlineExceeded. Raises ValueError for control characters, ProtocolError (cut), OutputTooLarge.
        """
        for line in lines:
            script.check_text(line, "line")
            if not line.strip():
                raise ValueError("line: empty; give a command")
        return {line: self._ask(line, timeout_seconds) for line in lines}

    def _ask(self, line: str, timeout_seconds: float | None) -> Answer:
        link = self._link
        assert link.connection is not None
        seconds = link.clock.limit(timeout_seconds or link.target.command_timeout_seconds)
        try:
            text = library.ask_shell(link.connection, line, seconds=max(0.001, seconds))
        except library.SHELL_ERRORS as error:
            link.close()
            is_hang = isinstance(error, library.SHELL_TIMEOUTS)
            raise link.failure(failures.command_timeout(seconds) if is_hang else failures.cut()) from None
        return Answer(text, "", 1 if is_refusal(text) else 0)


def is_refusal(text: str) -> bool:
    """Whether a device's answer says that it did not take the line."""
    return REFUSALS.search("\n".join(text.strip().splitlines()[:REFUSAL_LINES])) is not None


def open_shell(target: SshTarget) -> ShellSession:
    """The shell of a device whose `platform` is known. Use as `with open_shell(target) as session:`.

    Raises DriverError as `open_session` does, and NotSupported for platform "auto" (see `detect`) or no shell.
    """
    if target.platform == "auto":
        text = "The platform of the device is not known, and so neither its prompt nor its paging; detect or set it."
        raise NotSupported(text, reason="platform-unknown")
    link = Link(target, Clock(target.deadline_seconds))
    is_open = False
    try:
        open_link(link, DEVICE_TYPES.get(target.platform, target.platform))
        is_open = True
    finally:
        if not is_open:
            link.close()
    return ShellSession(link, target.platform)


def open_link(link: Link, device_type: str) -> None:
    """Logs in and prepares netmiko's shell of `device_type`. Raises DriverError; the caller closes."""
    link.open(device_type)
    assert link.connection is not None
    seconds = link.clock.limit(link.target.command_timeout_seconds)
    try:
        library.open_shell(link.connection, seconds=max(0.001, seconds), count=link.count)
    except library.SHELL_ERRORS as error:
        raise link.failure(_of_preparation(error, link, seconds)) from None


def _of_preparation(error: BaseException, link: Link, seconds: float) -> DriverError:
    if isinstance(error, library.SHELL_TIMEOUTS):
        return failures.no_prompt(seconds)
    return failures.no_shell() if link.transport.is_active() else failures.cut()
