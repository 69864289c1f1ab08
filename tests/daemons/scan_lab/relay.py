"""Carries packets between a tun device in each of two namespaces, late and with loss.

relay.py NAMESPACE_A NAMESPACE_B DELAY_SECONDS LOSS_SHARE SEED READY_FILE; delay and loss count for each direction. It
stands in for tc-netem, which many kernels lack. Ends on SIGTERM, or when its parent is gone. In the ready file stands
by how many seconds a packet was later than meant, at worst: a machine that is too busy makes another path than was
asked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import random
import select
import struct
import sys
import time
from collections import deque

from namespaces import inside  # run as a script: no package, and no pytest

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
DEVICE = "relay0"
MOST_QUEUED = 20_000
LATE_ENOUGH = 0.02  # seconds, from which on it is told


def open_tun(namespace: str) -> int:
    with inside(namespace):
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def carry(
    ends: tuple[int, int], delay: float, loss: float, chance: random.Random, parent: int, said: pathlib.Path
) -> None:
    worst = LATE_ENOUGH
    queues: tuple[deque[tuple[float, bytes]], ...] = (deque(), deque())
    poll = select.poll()
    for fd in ends:
        poll.register(fd, select.POLLIN)
    while os.getppid() == parent:
        now = time.monotonic()
        due = min((queue[0][0] for queue in queues if queue), default=now + 0.2)
        poll.poll(max(0.0, due - now) * 1000)
        for queue, fd, other in ((queues[0], ends[0], ends[1]), (queues[1], ends[1], ends[0])):
            for _ in range(256):
                try:
                    packet = os.read(fd, 2048)
                except OSError:
                    break
                if chance.random() >= loss and len(queue) < MOST_QUEUED:
                    queue.append((time.monotonic() + delay, packet))
            now = time.monotonic()
            if queue and now - queue[0][0] > worst * 1.2:
                worst = now - queue[0][0]
                said.write_text(str(worst))
            while queue and queue[0][0] <= now:
                with contextlib.suppress(OSError):  # the far side is down: the packet is lost
                    os.write(other, queue.popleft()[1])


def main() -> None:
    near, far, delay, loss, seed, ready = sys.argv[1:]
    ends = (open_tun(near), open_tun(far))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)  # what it stands for does not wait for other tests
    said = pathlib.Path(ready)
    said.write_text("0")
    carry(ends, float(delay), float(loss), random.Random(int(seed)), os.getppid(), said)


if __name__ == "__main__":
    main()
