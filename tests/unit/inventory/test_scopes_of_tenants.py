"""Credentials and tenants: who sees, names and uses what."""

import pytest
from django.core.exceptions import ValidationError

from inventory.models import Credential
from tests import factories as make
from tests import people
from tests.unit.inventory.scoped import EVIL, confined, pointer, shared_at

pytestmark = pytest.mark.django_db


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
