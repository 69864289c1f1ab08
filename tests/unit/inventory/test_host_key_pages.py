"""The pages of host keys: who sees and decides what, and that nothing of a foreign tenant shows."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from inventory import host_keys
from inventory.models import HostKey, ManagementEndpoint
from netmon.audit.models import AuditEvent
from netmon.drivers.targets import HostKey as DriverHostKey
from tests import factories, people

pytestmark = pytest.mark.django_db
KEY, OTHER, _ = (DriverHostKey.parse(line) for line in factories.HOST_KEY_LINES)


@pytest.fixture
def endpoint(cast: people.Cast, _clean_cache: None) -> ManagementEndpoint:
    """A server whose trusted key was followed by another one."""
    endpoint = factories.make_ssh_endpoint()
    factories.make_host_key(endpoint, KEY, state="trusted", first_seen_at=timezone.now(), last_seen_at=timezone.now())
    host_keys.note_refused(endpoint.pk, OTHER, "changed")
    return endpoint


def text(answer: Any) -> str:
    return str(answer.content.decode())


def tab(endpoint: ManagementEndpoint) -> str:
    return f"/devices/{endpoint.device_id}/host-keys/"


def decide(endpoint: ManagementEndpoint, key: DriverHostKey, decision: str) -> str:
    row = HostKey.objects.get(endpoint=endpoint, fingerprint=key.fingerprint)
    return f"{tab(endpoint)}{row.pk}/{decision}/"


def test_both_fingerprints_and_the_reason_stand_side_by_side(endpoint: ManagementEndpoint, cast: people.Cast) -> None:
    for path in (tab(endpoint), "/host-keys/"):
        shown = text(people.client_for(cast.omar).get(path))
        assert KEY.fingerprint in shown and OTHER.fingerprint in shown
        assert "another key than the trusted one" in shown
    assert "Approve" not in text(people.client_for(cast.omar).get(tab(endpoint))), "operators decide nothing"
    assert people.client_for(cast.vera).get(tab(endpoint)).status_code == 403
    assert people.client_for(cast.vera).get("/host-keys/").status_code == 403


def test_the_head_of_the_page_says_it_to_everybody(endpoint: ManagementEndpoint, cast: people.Cast) -> None:
    for user in (cast.vera, cast.omar):
        shown = text(people.client_for(user).get(f"/devices/{endpoint.device_id}/"))
        assert "host key has changed" in shown and OTHER.fingerprint not in shown
    other = factories.make_ssh_endpoint()
    assert "host-key-notice" not in text(people.client_for(cast.omar).get(f"/devices/{other.device_id}/"))
    host_keys.note_refused(other.pk, KEY, "unknown")
    assert "waits for approval" in text(people.client_for(cast.omar).get(f"/devices/{other.device_id}/"))


def test_an_admin_approves_and_the_notice_goes(endpoint: ManagementEndpoint, cast: people.Cast) -> None:
    admin = people.client_for(cast.ada)
    shown = text(admin.post(decide(endpoint, OTHER, "approve"), HTTP_HX_REQUEST="true"))
    assert "is trusted from now on" in shown
    states = dict(HostKey.objects.values_list("fingerprint", "state"))
    assert states == {KEY.fingerprint: "revoked", OTHER.fingerprint: "trusted"}
    assert HostKey.objects.get(state="trusted").decided_by == cast.ada
    event = AuditEvent.objects.order_by("pk").last()
    assert event is not None and (event.action, event.username) == ("approve", "ada")
    assert "host-key-notice" not in text(admin.get(f"/devices/{endpoint.device_id}/"))


def test_an_admin_refuses(endpoint: ManagementEndpoint, cast: people.Cast) -> None:
    people.client_for(cast.ada).post(decide(endpoint, OTHER, "revoke"))
    assert HostKey.objects.get(fingerprint=KEY.fingerprint).state == "trusted"
    assert HostKey.objects.get(fingerprint=OTHER.fingerprint).state == "revoked"


def test_nobody_else_decides(endpoint: ManagementEndpoint, cast: people.Cast) -> None:
    paths = [
        decide(endpoint, OTHER, "approve"),
        decide(endpoint, KEY, "revoke"),
        f"{tab(endpoint)}enter/{endpoint.pk}/",
    ]
    for path in paths:
        assert people.client_for(cast.omar).post(path, {"line": "x"}).status_code == 403
        assert people.client_for(cast.ada).get(path).status_code == 405
    assert people.client_for(None).post(paths[0]).status_code == 302
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    assert forged.post(paths[0]).status_code == 403, "no token, no decision"
    assert HostKey.objects.get(fingerprint=OTHER.fingerprint).state == "pending"


def test_a_key_is_entered_or_the_field_says_why_not(endpoint: ManagementEndpoint, cast: people.Cast) -> None:
    admin, path, field = people.client_for(cast.ada), f"{tab(endpoint)}enter/{endpoint.pk}/", f"e{endpoint.pk}-line"
    answer = admin.post(path, {field: "ssh-ed25519 <b>x</b>"})
    assert answer.status_code == 400 and "base64" in text(answer) and "<b>x" not in text(answer)
    assert admin.post(path, {field: "junk"}, HTTP_HX_REQUEST="true").status_code == 200, "htmx shows no 400"
    answer = admin.post(path, {field: KEY.line})
    assert answer.status_code == 400 and "has this key already" in text(answer)
    new = factories.driver_host_key(5)
    assert new.fingerprint in text(admin.post(path, {field: f"{new.line} root@console"}))
    assert HostKey.objects.get(fingerprint=new.fingerprint).reason == "entered"


def test_a_key_of_another_device_is_not_decided_here(endpoint: ManagementEndpoint, cast: people.Cast) -> None:
    other = factories.make_ssh_endpoint()
    path = decide(endpoint, OTHER, "approve").replace(f"/devices/{endpoint.device_id}/", f"/devices/{other.device_id}/")
    assert people.client_for(cast.ada).post(path).status_code == 404
    wrong = f"{tab(endpoint)}enter/{other.pk}/"
    assert people.client_for(cast.ada).post(wrong, {"line": OTHER.line}).status_code == 404


def test_people_of_a_tenant_see_and_decide_theirs(endpoint: ManagementEndpoint, cast: people.Cast) -> None:
    tenant = factories.make_tenant()
    ours = factories.make_ssh_endpoint(tenant=tenant)
    host_keys.note_refused(ours.pk, KEY, "unknown")
    bound = people.make_person("bound", "operator")
    bound.tenants.add(tenant)
    client = people.client_for(bound)
    shown = text(client.get("/host-keys/"))
    assert ours.device.name in shown and endpoint.device.name not in shown and OTHER.fingerprint not in shown
    for path in (tab(endpoint), f"/endpoints/{endpoint.pk}/setup/"):
        assert client.get(path).status_code == 404
    assert client.post(decide(endpoint, OTHER, "approve")).status_code in (403, 404)
    bound.role = "admin"  # an admin of one tenant
    bound.save()
    client = people.client_for(bound)
    assert client.get(tab(endpoint)).status_code == 404
    assert client.post(decide(endpoint, OTHER, "approve")).status_code in (403, 404)
    assert HostKey.objects.get(fingerprint=OTHER.fingerprint).state == "pending"


def test_the_badge_is_the_admins(endpoint: ManagementEndpoint, cast: people.Cast) -> None:
    assert " waiting</span>" in text(people.client_for(cast.ada).get("/host-keys/"))
    assert " waiting</span>" not in text(people.client_for(cast.omar).get("/host-keys/"))


class TestSetUp:
    def test_the_text_stands_on_the_form_and_on_its_own_page(
        self, endpoint: ManagementEndpoint, cast: people.Cast
    ) -> None:
        client = people.client_for(cast.omar)
        for path in (f"/devices/{endpoint.device_id}/edit/", f"/endpoints/{endpoint.pk}/setup/"):
            assert "netmon-ro" in text(client.get(path))
        assert "frrvty" in text(client.get(f"/endpoints/{endpoint.pk}/setup/?platform=frr"))
        assert client.get(f"/endpoints/{endpoint.pk}/setup/?platform=<x>").status_code == 409
        assert people.client_for(cast.vera).get(f"/endpoints/{endpoint.pk}/setup/").status_code == 403

    def test_a_hostile_name_is_shown_as_text(self, endpoint: ManagementEndpoint, cast: people.Cast) -> None:
        credential = endpoint.credential
        assert credential is not None
        credential.username = "<script>alert(1)</script>"
        credential.save()
        shown = text(people.client_for(cast.omar).get(f"/endpoints/{endpoint.pk}/setup/"))
        assert "<script>alert" not in shown and "&lt;script&gt;alert" in shown

    def test_without_ssh_the_form_says_nothing_of_it(self, cast: people.Cast, _clean_cache: None) -> None:
        device = factories.make_flat()
        assert "setup-text" not in text(people.client_for(cast.omar).get(f"/devices/{device.pk}/edit/"))
