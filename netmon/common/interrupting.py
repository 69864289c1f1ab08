"""Ctrl-C in a command that runs something: the first asks it to stop, the second ends the command."""

import contextvars
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from django.db import connections

WAIT_SECONDS = 10.0


class interrupts:  # reads as a verb in `with`
    """Calls a function at the first SIGINT or SIGTERM; the second one ends the process as usual.

    The function runs in a thread, with database connections of its own: the signal may come in the middle of a
    statement of this one, whose connection is locked until it ends.
    """

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act
        self.before: dict[int, Any] = {}
        self.context = contextvars.copy_context()  # who acts, for the audit
        self.thread: threading.Thread | None = None

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self.before[number] = signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._restore()
        self.thread = threading.Thread(target=self.context.run, args=(self._act,), name="interrupt", daemon=True)
        self.thread.start()

    def _act(self) -> None:
        try:
            self.act()
        finally:
            connections.close_all()

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __exit__(self, *_: object) -> None:
        self._restore()
        if self.thread is not None:
            self.thread.join(WAIT_SECONDS)
