"""Where a stored secret may go: its scope, who may attach it, and every trick to get it elsewhere."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from rest_framework.test import APIClient

from inventory import targets
from inventory.models import Credential, Device, IPAddress, ManagementEndpoint, TargetRule
from inventory.policy import Policy
from inventory.scopes import OutOfScope
from netmon.common.secrets import open_secret
from tests import factories as make
from tests import people

pytestmark = pytest.mark.django_db

EVIL = "10.66.6.6"


@pytest.fixture
def admin(cast: people.Cast, _clean_cache: None) -> APIClient:
    return people.client_for(cast.ada)


@pytest.fixture
def device(db: None) -> Device:
    return make.make_flat(ip="10.20.0.1", snmp_community="one", ssh_username="root", ssh_password="two two")


def pointer(answer: Any) -> str:
    assert answer.status_code == 400, (answer.status_code, answer.content)
    return str(answer.json()["errors"][0]["pointer"])


def shared_at(device: Device, **over: Any) -> ManagementEndpoint:
    """A shared community at the device's SNMP endpoint."""
    endpoint = device.endpoints.get(protocol="snmp")
    old, endpoint.credential = endpoint.credential, make.make_credential(secret="shared", **over)
    endpoint.save()
    assert old is not None
    old.delete()
    return endpoint


def confined(cidr: str = "10.20.0.0/16") -> Any:
    tenant = make.make_tenant()
    TargetRule.objects.create(cidr=cidr, action="allow", tenant=tenant)
    return tenant


# --- the scope itself -------------------------------------------------------------------------------------------------


def test_a_secret_is_sent_within_its_prefixes_only(device: Device) -> None:
    endpoint = shared_at(device, allowed_prefixes=["10.20.0.0/24"])
    assert targets.target_of(endpoint).address == "10.20.0.1"
    IPAddress.objects.filter(pk=device.primary_ip_id).update(address="10.21.0.1")
    with pytest.raises(OutOfScope, match=r"10\.20\.0\.0/24, not 10\.21\.0\.1"):
        targets.target_of(ManagementEndpoint.objects.get(pk=endpoint.pk))


def test_a_secret_is_sent_to_its_tenants_devices_only(device: Device) -> None:
    endpoint = shared_at(device, tenant=make.make_tenant())
    with pytest.raises(OutOfScope, match="another tenant"):
        targets.target_of(endpoint)
    Device.objects.update(tenant=endpoint.credential.tenant)  # type: ignore[union-attr]
    assert targets.target_of(ManagementEndpoint.objects.get(pk=endpoint.pk))


def test_all_that_a_scope_names_must_hold(device: Device) -> None:
    tenant = make.make_tenant()
    Device.objects.update(tenant=tenant)
    endpoint = shared_at(device, tenant=tenant, allowed_prefixes=["192.0.2.0/24"])
    with pytest.raises(OutOfScope):
        targets.target_of(ManagementEndpoint.objects.get(pk=endpoint.pk))


def test_what_stands_unreadable_in_a_scope_admits_nothing(device: Device) -> None:
    endpoint = shared_at(device)
    Credential.objects.filter(pk=endpoint.credential_id).update(allowed_prefixes=["everywhere"])
    with pytest.raises(OutOfScope):
        targets.target_of(ManagementEndpoint.objects.get(pk=endpoint.pk))


def test_the_scope_holds_for_the_host_that_is_contacted(device: Device) -> None:
    key = make.make_credential(
        kind="ssh_key", secret="k", public_key="ssh-ed25519 A", allowed_prefixes=["10.20.0.0/24"]
    )
    endpoint = make.make_endpoint(device, protocol="ssh", port=2022, credential=key, options={"host": EVIL})
    with pytest.raises(OutOfScope):
        targets.contact_address(endpoint, Policy.load())


def test_a_refusal_shows_at_the_check(device: Device) -> None:
    from monitoring.models import Check
    from monitoring.services import polling

    shared_at(device, allowed_prefixes=["192.0.2.0/24"])
    results = polling.poll_device(device)
    assert {entry["error_code"] for entry in results if entry["protocol"] == "snmp"} == {"credential_scope"}
    assert Check.objects.filter(module="snmp.system", last_error_code="credential_scope").exists()


