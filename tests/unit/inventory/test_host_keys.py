"""Which host keys are believed: who says so, what a changed one does, and what stays on record."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from rest_framework.test import APIClient

from inventory import host_keys
from inventory.models import HostKey, ManagementEndpoint, Tenant
from inventory.targets import target_of
from netmon.audit.models import AuditEvent
from netmon.common.errors import NoCredential, NoEndpoint
from netmon.drivers.targets import HostKey as DriverHostKey
from tests import factories, people

pytestmark = pytest.mark.django_db
KEY, OTHER, ECDSA = (DriverHostKey.parse(line) for line in factories.HOST_KEY_LINES)


@pytest.fixture
def endpoint(db: None) -> ManagementEndpoint:
    return factories.make_ssh_endpoint()


def url(endpoint: ManagementEndpoint, rest: str = "") -> str:
    return f"/api/v1/endpoints/{endpoint.pk}/host-keys/{rest}"


def last_action() -> tuple[str, str]:
    event = AuditEvent.objects.order_by("pk").last()
    assert event is not None
    return event.action, event.object_type


class TestWhatASessionMayShow:
    def test_nothing_before_somebody_decided(self, endpoint: ManagementEndpoint) -> None:
        host_keys.note_refused(endpoint.pk, KEY, "unknown")
        target: Any = target_of(fresh(endpoint))
        assert (target.pins, target.trusts_first_use) == ((), False)

    def test_what_an_admin_approved(self, endpoint: ManagementEndpoint, cast: people.Cast) -> None:
        row = host_keys.note_refused(endpoint.pk, KEY, "unknown")
        assert row is not None
        host_keys.approve(row, user=cast.ada)
        target: Any = target_of(fresh(endpoint))
        assert (target.pins, target.trusts_first_use) == ((KEY,), False)

    def test_the_first_one_where_the_tenant_says_so(self, db: None) -> None:
        tenant = factories.make_tenant(host_key_policy=Tenant.HostKeyPolicy.FIRST_USE)
        endpoint = factories.make_ssh_endpoint(tenant=tenant)
        target: Any = target_of(fresh(endpoint))
        assert (target.pins, target.trusts_first_use) == ((), True)
        host_keys.note_accepted(endpoint.pk, KEY, is_first_use=True)
        target = target_of(fresh(endpoint))
        assert (target.pins, target.trusts_first_use) == ((KEY,), False)
        row = HostKey.objects.get()
        assert (row.state, row.reason, row.decided_by) == ("trusted", "first", None)
        assert last_action() == ("approve", "inventory.hostkey")

    def test_the_site_says_so_for_devices_of_no_tenant(self, endpoint: ManagementEndpoint, settings: Any) -> None:
        settings.SSH_TRUST_FIRST_KEY = True
        target: Any = target_of(fresh(endpoint))
        assert target.trusts_first_use is True

    def test_no_first_use_after_a_key_was_revoked(self, cast: people.Cast) -> None:
        tenant = factories.make_tenant(host_key_policy=Tenant.HostKeyPolicy.FIRST_USE)
        endpoint = factories.make_ssh_endpoint(tenant=tenant)
        host_keys.note_accepted(endpoint.pk, KEY, is_first_use=True)
        host_keys.revoke(HostKey.objects.get(), user=cast.ada)
        target: Any = target_of(fresh(endpoint))
        assert (target.pins, target.trusts_first_use) == ((), False)

    def test_a_run_that_was_prepared_before_somebody_decided_trusts_nothing(self, cast: people.Cast) -> None:
        tenant = factories.make_tenant(host_key_policy=Tenant.HostKeyPolicy.FIRST_USE)
        endpoint = factories.make_ssh_endpoint(tenant=tenant)
        host_keys.enter(endpoint, KEY, user=cast.ada)
        host_keys.note_accepted(endpoint.pk, OTHER, is_first_use=True)  # of a run that knew no pins yet
        assert {row.fingerprint: row.state for row in HostKey.objects.all()} == {
            KEY.fingerprint: "trusted", OTHER.fingerprint: "pending",
        }  # fmt: skip

    def test_no_first_use_while_a_changed_key_waits_or_too_many_were_shown(self, db: None) -> None:
        tenant = factories.make_tenant(host_key_policy=Tenant.HostKeyPolicy.FIRST_USE)
        endpoint = factories.make_ssh_endpoint(tenant=tenant)
        factories.make_host_key(endpoint, OTHER, reason="changed")
        assert not host_keys.trusts_first_use(fresh(endpoint))
        crowded = factories.make_ssh_endpoint(tenant=tenant)
        for number in range(host_keys.MAX_PENDING):
            factories.make_host_key(crowded, factories.driver_host_key(number))
        assert not host_keys.trusts_first_use(fresh(crowded))

    def test_a_revoked_key_that_comes_back_is_news_once_a_day(
        self, endpoint: ManagementEndpoint, cast: people.Cast
    ) -> None:
        row = factories.make_host_key(endpoint, OTHER, state="revoked", last_seen_at=None)
        assert host_keys.note_refused(endpoint.pk, OTHER, "changed") == row
        assert host_keys.note_refused(endpoint.pk, OTHER, "changed") is None

    def test_only_keys_of_its_own_endpoint(self, endpoint: ManagementEndpoint) -> None:
        factories.make_host_key(factories.make_ssh_endpoint(), state="trusted")
        target: Any = target_of(fresh(endpoint))
        assert target.pins == ()


class TestWhatWasSeen:
    def test_a_changed_key_is_kept_for_comparison_once(self, endpoint: ManagementEndpoint) -> None:
        factories.make_host_key(endpoint, state="trusted")
        row = host_keys.note_refused(endpoint.pk, OTHER, "changed")
        assert row is not None
        assert (row.state, row.reason) == ("pending", "changed")
        assert last_action() == ("offer", "inventory.hostkey")
        events = AuditEvent.objects.count()
        assert host_keys.note_refused(endpoint.pk, OTHER, "changed") is None, "no news"
        assert AuditEvent.objects.count() == events

    def test_a_server_with_a_new_key_at_every_contact_fills_no_table(self, endpoint: ManagementEndpoint) -> None:
        for number in range(host_keys.MAX_PENDING + 5):
            host_keys.note_refused(endpoint.pk, factories.driver_host_key(number), "unknown")
        assert HostKey.objects.count() == host_keys.MAX_PENDING

    def test_a_gone_endpoint_is_no_fault(self, endpoint: ManagementEndpoint) -> None:
        pk = endpoint.pk
        endpoint.delete()
        assert host_keys.note_refused(pk, KEY, "unknown") is None
        host_keys.note_accepted(pk, KEY, is_first_use=True)
        assert not HostKey.objects.exists()


class TestDeciding:
    def test_approving_a_changed_key_revokes_the_one_before(
        self, endpoint: ManagementEndpoint, cast: people.Cast
    ) -> None:
        old = factories.make_host_key(endpoint, state="trusted")
        other_type = factories.make_host_key(endpoint, ECDSA, state="trusted")
        new = host_keys.note_refused(endpoint.pk, OTHER, "changed")
        assert new is not None
        answer = people.client_for(cast.ada).post(url(endpoint, f"{new.fingerprint}/approve/"))
        assert (answer.status_code, answer.json()["state"], answer.json()["decided_by"]) == (200, "trusted", "ada")
        states = {row.pk: row.state for row in HostKey.objects.all()}
        assert states == {old.pk: "revoked", other_type.pk: "trusted", new.pk: "trusted"}
        assert set(host_keys.pins_of(endpoint)) == {OTHER, ECDSA}

    def test_a_key_may_be_entered_before_it_is_seen(self, endpoint: ManagementEndpoint, cast: people.Cast) -> None:
        client = people.client_for(cast.ada)
        answer = client.post(url(endpoint), {"line": f"{KEY.line} root@router"})
        assert answer.status_code == 201
        assert (answer.json()["fingerprint"], answer.json()["reason"]) == (factories.HOST_KEY_FINGERPRINT, "entered")
        assert answer.json()["known_hosts"].endswith(KEY.line)
        assert client.post(url(endpoint), {"line": KEY.line}).status_code == 409

    @pytest.mark.parametrize("line", ["", "AAAA", "ssh-dss AAAAB3NzaC1kc3M=", "ssh-ed25519 AAAA", "ssh-ed25519 %%%"])
    def test_what_is_no_key_is_refused_by_name(self, line: str, endpoint: ManagementEndpoint, cast: Any) -> None:
        answer = people.client_for(cast.ada).post(url(endpoint), {"line": line})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == "/line"

    def test_other_endpoints_have_no_host_keys(self, cast: people.Cast) -> None:
        endpoint = factories.make_endpoint(factories.make_device())
        answer = people.client_for(cast.ada).post(url(endpoint), {"line": KEY.line})
        assert (answer.status_code, HostKey.objects.count()) == (400, 0)

    def test_an_operator_reads_and_does_not_decide(
        self, endpoint: ManagementEndpoint, api: APIClient, cast: people.Cast
    ) -> None:
        row = factories.make_host_key(endpoint)
        assert [entry["state"] for entry in api.get(url(endpoint)).json()] == ["pending"]
        assert api.post(url(endpoint, f"{row.fingerprint}/approve/")).status_code == 403
        assert api.post(url(endpoint, f"{row.fingerprint}/revoke/")).status_code == 403
        assert api.post(url(endpoint), {"line": OTHER.line}).status_code == 403
        assert people.client_for(cast.vera).get(url(endpoint)).status_code == 403
        row.refresh_from_db()
        assert row.state == "pending"

    def test_a_decision_lets_what_waited_run_at_once(self, endpoint: ManagementEndpoint, cast: people.Cast) -> None:
        from datetime import timedelta

        from django.utils import timezone

        from monitoring.models import Check

        row = factories.make_host_key(endpoint)
        later = timezone.now() + timedelta(hours=9)
        check = factories.make_check(endpoint, module="icmp", next_run_at=later)
        host_keys.approve(row, user=cast.ada)
        assert Check.objects.get(pk=check.pk).next_run_at < later

    def test_the_policy_of_a_tenant_is_an_admins(self, api: APIClient, cast: people.Cast) -> None:
        tenant = factories.make_tenant()
        change = {"host_key_policy": "first_use"}
        refused = api.patch(f"/api/v1/tenants/{tenant.pk}/", change)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/host_key_policy")
        assert people.client_for(cast.ada).patch(f"/api/v1/tenants/{tenant.pk}/", change).status_code == 200


class TestTheWay:
    def test_a_jump_host_is_another_endpoint_of_the_tenant(self, endpoint: ManagementEndpoint) -> None:
        hop = factories.make_ssh_endpoint()
        factories.make_host_key(hop, OTHER, state="trusted")
        endpoint.options = {"jump": hop.pk, "connect_timeout_seconds": 3}
        endpoint.full_clean()
        endpoint.save()
        target: Any = target_of(fresh(endpoint))
        assert target.connect_timeout_seconds == 3.0
        assert (target.jump.address, target.jump.pins) == (hop.device.primary_ip.address, (OTHER,))

    @pytest.mark.parametrize("jump", ["x", 0, True, None, 1.5, [1]])
    def test_what_is_no_jump_host_is_refused(self, jump: Any, endpoint: ManagementEndpoint) -> None:
        endpoint.options = {"jump": jump}
        with pytest.raises(ValidationError, match="jump"):
            endpoint.full_clean()

    def test_a_way_that_leads_back_is_refused(self, endpoint: ManagementEndpoint) -> None:
        hop = factories.make_ssh_endpoint(options={"jump": endpoint.pk})
        endpoint.options = {"jump": hop.pk}
        with pytest.raises(ValidationError, match="leads back"):
            endpoint.full_clean()

    def test_another_tenants_jump_host_is_none(self, endpoint: ManagementEndpoint) -> None:
        endpoint.options = {"jump": factories.make_ssh_endpoint(tenant=factories.make_tenant()).pk}
        with pytest.raises(ValidationError, match="there is no SSH endpoint"):
            endpoint.full_clean()

    def test_a_jump_host_that_is_switched_off_or_moved_gets_nothing(self, endpoint: ManagementEndpoint) -> None:
        hop = factories.make_ssh_endpoint()
        ManagementEndpoint.objects.filter(pk=endpoint.pk).update(options={"jump": hop.pk})
        ManagementEndpoint.objects.filter(pk=hop.pk).update(is_enabled=False)
        with pytest.raises(NoEndpoint, match="switched off"):
            target_of(fresh(endpoint))
        ManagementEndpoint.objects.filter(pk=hop.pk).update(is_enabled=True)
        hop.device.tenant = factories.make_tenant()
        hop.device.save()
        with pytest.raises(NoEndpoint, match="jump host"):
            target_of(fresh(endpoint))

    def test_an_operator_leads_no_stored_secret_through_a_jump_host(
        self, endpoint: ManagementEndpoint, api: APIClient, cast: people.Cast
    ) -> None:
        """Behind it an address is whoever answers to it there."""
        hop = factories.make_ssh_endpoint()
        url = f"/api/v1/endpoints/{endpoint.pk}/"
        refused = api.patch(url, {"options": {"jump": hop.pk}})
        assert refused.status_code in (400, 403), refused.content
        endpoint.refresh_from_db()
        assert "jump" not in endpoint.options
        assert people.client_for(cast.ada).patch(url, {"options": {"jump": hop.pk}}).status_code == 200

    def test_a_jump_host_that_is_gone_is_named(self, endpoint: ManagementEndpoint) -> None:
        hop = factories.make_ssh_endpoint()
        ManagementEndpoint.objects.filter(pk=endpoint.pk).update(options={"jump": hop.pk})
        hop.delete()
        with pytest.raises(NoEndpoint, match="jump host"):
            target_of(fresh(endpoint))

    def test_a_login_needs_a_user_name(self, db: None) -> None:
        endpoint = factories.make_ssh_endpoint()
        assert endpoint.credential is not None
        type(endpoint.credential).objects.filter(pk=endpoint.credential_id).update(username="")
        with pytest.raises(NoCredential, match="user name"):
            target_of(fresh(endpoint))


def fresh(endpoint: ManagementEndpoint) -> ManagementEndpoint:
    return ManagementEndpoint.objects.get(pk=endpoint.pk)
