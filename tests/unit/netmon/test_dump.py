"""Everything that takes a secret is used: none of them is anywhere in the database, sessions and cache included."""

from typing import Any

import pyotp
import pytest
from django.core.management import call_command
from django.db import connections

from inventory import keys
from inventory.transfer import importing
from netmon.accounts.services import totp
from netmon.rest import bulk
from tests import people

pytestmark = pytest.mark.django_db

PLAIN = {
    name: f"zz-{name}-clear-text"
    for name in ("community", "usm-auth", "usm-priv", "ssh", "bulk", "import", "preview", "shared", "admin", "patched")
}


def dumped() -> str:
    """Every cell of every table of every database."""
    found = []
    for alias in connections:
        with connections[alias].cursor() as cursor:
            for table in connections[alias].introspection.table_names(cursor):
                cursor.execute(f'SELECT * FROM "{table}"')
                found.append(f"{table}: {cursor.fetchall()!r}")
    return "\n".join(found)


@pytest.fixture
def used(cast: people.Cast, _clean_cache: None) -> dict[str, str]:
    """The secrets that were given to netmon, or by it, in this test: by what they are."""
    api = people.client_for(cast.ada)
    known = dict(PLAIN)

    def post(path: str, body: Any, **options: Any) -> Any:
        answer = api.post(f"/api/v1/{path}", body, **{"format": "json", **options})
        assert answer.status_code in (200, 201, 202), (path, answer.content)
        return answer.json()

    device = post("routers/", {"name": "r1", "ip": "10.0.0.1", "snmp_community": PLAIN["community"],
                               "ssh_username": "u", "ssh_password": PLAIN["ssh"]})  # fmt: skip
    v3 = {"snmp_username": "u", "snmp_auth_password": PLAIN["usm-auth"], "snmp_priv_password": PLAIN["usm-priv"]}
    post("routers/", {"name": "r2", "ip": "10.0.0.2", **v3}, HTTP_IDEMPOTENCY_KEY="once")
    assert api.patch(f"/api/v1/routers/{device['id']}/", {"snmp_community": PLAIN["patched"]}).status_code == 200
    shared = post("credentials/", {"name": "shared", "kind": "snmp_community", "secret": PLAIN["shared"]})
    form = {"name": "shared", "kind": "snmp_community", "secret": PLAIN["admin"], "allowed_prefixes": "[]"}
    assert api.post(f"/admin/inventory/credential/{shared['id']}/change/", form).status_code == 302
    items = [{"name": "b1", "ip": "10.0.0.3", "snmp_community": PLAIN["bulk"]}]
    bulk.run_job(post("devices/bulk/?background=true", items)["job"]["id"])
    for word, query in (("import", "background=true"), ("preview", "background=true&dry_run=true")):
        text = f"name,ip,snmp_community\n{word},10.0.1.{len(word)},{PLAIN[word]}\n"
        answer = api.post(f"/api/v1/devices/import/?{query}", text, content_type="text/csv")
        importing.run_job(answer.json()["job"]["id"])
    pair = keys.generate(type="ed25519")
    post("ssh-keys/import/", {"name": "key", "private_key": pair.private})
    known["private key"] = "".join(pair.private.splitlines()[1:3])[:80]
    known["api key"] = post("api-keys/", {"name": "k", "scopes": ["read"]}, HTTP_IDEMPOTENCY_KEY="key")["key"]
    known["invite"] = post("users/invite/", {"role": "viewer"})["url"].rstrip("/").rpartition("/")[2]
    row = totp.enrol(user=cast.omar)
    known["second factor"] = totp.clear_secret(row)
    for number, code in enumerate(totp.confirm(user=cast.omar, code=pyotp.TOTP(known["second factor"]).now())[:2]):
        known[f"recovery code {number}"] = code
    tokens = people.client_for(None).post("/api/v1/auth/token/", {"username": "vera", "password": people.PASSWORD})
    known |= {"access token": tokens.json()["access"], "refresh token": tokens.json()["refresh"]}
    known["password"] = people.PASSWORD
    visitor = people.client_for(None)
    assert visitor.post("/login/", {"username": "vera", "password": people.PASSWORD}).status_code == 302
    return known


def test_no_table_holds_a_secret(used: dict[str, str]) -> None:
    text = dumped()
    assert not [name for name, secret in used.items() if secret in text]
    for table in ("django_session", "audit_auditevent", "django_admin_log", "jobs_job", "inventory_credential"):
        assert f"{table}: [(" in text, f"{table} is empty: nothing was looked at"


def test_no_export_of_the_whole_database_holds_one(used: dict[str, str], tmp_path: Any) -> None:
    path = tmp_path / "dump.json"
    call_command("dumpdata", output=str(path), exclude=["contenttypes", "auth.permission"])
    text = path.read_text()
    assert not [name for name, secret in used.items() if secret in text]


def test_no_answer_of_the_api_shows_one_afterwards(used: dict[str, str], cast: people.Cast) -> None:
    client = people.client_for(cast.ada)
    paths = ["devices", "credentials", "ssh-keys", "endpoints", "users", "api-keys", "invites", "jobs", "audit-events"]
    text = "".join(client.get(f"/api/v1/{path}/?limit=500").content.decode() for path in paths)
    text += b"".join(client.get("/api/v1/devices/export/?format=csv").streaming_content).decode()  # type: ignore[attr-defined]
    for job in client.get("/api/v1/jobs/").json()["results"]:
        text += client.get(f"/jobs/{job['id']}/").content.decode()
    pages = ("/admin/audit/auditevent/", "/admin/inventory/credential/", "/admin/jobs/job/", "/account/keys/")
    for page in (*pages, "/people/"):
        text += client.get(page).content.decode()
    assert not [name for name, secret in used.items() if secret in text]