@pytest.mark.parametrize("wrong", [["10.0.0.1/8"], ["lan"], [""], ["10.0.0.0/33"], [5], "10.0.0.0/8", {"a": 1}, [None]])
def test_a_scope_is_a_list_of_prefixes(wrong: Any, admin: APIClient) -> None:
    body = {"name": "c", "kind": "snmp_community", "secret": "s", "allowed_prefixes": wrong}
    assert pointer(admin.post("/api/v1/credentials/", body, format="json")).startswith("/allowed_prefixes")
    with pytest.raises(ValidationError):
        Credential(name="c", kind="snmp_community", secret="s", allowed_prefixes=wrong).full_clean()


def test_a_scope_is_kept_canonical(admin: APIClient) -> None:
    body = {"name": "c", "kind": "snmp_community", "secret": "s"}
    prefixes = ["2001:0DB8::/32", "10.0.0.0/8", "10.0.0.0/8"]
    answer = admin.post("/api/v1/credentials/", {**body, "allowed_prefixes": prefixes}, format="json")
    assert answer.status_code == 201 and answer.json()["allowed_prefixes"] == ["2001:db8::/32", "10.0.0.0/8"]


def test_nobody_attaches_a_credential_outside_its_scope(admin: APIClient, device: Device) -> None:
    narrow = make.make_credential(allowed_prefixes=["192.0.2.0/24"])
    foreign = make.make_credential(tenant=make.make_tenant())
    other = make.make_flat(ip="10.20.0.9").own_credentials.get()
    for credential in (narrow, foreign, other):
        body = {"device": device.pk, "protocol": "snmp", "port": 1161, "credential": credential.pk}
        assert pointer(admin.post("/api/v1/endpoints/", body)) == "/credential", credential
    key = make.make_credential(kind="ssh_key", secret="k", public_key="p", allowed_prefixes=["192.0.2.0/24"])
    assert pointer(admin.patch(f"/api/v1/routers/{device.pk}/", {"ssh_key": key.pk})) == "/ssh_key"


def test_an_admin_does_not_move_a_device_out_of_the_scope_unawares(admin: APIClient, device: Device) -> None:
    shared_at(device, allowed_prefixes=["10.20.0.0/24"])
    url = f"/api/v1/routers/{device.pk}/"
    assert pointer(admin.patch(url, {"ip": "10.21.0.1"})) == "/ip"
    address = f"/api/v1/ip-addresses/{device.primary_ip_id}/"
    assert pointer(admin.patch(address, {"address": "10.21.0.1"})) == "/address"
    assert admin.patch(url, {"ip": "10.20.0.2"}).status_code == 200


# --- who attaches -----------------------------------------------------------------------------------------------------


def test_an_operator_attaches_what_its_prefixes_keep_from_his_own_host(api: APIClient, device: Device) -> None:
    narrow = make.make_credential(allowed_prefixes=["10.20.0.0/16"])
    body = {"device": device.pk, "protocol": "snmp", "port": 1161, "credential": narrow.pk}
    assert api.post("/api/v1/endpoints/", body).status_code == 201
    key = make.make_credential(kind="ssh_key", secret="k", public_key="p", allowed_prefixes=["10.20.0.0/16"])
    assert api.patch(f"/api/v1/routers/{device.pk}/", {"ssh_key": key.pk}).status_code == 200
    far = make.make_flat(ip="10.99.0.1")
    assert pointer(api.post("/api/v1/endpoints/", {**body, "device": far.pk})) == "/credential"


def test_an_operator_attaches_a_tenants_credential_where_an_allow_list_binds_the_tenant(api: APIClient) -> None:
    bound, free = confined(), make.make_tenant()
    for tenant, status in ((bound, 201), (free, 400)):
        device = make.make_flat(ip="10.20.3.1", snmp_community=None, tenant=tenant)
        credential = make.make_credential(tenant=tenant)
        body = {"device": device.pk, "protocol": "snmp", "credential": credential.pk}
        assert api.post("/api/v1/endpoints/", body).status_code == status


