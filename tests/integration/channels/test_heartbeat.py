"""The heartbeat that goes out: silence must mean that netmon is not well, and nothing else."""

from typing import Any

import pytest
from django.utils import timezone

from monitoring.alerting import watchdog
from monitoring.models import Heartbeat
from tests.daemons.receivers import Receiver, Reply

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def lives(process: str) -> None:
    now = timezone.now()
    Heartbeat.objects.create(process=process, host="here", pid=hash(process) % 1000, started_at=now, at=now)


def test_it_goes_out_while_netmon_is_well(receiver: Receiver, settings: Any) -> None:
    settings.HEARTBEAT_URL = receiver.url
    lives("worker")
    assert watchdog.send_heartbeat() == {"sent": False, "detail": "netmon is not well."}
    assert receiver.got == []
    lives("beat")
    assert watchdog.send_heartbeat() == {"sent": True, "detail": "200"}
    assert [got.method for got in receiver.got] == ["POST"]


def test_who_does_not_take_it_is_named_in_the_log(receiver: Receiver, settings: Any) -> None:
    lives("worker")
    lives("beat")
    settings.HEARTBEAT_URL = receiver.url
    receiver.says(Reply(500))
    assert watchdog.send_heartbeat() == {"sent": False, "detail": "500"}
    settings.HEARTBEAT_URL = "http://127.0.0.1:1/"
    assert watchdog.send_heartbeat()["sent"] is False


def test_without_an_address_nothing_is_sent(settings: Any) -> None:
    settings.HEARTBEAT_URL = ""
    assert watchdog.send_heartbeat()["sent"] is False
