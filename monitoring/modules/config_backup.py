"""The configuration of a router or switch, as text: what runs, and what the next start would read.

A text that is no whole configuration is an error, never an answer: a new version means that somebody changed something.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitoring.modules import Collected
from monitoring.modules.ssh_sessions import borrow, borrow_shell, identified, is_shell
from netmon.drivers.errors import DeadlineExceeded, DriverError, NotSupported, ProtocolError, Rejected
from netmon.drivers.platforms import config_check, frr, vendors, vyos
from netmon.drivers.platforms.shapes import Presence
from netmon.drivers.platforms.text import output
from netmon.drivers.ssh.answers import Answer
from netmon.drivers.ssh.script import NOT_RUN, TIMED_OUT, Command, Vtysh
from netmon.drivers.ssh.session import SshSession
from netmon.drivers.ssh.shell import ShellSession
from netmon.drivers.targets import SshTarget

RUNNING, STARTUP = "running", "startup"
RUNNING_LINE = frr.COMMANDS["running_config"]
# A large configuration takes its time; the session's deadline bounds it too.
COMMAND_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class ConfigText:
    """A whole configuration, cleaned; `changed_by` and `change_line` are what the device said of its last change."""

    kind: str
    text: str = field(repr=False)
    changed_by: str = ""
    change_line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup(Collected):
    """What a run brought home. No configuration and `nothing` filled: the device has none that could be kept, and why.

    The texts hold secrets: they are neither facts nor shown by repr.
    """

    platform: str = ""
    configs: tuple[ConfigText, ...] = field(default=(), repr=False)
    nothing: str = ""
    # What is worked out of the texts before the transaction that keeps them, by those who keep them.
    prepared: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


def collect(target: SshTarget, context: Mapping[str, Any]) -> Backup:
    """The configurations of a device. `context` may hold `platform` and `habits` of the run before.

    Raises DriverError.
    """
    target = identified(target, str(context.get("platform") or ""))
    platform = target.platform
    started = time.monotonic()
    configs: tuple[ConfigText, ...] = ()
    meta: dict[str, Any] = {"platform": platform}
    nothing = ""
    if not is_shell(platform):
        with borrow(target, context.get("habits")) as session:
            configs = _of_vyos(session, target) if platform == "vyos" else _of_frr(session, target, platform)
            habits = {"mode": session.habits.mode, "batches_vtysh": session.habits.batches_vtysh}
            meta |= {"shown_keys": session.shown_keys, "habits": habits}
        nothing = "" if configs else "It is a host without FRR: there is no configuration of a router to keep."
    elif platform in vendors.COMMANDS:
        with borrow_shell(target) as shell:
            configs = _of_vendor(shell, target, platform)
            meta |= {"shown_keys": shell.shown_keys}
    else:
        nothing = f"How to ask {platform} for its configuration is not known."
    return Backup(
        collected_at=time.time(),
        monotonic_at=time.monotonic(),
        response_ms=round((time.monotonic() - started) * 1000, 3),
        facts={"ssh_meta": meta},
        platform=platform,
        configs=configs,
        nothing=nothing,
    )


def _seconds(target: SshTarget) -> float:
    return max(target.command_timeout_seconds, min(COMMAND_SECONDS, target.deadline_seconds * 0.8))


def _text(answer: Answer, what: str, seconds: float) -> str:
    if answer.status == TIMED_OUT:
        raise DeadlineExceeded(f"{what}: no complete answer within {seconds:g} s.")
    return output(answer, what)


def _of_frr(session: SshSession, target: SshTarget, platform: str) -> tuple[ConfigText, ...]:
    """Empty for a Linux host that has no vtysh; raises NotSupported for a router that has none."""
    seconds = _seconds(target)
    vtysh = Vtysh((RUNNING_LINE,), timeout_seconds=seconds)
    saved = {STARTUP: Command(frr.STARTUP_CONFIG, timeout_seconds=seconds)}
    # A plain host is not asked for FRR's file: its allowlist does not know that command.
    answers = session.run({"vtysh": vtysh} if platform == "linux" else {"vtysh": vtysh, **saved})
    running = answers[RUNNING_LINE]
    if platform == "linux" and running.status in NOT_RUN:
        return ()
    if STARTUP not in answers:
        answers = {**answers, **session.run(saved)}
    text = _text(running, RUNNING_LINE, seconds)
    config_check.refuse_missing(running.stderr, RUNNING_LINE)
    found = [_config(RUNNING, config_check.whole("frr", text, RUNNING_LINE))]
    # A file that this account may not read, or that does not exist, says nothing of the running configuration.
    if (startup := _startup("frr", answers[STARTUP], "/etc/frr/frr.conf", seconds)) is not None:
        found.append(startup)
    return tuple(found)


def _startup(platform: str, answer: Answer, what: str, seconds: float) -> ConfigText | None:
    try:
        text = config_check.whole(platform, _text(answer, what, seconds), what, is_startup=True)
    except (ProtocolError, NotSupported, DeadlineExceeded):
        return None
    return _config(STARTUP, text)


def _of_vyos(session: SshSession, target: SshTarget) -> tuple[ConfigText, ...]:
    seconds = _seconds(target)
    what = "show configuration commands"
    answers = session.run(
        {
            RUNNING: Command(vyos.COMMANDS["running_config"], timeout_seconds=seconds),
            STARTUP: Command(vyos.COMMANDS["startup_config"], timeout_seconds=seconds),
            "commits": vyos.COMMANDS["commits"],
        }
    )
    _text(answers[RUNNING], what, seconds)  # says which limit was hit
    text = config_check.whole("vyos", vyos.commands_text(answers[RUNNING]), what)
    who, line = config_check.last_commit(answers["commits"].stdout if answers["commits"].status == 0 else "")
    found = [ConfigText(RUNNING, text, who, line) if who else _config(RUNNING, text)]
    if (startup := _startup("vyos", answers[STARTUP], "/config/config.boot", seconds)) is not None:
        found.append(startup)
    return tuple(found)


def _of_vendor(session: ShellSession, target: SshTarget, platform: str) -> tuple[ConfigText, ...]:
    seconds = _seconds(target)
    found: list[ConfigText] = []
    questions: tuple[tuple[str, vendors.Question], ...] = ((RUNNING, "running_config"), (STARTUP, "startup_config"))
    for kind, question in questions:
        try:
            (ask, *_) = vendors.asks(platform, question)
            answer = session.run([ask.line], timeout_seconds=seconds)[ask.line]
            found.append(_read(platform, kind, question, ask, answer))
        except DriverError:
            # What runs is in hand: a startup configuration that cannot be read leaves only "saved" unknown.
            if kind == RUNNING:
                raise
    return tuple(found)


def _read(platform: str, kind: str, question: vendors.Question, ask: vendors.Ask, answer: Answer) -> ConfigText:
    reading = vendors.read(platform, question, ask, answer)
    if reading.presence is Presence.NOT_PERMITTED:
        raise Rejected(f"{ask.line}: the account may not read it. {reading.reason}")
    if reading.presence is Presence.NOT_INSTALLED:
        raise NotSupported(f"{ask.line}: {reading.reason}")
    if reading.presence is not Presence.RUNNING:
        raise ProtocolError(f"{ask.line}: {reading.reason}")
    return _config(kind, config_check.whole(platform, str(reading.value), ask.line, is_startup=kind == STARTUP))


def _config(kind: str, text: str) -> ConfigText:
    who, line = config_check.last_change(text)
    return ConfigText(kind, text, who, line)
