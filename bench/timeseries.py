"""What the sample store costs, measured against its targets and against yardsticks run beside it.

python bench/timeseries.py [--database sqlite|postgres://...] [--interfaces N] [--runs N]

PostgreSQL needs a user who may create databases; the bench makes one of its own and drops it. CPU is that of this
process plus that of its PostgreSQL backend where /proc shows it (a server on this machine). Exits 0, whatever it finds.
"""

import argparse
import gc
import os
import secrets
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.fleet import COLUMNS, FIRST_MINUTE, T0, Fleet

RRDTOOL_BYTES = 632_528  # a file of 8 sources: 60 s x 24 h average, 5 min x 7 d and 1 h x 90 d average and maximum
RRDCACHED_SAMPLES = 2_182_000  # per CPU second, flushing every 30 minutes; measured once, with RRDtool 1.7.2
HOUR, DAY = 3600, 86400


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--interfaces", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3, help="hours ingested and sealed")
    return parser.parse_args()


def configure(database: str, directory: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "netmon.settings"
    os.environ["NETMON_VAR_DIR"] = directory
    os.environ.pop("DATABASE_URL", None)
    if database != "sqlite":
        from cryptography.fernet import Fernet

        os.environ["DATABASE_URL"] = database
        os.environ.setdefault("BROKER_URL", "redis://127.0.0.1:6399/0")  # never connected to
        os.environ.setdefault("NETMON_SECRET_KEY", secrets.token_urlsafe(50))
        os.environ.setdefault("NETMON_FERNET_KEYS", Fernet.generate_key().decode())
        os.environ.setdefault("NETMON_API_KEY_PEPPERS", secrets.token_urlsafe(50))
    import django

    django.setup()


def report(name: str, value: float, unit: str, target: float | None = None, note: str = "") -> None:
    word = "" if target is None else "PASS" if value <= target else "MISS"
    limit = "" if target is None else f"<= {target:g}"
    print(f"{word:5}{name:<52}{value:>10.3f} {unit:<11}{limit:<9}{note}", flush=True)


class Bench:
    def __init__(self, interfaces: int, runs: int) -> None:
        from django.db import connections

        from inventory.models import Device
        from monitoring.models import Series
        from monitoring.store.router import samples_alias

        self.interfaces, self.runs = interfaces, runs
        self.connection = connections[samples_alias()]
        self.backend: int | None = None
        if self.connection.vendor == "postgresql":
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                pid = cursor.fetchone()[0]
            self.backend = pid if Path(f"/proc/{pid}/stat").exists() else None
        device = Device.objects.create(name="bench")
        Series.objects.bulk_create(
            [Series(device=device, metric_set="if.counters", labels=f"n={n}") for n in range(interfaces)], 500
        )
        self.series = list(Series.objects.order_by("pk"))
        self.ids = [one.pk for one in self.series]
        self.fleet = Fleet(interfaces)
        self.values: list[Any] = []

    def cpu(self) -> float:
        used = time.process_time()
        if self.backend:
            fields = Path(f"/proc/{self.backend}/stat").read_text().rpartition(")")[2].split()
            used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return used

    def latency(
        self, name: str, call: Callable[[int], object], *, target: float | None = None, times: int = 200
    ) -> None:
        """Reports the median wall time in ms, and beside it the CPU, which other work on the machine stretches less."""
        taken = []
        before = self.cpu()
        for n in range(times):
            started = time.perf_counter()
            call(n)
            taken.append(time.perf_counter() - started)
        used = (self.cpu() - before) / times
        report(name, statistics.median(taken) * 1000, "ms", target, note=f"CPU {used * 1000:.1f} ms")

    def ingest_and_seal(self) -> None:
        from monitoring.models import SampleRow
        from monitoring.store.packing import pack_hot
        from monitoring.store.seal import seal
        from monitoring.store.write import CurrentWrite, SampleWrite, update_current, write_many

        samples, current, orm, sealing = [], [], [], []
        for run in range(self.runs):
            for tens in range(6):
                rows = []
                for minute in range(FIRST_MINUTE + run * 60 + tens * 10, FIRST_MINUTE + run * 60 + tens * 10 + 10):
                    drawn = self.fleet.minute(minute)
                    if run == 0:
                        self.values.append(drawn)
                    at, lists = T0 + minute * 60, drawn.tolist()
                    pairs = list(zip(self.ids, lists, strict=True))
                    rows.append(
                        (
                            [SampleWrite(pk, at, values) for pk, values in pairs],
                            [CurrentWrite(pk, at, values, b"x" * 88) for pk, values in pairs],
                        )
                    )
                gc.collect()
                gc.freeze()  # ten minutes of rows are the bench's doing, not the store's
                before = self.cpu()
                for sample_rows, _ in rows:
                    write_many(sample_rows)
                between = self.cpu()
                for _, current_rows in rows:
                    update_current(current_rows)
                current.append((self.cpu() - between) / 10)
                samples.append((between - before) / 10)
                gc.unfreeze()
            slot = T0 - 60
            objects = [SampleRow(slot=slot, series_id=pk, payload=pack_hot(values)) for pk, values in pairs]
            before = self.cpu()
            SampleRow.objects.bulk_create(objects, 1000)
            orm.append(self.cpu() - before)
            SampleRow.objects.filter(slot=slot).delete()
            before = self.cpu()
            seal(T0 + (FIRST_MINUTE + run * 60 + 60) * 60 + 300)
            sealing.append(self.cpu() - before)
        rows_cpu, current_cpu = statistics.median(samples), statistics.median(current)
        both = rows_cpu + current_cpu
        scale = self.interfaces / 10_000
        report("ingest of one minute, with present values", both, "CPU s", 0.1 * scale)
        report("    samples alone", rows_cpu, "CPU s", note=f"ORM bulk_create {statistics.median(orm) / rows_cpu:.1f}x")
        rate = self.interfaces * COLUMNS / both
        report("    values per CPU second", rate / 1000, "k", note=f"{rate / RRDCACHED_SAMPLES:.2f} of rrdcached")
        report("seal one hour", statistics.median(sealing), "CPU s", 5 * scale)

    def sizes(self) -> None:
        from django.db.models import Sum
        from django.db.models.functions import Length

        from monitoring.models import SampleChunk
        from monitoring.store.packing import pack_many
        from monitoring.store.seal import exponents

        hour = T0 + FIRST_MINUTE * 60
        full = SampleChunk.objects.filter(level=SampleChunk.Level.FULL, start=hour)
        count = self.interfaces * 60 * COLUMNS
        size = full.aggregate(size=Sum(Length("data")))["size"] / count
        report("bytes a value, sealed", size, "B", 1.5)
        report("    with key and pages", self.table_size(hour) / count, "B")
        powers = exponents("if.counters", COLUMNS)
        moving = Fleet(self.interfaces, moving=True).minutes(FIRST_MINUTE, 60)
        packed = [pack_many(part[:, None], powers, period=60) for part in np.array_split(moving, 10)]
        report(
            "bytes a value, every column moves", sum(len(data) for part in packed for data in part) / count, "B", 3.0
        )

    def table_size(self, hour: int) -> int:
        """Bytes of a table that holds the full chunks of that hour, its key included."""
        with self.connection.cursor() as cursor:
            if self.connection.vendor == "postgresql":
                cursor.execute("CREATE TABLE bench_chunk (LIKE monitoring_samplechunk INCLUDING ALL)")
                cursor.execute(
                    "INSERT INTO bench_chunk SELECT * FROM monitoring_samplechunk WHERE level = 0 AND start = %s",
                    [hour],
                )
                cursor.execute("SELECT pg_total_relation_size('bench_chunk')")
                size = cursor.fetchone()[0]
                cursor.execute("DROP TABLE bench_chunk")
                return int(size)
            cursor.execute("SELECT sql FROM sqlite_master WHERE name = 'monitoring_samplechunk'")
            create = cursor.fetchone()[0]
            cursor.execute("SELECT * FROM monitoring_samplechunk WHERE level = 0 AND start = %s", [hour])
            rows = cursor.fetchall()
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "chunks.sqlite3")
            copy = sqlite3.connect(path)
            copy.execute(create)
            copy.executemany(f"INSERT INTO monitoring_samplechunk VALUES ({','.join('?' * len(rows[0]))})", rows)
            copy.commit()
            copy.close()
            return path.stat().st_size

    def lossless(self) -> None:
        from monitoring import metrics
        from monitoring.store.read import read

        hour, worst = T0 + FIRST_MINUTE * 60, 0.0
        steps = np.array([column.resolution for column in metrics.get("if.counters").columns[:COLUMNS]])
        for n in range(0, self.interfaces, max(1, self.interfaces // 50)):
            frame = read(self.series[n], hour, hour + HOUR, step=60, now=hour + HOUR)
            written = np.array([drawn[n] for drawn in self.values])
            worst = max(worst, float((np.abs(frame.average[:, :COLUMNS] - written) / steps).max()))
        report("largest error, in steps of the resolution", worst, "", 0.5000001)

    def reads(self) -> None:
        from monitoring.models import SampleChunk
        from monitoring.store import tables
        from monitoring.store.read import read, read_many, top
        from monitoring.store.write import SampleWrite, write_many

        hour = T0 + FIRST_MINUTE * 60
        chunks = list(SampleChunk.objects.filter(level=0, start=hour).values_list("series_id", "data"))
        last = hour + (self.runs - 1) * HOUR
        for back in range(self.runs, 24):
            tables.upsert(SampleChunk, [(pk, 0, last - back * HOUR, data) for pk, data in chunks])
        end = last + HOUR + 1800
        for minute, drawn in enumerate(self.values[:30]):
            write_many(
                [
                    SampleWrite(pk, last + HOUR + minute * 60, values)
                    for pk, values in zip(self.ids, drawn.tolist(), strict=True)
                ]
            )
        if self.connection.vendor == "postgresql":
            with self.connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")

        def one(n: int) -> Any:
            return self.series[n * 37 % self.interfaces]

        frame = read(one(1), end - DAY, end, now=end)
        assert frame.step == 60 and int(frame.count[:, 0].sum()) == 1440, frame
        self.latency(
            "24 h graph of one interface, 1440 points", lambda n: read(one(n), end - DAY, end, now=end), target=5
        )
        self.rrdtool_graph()
        many = [one(n) for n in range(48)]
        self.latency(
            "24 h of 48 interfaces, 5 minutes each",
            lambda n: read_many(many, end - DAY, end, step=300, now=end),
            times=10,
        )
        self.latency("top 10", lambda n: top("if.counters", "in_bps", 10), target=5)

    def rrdtool_graph(self) -> None:
        """rrdtool's own time for the same read, when it is installed: a process each, so its start counts."""
        binary = shutil.which("rrdtool")
        if not binary:
            print("         rrdtool is not installed: not compared")
            return
        with tempfile.TemporaryDirectory() as directory:
            path = str(Path(directory, "i.rrd"))
            sources = [f"DS:c{n}:GAUGE:120:U:U" for n in range(8)]
            subprocess.run(
                [binary, "create", path, "--start", str(T0 - 60), "--step", "60", *sources, "RRA:AVERAGE:0.5:1:1440"],
                check=True,
            )
            updates = [f"{T0 + 60 * m}:" + ":".join(["1"] * 8) for m in range(1440)]
            subprocess.run([binary, "update", path, *updates], check=True)
            fetch = [binary, "fetch", path, "AVERAGE", "-s", str(T0), "-e", str(T0 + DAY)]
            self.latency(
                "    rrdtool fetch", lambda n: subprocess.run(fetch, check=True, stdout=subprocess.DEVNULL), times=20
            )

    def availability(self) -> None:
        from django.db import connection

        from inventory.models import Device
        from monitoring.models import Outage

        now = datetime.fromtimestamp(T0, UTC)
        devices = Device.objects.bulk_create([Device(name=f"d{n}", name_key=f"d{n}") for n in range(1000)], 500)
        Outage.objects.bulk_create(
            [
                Outage(
                    device=device,
                    started_at=now - timedelta(hours=30 * (n + 1)),
                    ended_at=now - timedelta(hours=30 * (n + 1) - 1),
                )
                for device in devices
                for n in range(5)
            ],
            500,
        )

        low = now - timedelta(hours=168)
        if self.connection.vendor == "postgresql":
            down = "EXTRACT(epoch FROM LEAST(ended_at, %s) - GREATEST(started_at, %s))"
        else:
            down = "86400 * (julianday(MIN(ended_at, %s)) - julianday(MAX(started_at, %s)))"
        statement = (
            f"SELECT device_id, 1 - SUM({down}) / {168 * HOUR} FROM monitoring_outage"
            " WHERE started_at < %s AND ended_at > %s GROUP BY device_id"
        )

        def ask(_: int) -> dict[int, float]:
            with connection.cursor() as cursor:
                cursor.execute(statement, [now, low, now, low])
                return dict(cursor.fetchall())

        assert len(ask(0)) == 1000
        self.latency("availability 168 h, 1000 devices", ask, target=20, times=20)

    def roll_ups(self) -> None:
        """Closing a day of part of the fleet, and the disk of one interface beside RRDtool's."""
        from django.db.models import Avg
        from django.db.models.functions import Length

        from monitoring.models import SampleChunk
        from monitoring.store import tables
        from monitoring.store.packing import pack_many
        from monitoring.store.points import from_values, roll_up
        from monitoring.store.seal import exponents, seal
        from monitoring.store.slots import month_start, next_month

        SampleChunk.objects.all().delete()
        part, level = self.ids[:500], SampleChunk.Level
        powers, fleet = exponents("if.counters", COLUMNS), Fleet(len(part))
        first = month_start(T0 - 60 * DAY)
        days = (next_month(first) - first) // DAY
        full = 0
        closing = []
        for day in range(days):
            start = first + day * DAY
            rows: list[tuple[int, int, int, bytes]] = []
            for hour in range(24):
                values = fleet.minutes((day * 24 + hour) * 60, 60)
                full += sum(map(len, pack_many(values[:, None], powers, period=60)))
                fives = pack_many(roll_up(from_values(values), np.arange(60) // 5, 12), powers, period=300)
                rows += [(pk, 1, start + hour * HOUR, data) for pk, data in zip(part, fives, strict=True)]
            tables.upsert(SampleChunk, rows)
            before = self.cpu()
            seal(start + DAY + 300, close_limit=None)
            closing.append((self.cpu() - before) * 10_000 / len(part))
        size = {
            row["level"]: row["size"] for row in SampleChunk.objects.values("level").annotate(size=Avg(Length("data")))
        }
        full_day = full / days / len(part)
        a_day = statistics.median(closing)
        report("close a day of 10,000 interfaces (spread over runs)", a_day, "CPU s")
        # The run that closes the last day closes the month.
        report("close a month of 10,000 interfaces (likewise)", closing[-1] - a_day, "CPU s")
        report("full resolution, one day of an interface", full_day, "B")
        report("5 minutes, one day", size[level.FIVE_MINUTES], "B")
        report("1 hour, one month", size[level.HOURS], "B")
        same = full_day + 7 * size[level.FIVE_MINUTES] + 3 * size[level.HOURS]
        report("RRDtool's spans, one interface", same, "B", note=f"RRDtool {RRDTOOL_BYTES / same:.1f}x")

    def purge(self) -> None:
        from monitoring.models import DeletedSeries, SampleChunk, Series
        from monitoring.retention import purge_deleted
        from monitoring.store import tables

        part = self.ids[:48]
        rows = [(pk, 0, T0 + hour * HOUR, b"\1" * 420) for pk in part for hour in range(720)]
        tables.upsert(SampleChunk, rows)
        before = time.perf_counter()
        DeletedSeries.objects.bulk_create([DeletedSeries(series_id=pk) for pk in part])
        Series.objects.filter(pk__in=part).delete()
        report("delete 48 series with a month of samples", time.perf_counter() - before, "s", 1)
        before = time.perf_counter()
        purge_deleted()
        report("    purge of their samples", time.perf_counter() - before, "s", 10)


def main() -> None:
    given = options()
    with tempfile.TemporaryDirectory(prefix="netmon-bench-") as directory:
        configure(given.database, directory)
        from django.conf import settings
        from django.test.utils import setup_databases, teardown_databases

        settings.DEBUG = False
        if given.database != "sqlite":
            settings.DATABASES["default"]["TEST"]["NAME"] = f"netmon_bench_{os.getpid()}"
        databases = setup_databases(verbosity=0, interactive=False)
        try:
            bench = Bench(given.interfaces, given.runs)
            print(f"{bench.connection.vendor}, {given.interfaces} interfaces, {COLUMNS} columns, 60 s")
            if bench.connection.vendor == "postgresql" and not bench.backend:
                print("The server is not on this machine: its CPU is not counted.")
            for step in (
                bench.ingest_and_seal,
                bench.sizes,
                bench.lossless,
                bench.reads,
                bench.availability,
                bench.roll_ups,
                bench.purge,
            ):
                step()
        finally:
            teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    main()
