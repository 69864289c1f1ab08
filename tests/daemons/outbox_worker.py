"""Workers that do nothing but empty the outbox, on the database of a test: they are there to be killed.

For each line of input one is forked and its number printed: what a process has to load, it loads once for all of them.
Its waits are those of the product divided by a hundred, and its groups small, so that a test sees many messages.
"""

import os
import signal
import sys
import time
from datetime import timedelta


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netmon.settings")
    import django
    from django.conf import settings

    for alias, name in (pair.split("=", 1) for pair in sys.argv[1:]):
        settings.DATABASES[alias]["NAME"] = name
    django.setup()

    from monitoring.notifying import outbox

    outbox.LEASE = timedelta(seconds=3)
    outbox.RETRIES = tuple(wait / 100 for wait in outbox.RETRIES)
    outbox.RETRY_LATER = timedelta(seconds=2)
    outbox.GROUP_MOST = 6
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever is killed leaves nothing behind
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            work()
            return
        print(f"worker {pid}", flush=True)


def work() -> None:
    """Until it is killed, or left alone."""
    from django.db import InterfaceError, OperationalError, close_old_connections, connections

    from monitoring.notifying import outbox

    parent = os.getppid()
    while os.getppid() == parent:
        try:
            outbox.deliver(seconds=1)
        except (OperationalError, InterfaceError) as error:  # the database went away, and comes back
            print(f"database: {error}", flush=True)
            connections.close_all()
        close_old_connections()
        time.sleep(0.02)


if __name__ == "__main__":
    main()
