"""Alerting in the admin: what is written there, what is only shown, and no secret on any page."""

from typing import Any

import pytest

from monitoring.models import Alert, AlertRule, Channel, Notification
from monitoring.notifying import configs
from netmon.audit.models import AuditEvent
from tests import alerts, factories
from tests.unit.netmon.admin_site import SECRET, events, last, listing, page

pytestmark = pytest.mark.django_db
CHANNEL = {"name": "hook", "kind": "webhook", "min_severity": "info", "is_enabled": "on", "max_per_minute": "30",
           "late_minutes": "5"}  # fmt: skip


def test_a_configuration_goes_in_and_stays_in(admin: Any) -> None:
    add = f"{listing('monitoring.Channel')}add/?kind=webhook"
    given = {"config_url": "https://hooks.example.com/x", "config_secret": SECRET, "config_verify": "on"}
    assert admin.post(add, {**CHANNEL, **given}).status_code == 302
    row = Channel.objects.get()
    assert configs.opened(row)["secret"] == SECRET and row.shown == "hooks.example.com"
    kept = {"config_url": given["config_url"], "config_verify": "on"}
    assert admin.post(page(row), {**CHANNEL, **kept, "name": "renamed"}).status_code == 302
    row.refresh_from_db()
    assert row.name == "renamed" and configs.opened(row)["secret"] == SECRET, "what is left empty stays"
    for wrong in ({}, {"config_url": "x"}, {"config_url": "https://a.example.com"}, {"config_secret": SECRET}):
        refused = admin.post(add, {**CHANNEL, "name": "other", **wrong})
        assert refused.status_code == 200 and refused.context["errors"], wrong
    refused = admin.post(add, {**CHANNEL, **given, "name": ""})
    shown = (
        refused.content.decode()
        + admin.get(page(row)).content.decode()
        + admin.get(page(row, "history")).content.decode()
    )
    assert SECRET not in shown + str(list(AuditEvent.objects.values()))


def test_alerts_are_acknowledged_and_resolved_but_not_edited(admin: Any) -> None:
    one, two = alerts.make_alert(factories.make_device()), alerts.make_alert()
    chosen = {"action": "acknowledge", "_selected_action": [str(one.pk), str(two.pk)]}
    assert b"2 acknowledged" in admin.post(listing("monitoring.Alert"), chosen, follow=True).content
    assert Alert.objects.get(pk=one.pk).acknowledged_by.username == "ada"  # type: ignore[union-attr]
    chosen = {"action": "resolve", "_selected_action": [str(one.pk)]}
    admin.post(listing("monitoring.Alert"), chosen)
    assert Alert.objects.get(pk=one.pk).state == "resolved" and events(one) == ["acknowledge", "resolve"]
    assert admin.post(page(one), {}).status_code == 403
    assert admin.get(f"{listing('monitoring.Alert')}add/").status_code == 403
    assert b"acknowledged" in admin.get(page(one)).content


def test_a_shipped_rule_is_not_deleted(admin: Any) -> None:
    shipped, own = AlertRule.objects.get(template="device.down"), alerts.make_rule()
    assert admin.get(page(shipped, "delete")).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [str(shipped.pk), str(own.pk)], "post": "yes"}
    admin.post(listing("monitoring.AlertRule"), chosen)
    assert AlertRule.objects.filter(pk__in=[shipped.pk, own.pk]).count() == 2
    chosen["_selected_action"] = [str(own.pk)]
    admin.post(listing("monitoring.AlertRule"), chosen)
    assert not AlertRule.objects.filter(pk=own.pk).exists() and events(own) == ["delete"]


def test_messages_are_sent_again(admin: Any) -> None:
    alert, channel = alerts.make_alert(factories.make_device()), alerts.make_channel()
    sent = alerts.make_notification(alert, channel=channel)
    waits = alerts.make_notification(alert, channel=channel, status="pending", sent_at=None)
    chosen = {"action": "send_again", "_selected_action": [str(sent.pk), str(waits.pk)]}
    text = admin.post(listing("monitoring.Notification"), chosen, follow=True).content.decode()
    assert "1 will be sent again" in text and "still on its way" in text
    assert Notification.objects.filter(data__again_of=sent.pk).count() == 1
    assert admin.post(page(sent), {}).status_code == 403


def test_who_makes_a_silence_is_remembered_and_it_names_something(admin: Any) -> None:
    form = {"starts_at_0": "2026-01-01", "starts_at_1": "00:00:00", "ends_at_0": "2199-01-01", "ends_at_1": "00:00:00"}
    add = f"{listing('monitoring.Silence')}add/"
    assert admin.post(add, form).status_code == 200
    answer = admin.post(add, {**form, "kind": "camera"})
    assert answer.status_code == 302, answer.context["errors"]
    from monitoring.models import Silence

    row = Silence.objects.get()
    assert row.created_by.username == "ada" and last(row).action == "create"  # type: ignore[union-attr]
    assert admin.get(page(alerts.make_policy(alerts.make_contact()))).status_code == 200
