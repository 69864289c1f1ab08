"""How far a long command is: one line that is written over, on a terminal only, to standard error."""

import sys
import time
from typing import TextIO

WIDTH = 30


class ProgressBar:
    """Call it with done and total; `close` ends the line. Silent where standard error is no terminal."""

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self.label = label
        self.stream = stream or sys.stderr
        self.is_shown = self.stream.isatty()
        self._next = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self.is_shown or (now < self._next and done < total):
            return
        self._next = now + 0.1
        filled = WIDTH * done // total if total else WIDTH
        self.stream.write(f"\r{self.label} [{'#' * filled}{'.' * (WIDTH - filled)}] {done}/{total}")
        self.stream.flush()

    def close(self) -> None:
        if self.is_shown:
            self.stream.write("\n")
            self.stream.flush()