def test_a_rule_of_the_site_is_no_allow_list_of_the_tenant(api: APIClient) -> None:
    tenant = make.make_tenant()
    TargetRule.objects.create(cidr="10.0.0.0/8", action="allow")
    device = make.make_flat(ip="10.20.3.1", snmp_community=None, tenant=tenant)
    body = {"device": device.pk, "protocol": "snmp", "credential": make.make_credential(tenant=tenant).pk}
    assert pointer(api.post("/api/v1/endpoints/", body)) == "/credential"


def test_the_refusal_names_the_remedy(api: APIClient, device: Device) -> None:
    body = {"device": device.pk, "protocol": "snmp", "port": 1161, "credential": make.make_credential().pk}
    answer = api.post("/api/v1/endpoints/", body)
    assert "only an admin" in answer.json()["detail"] and "prefixes" in answer.json()["detail"]


def test_a_viewer_attaches_and_changes_nothing(cast: people.Cast, _clean_cache: None, device: Device) -> None:
    viewer = people.client_for(cast.vera)
    endpoint = device.endpoints.get(protocol="ssh")
    credential = endpoint.credential_id
    for method, path in (
        ("patch", f"endpoints/{endpoint.pk}/"), ("post", "endpoints/"), ("patch", f"routers/{device.pk}/"),
        ("post", f"endpoints/{endpoint.pk}/test/"), ("post", f"credentials/{credential}/test/"),
        ("get", f"credentials/{credential}/usage/"), ("get", "target-rules/"), ("post", "target-rules/check/"),
        ("patch", f"ip-addresses/{device.primary_ip_id}/"),
    ):  # fmt: skip
        assert getattr(viewer, method)(f"/api/v1/{path}", {}).status_code == 403, path


# --- tricks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ssh_host": EVIL}, "/ssh_host"),
        ({"ssh_host": "evil.example"}, "/ssh_host"),
        ({"ssh_port": 2222}, "/ssh_port"),
        ({"snmp_port": 1161}, "/snmp_port"),
        ({"ip": EVIL}, "/ip"),
        ({"ip": EVIL, "ssh_password": "x"}, "/ip"),
        ({"ssh_host": EVIL, "ssh_username": "root"}, "/ssh_host"),
        ({"ssh_host": EVIL, "snmp_community": "x"}, "/ssh_host"),
    ],
)
def test_the_flat_form_redirects_no_stored_secret(
    body: dict[str, Any], field: str, api: APIClient, device: Device
) -> None:
    url = f"/api/v1/routers/{device.pk}/"
    before = api.get(url).json()
    assert pointer(api.patch(url, body)) == field
    assert {**api.get(url).json(), "updated_at": 0} == {**before, "updated_at": 0}


@pytest.mark.parametrize("body", [{"ssh_host": EVIL}, {"ssh_port": 2222}, {"ssh_host": EVIL, "ssh_port": 2222}])
def test_with_the_secret_entered_anew_it_goes_where_he_says(
    body: dict[str, Any], api: APIClient, device: Device
) -> None:
    url = f"/api/v1/routers/{device.pk}/"
    assert api.patch(url, {**body, "ssh_password": "his own"}).status_code == 200
    assert open_secret(device.endpoints.get(protocol="ssh").credential, "secret") == "his own"  # type: ignore[arg-type]


def test_taking_a_host_away_is_a_redirection_too(api: APIClient, admin: APIClient, device: Device) -> None:
    url = f"/api/v1/routers/{device.pk}/"
    assert admin.patch(url, {"ssh_host": "10.20.0.77"}).status_code == 200
    assert pointer(api.patch(url, {"ssh_host": ""})) == "/ssh_host"
    assert api.patch(url, {"ssh_host": "10.20.0.77"}).status_code == 200, "what is there may be sent back"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"options": {"host": EVIL}}, "/options"),
        ({"port": 2222}, "/port"),
        ({"options": {"host": " evil"}}, "/options"),
    ],
)
def test_an_endpoint_redirects_no_stored_secret(
    body: dict[str, Any], field: str, api: APIClient, admin: APIClient, device: Device
) -> None:
    url = f"/api/v1/endpoints/{device.endpoints.get(protocol='ssh').pk}/"
    assert pointer(api.patch(url, body, format="json")) == field
    assert admin.patch(url, body, format="json").status_code == 200


