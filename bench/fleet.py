"""The synthetic fleet: interfaces of which a third are idle, the others log-normal with a daily wave.

The draws and their order are fixed, so that figures of different days can be compared.
"""

import numpy as np
from numpy.typing import NDArray

T0 = 1_790_000_000 // 86400 * 86400
COLUMNS = 10  # of if.counters: all but oper_status
FIRST_MINUTE = 600

Floats = NDArray[np.float64]


class Fleet:
    """`minute(m)` is (interfaces, 10): draw the minutes in order. With `moving` no interface idles, no column rests."""

    def __init__(self, interfaces: int, *, moving: bool = False) -> None:
        self.random = np.random.default_rng(7)
        self.interfaces, self.moving = interfaces, moving
        idle = (self.random.random(interfaces) < 0.35) & (not moving)
        self.base = np.where(idle, 0, self.random.lognormal(13, 2.2, interfaces))
        self.phase = self.random.random(interfaces) * 6
        self.broadcast = np.where(idle, 0, self.random.lognormal(0, 1, interfaces))

    def minute(self, m: int) -> Floats:
        random, n = self.random, self.interfaces
        wave = 1 + 0.8 * np.sin(2 * np.pi * (m / 60 + self.phase) / 24)
        inward = self.base * wave * random.lognormal(0, 0.25, n)
        outward = 0.4 * inward * random.lognormal(0, 0.2, n)
        values = np.zeros((n, COLUMNS))
        values[:, 0], values[:, 1] = inward, outward
        values[:, 2], values[:, 3] = inward / 8 / 700, outward / 8 / 500
        if self.moving:
            values[:, 4:8] = random.random((n, 4)) * 9
        else:
            values[:, 4] = np.where(random.random(n) < 0.002, random.random(n) * 5, 0)
            values[:, 7] = np.where(random.random(n) < 0.004, random.random(n) * 9, 0)
        values[:, 8] = random.poisson(60 * self.broadcast) / 60
        values[:, 9] = random.poisson(20 * self.broadcast) / 60
        return values

    def minutes(self, first: int, count: int) -> Floats:
        """(interfaces, count, 10)"""
        return np.stack([self.minute(first + m) for m in range(count)], axis=1)
