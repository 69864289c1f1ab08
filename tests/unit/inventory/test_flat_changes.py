"""Changes through the flat form: what is not asked for stays, and an answer may be sent back."""

from typing import Any

import pytest
from django.forms.models import model_to_dict
from rest_framework.test import APIClient

from inventory.models import Credential, Device, IPAddress, ManagementEndpoint
from inventory.transfer import exporting, reading
from netmon.common.secrets import open_secret
from tests import factories, people

pytestmark = pytest.mark.django_db

V3 = {"snmp_version": "3", "snmp_username": "u", "snmp_auth_password": "auth pass 123"}


def plain() -> Device:
    return factories.make_flat()


def no_address() -> Device:
    return factories.make_device()


def v3_without_auth() -> Device:
    return factories.make_flat(snmp_community=None, snmp_username="monitor")


def v3_with_all() -> Device:
    return factories.make_flat(snmp_community=None, **V3, snmp_priv_password="priv pass 123")


def shared(**over: Any) -> Device:
    device = factories.make_flat()
    device.endpoints.filter(protocol="snmp").update(credential=factories.make_credential(**over))
    Credential.objects.filter(device=device).delete()
    return device


def shared_v3() -> Device:
    device = shared(kind="snmp_usm", username="u", secret="auth pass 123", auth_protocol="SHA")
    device.endpoints.filter(protocol="snmp").update(options={"version": "3"})
    return device


def key() -> Device:
    secret = factories.make_credential(kind="ssh_key", username="root", secret="private", public_key="ssh-ed25519 A")
    return factories.make_flat(ssh_key=secret, ssh_port=2222, ssh_host="box", hostname="box.example.net", mac="0" * 12)


def password() -> Device:
    return factories.make_flat(snmp_community=None, ssh_username="root", ssh_password="word")


def two_endpoints() -> Device:
    device = factories.make_flat(snmp_port=5161)
    factories.make_endpoint(device, protocol="snmp", port=161, credential=factories.make_credential(), is_enabled=False)
    return device


def bare_endpoints() -> Device:
    device = factories.make_device()
    factories.make_endpoint(device, protocol="snmp")
    factories.make_endpoint(device, protocol="ssh")
    return device


SHAPES = (
    plain, no_address, v3_without_auth, v3_with_all, shared, shared_v3, key, password, two_endpoints, bare_endpoints,
)  # fmt: skip


def rows() -> list[dict[str, Any]]:
    models = (Device, IPAddress, Credential, ManagementEndpoint)
    return [model_to_dict(row) for model in models for row in model.objects.order_by("pk")]


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
def test_an_answer_sent_back_changes_nothing(make: Any, api: APIClient) -> None:
    url = f"/api/v1/devices/{make().pk}/"
    shown, before = api.get(url).json(), rows()
    answer = api.put(url, shown, format="json")
    assert answer.status_code == 200, answer.json()
    assert rows() == before
    assert {**answer.json(), "updated_at": ""} == {**shown, "updated_at": ""}


@pytest.mark.parametrize("make", [shared, shared_v3, key], ids=lambda make: make.__name__)
def test_a_port_is_changed_without_touching_the_credential(make: Any, cast: people.Cast) -> None:
    api, device = people.client_for(cast.ada), make()
    before = set(device.endpoints.values_list("pk", "credential"))
    credentials = Credential.objects.count()
    body = {"snmp_port": 1161} if make is not key else {"ssh_port": 2022, "snmp_port": 1161}
    answer = api.patch(f"/api/v1/devices/{device.pk}/", body)
    assert answer.status_code == 200, answer.json()
    assert {name: answer.json()[name] for name in body} == body
    assert set(device.endpoints.values_list("pk", "credential")) == before
    assert Credential.objects.count() == credentials


def test_reading_and_writing_choose_the_first_endpoint_made(api: APIClient) -> None:
    device = two_endpoints()
    first = device.endpoints.filter(protocol="snmp").order_by("pk").first()
    url = f"/api/v1/devices/{device.pk}/"
    assert api.get(url).json()["snmp_port"] == 5161
    assert api.patch(url, {"snmp_port": 6161, "snmp_community": "mine"}).json()["snmp_port"] == 6161
    first.refresh_from_db()
    assert (first.port, open_secret(first.credential, "secret")) == (6161, "mine")


def test_versions_are_switched_to_and_fro(api: APIClient) -> None:
    pk = api.post("/api/v1/routers/", {"name": "core1", "ip": "10.20.0.1", "snmp_community": "one"}).json()["id"]
    url = f"/api/v1/routers/{pk}/"
    for body in (V3, {"snmp_version": "2c", "snmp_community": "two"}, V3, {"snmp_version": "1", "snmp_community": "x"}):
        answer = api.patch(url, body)
        assert answer.status_code == 200, answer.json()
        assert answer.json()["snmp_version"] == body["snmp_version"]
        assert Credential.objects.count() == 1, "no credential is left over"


