"""One shell script for all commands of a poll: written here, and its answer taken apart again.

The script is a single line without backslashes, since the login shell it passes through may be csh or fish.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from netmon.drivers.ssh.answers import Answer

TIMED_OUT = 124
# of the shell: found but not to be run, not found
NOT_RUN = (126, 127)


def check_text(text: str, what: str = "command") -> str:
    """`text`, or ValueError where it holds what cannot be printed: a newline would begin another command."""
    if not isinstance(text, str) or not text.isprintable():
        raise ValueError(f"{what}: holds control characters; commands are single lines")
    return text


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments, each quoted for the shell by us; `timeout_seconds` replaces the target's.

    Raises ValueError for an empty one and for control characters.
    """

    argv: tuple[str, ...]
    timeout_seconds: float | None = None

    def __post_init__(self) -> None:
        if not self.argv or not self.argv[0]:
            raise ValueError("command: empty; give a program")
        for word in self.argv:
            check_text(word)

    @property
    def line(self) -> str:
        """What a shell would run, such as "cat /proc/stat"."""
        return shlex.join(self.argv)


@dataclass(frozen=True, slots=True)
class Vtysh:
    """Lines for FRR's vtysh, each answered under its own text; those that end with " json" share one vtysh.

    `prefix` stands before vtysh, such as ("sudo", "-n"). Raises ValueError.
    """

    lines: tuple[str, ...]
    prefix: tuple[str, ...] = ()
    timeout_seconds: float | None = None

    def __post_init__(self) -> None:
        if not self.lines or not all(self.lines) or len(set(self.lines)) != len(self.lines):
            raise ValueError("vtysh: no lines, or one twice; give each once")
        for line in (*self.lines, *self.prefix):
            check_text(line, "vtysh")

    @property
    def json_lines(self) -> tuple[str, ...]:
        """Those whose answers can be told apart."""
        return tuple(line for line in self.lines if line.endswith(" json"))

    def command(self, lines: Iterable[str]) -> Command:
        """One vtysh for `lines`."""
        words = [word for line in lines for word in ("-c", line)]
        return Command((*self.prefix, "vtysh", *words), self.timeout_seconds)


def build(commands: Sequence[Command], marker: str, *, timeout_seconds: float) -> str:
    """The line to execute. `marker` is new for each poll, so that no device can forge it."""
    parts = [
        # every locale and message in English, numbers with a point
        "LC_ALL=C; export LC_ALL",
        # a small system may have no timeout: better unguarded than nothing
        "if command -v timeout >/dev/null 2>&1; then t=timeout; else t=; fi",
        # the status is taken at once; without /dev/null a command could eat what is not its own
        's() { n=$1; l=$2; shift 2; echo; echo "$m $n"; echo >&2; echo "$m $n" >&2; '
        '${t:+timeout "$l"} "$@" </dev/null; r=$?; '
        'echo; echo "$m rc $r"; echo >&2; echo "$m rc $r" >&2; }',
        f"m={marker}",
    ]
    for number, command in enumerate(commands):
        # whole seconds: busybox takes no others
        limit = max(1, math.ceil(command.timeout_seconds or timeout_seconds))
        parts.append(f"s {number} {limit} {command.line}")
    return "exec sh -c " + shlex.quote("; ".join([*parts, "exit 0"]))


def split(stdout: bytes, stderr: bytes, marker: str, count: int) -> list[Answer] | None:
    """The answers of `count` commands; None if not even the first began: then the script was not run."""
    texts, statuses = _sections(stdout, marker, count)
    if 0 not in texts:
        return None
    errors, _ = _sections(stderr, marker, count)
    return [
        Answer(decode(texts.get(number, b"")), decode(errors.get(number, b"")), statuses.get(number))
        for number in range(count)
    ]


def _sections(stream: bytes, marker: str, count: int) -> tuple[dict[int, bytes], dict[int, int]]:
    """Text and, if it ended, status of each section by its number."""
    texts: dict[int, bytes] = {}
    statuses: dict[int, int] = {}
    sign, position = b"\n" + marker.encode() + b" ", 0
    for number in range(count):
        begin = sign + str(number).encode() + b"\n"
        start = stream.find(begin, position)
        if start < 0:
            break
        start += len(begin)
        position = stream.find(sign + b"rc ", start)
        if position < 0:
            texts[number] = stream[start:]
            break
        texts[number] = stream[start:position]
        status, ended, _ = stream[position + len(sign) + 3 : position + len(sign) + 16].partition(b"\n")
        if ended and status.isdigit():
            statuses[number] = int(status)
    return texts, statuses


def decode(raw: bytes) -> str:
    """UTF-8, with replacement characters for what is none."""
    return raw.decode(errors="replace")


def split_documents(text: str, count: int) -> list[str] | None:
    """The JSON documents that follow each other in `text`, each as text; None unless they are exactly `count`."""
    decoder = json.JSONDecoder()
    found: list[str] = []
    position = 0
    while True:
        while position < len(text) and text[position] in " \t\r\n":
            position += 1
        if position == len(text):
            return found if len(found) == count else None
        try:
            _, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return None
        found.append(text[position:end])
        position = end


def batch_answers(batch: Answer, lines: Sequence[str]) -> dict[str, Answer] | None:
    """The answers to a vtysh of several lines, by line; None where they must be asked one by one."""
    if batch.status is None:  # which of the lines it was cut in is not known
        return dict.fromkeys(lines, Answer("", batch.stderr, None))
    if batch.status in NOT_RUN:
        return dict.fromkeys(lines, batch)
    documents = split_documents(batch.stdout, len(lines)) if batch.status == 0 else None
    if documents is None:
        return None
    # one process answered all of them, so what it complained about belongs to each
    return {line: Answer(text, batch.stderr, 0) for line, text in zip(lines, documents, strict=True)}


Commands = Mapping[str, Command | Vtysh | tuple[str, ...]]
