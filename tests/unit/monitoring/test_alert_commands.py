"""alerts, ack, drill, rehearse, test_channel: what they print and how they end."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from monitoring.models import Alert
from monitoring.notifying import testing
from netmon.audit.models import AuditEvent
from tests import alerts, factories

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command(*arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    raise AssertionError("a command ends by sys.exit")


def test_alerts_are_listed_the_gravest_first() -> None:
    core, edge = factories.make_device(name="core"), factories.make_device(name="edge")
    low = alerts.make_alert(core, severity="low", summary="fan")
    worst = alerts.make_alert(edge, severity="critical", started_at=timezone.now() - timedelta(days=1))
    over = alerts.make_alert(edge, state="resolved", resolved_at=timezone.now())

    def numbers(*arguments: str) -> list[int]:
        code, text = run("alerts", "--json", *arguments)
        assert code == 0
        return [row["id"] for row in json.loads(text)["alerts"]]

    assert numbers() == [worst.pk, low.pk]
    assert sorted(numbers("--all")) == [low.pk, worst.pk, over.pk]
    assert numbers("--state", "resolved") == [over.pk]
    assert numbers("--severity", "low", "--severity", "info") == [low.pk]
    assert numbers("--device", "EDGE") == [worst.pk]
    assert run("alerts", "--device", "nobody") == (4, "No such device: nobody.")
    code, text = run("alerts")
    assert code == 0 and text.splitlines()[0].split()[:3] == [str(worst.pk), "critical", "firing"]
    assert run("alerts", "--severity", "info") == (0, "No alert.\n")
    alerts.make_silence(kind="", device=core)
    silent = {row["id"]: row["silenced_until"] for row in json.loads(run("alerts", "--json")[1])["alerts"]}
    assert silent[worst.pk] is None and silent[low.pk] is not None
    assert run("alerts", "--device", "core")[1].rstrip().endswith("silent")


def test_alerts_are_acknowledged_by_number() -> None:
    one, over = alerts.make_alert(), alerts.make_alert(state="resolved", resolved_at=timezone.now())
    code, text = run("ack", str(one.pk), "--comment", "known", "--json")
    assert (code, json.loads(text)) == (0, {"acknowledged": [one.pk], "over_already": []})
    assert Alert.objects.get(pk=one.pk).comment == "known"
    assert AuditEvent.objects.get(action="acknowledge").via == "command"
    assert run("ack", str(one.pk), str(over.pk))[0] == 3
    assert run("ack", str(over.pk))[0] == 1
    assert run("ack", "99999") == (4, "No such alert: 99999.")
    assert run("ack", "0")[0] == run("ack", str(one.pk), "--comment", "x" * 1001)[0] == 2


def test_a_drill_says_who_would_hear_of_it() -> None:
    core, host = factories.make_device(name="core"), factories.make_device(name="host")
    alerts.make_dependency(host, core)
    contact = alerts.make_contact(alerts.make_channel(name="hook"), name="Duty")
    alerts.make_policy(contact, contact)
    code, text = run("drill", "core")
    assert code == 0 and text.splitlines() == [
        "core: firing, critical, by the rule Device down",
        "  step 1, at once: Duty by hook",
        "  step 2, after 15 min: Duty by hook",
        "Cut off: 1: host",
    ]
    assert json.loads(run("drill", "core", "--json")[1])["behind_count"] == 1
    assert run("drill", "nobody")[0] == 4


def test_a_rule_is_rehearsed_by_name() -> None:
    device = factories.make_device(name="core")
    factories.make_outage(device, timezone.now() - timedelta(hours=5), 30)
    code, text = run("rehearse", "device DOWN", "--days", "1")
    assert code == 0 and "Device down: 1 in 1 days" in text and "core" in text
    document = json.loads(run("rehearse", "Device down", "--days", "1", "--json")[1])
    assert (document["count"], document["raised"][0]["device"]) == (1, "core")
    assert run("rehearse", "Expires soon")[0] == 1
    assert run("rehearse", "no such rule")[0] == 4
    assert run("rehearse", "Device down", "--days", "91")[0] == run("rehearse", "Device down", "--days", "nan")[0] == 2
    for _ in range(2):
        alerts.make_rule(name="twin", tenant=factories.make_tenant())
    assert run("rehearse", "twin")[0] == 2


def test_a_channel_is_tried(monkeypatch: Any) -> None:
    answers = {"ok": True, "code": "250", "detail": "Accepted.", "seconds": 0.25}
    asked = []

    def test_channel(channel: Any, *, to_emails: Any, user: Any) -> dict[str, Any]:
        asked.append((channel.name, to_emails, user))
        return answers

    monkeypatch.setattr(testing, "test_channel", test_channel)
    alerts.make_channel(name="mail", kind="email", config=alerts.MAIL)
    assert run("test_channel", "mail", "--to", "a@example.com") == (0, "sent  250  Accepted.  0.2 s\n")
    assert asked == [("mail", ("a@example.com",), None)]
    answers |= {"ok": False, "code": "550", "detail": "No such user."}
    code, text = run("test_channel", "Mail", "--to", "a@example.com", "--json")
    assert (code, json.loads(text)["code"]) == (1, "550")
    assert run("test_channel", "mail")[0] == run("test_channel", "mail", "--to", "x")[0] == 2
    assert run("test_channel", "other")[0] == 4
