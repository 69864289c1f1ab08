"""Commands on Linux, FRR and VyOS: exec channels on one connection, and as a rule one of them for all commands."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from netmon.drivers.ssh import script
from netmon.drivers.ssh.answers import Answer
from netmon.drivers.ssh.channels import Raw, execute
from netmon.drivers.ssh.link import Clock, Link, OverLink
from netmon.drivers.ssh.script import TIMED_OUT, Command, Commands, Vtysh
from netmon.drivers.ssh.uploading import Ran, run_file
from netmon.drivers.targets import SshTarget

# What the server gets beyond a command's own limit, for the processes around it.
GRACE_SECONDS = 2.0
MODES = ("marked", "separate", "vtysh")


@dataclass(frozen=True, slots=True)
class Habits:
    """What a device turned out to bear; a caller may keep it and give it to the next session.

    `mode`: "marked" (one script for all commands), "separate" (a channel for each command, exactly as it was given:
    an account restricted to a list), "vtysh" (the same, and the login shell is vtysh). `batches_vtysh`: whether
    several lines in one vtysh can be told apart.
    """

    mode: str = "marked"
    batches_vtysh: bool = True

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode: unknown; give one of {', '.join(MODES)}")


class SshSession(OverLink):
    """A connection that is logged in; made by `open_session`. It is for one thread.

    `host_key` is what the server showed, `first_use` whether it was accepted without a pin, `server_version` its
    greeting such as "SSH-2.0-OpenSSH_9.2p1", `habits` what it turned out to bear. Every verb raises DriverError:
    DeadlineExceeded, ProtocolError (cut), OutputTooLarge, Busy, NotSupported (no commands at all).
    """

    def __init__(self, link: Link, habits: Habits) -> None:
        super().__init__(link)
        self.habits = habits

    @property
    def mode(self) -> str:
        return self.habits.mode

    def __enter__(self) -> SshSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_alive(self) -> bool:
        """Whether the connection still stands, as far as this end knows."""
        return self._link.is_alive

    def renew(self, deadline_seconds: float) -> None:
        """Gives the next user of the session that much time, and the whole of the output allowance."""
        self._link.renew(deadline_seconds)

    def close(self) -> None:
        """Hangs up; a second time does nothing."""
        self._link.close()

    def execute(self, line: str, *, timeout_seconds: float | None = None) -> Answer:
        """Gives `line` to the login shell as it is: never put together from what a person typed.

        A command that hangs ends the session with DeadlineExceeded. Raises ValueError for control characters.
        """
        script.check_text(line)
        seconds = timeout_seconds or self._link.target.command_timeout_seconds
        return _answer(execute(self._link, line, seconds=seconds, is_fatal=True))

    def run_file(self, content: bytes, arguments: Sequence[str], **options: Any) -> Ran:
        """Copies a program to a fresh private path on the device, runs it and removes it; see `uploading.run_file`."""
        return run_file(self._link, content, arguments, **options)

    def run(self, commands: Commands) -> dict[str, Answer]:
        """The answers of all `commands`, under their names; those of a Vtysh under each of its lines.

        One script runs them one after the other, each with its own time limit (status 124), its own stderr and no
        stdin. Where an account does not run scripts, each command gets its own channel, from then on too. An answer
        with status None was cut off. Raises ValueError if two answers would have the same name.
        """
        plain: dict[str, Command] = {}
        batches: list[Vtysh] = []
        for name, command in commands.items():
            if isinstance(command, Vtysh):
                batches.append(command)
            else:
                plain[name] = command if isinstance(command, Command) else Command(tuple(command))
        names = [*plain, *(line for batch in batches for line in batch.lines)]
        if len(set(names)) != len(names):
            raise ValueError("commands: two answers would have the same name; rename one")
        found: dict[str, Answer] = {}
        asked = self._ask(plain, batches, found)
        again = [
            replace(batch, lines=rest) for batch in asked if (rest := tuple(n for n in batch.lines if n not in found))
        ]
        if again:
            self.habits = replace(self.habits, batches_vtysh=False)
            self._ask({}, again, found)
        return {name: found[name] for name in names}

    def vtysh(self, lines: Sequence[str], *, prefix: tuple[str, ...] = ()) -> dict[str, Answer]:
        """What FRR's vtysh answers, by line; see `Vtysh` and `run`."""
        return self.run({"vtysh": Vtysh(tuple(lines), prefix)})

    def _ask(self, plain: dict[str, Command], batches: list[Vtysh], found: dict[str, Answer]) -> list[Vtysh]:
        """One round: answers go into `found`; returns the batches of which some lines must be asked one by one."""
        joint: dict[int, Vtysh] = {}
        wanted: list[Command] = list(plain.values())
        labels: list[str | int] = list(plain)
        for number, batch in enumerate(batches):
            together = batch.json_lines if self.habits.batches_vtysh else ()
            if len(together) > 1:
                joint[number] = replace(batch, lines=together)
                wanted.append(batch.command(together))
                labels.append(number)
            for line in batch.lines:
                if len(together) < 2 or line not in together:
                    wanted.append(batch.command([line]))
                    labels.append(line)
        if not wanted:
            return []
        for label, command, answer in zip(labels, wanted, self._run(wanted), strict=True):
            if isinstance(label, str):
                found[label] = answer
                continue
            lines = joint[label].lines
            # a list of exact commands refuses what stands together, and may have each of it
            is_refused = self.habits.mode == "separate" and answer.status == script.NOT_RUN[0]
            answers = None if is_refused else script.batch_answers(answer, lines)
            if answers is None and answer.status == TIMED_OUT and not self._has_time_for(command, len(lines)):
                answers = dict.fromkeys(lines, Answer("", answer.stderr, TIMED_OUT))
            found.update(answers or {})
        return list(joint.values())

    def _has_time_for(self, command: Command, count: int) -> bool:
        limit = command.timeout_seconds or self._link.target.command_timeout_seconds
        return self._link.clock.remaining > limit * count + GRACE_SECONDS

    def _run(self, commands: Sequence[Command]) -> list[Answer]:
        if self.habits.mode == "marked":
            answers = self._run_marked(commands)
            if answers is not None:
                return answers
        return [self._run_separate(command) for command in commands]

    def _run_marked(self, commands: Sequence[Command]) -> list[Answer] | None:
        """None where the account runs no scripts; the mode is another then."""
        link = self._link
        limit = link.target.command_timeout_seconds
        marker = "@@" + secrets.token_hex(8)
        line = script.build(commands, marker, timeout_seconds=limit)
        seconds = sum(command.timeout_seconds or limit for command in commands) + GRACE_SECONDS
        raw = execute(link, line, seconds=seconds, is_fatal=True)
        answers = script.split(raw.stdout, raw.stderr, marker, len(commands))
        if answers is None:
            is_vtysh = b"% Unknown command" in raw.stdout
            self.habits = replace(self.habits, mode="vtysh" if is_vtysh else "separate")
        return answers

    def _run_separate(self, command: Command) -> Answer:
        seconds = command.timeout_seconds or self._link.target.command_timeout_seconds
        line = command.line
        if self.habits.mode == "vtysh" and command.argv[0] == "vtysh":
            line = "\n".join(command.argv[2::2])  # its own lines, one below the other
        raw = execute(self._link, line, seconds=seconds, is_fatal=False)
        return _answer(raw if raw.status is not None else replace(raw, status=TIMED_OUT))


def _answer(raw: Raw) -> Answer:
    return Answer(script.decode(raw.stdout), script.decode(raw.stderr), raw.status)


def open_session(target: SshTarget, *, habits: Habits | None = None) -> SshSession:
    """A session for commands. Use as `with open_session(target) as session:`.

    The host key is checked before anything secret is sent. Raises DriverError: Unreachable, DeadlineExceeded, Busy,
    UntrustedHostKey, AuthenticationFailed (never try that again by yourself), NotSupported, ProtocolError, LocalFault.
    """
    link = Link(target, Clock(target.deadline_seconds))
    is_open = False
    try:
        link.open("linux")
        is_open = True
    finally:
        if not is_open:
            link.close()
    return SshSession(link, habits or Habits())