def test_a_second_endpoint_sends_the_devices_own_secret_nowhere_else(api: APIClient, device: Device) -> None:
    own = device.endpoints.get(protocol="ssh").credential
    assert own is not None
    body = {"device": device.pk, "protocol": "ssh", "credential": own.pk}
    for more in ({"port": 2222, "options": {"host": EVIL}}, {"port": 2222}):
        answer = api.post("/api/v1/endpoints/", {**body, **more}, format="json")
        assert answer.status_code == 400, more
    assert api.post("/api/v1/endpoints/", {**body, "protocol": "rtsp"}).status_code == 201, "to the device itself"


@pytest.mark.parametrize("protocol", ["rtsp", "postgresql"])
def test_an_own_secret_that_goes_to_a_host_of_its_own_is_not_sent_to_a_moved_address(
    protocol: str, api: APIClient, admin: APIClient
) -> None:
    device = make.make_flat(
        ip="10.20.0.5", snmp_community=None, ssh_username="root", ssh_password="own", ssh_host="10.9.9.9"
    )
    own = device.own_credentials.get()
    assert api.patch(f"/api/v1/routers/{device.pk}/", {"ip": EVIL}).status_code == 200, "nothing is sent there"
    body = {"device": device.pk, "protocol": protocol, "credential": own.pk}
    assert pointer(api.post("/api/v1/endpoints/", body)) == "/credential"
    assert admin.post("/api/v1/endpoints/", body).status_code == 201


def test_detaching_moving_and_attaching_again_gets_nothing(api: APIClient, device: Device) -> None:
    endpoint = device.endpoints.get(protocol="ssh")
    own = endpoint.credential_id
    assert api.patch(f"/api/v1/endpoints/{endpoint.pk}/", {"credential": None}).status_code == 200
    assert not Credential.objects.filter(pk=own).exists(), "a device's own secret goes when nothing uses it"


def test_a_secret_that_nothing_uses_does_not_move(api: APIClient) -> None:
    device = make.make_flat(ip="10.20.0.1", snmp_community=None)
    make.make_credential(device=device, kind="password", username="u", secret="left over")
    assert pointer(api.patch(f"/api/v1/routers/{device.pk}/", {"ip": EVIL})) == "/ip"
    assert pointer(api.patch(f"/api/v1/ip-addresses/{device.primary_ip_id}/", {"address": EVIL})) == "/address"


def test_moving_and_attaching_in_one_request_gets_nothing(api: APIClient) -> None:
    device = make.make_flat(ip="10.20.0.1", snmp_community=None)
    make.make_credential(device=device, kind="snmp_usm", username="u", secret="left over", auth_protocol="SHA")
    body = {"ip": EVIL, "snmp_version": "3", "snmp_username": "u"}
    assert pointer(api.patch(f"/api/v1/routers/{device.pk}/", body)) == "/ip"


def test_deleting_the_address_and_giving_another_gets_nothing(api: APIClient, device: Device) -> None:
    assert api.delete(f"/api/v1/ip-addresses/{device.primary_ip_id}/").status_code == 204
    assert pointer(api.patch(f"/api/v1/routers/{device.pk}/", {"ip": EVIL})) == "/ip"


def test_deleting_the_interface_and_giving_another_address_gets_nothing(api: APIClient, device: Device) -> None:
    assert api.delete(f"/api/v1/interfaces/{device.interfaces.get().pk}/").status_code == 204
    assert pointer(api.patch(f"/api/v1/routers/{device.pk}/", {"ip": EVIL})) == "/ip"


def test_an_address_of_his_own_on_the_device_does_not_become_its_primary(api: APIClient, device: Device) -> None:
    body = {"address": EVIL, "interface": device.interfaces.get().pk}
    assert api.post("/api/v1/ip-addresses/", body).status_code == 201
    assert pointer(api.patch(f"/api/v1/routers/{device.pk}/", {"ip": EVIL})) == "/ip"


