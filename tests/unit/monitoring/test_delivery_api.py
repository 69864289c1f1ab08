"""Channels, contacts and policies over HTTP: secrets go in and stay in, and everybody writes what is theirs."""

from typing import Any

import pytest
from cryptography.fernet import Fernet

from monitoring.models import Channel, Contact, EscalationStep
from monitoring.notifying import configs, testing
from netmon.audit.models import AuditEvent
from tests import alerts, factories, people

pytestmark = pytest.mark.django_db
SECRET = "hush-hush-hush-hush-hush-hush"
MAIL = {"host": "smtp.example.com", "from_address": "n@example.com", "username": "netmon", "password": SECRET}


@pytest.fixture
def admin(cast: people.Cast, _clean_cache: None) -> Any:
    return people.client_for(cast.ada)


def test_secrets_of_a_channel_go_in_and_never_come_out(admin: Any, cast: people.Cast) -> None:
    made = admin.post("/api/v1/channels/", {"name": "mail", "kind": "email", "config": MAIL})
    assert made.status_code == 201, made.content
    assert (
        made.json()["config"]["password_set"] is True
        and made.json()["shown"] == "n@example.com by smtp.example.com:587"
    )
    url = f"/api/v1/channels/{made.json()['id']}/"
    back = admin.patch(url, {"config": made.json()["config"]})  # an answer may be sent back
    assert back.status_code == 200
    row = Channel.objects.get()
    assert configs.opened(row)["password"] == SECRET
    admin.patch(url, {"config": {"host": "mx.example.com"}})
    row.refresh_from_db()
    assert configs.opened(row) == {
        **MAIL,
        "host": "mx.example.com",
        "port": 587,
        "security": "starttls",
        "verify": True,
        "tenant_id": None,
    }
    omar = people.client_for(cast.omar)
    seen = omar.get(url).json()
    assert (seen["config"], seen["shown"]) == (None, "n@example.com by mx.example.com:587")
    told = str(admin.get(url).json()) + str(list(AuditEvent.objects.values())) + str(seen)
    assert SECRET not in told
    assert omar.patch(url, {"name": "x"}).status_code == 403
    assert people.client_for(cast.vera).get(url).status_code == 403


def test_what_a_kind_does_not_take_is_refused_by_field(admin: Any) -> None:
    def refused(kind: str, **config: Any) -> set[str]:
        answer = admin.post("/api/v1/channels/", {"name": "x", "kind": kind, "config": config})
        assert answer.status_code == 400, answer.content
        return {error["pointer"].removeprefix("/config/") for error in answer.json()["errors"]}

    assert refused("email", host="a") == {"from_address"}
    assert refused("email", **{**MAIL, "security": "none"}) == {"security"}
    assert refused("email", **{**MAIL, "port": "25"}) == {"port"}
    assert refused("slack") == {"webhook_url"}
    assert refused("webhook", url="ftp://example.com") == {"url"}
    assert refused("webhook", url="https://u:p@example.com") == {"url"}
    assert refused("webhook", url="https://example.com", colour="red") == {"colour"}
    assert refused("apprise", url="mailto://a:b@c") == {"url"}
    assert admin.post("/api/v1/channels/", {"name": "x", "kind": "email"}).status_code == 400
    row = alerts.make_channel()
    assert admin.patch(f"/api/v1/channels/{row.pk}/", {"kind": "email"}).status_code == 400


def test_a_webhooks_secret_is_made_and_shown_once(admin: Any) -> None:
    body = {"name": "hook", "kind": "webhook", "config": {"url": "https://hooks.example.com/x"}}
    made = admin.post("/api/v1/channels/", body).json()
    assert len(made["made_secret"]) >= 24 and made["config"]["secret_set"] is True
    row = Channel.objects.get()
    assert configs.opened(row)["secret"] == made["made_secret"]
    shown = admin.get(f"/api/v1/channels/{row.pk}/").json()
    assert shown["made_secret"] is None and made["made_secret"] not in str(shown)
    given = admin.post("/api/v1/channels/", {**body, "name": "own", "config": {**body["config"], "secret": SECRET}})
    assert given.json()["made_secret"] is None


def test_a_channel_whose_key_is_lost_hides_no_other_and_is_entered_anew(admin: Any, settings: Any) -> None:
    lost = alerts.make_channel()
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    alerts.make_channel()
    rows = {row["id"]: row for row in admin.get("/api/v1/channels/").json()["results"]}
    assert len(rows) == 2 and "does not decrypt" in rows[lost.pk]["config"]["error"]
    url = f"/api/v1/channels/{lost.pk}/"
    assert admin.patch(url, {"config": {"verify": True}}).status_code == 400
    anew = admin.patch(url, {"config": {"url": "https://a.example.com", "secret": SECRET}})
    assert anew.status_code == 200 and anew.json()["config"]["secret_set"] is True


