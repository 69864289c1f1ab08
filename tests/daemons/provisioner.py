"""A process that provisions machines on the database of a test, all at once, and says what became of each.

Arguments: alias=database ..., the router's number, a prefix of names, how many, and "to-router" where each is also to
be carried out at the router. It says "ready", waits for a line, and then prints a JSON list: [address, port, rule] of
a machine, or the code of a refusal.
"""

import json
import os
import subprocess
import sys
import threading
from typing import Any


def start(router: int, prefix: str, count: int, *more: str) -> "subprocess.Popen[str]":
    """The process, on the databases of the test that starts it."""
    from django.db import connections

    from tests.databases import REPOSITORY

    names = [f"{alias}={connections[alias].settings_dict['NAME']}" for alias in connections]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.daemons.provisioner", *names, str(router), prefix, str(count), *more],
        cwd=REPOSITORY,
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def results_of(processes: "list[subprocess.Popen[str]]") -> list[Any]:
    """What all of them print, once all were let go together; ended afterwards, whatever happens."""
    try:
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return [result for process in processes for result in json.loads(process.communicate()[0])]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netmon.settings")
    import django
    from django.conf import settings

    arguments = sys.argv[1:]
    if to_router := arguments[-1] == "to-router":
        arguments.pop()
    *databases, router, prefix, count = arguments
    for alias, name in (pair.split("=", 1) for pair in databases):
        settings.DATABASES[alias]["NAME"] = name
    django.setup()
    settings.ALLOW_LOOPBACK, settings.VYOS_PING = True, False
    results: list[Any] = [None] * int(count)
    barrier = threading.Barrier(int(count))
    threads = [
        threading.Thread(target=work, args=(results, number, int(router), f"{prefix}-{number}", barrier, to_router))
        for number in range(int(count))
    ]
    print("ready", flush=True)
    sys.stdin.readline()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(results), flush=True)


def work(results: list[Any], number: int, router: int, name: str, barrier: threading.Barrier, to_router: bool) -> None:
    from django.db import OperationalError, connections

    from netmon.common.errors import NetmonError
    from provisioning.services import changes, requests, vms, wishes

    wish = wishes.read_vm({"vm_name": name, "router": router, "ports": ["ssh"]})
    barrier.wait()
    while results[number] is None:
        try:
            asked = requests.provision(wish) if to_router else None
            made = asked.made if asked is not None else vms.provision(wish)
            assert made is not None
            (forward,) = made.forwards
            results[number] = [made.reservation.address, forward.external_port, forward.rule_number]
            if to_router:
                changes.run(router)  # as many workers as there are machines
        except NetmonError as refusal:
            results[number] = refusal.code
        except OperationalError as error:  # SQLite's only writer was waited for too long: asked again, as clients do
            if "locked" not in str(error):
                results[number] = repr(error)
        except Exception as fault:  # noqa: BLE001 - told to the test
            results[number] = repr(fault)
        finally:
            connections.close_all()


if __name__ == "__main__":
    main()
