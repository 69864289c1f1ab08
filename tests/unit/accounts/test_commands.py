"""Keys by command, what doctor says of them, and the periodic task."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from netmon import doctor
from netmon.accounts import tasks, tokens
from netmon.accounts.models import ApiKey, RevokedFamily
from netmon.accounts.services import keys
from netmon.audit.models import AuditEvent
from tests import people

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def test_a_key_is_made_and_revoked_by_command(cast: people.Cast) -> None:
    text = run("make_api_key", "--username", "omar", "--name", "backup", "--scope", "inventory:read", "--days", "3")
    key = keys.find(text)
    assert key is not None and key.scopes == ["inventory:read"] and key.role == "operator"
    assert timedelta(days=2, hours=23) < key.expires_at - timezone.now() <= timedelta(days=3)
    assert "revoked" in run("revoke_api_key", key.prefix)
    again = json.loads(run("revoke_api_key", f"nm_{key.prefix}", "--json"))
    assert again["prefix"] == key.prefix and again["revoked_at"]
    assert AuditEvent.objects.filter(action="revoke", via="command").count() == 1
    document = json.loads(
        run("make_api_key", "--username", "ada", "--name", "x", "--role", "viewer", "--network", "192.0.2.1", "--json")
    )
    assert keys.find(document["key"]) == ApiKey.objects.get(pk=document["id"])
    assert (document["role"], document["allowed_networks"]) == ("viewer", ["192.0.2.1/32"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["make_api_key", "--username", "nobody", "--name", "x"], 4),
        (["make_api_key", "--username", "vera", "--name", "x", "--role", "admin"], 1),
        (["make_api_key", "--username", "vera", "--name", "x", "--days", "0"], 2),
        (["make_api_key", "--username", "vera", "--name", "x", "--days", "366"], 1),
        (["make_api_key", "--username", "vera", "--name", "x", "--network", "home"], 1),
        (["make_api_key", "--username", "vera", "--name", "taken"], 1),
        (["revoke_api_key", "abcdefgh"], 4),
    ],
)
def test_refusals_have_their_exit_codes(cast: people.Cast, arguments: list[str], code: int) -> None:
    keys.make(user=cast.vera, name="taken", scopes=["read"])
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    assert refused.value.returncode == code and str(refused.value) and ApiKey.objects.count() == 1


def findings(name: str) -> list[doctor.Finding]:
    return [finding for finding in doctor.examine() if finding.name == name]


def test_doctor_names_keys_that_end_soon(cast: people.Cast, settings: Any) -> None:
    keys.make(user=cast.vera, name="later", scopes=["read"])
    (fine,) = findings("api keys")
    assert fine.state == "ok" and "1 in use" in fine.detail
    keys.make(user=cast.vera, name="soon", scopes=["read"], expires_at=timezone.now() + timedelta(days=13))
    gone, _ = keys.make(user=cast.vera, name="gone", scopes=["read"], expires_at=timezone.now() + timedelta(days=1))
    keys.revoke(key=gone)
    (warning,) = findings("api keys")
    assert warning.state == "warn" and "soon" in warning.detail and "vera" in warning.detail and warning.remedy
    settings.API_KEY_PEPPERS = ["n" * 40]
    assert any("pepper" in finding.detail for finding in findings("api keys"))


@pytest.mark.parametrize(
    "password", ["admin123", "testpass123", "mdpsecret", "changeme", "admin", "password", "netmon"]
)
def test_doctor_fails_on_documented_passwords(cast: people.Cast, password: str) -> None:
    cast.vera.set_password(password)
    cast.vera.save()
    (finding,) = findings("passwords")
    assert finding.state == "fail" and "vera" in finding.detail
    cast.vera.is_active = False
    cast.vera.save()
    assert findings("passwords")[0].state == "ok"


def test_the_periodic_task_forgets_what_has_run_out(cast: people.Cast) -> None:
    token = tokens.FamilyRefreshToken.for_user(cast.omar)
    tokens.revoke_family(token, cast.omar.pk)
    tasks.prune()
    assert tokens.is_revoked(token)
    RevokedFamily.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    tasks.prune()
    assert not RevokedFamily.objects.exists()