def test_a_channel_is_tried(admin: Any, cast: people.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def test_channel(channel: Channel, *, to_emails: Any, user: Any) -> dict[str, Any]:
        calls.append((channel.name, to_emails, user.username))
        return {"ok": True, "code": "250", "detail": "Accepted.", "seconds": 0.2}

    monkeypatch.setattr(testing, "test_channel", test_channel)
    row = alerts.make_channel(name="mail", kind="email", config=alerts.MAIL)
    url = f"/api/v1/channels/{row.pk}/test/"
    assert admin.post(url, {"emails": ["a@example.com"]}).json()["code"] == "250"
    admin.post(url)
    assert calls == [("mail", ("a@example.com",), "ada"), ("mail", (cast.ada.email,), "ada")]
    assert AuditEvent.objects.filter(action="test").count() == 2
    assert admin.post(url, {"emails": ["nobody"]}).status_code == 400
    cast.ada.email = ""
    cast.ada.save()
    assert admin.post(url).status_code == 400
    assert people.client_for(cast.omar).post(url).status_code == 403
    assert [admin.post(url).status_code for _ in range(12)][-1] == 429


def test_everybody_changes_the_contact_that_is_their_own(cast: people.Cast, _clean_cache: None) -> None:
    own = alerts.make_contact(user=cast.vera, emails=["vera@example.net"])
    other = alerts.make_contact(emails=["secret@example.net"])
    vera = people.client_for(cast.vera)
    url = f"/api/v1/contacts/{own.pk}/"
    changed = vera.patch(url, {"quiet_from": "22:00", "quiet_to": "06:00:00", "emails": ["v@example.net"]})
    assert changed.status_code == 200, changed.content
    assert (changed.json()["quiet_from"], changed.json()["emails"]) == ("22:00", ["v@example.net"])
    assert vera.put(url, {**changed.json(), "min_severity": "high"}).status_code == 200
    for body in ({"name": "x"}, {"user": None}, {"channels": [alerts.make_channel().pk]}):
        answer = vera.patch(url, body)
        assert answer.status_code == 400 and answer.json()["errors"][0]["code"] == "operators_only", body
    assert vera.patch(f"/api/v1/contacts/{other.pk}/", {"emails": []}).status_code == 403
    assert vera.get(f"/api/v1/contacts/{other.pk}/").json()["emails"] == []
    assert vera.delete(url).status_code == vera.post("/api/v1/contacts/", {"name": "n"}).status_code == 403
    omar = people.client_for(cast.omar)
    assert omar.get(f"/api/v1/contacts/{other.pk}/").json()["emails"] == ["secret@example.net"]
    assert omar.patch(f"/api/v1/contacts/{other.pk}/", {"emails": ["a@example.com"]}).status_code == 200
    assert omar.patch(f"/api/v1/contacts/{other.pk}/", {"emails": ["a"]}).status_code == 400
    assert omar.patch(f"/api/v1/contacts/{other.pk}/", {"quiet_from": "22:00"}).status_code == 400
    assert omar.patch(f"/api/v1/contacts/{other.pk}/", {"time_zone": "Mars/Base"}).status_code == 400


def test_a_policy_and_its_steps_are_written_together(api: Any) -> None:
    one, two = alerts.make_contact(), alerts.make_contact()
    steps = [{"after_seconds": 0, "contacts": [one.pk]}, {"after_seconds": 900, "contacts": [one.pk, two.pk]}]
    made = api.post("/api/v1/escalation-policies/", {"name": "core", "steps": steps})
    assert made.status_code == 201 and made.json()["steps"] == steps
    url = f"/api/v1/escalation-policies/{made.json()['id']}/"
    assert api.patch(url, {"rank": 5}).json()["steps"] == steps
    assert api.patch(url, {"steps": steps[:1]}).json()["steps"] == steps[:1]
    event = AuditEvent.objects.filter(action="update").first()
    assert event is not None and event.before is not None and event.after == {"steps": [[0, [one.pk]]]}
    late = {"after_seconds": 60, "contacts": [two.pk]}
    for wrong in ([], [late], [steps[0], late, late], [{**late, "after_seconds": 0, "contacts": []}],
                  [steps[0], *({**late, "after_seconds": 60 * n} for n in range(1, 6))],
                  [{**steps[0], "contacts": [99999]}], [{**steps[0], "number": 3}]):  # fmt: skip
        assert api.patch(url, {"steps": wrong}).status_code == 400, wrong
    assert EscalationStep.objects.count() == 1
    assert api.get(url).json()["steps"] == steps[:1]
    assert Contact.objects.count() == 2 and factories.make_tenant().pk
