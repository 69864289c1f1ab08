"""Trying an SSH way in over the API: what a login tells, what a host key does to it, and that nothing secret leaves."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from inventory import ssh_keys
from inventory.models import CredentialUse, HostKey, ManagementEndpoint, Tenant
from inventory.services import create_device
from monitoring.services import testing
from netmon.audit.models import AuditEvent
from netmon.jobs.models import Job
from tests import factories, people
from tests.daemons import free_port
from tests.daemons.bad_ssh import PASSWORD, bad_ssh
from tests.daemons.sshd import Sshd

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
SECRET = PASSWORD
_numbers = itertools.count(1)


@pytest.fixture
def runs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has done the job before the request waits for it."""

    def wait(job: Job, seconds: float) -> Job:
        testing.run_job(job.pk)
        job.refresh_from_db()
        return job

    monkeypatch.setattr("netmon.jobs.services.wait", wait)


@pytest.fixture
def api(cast: people.Cast, runs_at_once: None) -> APIClient:
    return people.client_for(cast.omar)


def with_key_of(endpoint: ManagementEndpoint, server: Sshd) -> None:
    key = ssh_keys.import_key(name=f"key {next(_numbers)}", data=server.private_key, username=server.username)
    ManagementEndpoint.objects.filter(pk=endpoint.pk).update(credential=key)


def endpoint_at(
    port: int, *, policy: str = "approve", password: str = SECRET, tenant: Tenant | None = None, **options: Any
) -> ManagementEndpoint:
    # One address stands once in a tenant; a second endpoint there names its host itself.
    ip, options = ("127.0.0.1", options) if tenant is None else ("127.0.0.9", {**options, "host": "127.0.0.1"})
    tenant = tenant or factories.make_tenant(host_key_policy=policy)
    fields = {
        "name": f"box-{next(_numbers)}", "kind": "computer", "ip": ip, "tenant": tenant,
        "ssh_username": "netmon", "ssh_password": password, "ssh_port": port,
    }  # fmt: skip
    endpoint = create_device(fields=fields).endpoints.get(protocol="ssh")
    if options:
        ManagementEndpoint.objects.filter(pk=endpoint.pk).update(options=options)
        endpoint.refresh_from_db()
    return endpoint


def tried(api: APIClient, endpoint: ManagementEndpoint) -> dict[str, Any]:
    answer = api.post(f"/api/v1/endpoints/{endpoint.pk}/test/")
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body


def assert_nothing_secret(body: object, caplog: pytest.LogCaptureFixture, secret: str = SECRET) -> None:
    kept = [*Job.objects.values(), *AuditEvent.objects.values(), *CredentialUse.objects.values()]
    assert secret not in f"{body} {kept} {caplog.text}"


def pinned_by(caplog: pytest.LogCaptureFixture, endpoint: ManagementEndpoint, key: Any) -> None:
    caplog.set_level(logging.DEBUG)
    factories.make_host_key(endpoint, key, state="trusted", first_seen_at=timezone.now())


class TestTheAnswer:
    def test_a_linux_host(self, api: APIClient, server: Sshd) -> None:
        endpoint = endpoint_at(server.port, policy=Tenant.HostKeyPolicy.FIRST_USE)
        with_key_of(endpoint, server)
        body = tried(api, endpoint)
        assert body["ok"], body
        found = body["found"]
        assert found["platform"] in ("linux", "frr") and "Linux" in found["evidence"]
        assert found["server_version"].startswith("SSH-2.0-OpenSSH")
        assert found["host_key"] == server.host_keys["ed25519"].fingerprint and found["first_use"] is True
        row = HostKey.objects.get()
        assert (row.endpoint, row.state, row.fingerprint) == (endpoint, "trusted", found["host_key"])
        assert tried(api, endpoint)["found"]["first_use"] is False, "the second time it is known"
        assert CredentialUse.objects.get().last_error_code == ""

    def test_a_credential_at_a_device(self, api: APIClient) -> None:
        with bad_ssh() as server:
            endpoint = endpoint_at(server.port, policy=Tenant.HostKeyPolicy.FIRST_USE)
            url = f"/api/v1/credentials/{endpoint.credential_id}/test/"
            body = api.post(url, {"device": endpoint.device_id}).json()
            assert body["ok"] and body["protocol"] == "ssh" and body["port"] == server.port
            assert body["found"]["host_key"] == server.host_key.fingerprint

    def test_at_a_device_without_ssh_no_key_is_kept(self, api: APIClient, cast: people.Cast) -> None:
        device = factories.make_flat()
        shared = factories.make_credential(kind="password", username="u", secret=SECRET)
        admin = people.client_for(cast.ada)
        body = admin.post(f"/api/v1/credentials/{shared.pk}/test/", {"device": device.pk}).json()
        assert body["error_code"] in ("unreachable", "untrusted_peer") and not HostKey.objects.exists()