def test_an_unused_credential_of_the_device_is_used_again(api: APIClient) -> None:
    device = plain()
    left = factories.make_credential(device=device, kind="snmp_usm", username="old")
    assert api.patch(f"/api/v1/devices/{device.pk}/", V3).status_code == 200
    assert list(Credential.objects.values_list("pk", "username")) == [(left.pk, "u")]


def test_names_of_credentials_are_numbered_until_one_is_free(api: APIClient) -> None:
    for name in ("core1 SNMP", "core1 SNMP 2", "core1 SNMP 3"):
        factories.make_credential(name=name)
    assert api.post("/api/v1/routers/", {"name": "core1", "ip": "10.20.0.1", "snmp_community": "a"}).status_code == 201
    assert Credential.objects.filter(name="core1 SNMP 4").exists()


def test_an_ssh_login_needs_a_user_name_and_an_endpoint_its_community(api: APIClient) -> None:
    for body, name in (({"ssh_port": 22}, "ssh_username"), ({"snmp_port": 161}, "snmp_community")):
        answer = api.post("/api/v1/computers/", {"name": "pc", "ip": "10.0.0.9", **body})
        assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == f"/{name}"


class TestPlatformAndJumpHost:
    @pytest.fixture
    def api(self, cast: people.Cast, _clean_cache: None) -> APIClient:
        """An admin: to send a stored password another way is nobody else's."""
        return people.client_for(cast.ada)

    @pytest.fixture
    def hop(self, db: None) -> ManagementEndpoint:
        return factories.make_ssh_endpoint()

    def options(self, device: Device) -> dict[str, Any]:
        return dict(ManagementEndpoint.objects.get(device=device, protocol="ssh").options)

    def test_they_are_written_shown_kept_and_taken_away(self, api: APIClient, hop: ManagementEndpoint) -> None:
        device = factories.make_ssh_endpoint().device
        url = f"/api/v1/devices/{device.pk}/"
        body = {"ssh_platform": "frr", "ssh_jump": hop.pk}
        answer = api.patch(url, body, format="json")
        assert answer.status_code == 200, answer.json()
        assert {name: answer.json()[name] for name in body} == body
        assert self.options(device) == {"platform": "frr", "jump": hop.pk}
        assert api.patch(url, {"ssh_port": 2022, "ssh_platform": None}, format="json").status_code == 200
        assert self.options(device) == {"platform": "frr", "jump": hop.pk}, "what is not asked for stays"
        answer = api.patch(url, {"ssh_platform": "auto", "ssh_jump": None}, format="json")
        assert self.options(device) == {}
        assert (answer.json()["ssh_platform"], answer.json()["ssh_jump"]) == (None, None)

    def test_nothing_taken_away_makes_no_endpoint(self, api: APIClient) -> None:
        device = factories.make_flat()
        assert api.patch(f"/api/v1/devices/{device.pk}/", {"ssh_jump": None}, format="json").status_code == 200
        assert not device.endpoints.filter(protocol="ssh").exists()

    def test_refusals(self, api: APIClient, hop: ManagementEndpoint) -> None:
        device = factories.make_ssh_endpoint().device
        own = device.endpoints.get(protocol="ssh")
        foreign = factories.make_ssh_endpoint(tenant=factories.make_tenant(name="Other"))
        icmp = factories.make_endpoint(factories.make_device())
        for number in (foreign.pk, own.pk, 10**9, 0, -1, "x", icmp.pk):
            answer = api.patch(f"/api/v1/devices/{device.pk}/", {"ssh_jump": number}, format="json")
            assert answer.status_code == 400, number
            assert answer.json()["errors"][0]["pointer"] == "/ssh_jump", answer.json()
        answer = api.patch(f"/api/v1/devices/{device.pk}/", {"ssh_platform": "cp/m"}, format="json")
        assert answer.json()["errors"][0]["pointer"] == "/ssh_platform"

    def test_an_operator_sends_stored_secrets_nowhere_else(self, hop: ManagementEndpoint, cast: people.Cast) -> None:
        device = factories.make_ssh_endpoint().device
        client = people.client_for(cast.omar)
        url = f"/api/v1/devices/{device.pk}/"
        answer = client.patch(url, {"ssh_jump": hop.pk}, format="json")
        assert answer.json()["errors"][0]["pointer"] == "/ssh_jump" and self.options(device) == {}
        entered = {"ssh_jump": hop.pk, "ssh_password": "entered anew"}
        assert client.patch(url, entered, format="json").status_code == 200

    def test_a_file_holds_the_platform_and_no_number_of_ours(self, api: APIClient, hop: ManagementEndpoint) -> None:
        device = factories.make_ssh_endpoint().device
        api.patch(f"/api/v1/devices/{device.pk}/", {"ssh_platform": "frr", "ssh_jump": hop.pk}, format="json")
        rows = list(exporting.named_rows([device.pk], user=None, names_logins=True))
        assert rows[0]["ssh_platform"] == "frr" and "ssh_jump" not in rows[0]
        assert "ssh_platform" in reading.COLUMNS and "ssh_jump" not in reading.COLUMNS
