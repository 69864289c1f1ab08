"""The pages on which alerting is set up: rules, silences, channels, contacts, policies, maintenance, dependencies."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.utils import timezone

from inventory.models import Dependency
from monitoring import alert_story, maintenance_pages
from monitoring.models import (
    AlertRule,
    Channel,
    Contact,
    EscalationPolicy,
    MaintenanceWindow,
    Notification,
    SeverityModifier,
    Silence,
)
from monitoring.notifying import configs
from netmon.audit.models import AuditEvent
from tests import alarms, alerts, factories, people
from tests.alarms import rule_values, text_of

pytestmark = pytest.mark.django_db


# --- rules and silences


def test_a_rule_is_made_changed_and_deleted(cast: people.Cast) -> None:
    client = people.client_for(cast.omar)
    assert client.post("/alerts/rules/add/", rule_values())["Location"] == "/alerts/rules/"
    rule = AlertRule.objects.get(name="Load")
    assert (rule.for_seconds, rule.raise_value, rule.severity) == (300, 8, "high")
    client.post(f"/alerts/rules/{rule.pk}/", rule_values(raise_value="9", for_seconds_0="2", for_seconds_1="h"))
    rule.refresh_from_db()
    assert (rule.raise_value, rule.for_seconds, rule.revision) == (9, 7200, 2)
    client.post(f"/alerts/rules/{rule.pk}/switch/", {"on": "0"})
    rule.refresh_from_db()
    assert not rule.is_enabled
    client.post(f"/alerts/rules/{rule.pk}/delete/")
    assert not AlertRule.objects.filter(pk=rule.pk).exists()
    actions = AuditEvent.objects.filter(object_type="monitoring.alertrule").order_by("id")
    assert list(actions.values_list("action", flat=True)) == ["create", "update", "update", "delete"]


def test_a_shipped_rule_is_switched_off_not_deleted(cast: people.Cast) -> None:
    rule = AlertRule.objects.get(template="host.cpu")
    client = people.client_for(cast.omar)
    assert "switch it off" in client.post(f"/alerts/rules/{rule.pk}/delete/", follow=True).content.decode()
    assert AlertRule.objects.filter(pk=rule.pk).exists()


def test_a_form_says_what_cannot_be_meant(cast: people.Cast) -> None:
    client = people.client_for(cast.omar)
    answer = client.post("/alerts/rules/add/", rule_values(clear_value="20"))
    assert answer.status_code == 400 and "good side" in answer.content.decode()
    # What belongs to another source is not taken, so it cannot be wrong where nobody sees it.
    answer = client.post("/alerts/rules/add/", rule_values(source="device.down", match="x", raise_value="oops"))
    assert answer.status_code == 302
    assert AlertRule.objects.get(name="Load").metric == ""
    assert client.post("/alerts/rules/add/", rule_values()).status_code == 400  # the name is taken


def test_a_rule_is_rehearsed_before_it_is_kept(cast: people.Cast) -> None:
    device = factories.make_flat(name="shaky")
    for days in (2, 5, 9):
        factories.make_outage(device, timezone.now() - timedelta(days=days), 20)
    channel = alarms.make_channel("email")
    alarms.make_contact(channel, name="NOC")
    rules = AlertRule.objects.count()
    client = people.client_for(cast.omar)
    values = rule_values(name="Mine", source="device.down")
    for headers in ({"HTTP_HX_REQUEST": "true"}, {}):
        answer = client.post("/alerts/rules/rehearse/", values, **headers)
        page = answer.content.decode()
        assert answer.status_code == 200 and "It would have fired 3 times in 30 days" in page, page
        assert "NOC by" in page and "shaky" in page
    assert AlertRule.objects.count() == rules and not Notification.objects.exists()
    page = client.post("/alerts/rules/rehearse/", rule_values(name=""), HTTP_HX_REQUEST="true").content.decode()
    assert "must be right first" in page
    page = client.post(
        "/alerts/rules/rehearse/", rule_values(source="poller.behind"), HTTP_HX_REQUEST="true"
    ).content.decode()
    assert "is not kept" in page


def test_silences_are_made_and_ended(cast: people.Cast) -> None:
    client = people.client_for(cast.omar)
    site = factories.make_site()
    values = {"minutes_0": "2", "minutes_1": "h", "site": site.pk, "reason": "noise"}
    assert client.post("/alerts/silences/", values).status_code == 302
    silence = Silence.objects.get()
    assert silence.created_by == cast.omar and silence.ends_at - silence.starts_at == timedelta(hours=2)
    assert "noise" in text_of(client, "/alerts/silences/")
    client.post(f"/alerts/silences/{silence.pk}/end/")
    silence.refresh_from_db()
    assert silence.ends_at <= timezone.now()
    assert client.post("/alerts/silences/", {"minutes_0": "2", "minutes_1": "h"}).status_code == 400
    assert client.post("/alerts/silences/", {**values, "minutes_0": "9000"}).status_code == 400


def test_a_scope_that_is_silent_says_so_in_the_list_until_its_silence_ends(cast: people.Cast) -> None:
    client = people.client_for(cast.omar)
    device = factories.make_flat(name="core", site=factories.make_site())
    alert = alarms.make_alert(device)
    first = client.get("/alerts/", HTTP_HX_REQUEST="true")
    assert 'class="sub">silent' not in first.content.decode()
    client.post("/alerts/silences/", {"minutes_0": "2", "minutes_1": "h", "site": device.site_id})
    # The rows come anew although no alert has changed.
    again = client.get("/alerts/", HTTP_HX_REQUEST="true", HTTP_IF_NONE_MATCH=first["ETag"])
    assert again.status_code == 200 and 'class="sub">silent' in again.content.decode()
    page = text_of(client, f"/alerts/{alert.pk}/")
    assert "as everything that a silence is about" in page and "End the silence" not in page
    client.post(f"/alerts/silences/{Silence.objects.get().pk}/end/")
    assert 'class="sub">silent' not in text_of(client, "/alerts/")


# --- severity


def test_a_severity_modifier_is_made_changed_and_deleted(cast: people.Cast) -> None:
    client = people.client_for(cast.omar)
    site = factories.make_site()
    values = {"name": "Core", "delta": "1", "site": site.pk, "device": ""}
    assert client.post("/alerts/severity/add/", values)["Location"] == "/alerts/severity/"
    row = SeverityModifier.objects.get()
    assert (row.delta, row.site) == (1, site)
    page = text_of(client, "/alerts/severity/")
    assert "1 step graver" in page and f"in {site.name}" in page
    client.post(f"/alerts/severity/{row.pk}/", {**values, "name": alarms.HOSTILE, "delta": "-4"})
    page = text_of(client, "/alerts/severity/")
    assert "4 steps milder" in page and "<script>alert" not in page
    for wrong, said in (({"delta": "0"}, "Select a valid choice"), ({"device": "nobody"}, "no device of this name")):
        answer = client.post("/alerts/severity/add/", {**values, **wrong})
        assert answer.status_code == 400 and said in answer.content.decode()
    viewer = people.client_for(cast.vera)
    assert "/alerts/severity/add/" not in text_of(viewer, "/alerts/severity/")
    for path in ("add/", f"{row.pk}/", f"{row.pk}/delete/"):
        assert viewer.post(f"/alerts/severity/{path}", values).status_code == 403
    client.post(f"/alerts/severity/{row.pk}/delete/")
    assert not SeverityModifier.objects.exists()
    actions = AuditEvent.objects.filter(object_type="monitoring.severitymodifier").order_by("id")
    assert list(actions.values_list("action", flat=True)) == ["create", "update", "delete"]


# --- people and ways


def test_a_webhooks_secret_is_shown_once_and_never_again(cast: people.Cast) -> None:
    client = people.client_for(cast.ada)
    common = {"name": "pager", "min_severity": "high", "max_per_minute": "30", "late_minutes": "5", "is_enabled": "on"}
    values = {**common, "config_url": "https://hooks.example.com/x", "config_verify": "on"}
    page = client.post("/alerts/channels/add/?kind=webhook", values).content.decode()
    channel = Channel.objects.get(name="pager")
    secret = configs.opened(channel)["secret"]
    assert secret.startswith("whsec_") and secret in page
    here = f"/alerts/channels/{channel.pk}/"
    for path in (here, "/alerts/channels/"):
        assert secret not in text_of(client, path)
    # Left empty it stays; a new one replaces it; and nothing of it is in the record.
    client.post(here, {**values, "min_severity": "low"})
    channel.refresh_from_db()
    assert configs.opened(channel)["secret"] == secret and channel.min_severity == "low"
    client.post(here, {**values, "config_secret": "n" * 30})
    assert configs.opened(Channel.objects.get(pk=channel.pk))["secret"] == "n" * 30
    # A new one is made beside the old, so that the receiver has time.
    page = client.post(here, {**values, "config_secret_remove": "on"}).content.decode()
    kept = configs.opened(Channel.objects.get(pk=channel.pk))
    assert kept["secret"] in page and kept["previous_secret"] == "n" * 30 and "n" * 30 not in page
    for event in AuditEvent.objects.filter(object_type="monitoring.channel"):
        assert secret not in f"{event.before}{event.after}{event.detail}"
    answer = client.post(here, {**values, "config_url": "ftp://x", "config_secret": "z" * 30})
    assert answer.status_code == 400 and "z" * 30 not in answer.content.decode()


def test_a_password_is_removed_only_when_asked(cast: people.Cast) -> None:
    client = people.client_for(cast.ada)
    values = {
        "name": "mail", "min_severity": "info", "max_per_minute": "30", "late_minutes": "5",
        "config_host": "mx.example.com",
        "config_port": "587", "config_security": "starttls", "config_username": "netmon",
        "config_password": "hush-hush",
        "config_from_address": "netmon@example.com", "config_verify": "on",
    }  # fmt: skip
    assert client.post("/alerts/channels/add/?kind=email", values).status_code == 302
    channel = Channel.objects.get(name="mail")
    here = f"/alerts/channels/{channel.pk}/"
    assert "hush-hush" not in text_of(client, here) and "Write a new one to replace it" in text_of(client, here)
    del values["config_password"]
    client.post(here, {**values, "config_password_remove": "on", "config_username": ""})
    assert configs.opened(Channel.objects.get(pk=channel.pk))["password"] == ""
    assert client.post(f"{here}delete/").status_code == 302 and not Channel.objects.exists()
    assert client.get("/alerts/channels/add/?kind=pigeon").status_code == 404


def contact_values(**over: Any) -> dict[str, Any]:
    return {
        "name": "NOC", "emails": "noc@example.com\nboss@example.com", "min_severity": "medium", "wants_resolved": "on",
        "time_zone": "Europe/Berlin", "quiet_from": "22:00", "quiet_to": "06:00", "quiet_min_severity": "critical",
        "digest": "none", "repeat_seconds_0": "4", "repeat_seconds_1": "h", "repeat_min_severity": "critical",
        "summary_hour": "7", "summary_only_news": "on", "is_enabled": "on", **over,
    }  # fmt: skip


def test_contacts_and_ones_own_profile(cast: people.Cast) -> None:
    mail = alarms.make_channel("email")
    client = people.client_for(cast.omar)
    assert client.post("/alerts/contacts/add/", contact_values(channels=[mail.pk])).status_code == 302
    contact = Contact.objects.get(name="NOC")
    assert contact.emails == ["noc@example.com", "boss@example.com"] and contact.repeat_seconds == 4 * 3600
    assert list(contact.channels.all()) == [mail]
    assert "22:00 to 06:00" in text_of(client, "/alerts/contacts/")
    assert client.post("/alerts/contacts/add/", contact_values(name="X", emails="not one")).status_code == 400
    # A viewer says how they themselves are told, and nothing else of a contact.
    vera = people.client_for(cast.vera)
    given = contact_values(channels=[mail.pk], name="NOC", user=cast.ada.pk, emails="vera@example.net")
    assert vera.post("/account/alerts/", given).status_code == 302
    own = Contact.objects.get(user=cast.vera)
    assert own.name == "vera" and own.tenant is None and own.emails == ["vera@example.net"]
    vera.post("/account/alerts/", contact_values(emails="v2@example.net"))
    assert Contact.objects.get(user=cast.vera).emails == ["v2@example.net"]
    client.post(f"/alerts/contacts/{contact.pk}/delete/")
    assert not Contact.objects.filter(name="NOC").exists()


def test_policies_have_steps_in_order(cast: people.Cast) -> None:
    one, two = alarms.make_contact(name="one"), alarms.make_contact(name="two")
    client = people.client_for(cast.omar)
    values = {
        "name": "Night", "rank": "5", "is_enabled": "on", "after_0_0": "0", "after_0_1": "m", "contacts_0": [one.pk],
        "after_1_0": "30", "after_1_1": "m", "contacts_1": [one.pk, two.pk],
    }  # fmt: skip
    assert client.post("/alerts/policies/add/", values).status_code == 302
    policy = EscalationPolicy.objects.get()
    assert [(step.number, step.after_seconds, step.contacts.count()) for step in policy.steps.all()] == [
        (0, 0, 1), (1, 1800, 2),
    ]  # fmt: skip
    client.post(f"/alerts/policies/{policy.pk}/", {**values, "contacts_0": []})
    assert [step.after_seconds for step in policy.steps.all()] == [1800]
    bad = {**values, "name": "Bad", "after_0_0": "60"}
    assert client.post("/alerts/policies/add/", bad).status_code == 400
    assert client.post("/alerts/policies/add/", {"name": "Nobody", "rank": "1"}).status_code == 400


# --- maintenance and topology


def window_values(**over: Any) -> dict[str, Any]:
    return {
        "name": "Line card", "starts_at": "2026-11-30T02:00", "ends_at": "2026-11-30T04:00", "include_children": "on",
        "time_zone": "Europe/Berlin", "recurrence": "once", "device": "core", **over,
    }  # fmt: skip


def test_a_window_is_planned_in_its_zone_and_shows_what_it_touches(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.omar)
    factories.watch(made["cause"].device, state="degraded")
    for headers in ({"HTTP_HX_REQUEST": "true"}, {}):
        page = client.post("/maintenance/preview/", window_values(), **headers).content.decode()
        assert "6 devices, 5 of them because they are reached only through the others, of which 6 are" in page
    assert not MaintenanceWindow.objects.filter(device=made["cause"].device).exists()
    assert client.post("/maintenance/add/", window_values()).status_code == 302
    window = MaintenanceWindow.objects.get(device=made["cause"].device)
    assert window.starts_at == datetime(2026, 11, 30, 1, tzinfo=UTC) and window.created_by == cast.omar
    page = text_of(client, f"/maintenance/{window.pk}/")
    assert 'value="2026-11-30T02:00"' in page and 'value="core"' in page
    page = text_of(client, "/maintenance/?month=2026-11")
    assert "Line card" in page and "Backups" in page
    answer = client.post("/maintenance/add/", window_values(ends_at="2026-11-30T01:00"))
    assert answer.status_code == 400 and "ends after it begins" in answer.content.decode()
    assert (
        client.post("/maintenance/preview/", window_values(device="")).content.decode().count("No scope is chosen") == 1
    )


def test_a_weekly_window_keeps_its_days(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.omar)
    values = window_values(recurrence="weekly", weekdays=["1", "3"], until="2026-12-31", name="Weekly")
    assert client.post("/maintenance/add/", values).status_code == 302
    window = MaintenanceWindow.objects.get(name="Weekly")
    assert window.weekdays == "1,3" and window.until is not None
    # A Monday and a Wednesday of December, twice.
    assert text_of(client, "/maintenance/?month=2026-12").count(f'class="work" href="/maintenance/{window.pk}/"') >= 8
    client.post(f"/maintenance/{window.pk}/delete/")
    assert not MaintenanceWindow.objects.filter(name="Weekly").exists()


def test_one_click_from_the_device_and_ended_by_hand(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.omar)
    device = made["cause"].device
    client.post(f"/devices/{device.pk}/maintenance/", {"minutes": "60"})
    window = MaintenanceWindow.objects.get(device=device)
    assert window.ends_at - window.starts_at == timedelta(hours=1) and window.include_children
    assert AuditEvent.objects.filter(object_type="monitoring.maintenancewindow", action="create").count() == 1
    client.post(f"/maintenance/{window.pk}/end/")
    window.refresh_from_db()
    assert window.ended_at is not None
    assert "not under way" in client.post(f"/maintenance/{window.pk}/end/", follow=True).content.decode()


def test_parents_are_added_confirmed_and_removed(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.omar)
    core = made["cause"].device
    here = f"/devices/{core.pk}/parents/"
    proposed = Dependency.objects.get(device=core, is_confirmed=False)
    client.post(here, {"do": "confirm", "row": proposed.pk})
    proposed.refresh_from_db()
    assert proposed.is_confirmed
    client.post(here, {"do": "remove", "row": proposed.pk})
    client.post(here, {"do": "add", "parent": "LEAF-00"})
    assert Dependency.objects.filter(device=core, parent__name="leaf-00", is_confirmed=True).exists()
    for name in ("core", "nobody", ""):
        client.post(here, {"do": "add", "parent": name})
    assert Dependency.objects.filter(device=core).count() == 2
    foreign = Dependency.objects.exclude(device=core).first()
    assert client.post(here, {"do": "remove", "row": foreign.pk}).status_code == 404  # type: ignore[union-attr]
    actions = AuditEvent.objects.filter(object_type="inventory.dependency").order_by("id")
    assert list(actions.values_list("action", flat=True)) == ["update", "delete", "create"]


def test_a_drill_tells_who_would_be_told(cast: people.Cast, made: dict[str, Any]) -> None:
    page = text_of(people.client_for(cast.vera), f"/devices/{made['disk'].device_id}/drill/")
    assert "What if edge fails" in page and "leaf-00" in page
    assert "in maintenance" in page  # its window is open
    other = factories.make_flat(name="lonely")
    page = text_of(people.client_for(cast.vera), f"/devices/{other.pk}/drill/")
    assert ("Team lead" in page and "NOC" in page and "held by" in page) or "15 min" in page
    assert not Notification.objects.filter(alert__device=other).exists()


@pytest.mark.parametrize(
    ("excuse", "word"), [("unreachable", "Unreachable"), ("maintenance", "Maintenance"), ("blind", "Poller blind")]
)
def test_a_device_that_is_excused_is_not_called_down(cast: people.Cast, excuse: str, word: str) -> None:
    device = factories.make_flat(name="leaf")
    factories.watch(device, state="down", excuse=excuse)
    page = text_of(people.client_for(cast.vera), f"/devices/{device.pk}/")
    assert f'pill">{word}</span>' in page and 'class="st down pill"' not in page
    assert word in text_of(people.client_for(cast.vera), f"/devices/?state={excuse}")
    assert "leaf" not in text_of(people.client_for(cast.vera), "/devices/?state=down")


# --- the admin


def test_the_admin_has_the_fields_of_a_channels_kind_and_shows_no_secret(cast: people.Cast) -> None:
    client = people.client_for(people.make_person("root", "admin", is_staff=True, is_superuser=True))
    url = "/admin/monitoring/channel/"
    for kind, fields in configs.FIELDS.items():
        page = text_of(client, f"{url}add/?kind={kind}")
        assert all(f'name="config_{field.name}"' in page for field in fields), kind
        assert 'name="kind"' not in page and "config_settings" not in page
    assert 'name="config_host"' in text_of(client, f"{url}add/?kind=no-such")
    common = {"min_severity": "high", "max_per_minute": "30", "late_minutes": "5", "is_enabled": "on"}
    hook = {**common, "name": "pager", "config_url": "https://hooks.example.com/x", "config_verify": "on"}
    answer = client.post(f"{url}add/?kind=webhook", hook)
    assert answer.status_code == 200 and "24 characters or more" in answer.content.decode()
    answer = client.post(f"{url}add/?kind=webhook", {**hook, "config_url": "ftp://x", "config_secret": "s" * 32})
    assert answer.status_code == 200 and "s" * 32 not in answer.content.decode()
    assert client.post(f"{url}add/?kind=webhook", {**hook, "config_secret": "s" * 32}).status_code == 302
    channel = Channel.objects.get(name="pager")
    assert channel.kind == "webhook" and configs.opened(channel)["secret"] == "s" * 32
    here = f"{url}{channel.pk}/change/"
    page = text_of(client, here)
    assert "s" * 32 not in page and 'value="https://hooks.example.com/x"' in page
    client.post(here, {**hook, "min_severity": "low"})  # left empty it stays
    channel.refresh_from_db()
    assert configs.opened(channel)["secret"] == "s" * 32 and channel.min_severity == "low"
    assert "s" * 32 not in str(list(AuditEvent.objects.values_list("before", "after", "detail")))
    # One whose key is lost is asked for anew, and does not take its page along.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE monitoring_channel SET config = 'lost' WHERE id = %s", [channel.pk])
    assert 'name="config_url"' in text_of(client, here)
    assert 'name="config_url"' in text_of(people.client_for(cast.ada), f"/alerts/channels/{channel.pk}/")


# --- work on several devices


def several(**over: Any) -> dict[str, Any]:
    return window_values(**{"device": "", **over})


def test_work_on_several_devices_is_planned_from_the_list(cast: people.Cast) -> None:
    devices = [factories.make_flat(name=name, site=factories.make_site()) for name in ("core", "edge", "gate")]
    leaf = factories.make_flat(name="leaf", site=factories.make_site())
    Dependency.objects.create(device=leaf, parent=devices[0])
    client = people.client_for(cast.omar)
    assert text_of(client, "/devices/").count('name="device"') == 4
    assert 'name="device"' not in text_of(people.client_for(cast.vera), "/devices/")
    query = "&".join(f"device={one.pk}" for one in devices[:2])
    page = text_of(client, f"/maintenance/add/?{query}&device=999999")
    assert "core\nedge" in page and "Work on 2 devices" in page and "3 devices, 1 of them because" in page
    values = several(devices="edge, CORE\nedge")
    touched = client.post("/maintenance/preview/", values, HTTP_HX_REQUEST="true").content.decode()
    assert "3 devices, 1 of them because" in touched and not MaintenanceWindow.objects.exists()
    assert client.post("/maintenance/add/", values)["Location"] == "/maintenance/"
    window = MaintenanceWindow.objects.get()
    assert window.listed == {devices[0].pk, devices[1].pk} and window.device is None
    assert AuditEvent.objects.filter(action="create").latest("id").after["devices"] == ["core", "edge"]
    assert "core, edge" in text_of(client, "/maintenance/")
    answer = client.post("/maintenance/add/", several(devices="core\nno-such\n" + alarms.HOSTILE))
    assert answer.status_code == 400 and "There is no device of the name no-such" in answer.content.decode()
    assert "<script>alert" not in answer.content.decode()
    # One of them is as before the scope's; with a list that is gone the person has to say what is meant.
    client.post(f"/maintenance/{window.pk}/", several(devices="gate"))
    window = MaintenanceWindow.objects.get()
    assert (window.listed, window.device, window.devices.count()) == (None, devices[2], 0)
    client.post(f"/maintenance/{window.pk}/", several(devices="core\nedge"))
    for device in devices[:2]:
        device.delete()
    answer = client.post(f"/maintenance/{window.pk}/", several(devices=""))
    assert answer.status_code == 400 and "No device is named any more" in answer.content.decode()
    assert "no device any more" in text_of(client, "/maintenance/")


def test_a_list_shows_everybody_the_devices_they_see(cast: people.Cast) -> None:
    tenant = factories.make_tenant()
    mine, other = factories.make_flat(name="mine", tenant=tenant), factories.make_flat(name="theirs-1")
    bound = people.make_person("bo", "operator")
    bound.tenants.set([tenant])
    client, api = people.client_for(bound), people.client_for(bound)
    both, foreign = (alerts.make_window(name=name, is_listed=True) for name in ("both", "foreign"))
    both.devices.set([mine, other])
    foreign.devices.set([other, factories.make_flat(name="more")])
    page = text_of(client, "/maintenance/")
    assert "mine" in page and "theirs-1" not in page and "foreign" not in page
    assert client.get(f"/maintenance/{foreign.pk}/").status_code == 404
    shown = api.get(f"/api/v1/maintenance-windows/{both.pk}/").json()
    assert shown["devices"] == [mine.pk] and shown["is_listed"] is True
    page = text_of(client, f"/maintenance/{both.pk}/")
    assert "mine" in page and "theirs-1" not in page


def test_the_charts_show_work_on_what_a_device_is_reached_through(cast: people.Cast) -> None:
    site = factories.make_site()
    core, edge, leaf = (factories.make_flat(name=name, site=site) for name in ("core", "edge", "leaf"))
    Dependency.objects.create(device=leaf, parent=core)
    now = timezone.now()

    def names(device: Any) -> list[str]:
        return sorted(one["name"] for one in maintenance_pages.bands(device, now - timedelta(hours=3), now))

    alerts.make_window(name="core", device=core)
    alerts.make_window(name="core alone", device=core, include_children=False)
    alerts.make_window(name="edge", device=edge)
    alerts.make_window(name="elsewhere", site=factories.make_site())
    listed = alerts.make_window(name="list", is_listed=True)
    listed.devices.set([core, edge])
    alerts.make_window(name="nothing", is_listed=True)
    assert names(leaf) == ["core", "list"] and names(core) == ["core", "core alone", "list"]
    assert names(edge) == ["edge", "list"]
    # Another way to it: work on the one does not cut it off.
    gate = factories.make_flat(name="gate", site=site)
    Dependency.objects.create(device=leaf, parent=gate)
    assert names(leaf) == []
    listed.devices.add(gate)
    assert names(leaf) == ["list"]
    alert = alarms.make_alert(leaf, rule=AlertRule.objects.get(template="device.down"))
    with mock.patch.object(
        alert_story, "series_of", return_value=(factories.make_series(leaf, metric_set="icmp"), "rtt_ms")
    ):
        assert [one["name"] for one in alert_story.chart(alert)["maintenance"]] == ["list"]
