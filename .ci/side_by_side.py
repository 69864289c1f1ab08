#!/usr/bin/env python3
"""Runs targets of make at the same time, each line marked with its target. Fails when one of them fails.

side_by_side.py TARGET... : tests wait for daemons a third of their time, which another stack's tests can use.
"""

import os
import subprocess
import sys
import threading
from collections import deque

LAST = 150  # lines of a target that failed, once more at the end, where people look


def follow(target: str, process: "subprocess.Popen[str]", kept: "deque[str]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        kept.append(line)
        print(f"{target} | {line}", end="", flush=True)


def main(targets: list[str]) -> int:
    make = os.environ.get("MAKE", "make")
    running = []
    for target in targets:
        command = [make, "--no-print-directory", target]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        kept: deque[str] = deque(maxlen=LAST)
        thread = threading.Thread(target=follow, args=(target, process, kept))
        thread.start()
        running.append((target, process, thread, kept))
    failed = []
    for target, process, thread, kept in running:
        code = process.wait()
        thread.join()
        if code:
            failed.append((target, code, kept))
    for target, code, kept in failed:
        print(f"\n{target} failed with {code}; its last lines:\n", "".join(kept), sep="", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
