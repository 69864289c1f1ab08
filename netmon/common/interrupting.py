"""Ctrl-C in a command that runs something: the first asks it to stop, the second ends the command."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


class interrupts:  # reads as a verb in `with`
    """Calls a function at the first SIGINT or SIGTERM; the second one ends the process as usual."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act
        self.before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self.before[number] = signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._restore()
        self.act()

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __exit__(self, *_: object) -> None:
        self._restore()
