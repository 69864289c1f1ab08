"""Timers of many connections: begun in order of nothing, ended in order of time, without a search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

SLOT_SECONDS = 0.01  # timers are this coarse

Timed = TypeVar("Timed")


class Wheel(Generic[Timed]):
    """Things with a moment each. One that needs its timer no more is left in: whoever takes it looks."""

    def __init__(self, now: float) -> None:
        self._slots: dict[int, list[Timed]] = {}
        self._next = int(now / SLOT_SECONDS)

    def add(self, due: float, timed: Timed) -> None:
        self._slots.setdefault(int(due / SLOT_SECONDS) + 1, []).append(timed)

    def due(self, now: float) -> Iterator[Timed]:
        """What is due by now, the earliest first; each once."""
        slot = int(now / SLOT_SECONDS)
        while self._next <= slot:
            yield from self._slots.pop(self._next, ())
            self._next += 1

    def clear(self) -> None:
        self._slots.clear()