def test_neither_interface_nor_address_nor_endpoint_moves_to_another_device(api: APIClient, device: Device) -> None:
    other = make.make_flat(ip=EVIL, snmp_community=None)
    interface = device.interfaces.get()
    assert pointer(api.patch(f"/api/v1/interfaces/{interface.pk}/", {"device": other.pk})) == "/device"
    theirs = other.interfaces.get()
    url = f"/api/v1/ip-addresses/{device.primary_ip_id}/"
    assert pointer(api.patch(url, {"interface": theirs.pk})) == "/interface"
    url = f"/api/v1/endpoints/{device.endpoints.get(protocol='ssh').pk}/"
    assert pointer(api.patch(url, {"device": other.pk})) == "/device"
    assert pointer(api.patch(f"/api/v1/interfaces/{theirs.pk}/", {"device": device.pk})) == "/device"


def test_a_device_moved_to_a_tenant_gets_that_tenants_secrets_only_at_admitted_addresses(api: APIClient) -> None:
    tenant = confined("10.20.0.0/16")
    credential = make.make_credential(tenant=tenant)
    mine = make.make_flat(ip=EVIL, snmp_community=None)
    assert pointer(api.patch(f"/api/v1/routers/{mine.pk}/", {"tenant": tenant.pk})) == "/tenant"
    body = {"device": mine.pk, "protocol": "snmp", "credential": credential.pk}
    assert pointer(api.post("/api/v1/endpoints/", body)) == "/credential"


def test_a_device_does_not_leave_the_tenant_of_its_credential(admin: APIClient) -> None:
    tenant = make.make_tenant()
    device = make.make_flat(ip="10.20.0.1", tenant=tenant)
    shared_at(device, tenant=tenant)
    assert pointer(admin.patch(f"/api/v1/routers/{device.pk}/", {"tenant": ""})) == "/tenant"


def test_a_switched_off_endpoint_is_guarded_as_well(api: APIClient, device: Device) -> None:
    url = f"/api/v1/endpoints/{device.endpoints.get(protocol='ssh').pk}/"
    assert api.patch(url, {"is_enabled": False}, format="json").status_code == 200
    assert pointer(api.patch(url, {"options": {"host": EVIL}}, format="json")) == "/options"
    assert pointer(api.patch(f"/api/v1/routers/{device.pk}/", {"ip": EVIL})) == "/ip"


def test_within_the_scope_an_operator_changes_address_host_and_port(api: APIClient) -> None:
    key = make.make_credential(kind="ssh_key", secret="k", public_key="p", allowed_prefixes=["10.20.0.0/16"])
    device = make.make_flat(ip="10.20.0.1", snmp_community=None, ssh_key=key)
    url = f"/api/v1/routers/{device.pk}/"
    for body in ({"ip": "10.20.9.9"}, {"ssh_host": "10.20.8.8"}, {"ssh_port": 2222}):
        assert api.patch(url, body).status_code == 200, body
    assert pointer(api.patch(url, {"ssh_host": EVIL})) == "/ssh_key"
    device.refresh_from_db()
    address = f"/api/v1/ip-addresses/{device.primary_ip_id}/"
    assert api.patch(address, {"address": "10.20.9.10"}).status_code == 200


def test_a_tenants_credential_follows_its_device_within_the_allow_list(api: APIClient) -> None:
    tenant = confined()
    device = make.make_flat(ip="10.20.0.1", tenant=tenant)
    shared_at(device, tenant=tenant)
    url = f"/api/v1/routers/{device.pk}/"
    assert api.patch(url, {"ip": "10.20.0.2"}).status_code == 200
    assert pointer(api.patch(url, {"ip": EVIL})) == "/ip"


# --- tenants ----------------------------------------------------------------------------------------------------------


