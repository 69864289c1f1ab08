"""A worker that is killed in the middle of its work: a process that forks one for each line it is given.

Arguments: alias=database ... Each line is a router's number and the step before which the worker is to be killed; it
answers "killed" or "done". Steps are statements to the database, and requests to the router: before, and once answered.
"""

import os
import signal
import sys
from typing import Any


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netmon.settings")
    import django
    from django.conf import settings

    for alias, name in (pair.split("=", 1) for pair in sys.argv[1:]):
        settings.DATABASES[alias]["NAME"] = name
    django.setup()
    settings.ALLOW_LOOPBACK = True
    print("ready", flush=True)
    for line in sys.stdin:
        router, step = map(int, line.split())
        child = os.fork()
        if child == 0:
            work(router, step)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else f"done {os.waitstatus_to_exitcode(status)}", flush=True)


def work(router: int, last: int) -> None:
    from django.db import connections

    from netmon.drivers.vyos import VyosClient
    from provisioning.services import applying, changes

    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(execute: Any, *arguments: Any) -> Any:
        step()
        return execute(*arguments)

    send = VyosClient._send

    def sent(self: VyosClient, *arguments: Any, **more: Any) -> Any:
        step()
        answer = send(self, *arguments, **more)
        step()
        return answer

    applying.SETTLE_SECONDS = 0.02
    VyosClient._send = sent  # type: ignore[method-assign]
    with connections["default"].execute_wrapper(statement):
        changes.run(router)


if __name__ == "__main__":
    main()