class TestRefusals:
    def test_an_unknown_key_waits_and_gets_nothing(self, api: APIClient, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        with bad_ssh() as server:
            endpoint = endpoint_at(server.port)
            body = tried(api, endpoint)
            assert not server.attempts
            assert (body["ok"], body["error_code"]) == (False, "untrusted_peer")
            assert server.host_key.fingerprint in body["error_detail"]
            row = HostKey.objects.get()
            assert (row.state, row.reason, row.fingerprint) == ("pending", "first", server.host_key.fingerprint)
        assert_nothing_secret(body, caplog)

    def test_a_changed_key_gets_no_password(self, api: APIClient, caplog: pytest.LogCaptureFixture) -> None:
        with bad_ssh() as server:
            endpoint = endpoint_at(server.port)
            old = factories.driver_host_key(7)
            pinned_by(caplog, endpoint, old)
            body = tried(api, endpoint)
            assert not server.attempts and not server.commands, "hung up on before any login"
            assert body["error_code"] == "untrusted_peer"
            assert old.fingerprint in body["error_detail"] and server.host_key.fingerprint in body["error_detail"]
            row = HostKey.objects.get(state="pending")
            assert (row.reason, row.fingerprint) == ("changed", server.host_key.fingerprint)
        assert_nothing_secret(body, caplog)

    def test_a_wrong_password(self, api: APIClient, caplog: pytest.LogCaptureFixture) -> None:
        wrong = "not-the-password-7"
        with bad_ssh() as server:
            endpoint = endpoint_at(server.port, password=wrong)
            pinned_by(caplog, endpoint, server.host_key)
            body = tried(api, endpoint)
            assert len(server.attempts) == 1, "never again by itself"
        assert body["error_code"] == "auth_failed"
        assert CredentialUse.objects.get().last_error_code == "auth_failed"
        assert_nothing_secret(body, caplog, wrong)

    def test_nobody_there(self, api: APIClient, caplog: pytest.LogCaptureFixture) -> None:
        import socket

        body = tried(api, endpoint_at(free_port(socket.SOCK_STREAM)))
        assert body["error_code"] == "unreachable" and not HostKey.objects.exists()

    def test_the_key_of_a_jump_host_is_kept_with_the_jump_host(self, api: APIClient) -> None:
        with bad_ssh() as server, bad_ssh() as behind:
            jump = endpoint_at(server.port)
            endpoint = endpoint_at(behind.port, tenant=jump.device.tenant, jump=jump.pk)
            body = tried(api, endpoint)
            assert body["error_code"] == "untrusted_peer" and body["error_detail"].startswith("Jump host 127.0.0.1")
            assert not behind.connections and not server.attempts
            row = HostKey.objects.get()
            assert (row.endpoint, row.fingerprint) == (jump, server.host_key.fingerprint)

    def test_a_key_of_both_on_the_way_is_kept_with_its_own(self, api: APIClient, server: Sshd) -> None:
        with bad_ssh() as behind:
            jump = endpoint_at(server.port, policy=Tenant.HostKeyPolicy.FIRST_USE)
            with_key_of(jump, server)
            endpoint = endpoint_at(behind.port, tenant=jump.device.tenant, jump=jump.pk)
            assert tried(api, endpoint)["ok"]
            kept = {row.endpoint_id: row.fingerprint for row in HostKey.objects.filter(state="trusted")}
            ours = server.host_keys["ed25519"].fingerprint
            assert kept == {jump.pk: ours, endpoint.pk: behind.host_key.fingerprint}