def test_a_tenants_people_see_its_credentials_and_no_others(cast: people.Cast, _clean_cache: None) -> None:
    mine, other = make.make_tenant(), make.make_tenant()
    mine.members.add(cast.omar)
    seen = make.make_credential(tenant=mine)
    own = make.make_flat(ip="10.20.0.1", tenant=mine).own_credentials.get()
    hidden = [
        make.make_credential(),
        make.make_credential(tenant=other),
        make.make_flat(ip="10.20.0.2", tenant=other).own_credentials.get(),
        make.make_flat(ip="10.20.0.3").own_credentials.get(),
    ]
    client = people.client_for(cast.omar)
    listed = {row["id"] for row in client.get("/api/v1/credentials/").json()["results"]}
    assert listed == {seen.pk, own.pk}
    for row in hidden:
        for path in ("", "usage/"):
            assert client.get(f"/api/v1/credentials/{row.pk}/{path}").status_code == 404
        assert client.post(f"/api/v1/credentials/{row.pk}/test/", {"device": own.device_id}).status_code == 404
        body = {"device": own.device_id, "protocol": "snmp", "port": 1161, "credential": row.pk}
        answer = client.post("/api/v1/endpoints/", body)
        assert pointer(answer) == "/credential" and answer.json()["errors"][0]["code"] == "does_not_exist"
    assert make.make_credential() in Credential.objects.visible_to(cast.ada)
    assert not Credential.objects.visible_to(None).exists()


def test_a_tenants_people_name_no_row_of_others(cast: people.Cast, _clean_cache: None) -> None:
    mine, other = make.make_tenant(), make.make_tenant()
    mine.members.add(cast.omar)
    theirs = make.make_flat(ip="10.20.0.2", tenant=other)
    client = people.client_for(cast.omar)
    assert pointer(client.post("/api/v1/endpoints/", {"device": theirs.pk, "protocol": "rtsp"})) == "/device"
    assert pointer(client.post("/api/v1/routers/", {"name": "x", "tenant": other.pk})) == "/tenant"
    body = {"address": "10.20.0.5", "interface": theirs.interfaces.get().pk, "tenant": mine.pk}
    assert pointer(client.post("/api/v1/ip-addresses/", body)) == "/interface"


def test_a_tenants_people_make_no_device_beyond_its_target_rules(cast: people.Cast, _clean_cache: None) -> None:
    tenant, second = confined("10.20.0.0/16"), make.make_tenant()
    tenant.members.add(cast.omar)
    client = people.client_for(cast.omar)
    answer = client.post("/api/v1/routers/", {"name": "a", "ip": "10.20.0.1"})
    assert answer.status_code == 201 and answer.json()["tenant"] == tenant.pk
    assert pointer(client.post("/api/v1/routers/", {"name": "b", "ip": EVIL})) == "/ip"
    body = {"name": "b", "ip": EVIL, "tenant": None}
    assert pointer(client.post("/api/v1/routers/", body, format="json")) == "/tenant"
    url = f"/api/v1/routers/{answer.json()['id']}/"
    assert pointer(client.patch(url, {"tenant": None}, format="json")) == "/tenant"
    second.members.add(cast.omar)
    assert pointer(people.client_for(cast.omar).post("/api/v1/routers/", {"name": "c"})) == "/tenant"


def test_what_an_admin_attached_may_be_sent_back_unseen(cast: people.Cast, _clean_cache: None) -> None:
    mine = make.make_tenant()
    mine.members.add(cast.omar)
    endpoint = shared_at(make.make_flat(ip="10.20.0.1", tenant=mine))
    client = people.client_for(cast.omar)
    answer = client.patch(f"/api/v1/endpoints/{endpoint.pk}/", {"credential": endpoint.credential_id})
    assert answer.status_code == 200, answer.content


def test_a_credential_of_a_tenant_belongs_to_no_device_of_another() -> None:
    device = make.make_flat(ip="10.20.0.1", tenant=make.make_tenant())
    credential = device.own_credentials.get()
    credential.tenant = make.make_tenant()
    with pytest.raises(ValidationError) as caught:
        credential.full_clean()
    assert "tenant" in caught.value.message_dict


# --- the admin --------------------------------------------------------------------------------------------------------


def device_form(client: APIClient, device: Device, **over: Any) -> Any:
    """The change form of the admin as a browser sends it back, with changes."""
    url = f"/admin/inventory/device/{device.pk}/change/"
    page = client.get(url)
    assert page.status_code == 200
    data: dict[str, Any] = {}
    for form in (page.context["adminform"].form, *_inline_forms(page)):
        for field in form:
            value = field.value()
            if value is True:
                data[field.html_name] = "on"
            elif value not in (None, False):
                data[field.html_name] = value
    return client.post(url, {**data, **over})


