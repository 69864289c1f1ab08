"""What secrets at rest cost: opening one, and rotating many while they are read.

python bench/stored_secrets.py [--database sqlite|postgres://...] [--secrets N] [--readers N]

Rotates N secrets to a new key with `rotate_secrets`' own code, alone and while reader processes open them as pollers
do, and as many plain Fernet texts the same way, for the ratio. PostgreSQL needs a user who may create databases; the
bench makes one of its own and drops it. Exits 1 when a decryption failed or a secret is not
what it was.
"""

import argparse
import multiprocessing
import os
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cryptography.fernet import Fernet, MultiFernet


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--secrets", type=int, default=10_000)
    parser.add_argument("--readers", type=int, default=2)
    return parser.parse_args()


def configure(database: str, directory: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "netmon.settings"
    os.environ["NETMON_VAR_DIR"] = directory
    os.environ.pop("DATABASE_URL", None)
    os.environ["NETMON_FERNET_KEYS"] = Fernet.generate_key().decode()
    if database != "sqlite":
        os.environ["DATABASE_URL"] = database
        os.environ.setdefault("BROKER_URL", "redis://127.0.0.1:6399/0")  # never connected to
        os.environ.setdefault("NETMON_SECRET_KEY", secrets.token_urlsafe(50))
    import django

    django.setup()


def report(name: str, value: float, unit: str, note: str = "") -> None:
    print(f"{name:<52}{value:>12.3f} {unit:<8}{note}", flush=True)


def microseconds(call: object, times: int = 5000) -> float:
    started = time.perf_counter()
    for _ in range(times):
        call()  # type: ignore[operator]
    return (time.perf_counter() - started) / times * 1e6


def cost_of_one() -> None:
    from django.conf import settings

    from netmon.common.secrets import seal, unseal

    context = "inventory_credential.secret:00000000-0000-0000-0000-000000000000"
    sealed = seal("a community of 24 letters", context)
    plain = MultiFernet([Fernet(key) for key in settings.FERNET_KEYS])
    token = plain.encrypt(b"a community of 24 letters")
    opening = min(microseconds(lambda: unseal(sealed, context)) for _ in range(3))
    bare = min(microseconds(lambda: plain.decrypt(token)) for _ in range(3))
    report("open one secret (HKDF and Fernet)", opening, "us", f"plain Fernet {bare:.1f} us, {opening / bare:.1f}x")
    report("seal one secret", min(microseconds(lambda: seal("x" * 24, context)) for _ in range(3)), "us")


def read(seed: int, wanted: dict[int, str], started: Any, stop: Any, results: Any) -> None:
    """A process that opens random secrets as a poller does until it is told to stop."""
    from random import Random

    from inventory.models import Credential
    from netmon.common.secrets import Undecryptable, open_secret

    random, pks = Random(seed), list(wanted)
    taken: list[float] = []
    opened: list[float] = []
    failed = 0
    while not stop.is_set():
        pk = random.choice(pks)
        begun = time.perf_counter()
        row = Credential.objects.only("pk", "name", "secret", "secret_ref").get(pk=pk)
        between = time.perf_counter()
        try:
            is_right = open_secret(row, "secret") == wanted[pk]
        except Undecryptable:
            is_right = False
        ended = time.perf_counter()
        if started.is_set():
            taken.append(ended - begun)
            opened.append(ended - between)
        failed += not is_right
    results.put((taken, opened, failed))


class Readers:
    """Reader processes beside a rotation: what their reads took, and how many failed."""

    def __init__(self, count: int, wanted: dict[int, str]) -> None:
        processes = multiprocessing.get_context("fork")
        self.stop, self.started, self.results = processes.Event(), processes.Event(), processes.Queue()
        self.taken: list[float] = []
        self.opened: list[float] = []
        self.failed = 0
        self.processes = [
            processes.Process(target=read, args=(n, wanted, self.started, self.stop, self.results))
            for n in range(count)
        ]

    def __enter__(self) -> "Readers":
        from django.db import connections

        connections.close_all()  # no two processes may share one
        for process in self.processes:
            process.start()
        if self.processes:
            time.sleep(0.5)
        self.started.set()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for _process in self.processes:
            taken, opened, failed = self.results.get(timeout=60)
            self.taken += taken
            self.opened += opened
            self.failed += failed
        for process in self.processes:
            process.join()

    def tell(self) -> None:
        for name, values in (("query and opening", self.taken), ("opening alone", self.opened)):
            cuts = statistics.quantiles(values, n=100)
            report(f"    readers, {name}: median", cuts[49] * 1e6, "us", f"p99 {cuts[98] * 1e6:.0f} us")


def rotate_bound(readers: int, wanted: dict[int, str]) -> tuple[float, float, int]:
    """Seconds, CPU seconds of the rotation in this process, and failures of the readers."""
    from netmon import rotation

    with Readers(readers, wanted) as reading:
        cpu, started = time.thread_time(), time.perf_counter()
        result = rotation.rotate()
        seconds, used = time.perf_counter() - started, time.thread_time() - cpu
    assert result.is_complete and sum(one.rotated for one in result.models) == len(wanted), result
    rate = len(wanted) / seconds
    report(f"rotate {len(wanted)} secrets, {readers} readers beside it", rate, "rows/s", f"{seconds:.2f} s")
    report("    CPU of the rotation", used, "CPU s")
    if reading.taken:
        report("    reads meanwhile", len(reading.taken), "", f"failed decryptions {reading.failed}")
        reading.tell()
    return seconds, used, reading.failed


def rotate_plain(count: int, old: str, new: str) -> tuple[float, float]:
    """The yardstick: the same number of plain Fernet texts, MultiFernet.rotate and the same conditional UPDATE."""
    from django.db import connection, transaction

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_plain (id integer PRIMARY KEY, secret text NOT NULL)")
        first = Fernet(old)
        cursor.executemany(
            "INSERT INTO bench_plain VALUES (%s, %s)",
            [(n, first.encrypt(f"secret {n}".encode()).decode()) for n in range(count)],
        )
    both = MultiFernet([Fernet(new), Fernet(old)])
    cpu, started, last = time.thread_time(), time.perf_counter(), -1
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, secret FROM bench_plain WHERE id > %s ORDER BY id LIMIT 200", [last])
            rows = cursor.fetchall()
            if not rows:
                break
            work = [(both.rotate(text.encode()).decode(), pk, text) for pk, text in rows]
            with transaction.atomic():
                for one in work:
                    cursor.execute("UPDATE bench_plain SET secret = %s WHERE id = %s AND secret = %s", one)
            last = rows[-1][0]
    return time.perf_counter() - started, time.thread_time() - cpu


def run(count: int, readers: int) -> int:
    from django.conf import settings
    from django.db import connection

    from inventory.models import Credential
    from netmon.common.secrets import open_secret

    print(f"{connection.vendor}, {count} secrets")
    cost_of_one()
    made = [Credential(name=f"c{n}", kind="password", secret=f"secret {n}") for n in range(count)]
    Credential.objects.bulk_create(made, 500)
    wanted = {row.pk: f"secret {n}" for n, row in enumerate(Credential.objects.order_by("pk"))}
    failed = 0
    for number in (0, readers):
        new, old = Fernet.generate_key().decode(), settings.FERNET_KEYS[0]
        settings.FERNET_KEYS = [new, old]
        seconds, used, wrong = rotate_bound(number, wanted)
        failed += wrong
        if not number:
            alone, alone_cpu = rotate_plain(count, old, new)
            note = f"{seconds / alone:.2f}x in time, {used / alone_cpu:.2f}x in CPU"
            report("    plain Fernet, the same way, no readers", count / alone, "rows/s", note)
        settings.FERNET_KEYS = [new]
        failed += sum(open_secret(row, "secret") != wanted[row.pk] for row in Credential.objects.all())
    report("failed decryptions, in all", failed, "")
    return 1 if failed else 0


def main() -> None:
    given = options()
    with tempfile.TemporaryDirectory(prefix="netmon-bench-") as directory:
        configure(given.database, directory)
        from django.conf import settings
        from django.test.utils import setup_databases, teardown_databases

        settings.DEBUG = False
        for alias, database in settings.DATABASES.items():
            if given.database == "sqlite":  # a file, as in life: a database in memory has one connection
                database["TEST"]["NAME"] = str(Path(directory, f"test-{alias}.sqlite3"))
            else:
                database["TEST"]["NAME"] = f"netmon_bench_{os.getpid()}"
        databases = setup_databases(verbosity=0, interactive=False)
        try:
            code = run(given.secrets, given.readers)
        finally:
            teardown_databases(databases, verbosity=0)
    sys.exit(code)


if __name__ == "__main__":
    main()
