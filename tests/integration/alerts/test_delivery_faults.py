"""Hundreds of alerts, workers that are killed in the middle, and a receiver that has every fault there is.

Nothing is lost; what comes twice says so.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from monitoring.alerting import engine
from monitoring.alerting.deciding import Ledger
from monitoring.models import Alert, Channel, Notification
from monitoring.notifying import configs
from tests.daemons import wait_until
from tests.databases import REPOSITORY
from tests.fleet import make_contact

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

ALERTS, TOGETHER, CHANNELS, WORKERS = 500, 25, 5, 2
FAULTS = ("500", "503", "429", "hang up before", "hang up after", "slow", "302", "garbage")


class Receiver:
    """Takes webhooks; every other request meets a fault, until all that were dealt are played."""

    def __init__(self) -> None:
        self.taken: dict[str, list[dict[str, Any]]] = defaultdict(list)  # by Webhook-Id: what was taken, in order
        self.faults: dict[str, int] = defaultdict(int)
        self.dice = random.Random(7)
        self.lock = threading.Lock()
        # Each kind once before any comes again. A redirect ends its message for good: a few of these are enough.
        more = [*(fault for fault in FAULTS if fault != "302")] * 5 + ["302"] * 2
        self.dice.shuffle(more)
        self.left = [*more, *FAULTS]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.answer(self, self.headers["Webhook-Id"], body)

            def log_message(self, *arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *arguments: Any) -> None:
                pass  # a killed worker hangs up in the middle: that is the test

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    def answer(self, request: BaseHTTPRequestHandler, key: str, body: bytes) -> None:
        with self.lock:
            fault = self.left.pop() if self.left and self.dice.random() < 0.5 else ""
            self.faults[fault] += 1
        if fault in ("500", "503", "302"):
            return self.say(request, int(fault), {"Location": "http://127.0.0.1:1/"} if fault == "302" else {})
        if fault == "429":
            return self.say(request, 429, {"Retry-After": "0"})
        if fault == "hang up before":
            request.close_connection = True
            return None
        if fault == "slow":
            time.sleep(0.4)
        with self.lock:
            self.taken[key].append(json.loads(body))
        if fault == "hang up after":
            request.close_connection = True
            return None
        if fault == "garbage":
            request.wfile.write(b"\x00\xff this is no HTTP\r\n\r\n")
            request.close_connection = True
            return None
        return self.say(request, 200, {})

    def say(self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        request.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            request.send_header(name, value)
        request.end_headers()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


class Workers:
    """Processes that empty the outbox. `kill` is what a power cut does."""

    def __init__(self) -> None:
        self.running: list[int] = []
        names = [f"{alias}={settings.DATABASES[alias]['NAME']}" for alias in settings.DATABASES]
        self.parent = subprocess.Popen(
            [sys.executable, "-m", "tests.daemons.outbox_worker", *names],
            cwd=REPOSITORY,
            env=dict(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start(self) -> None:
        assert self.parent.stdin is not None and self.parent.stdout is not None
        self.parent.stdin.write("one more\n")
        self.parent.stdin.flush()
        said: list[str] = []
        for line in self.parent.stdout:
            if line.startswith("worker "):
                self.running.append(int(line.split()[1]))
                return
            said.append(line)
        pytest.fail("".join(said))

    def kill(self) -> None:
        pid = self.running.pop(0)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not _is_there(pid), what="the end of a worker")

    def stop(self) -> None:
        while self.running:
            self.kill()
        self.parent.communicate()


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers()
    yield workers
    workers.stop()


def make_channels(url: str) -> list[Channel]:
    found = []
    for n in range(CHANNELS):
        channel = Channel(name=f"hook {n}", kind="webhook", max_per_minute=600)
        configs.seal(channel, configs.merge("webhook", {"url": url, "secret": "whsec_" + "c2VjcmV0" * 4}))
        channel.save()
        found.append(channel)
    return found


@transaction.atomic
def raise_alerts(first: int) -> None:
    """As the engine does with what fell due together."""
    now = timezone.now()
    rows = Alert.objects.bulk_create(
        Alert(
            source="manual",
            fingerprint=f"{n:064}",
            summary=f"fault {n}",
            severity=("info", "low")[n % 2],
            started_at=now,
            fired_at=now,
        )
        for n in range(first, first + TOGETHER)
    )
    ledger = Ledger(now)
    for alert in rows:
        ledger.move(alert, "firing", "firing", tell="firing")
    engine.write(ledger)


def waiting() -> int:
    return Notification.objects.filter(status__in=["pending", "leased", "retry", "uncertain"]).count()


def test_nothing_is_lost_and_what_comes_twice_says_so(receiver: Receiver, workers: Workers) -> None:
    for n, channel in enumerate(make_channels(receiver.url)):
        make_contact(channel, name=f"contact {n}", min_severity=["info", "low", "medium", "high", "critical"][n])
    for _ in range(WORKERS):
        workers.start()
    for first in range(0, ALERTS, TOGETHER):
        raise_alerts(first)
        if first // TOGETHER % 4 == 3:
            wait_until(lambda: _is_sending() or waiting() == 0, what="a worker that sends")
            workers.kill()
            workers.start()
        if first == ALERTS // 2 and connection.vendor == "postgresql":
            _drop_connections()
    wait_until(lambda: waiting() == 0, seconds=120, what="an empty outbox")
    while workers.running:
        workers.kill()

    assert Alert.objects.count() == ALERTS
    statuses = set(Notification.objects.values_list("status", flat=True))
    assert statuses <= {"sent", "dead"}
    for row in Notification.objects.filter(status="sent").select_related("alert"):
        told = {item["id"] for body in receiver.taken[row.message_key] for item in body["data"]["alerts"]}
        assert row.alert_id in told, f"{row} says sent, and nobody got it"
    # What was redirected was not followed, and is given up with a reason.
    for row in Notification.objects.filter(status="dead"):
        assert row.last_code == "302"
    # A repeat has the same key and says that it may be one.
    twice = {key: bodies for key, bodies in receiver.taken.items() if len(bodies) > 1}
    for bodies in twice.values():
        assert all(body["data"]["is_repeat"] for body in bodies[1:])
        assert len({json.dumps(sorted(item["id"] for item in body["data"]["alerts"])) for body in bodies}) == 1
    assert all(receiver.faults[fault] for fault in FAULTS)
    assert len(receiver.taken) > ALERTS / 6


def _is_sending() -> bool:
    return Notification.objects.filter(status="leased").exists()


def _drop_connections() -> None:
    """What a restart of the database is for those who are connected."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
