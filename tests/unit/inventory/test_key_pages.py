"""The pages of credentials and SSH keys, the audit, and the form that changes a device: who sees what."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from inventory import keys
from inventory.models import Credential, CredentialUse
from netmon.audit import services as audit
from netmon.audit.models import AuditEvent
from tests import factories, people

pytestmark = pytest.mark.django_db
PATH = "/keys/ssh/"


@pytest.fixture
def admin(cast: people.Cast, _clean_cache: None) -> Any:
    return people.client_for(cast.ada)


@pytest.fixture(scope="module")
def pair() -> keys.KeyPair:
    return keys.generate(type="ed25519", comment="given")


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_an_admin_makes_a_key_and_the_private_part_stays(admin: Any) -> None:
    form = {"form": "generate", "g-name": "fleet", "g-type": "ed25519", "g-bits": "8192", "g-username": "netmon"}
    assert admin.post(PATH, form).status_code == 302
    key = Credential.objects.get()
    assert (key.key_type, key.username) == ("ed25519", "netmon")
    shown = text(admin.get(PATH))
    assert key.fingerprint in shown and key.public_key in shown and "PRIVATE" not in shown
    again = admin.post(PATH, form)
    assert again.status_code == 400 and "already exists" in text(again)


@pytest.mark.parametrize("way", ["text", "file"])
def test_a_key_is_brought_in_once(way: str, admin: Any, pair: keys.KeyPair) -> None:
    private = str(pair.private)
    file = SimpleUploadedFile("id", private.encode())
    form = {"form": "import", "i-name": "given", **({"i-private_key": private} if way == "text" else {"i-file": file})}
    assert admin.post(PATH, form).status_code == 302
    assert Credential.objects.get().fingerprint == pair.fingerprint
    second = admin.post(PATH, {"form": "import", "i-name": "twin", "i-private_key": private})
    assert second.status_code == 400 and "in netmon already" in text(second)
    assert private.splitlines()[1] not in text(second)
    empty = admin.post(PATH, {"form": "import", "i-name": "none"})
    assert "Paste the key or choose its file" in text(empty)
    assert private.splitlines()[1] not in str(list(AuditEvent.objects.values()))


def test_operators_read_and_do_not_write(cast: people.Cast) -> None:
    key = factories.make_ssh_key(name="fleet")
    omar = people.client_for(cast.omar)
    shown = text(omar.get(PATH))
    assert key.public_key in shown and "Make the key" not in shown and "/delete/" not in shown
    assert omar.post(PATH, {"form": "generate", "g-name": "x", "g-type": "ed25519"}).status_code == 403
    assert omar.post(f"{PATH}{key.pk}/delete/").status_code == 403
    file = omar.get(f"{PATH}{key.pk}/public/")
    assert file.content.decode() == key.public_key + "\n" and "fleet.pub" in file["Content-Disposition"]
    assert AuditEvent.objects.filter(action="download", username="omar").count() == 1
    assert people.client_for(cast.vera).get(f"{PATH}{key.pk}/public/").status_code == 403


def test_a_key_in_use_stays(admin: Any) -> None:
    key = factories.make_ssh_key()
    endpoint = factories.make_endpoint(factories.make_device(name="core-1"), protocol="ssh", credential=key)
    assert "core-1" in text(admin.post(f"{PATH}{key.pk}/delete/", follow=True))
    endpoint.delete()
    admin.post(f"{PATH}{key.pk}/delete/")
    assert not Credential.objects.exists()


def test_credentials_are_listed_with_where_and_when(cast: people.Cast) -> None:
    used = factories.make_credential(name="shared", secret="hidden words")
    factories.make_credential(name="idle", kind="password", username="ops", secret="hidden words")
    endpoint = factories.make_endpoint(factories.make_device(name="core-1"), protocol="snmp", credential=used)
    now = timezone.now()
    CredentialUse.objects.create(
        credential=used, endpoint=endpoint, first_used_at=now, last_used_at=now, last_ok_at=now - timedelta(hours=3)
    )
    omar = people.client_for(cast.omar)
    shown = text(omar.get("/credentials/"))
    assert (
        "core-1" in shown
        and '<span class="st up">3 h' in shown
        and "Never used" in shown
        and "hidden words" not in shown
    )
    found = text(omar.get("/credentials/?kind=password&q=ops"))
    assert "idle" in found and "shared" not in found
    tenant = factories.make_tenant()
    tenant.members.add(cast.omar)
    bound = text(people.client_for(type(cast.omar).objects.get(pk=cast.omar.pk)).get("/credentials/"))
    assert "shared" not in bound and "core-1" not in bound


def test_the_lists_cost_the_same_for_one_row_and_for_many(
    cast: people.Cast, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        key = factories.make_ssh_key(name=f"key {number}")
        factories.make_endpoint(factories.make_device(), protocol="ssh", credential=key)
    client = people.client_for(cast.ada)
    for path in (PATH, "/credentials/", "/audit/"):
        with django_assert_max_num_queries(13):
            assert client.get(path).status_code == 200


def test_the_audit_is_filtered_and_goes_on_where_it_ended(admin: Any, cast: people.Cast) -> None:
    device = factories.make_device(name="core <1>")
    for number in range(60):
        audit.record("update", device, before={"n": number}, after={"n": number + 1}, user=cast.omar)
    audit.record("export", object_type="inventory.device", user=cast.vera)
    first = admin.get("/audit/?person=omar&type=inventory.device&period=24h")
    assert len(first.context["lines"]) == 50 and "core &lt;1&gt;" in text(first)
    audit.record("update", device, before={"n": 0}, after={"n": 1}, user=cast.omar)
    second = admin.get(f"/audit/?{first.context['older']}")
    numbers = [line.event.pk for line in [*first.context["lines"], *second.context["lines"]]]
    assert len(set(numbers)) == 60 and not second.context["older"]
    assert [line.event.username for line in admin.get("/audit/?action=export").context["lines"]] == ["vera"]
    assert "No event matches" in text(admin.get("/audit/?object=nothing&before=x"))


def test_the_form_of_a_device_names_what_the_person_may_see(cast: people.Cast) -> None:
    mine, foreign = factories.make_tenant(name="Mine"), factories.make_tenant(name="Foreign")
    device, other = factories.make_device(tenant=mine), factories.make_device(tenant=foreign)
    mine.members.add(cast.omar)
    omar = people.client_for(type(cast.omar).objects.get(pk=cast.omar.pk))
    shown = text(omar.get(f"/devices/{device.pk}/edit/"))
    assert "Mine" in shown and "Foreign" not in shown
    assert omar.get(f"/devices/{other.pk}/edit/").status_code == 404
    assert people.client_for(cast.vera).get(f"/devices/{device.pk}/edit/").status_code == 403
