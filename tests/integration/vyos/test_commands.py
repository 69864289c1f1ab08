"""vyos_plan, vyos_apply and vyos_drift as a person types them, at a router."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from inventory.models import Credential
from netmon.lab.vyos import Fault
from provisioning.models import ConfigChange, PortForward, Vm
from provisioning.services import leases
from tests.vyos import Site, site_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site() -> Iterator[Site]:
    with site_of() as one:
        yield one


def run(*arguments: Any) -> tuple[int, str]:
    """Exit code, and what it printed or why it refused."""
    out = io.StringIO()
    try:
        call_command(*[str(argument) for argument in arguments], stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def planned(*arguments: Any) -> dict[str, Any]:
    code, text = run("vyos_plan", *arguments, "--json")
    assert code == 0, text
    return dict(json.loads(text))


def test_a_plan_writes_nothing_and_its_digest_is_what_is_applied(site: Site) -> None:
    wish = ("provision", "web-1", "--port", "ssh", "--port", "app=8080:32100/udp")
    plan = planned(*wish)
    assert plan["external_ports"]["app"] == 32100 and plan["address"].startswith("192.168.66.")
    assert not Vm.objects.exists() and not site.mappings() and plan["undo"] and plan["diff"]
    code, text = run("vyos_plan", *wish)
    assert code == 0 and all(line in text for line in plan["lines"]) and plan["digest"] in text
    code, text = run("vyos_apply", "--digest", "0" * 64, *wish)
    assert code == 1 and not Vm.objects.exists() and not site.lab.counts["commits"]
    code, text = run("vyos_apply", "--digest", plan["digest"], *wish, "--json")
    found = json.loads(text)
    assert code == 0 and found["lines"] == plan["lines"] and found["change"]["status"] == "applied"
    assert ConfigChange.objects.get().is_approved and ConfigChange.objects.get().via == "command"
    assert "web-1" in site.mappings() and len(site.rules()) == 2 and site.lab.is_saved
    assert run("vyos_apply", *wish)[0] == 0
    assert site.lab.counts["commits"] == 1, "the same again sends nothing"


def test_ports_and_decommissioning(site: Site) -> None:
    assert run("vyos_apply", "provision", "web-1", "--port", "ssh")[0] == 0
    assert run("vyos_apply", "ports", "web-1", "--add", '{"name": "db", "internal_port": 5432}')[0] == 0
    code, text = run("vyos_apply", "ports", "web-1", "--action", "pause", "--only", "db")
    assert code == 0 and "applied, saved" in text
    assert [rule for rule in site.rules().values() if "disable" in rule] != []
    assert PortForward.objects.get(name="db").desired == "disabled"
    assert planned("decommission", "web-1")["lines"]
    assert run("vyos_apply", "decommission", "web-1")[0] == 0
    assert not Vm.objects.exists() and not site.mappings() and not site.rules()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("vyos_plan", "provision", "web_1"), 2, "no underscore"),
        (("vyos_plan", "provision", "web-1", "--port", "smtp"), 2, "smtp"),
        (("vyos_plan", "provision", "web-1", "--port", "x=eight"), 2, "NAME=INNER"),
        (("vyos_plan", "provision", "web-1", "--port", "{nonsense"), 2, "no JSON"),
        (("vyos_plan", "provision", "web-1", "--ip-address", "10.1.2.3"), 1, ""),
        (("vyos_plan", "provision", "web-1", "--router", "nobody"), 4, "VyOS router"),
        (("vyos_plan", "provision", "web-1", "--owner", "nobody"), 4, "user name"),
        (("vyos_plan", "provision", "web-1", "--tenant", "nobody"), 4, "slug"),
        (("vyos_apply", "decommission", "web-1"), 4, "machine"),
        (("vyos_apply", "ports", "web-1", "--add", "ssh"), 4, "machine"),
        (("vyos_drift", "nobody"), 4, "VyOS router"),
    ],
)
def test_what_is_wrong_has_its_code(site: Site, arguments: tuple[str, ...], code: int, words: str) -> None:
    got, text = run(*arguments)
    assert got == code and words in text
    assert not Vm.objects.exists() and not site.lab.counts["commits"]


def test_ports_want_one_of_two(site: Site) -> None:
    site.provision("web-1")
    for wrong in ((), ("--add", "ssh", "--action", "pause"), ("--add", "ssh", "--only", "ssh")):
        assert run("vyos_plan", "ports", "web-1", *wrong)[0] == 2


def test_a_router_that_is_busy_or_denies(site: Site) -> None:
    token = leases.claim(site.row, seconds=60)
    assert token is not None
    assert run("vyos_drift", site.row.pk)[0] == 75
    site.provision("web-0")
    code, text = run("vyos_apply", "--wait", "0", "decommission", "web-0")
    assert code == 75 and "queued" in text
    leases.let_go(site.row, token)
    key = Credential.objects.get(pk=site.row.endpoint.credential_id)
    key.secret = "another-key"
    key.save()
    site.row.refresh_from_db()
    assert run("vyos_drift", site.row.pk)[0] == 5
    code, text = run("vyos_apply", "provision", "web-2", "--router", site.row.pk)
    assert code == 5 and ConfigChange.objects.latest("pk").error_code == "auth_failed", text


def test_what_runs_and_is_not_saved_is_partly_done(site: Site) -> None:
    site.lab.arm(*[Fault.INTERNAL_ERROR] * 3, at="config-file")
    code, text = run("vyos_apply", "provision", "web-1")
    assert code == 3 and "NOT saved" in text


def test_drift_is_told_healed_and_adopted(site: Site) -> None:
    run("vyos_apply", "provision", "web-1", "--port", "ssh", "--port", "https")
    assert run("vyos_drift", site.row)[0] == 0
    ssh, https = PortForward.objects.order_by("rule_number")
    site.lab.edit(f"delete nat destination rule {ssh.rule_number}")
    site.lab.edit(f"set nat destination rule {https.rule_number} translation port 8443")
    code, text = run("vyos_drift", site.row)
    assert code == 3 and "missing" in text and "can be healed" in text and "web-1" in text
    code, text = run("vyos_drift", site.row, "--json")
    items = {item["label"]: item for item in json.loads(text)["items"]}
    (one,) = [item for item in items.values() if item["kind"] == "missing"]
    code, text = run("vyos_drift", site.row, "--heal", one["id"])
    assert code == 3 and "applied" in text, "the other still differs"
    assert str(ssh.rule_number) in site.rules()
    assert run("vyos_drift", site.row, "--heal", "12345")[0] == 4
    assert run("vyos_drift", site.row, "--heal", "twelve")[0] == 2
    (two,) = [item for item in items.values() if item["kind"] == "differs"]
    assert two["can_adopt"]
    code, text = run("vyos_drift", site.row, "--adopt", "all")
    assert code == 0 and "Taken over" in text
    https.refresh_from_db()
    assert https.internal_port == 8443