def _inline_forms(page: Any) -> list[Any]:
    found = []
    for inline in page.context["inline_admin_formsets"]:
        found += [inline.formset.management_form, *inline.formset.initial_forms]
    return found


def test_a_tenant_changed_in_the_admin_takes_the_addresses_along(admin: APIClient, device: Device) -> None:
    tenant = make.make_tenant()
    answer = device_form(admin, device, tenant=tenant.pk)
    assert answer.status_code == 302, answer.context["errors"]
    assert set(IPAddress.objects.values_list("tenant", flat=True)) == {tenant.pk}


def test_the_admin_refuses_a_tenant_whose_addresses_clash(admin: APIClient, device: Device) -> None:
    tenant = make.make_tenant()
    make.make_address(address="10.20.0.1", tenant=tenant)
    answer = device_form(admin, device, tenant=tenant.pk)
    assert answer.status_code == 200 and "tenant" in answer.context["adminform"].form.errors
    device.refresh_from_db()
    assert device.tenant_id is None


def test_the_admin_gives_no_device_an_address_that_is_refused(admin: APIClient, device: Device) -> None:
    bad = make.make_address(device.interfaces.get(), address="169.254.169.254")
    answer = device_form(admin, device, primary_ip=bad.pk)
    assert answer.status_code == 200 and "primary_ip" in answer.context["adminform"].form.errors
    url = f"/admin/inventory/ipaddress/{device.primary_ip_id}/change/"
    data = {"address": "169.254.169.254", "interface": device.interfaces.get().pk, "dns_name": "", "tenant": ""}
    answer = admin.post(url, data)
    assert answer.status_code == 200 and "address" in answer.context["adminform"].form.errors
    assert admin.post(url, {**data, "address": "10.20.0.8"}).status_code == 302


def test_the_admin_attaches_nothing_outside_its_scope(admin: APIClient, device: Device) -> None:
    narrow = make.make_credential(allowed_prefixes=["192.0.2.0/24"])
    data = {"device": device.pk, "protocol": "snmp", "port": 1161, "credential": narrow.pk, "options": "{}"}
    answer = admin.post("/admin/inventory/managementendpoint/add/", data)
    assert answer.status_code == 200 and "credential" in answer.context["adminform"].form.errors


@pytest.mark.parametrize("door", ["api", "admin", "bulk", "inline"])
def test_a_devices_own_secret_goes_with_its_last_endpoint(door: str, admin: APIClient, device: Device) -> None:
    endpoint = device.endpoints.get(protocol="ssh")
    kept = device.endpoints.get(protocol="snmp").credential_id
    shared = shared_at(make.make_flat(ip="10.20.0.2")).credential_id
    if door == "api":
        assert admin.delete(f"/api/v1/endpoints/{endpoint.pk}/").status_code == 204
    elif door == "admin":
        url = f"/admin/inventory/managementendpoint/{endpoint.pk}/delete/"
        assert admin.post(url, {"post": "yes"}).status_code == 302
    elif door == "bulk":
        data = {"action": "delete_selected", "_selected_action": [endpoint.pk], "post": "yes"}
        assert admin.post("/admin/inventory/managementendpoint/", data).status_code == 302
    else:
        rows = list(ManagementEndpoint.objects.filter(device=device))
        position = [row.pk for row in rows].index(endpoint.pk)
        assert device_form(admin, device, **{f"endpoints-{position}-DELETE": "on"}).status_code == 302
    assert not ManagementEndpoint.objects.filter(pk=endpoint.pk).exists()
    assert set(Credential.objects.values_list("pk", flat=True)) == {kept, shared}


def test_a_secret_that_two_endpoints_use_stays_with_the_other(admin: APIClient, device: Device) -> None:
    first = device.endpoints.get(protocol="ssh")
    make.make_endpoint(device, protocol="rtsp", credential=first.credential)
    assert admin.delete(f"/api/v1/endpoints/{first.pk}/").status_code == 204
    assert Credential.objects.filter(pk=first.credential_id).exists()
