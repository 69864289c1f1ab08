"""A worker that does nothing but empty the outbox, on the database of a test: it is there to be killed.

Its waits are those of the product divided by a hundred, and its groups small, so that a test sees many messages.
"""

import os
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

    from django.db import InterfaceError, OperationalError, close_old_connections, connections

    from monitoring.notifying import outbox

    outbox.LEASE = timedelta(seconds=3)
    outbox.RETRIES = tuple(wait / 100 for wait in outbox.RETRIES)
    outbox.RETRY_LATER = timedelta(seconds=2)
    outbox.GROUP_MOST = 6
    print("ready", flush=True)
    while True:
        try:
            outbox.deliver(seconds=1)
        except (OperationalError, InterfaceError) as error:  # the database went away, and comes back
            print(f"database: {error}", flush=True)
            connections.close_all()
        close_old_connections()
        time.sleep(0.02)


if __name__ == "__main__":
    main()
