"""Which addresses netmon contacts: tricky forms of what is refused, rules, names that change their mind."""

import io
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from inventory import policy as policies
from inventory import targets
from inventory.models import Device, IPAddress, TargetRule
from inventory.policy import NameUnanswered, NameUnknown, Policy, TargetRefused, resolve_all, resolve_once
from netmon.common.addresses import parse_address
from netmon.common.errors import NetmonError
from tests import factories as make
from tests import people

pytestmark = pytest.mark.django_db

# how an address may be written: all of these are refused, by their form or by what they are
TRICKS = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1", "017700000001",
    "127.0.0.01", "127.0.0.1.", "[127.0.0.1]", "::ffff:127.0.0.1", "::ffff:7f00:1", "::FFFF:7F00:0001",
    "[::ffff:7f00:1]", "::127.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::127.0.0.1", "64:ff9b:1::7f00:1",
    "2002:7f00:1::", "2002:7f00:0001:0:0:0:0:1", "2001:0:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe", "::1",
    "[::1]", "0:0:0:0:0:0:0:1", "::1%lo", "fe80::1%eth0", "fe80::1", "FE80::1", "fec0::1", "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021", " 127.0.0.1\n", "127.0.0.1\u0000", "127.0.0.1 evil", "user@127.0.0.1",
    "user:word@127.0.0.1", "127.0.0.1:22", "127.0.0.1/32", "http://127.0.0.1/", "localhost", "LOCALHOST",
    "localhost.", "0", "0.0.0.0", "0.1.2.3", "::", "255.255.255.255", "240.0.0.1", "224.0.0.1", "239.255.255.250",
    "ff02::1", "169.254.169.254", "169.254.1.1", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376",
    "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fd00:ec2::254",
    "FD00:0EC2:0::0254", "100.100.100.200", "192.0.0.192", "::ffff:192.0.0.192", "", " ", "-1", "a" * 64 + ".example",
    "a..b",
]  # fmt: skip
GOOD = [
    "10.0.0.1", "172.16.5.4", "192.168.1.1", "100.64.0.1", "192.0.2.1", "198.51.100.7", "203.0.113.9", "8.8.8.8",
    "1.1.1.1", "2001:db8::1", "2001:4860:4860::8888", "fd12:3456:789a::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1",
    "2002:0a00:0001::1", " 10.0.0.1 ", "[2001:db8::1]",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_loopback(settings: Any) -> None:
    settings.ALLOW_LOOPBACK = False


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """A resolver: by name, its answers in turn, the last one for ever. Others do not exist."""
    known: dict[str, list[list[str]]] = {}

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answers = known[host]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in answer]

    monkeypatch.setattr(policies.socket, "getaddrinfo", getaddrinfo)
    return known


def rule(cidr: str, action: str = "allow", tenant: Any = None) -> TargetRule:
    row = TargetRule(cidr=cidr, action=action, tenant=tenant)
    row.full_clean()
    row.save()
    return row


def may(address: str, tenant: Any = None, port: int | None = None) -> bool:
    pk = tenant.pk if tenant else None
    return Policy.load().decide(parse_address(address), tenant_id=pk, port=port).is_allowed


@pytest.mark.parametrize("text", TRICKS, ids=repr)
def test_no_form_of_a_refused_address_gets_through(text: str) -> None:
    with pytest.raises((ValidationError, TargetRefused)) as caught:
        resolve_once(text, policy=Policy.load(), tenant_id=None)
    error = caught.value
    reason = error.detail if isinstance(error, TargetRefused) else " ".join(error.messages)
    assert len(reason) > 20, "a reason for people"


def test_there_are_at_least_forty_tricks() -> None:
    assert len(set(TRICKS)) >= 40


@pytest.mark.parametrize("text", GOOD)
def test_what_devices_have_is_contacted(text: str) -> None:
    assert resolve_once(text, policy=Policy.load(), tenant_id=None)


@pytest.mark.parametrize("text", [text for text in TRICKS if "localhost" not in text.lower()], ids=repr)
def test_no_form_of_it_is_written_as_a_devices_address(text: str, api: APIClient) -> None:
    answer = api.post("/api/v1/routers/", {"name": "r", "ip": text}, format="json")
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/ip", answer.content
    assert not Device.objects.exists()


@pytest.mark.parametrize("text", [text for text in TRICKS if text.strip()], ids=repr)
def test_no_form_of_it_is_written_as_a_host_of_its_own(text: str, api: APIClient) -> None:
    body = {"name": "r", "ip": "10.0.0.1", "ssh_username": "u", "ssh_password": "p", "ssh_host": text}
    answer = api.post("/api/v1/routers/", body, format="json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["pointer"] == "/ssh_host"
    device = make.make_flat(ip="10.0.0.2")
    body = {"device": device.pk, "protocol": "ssh", "options": {"host": text}}
    answer = api.post("/api/v1/endpoints/", body, format="json")
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"].startswith("/options")


def test_loopback_is_admitted_for_tests_and_nothing_else_with_it(settings: Any) -> None:
    settings.ALLOW_LOOPBACK = True
    assert may("127.0.0.1") and may("::1") and may("127.77.0.1")
    assert not may("169.254.169.254") and not may("0.0.0.0") and not may("224.0.0.1")


# --- rules ------------------------------------------------------------------------------------------------------------


def test_the_longest_rule_decides_and_a_tie_refuses() -> None:
    tenant = make.make_tenant()
    rule("10.0.0.0/8", "refuse")
    rule("10.1.0.0/16", "allow")
    rule("10.1.2.0/24", "refuse")
    assert [may(address) for address in ("10.0.0.1", "10.1.0.1", "10.1.2.1")] == [False, True, False]
    rule("10.1.2.0/24", "allow", tenant)
    assert not may("10.1.2.1", tenant), "site and tenant disagree about the same range: it is refused"
    rule("10.1.2.3/32", "allow", tenant)
    assert may("10.1.2.3", tenant) and not may("10.1.2.3")


def test_an_allow_list_confines_its_tenant_and_nobody_else() -> None:
    one, two = make.make_tenant(), make.make_tenant()
    rule("10.1.0.0/16", "allow", one)
    assert may("10.1.2.3", one) and not may("10.2.0.1", one) and not may("8.8.8.8", one)
    assert may("10.2.0.1", two) and may("10.2.0.1")
    policy = Policy.load()
    assert policy.is_confined(one.pk) and not policy.is_confined(two.pk) and not policy.is_confined(None)


def test_a_tenant_without_a_list_keeps_to_that_of_the_site_and_its_own_replaces_it() -> None:
    one, two = make.make_tenant(), make.make_tenant()
    rule("10.0.0.0/8", "allow")
    rule("10.1.0.0/16", "allow", one)
    assert may("10.2.0.1") and may("10.2.0.1", two) and not may("8.8.8.8", two)
    assert may("10.1.0.1", one) and not may("10.2.0.1", one)


def test_an_exception_lifts_what_is_built_in_and_is_no_allow_list() -> None:
    tenant = make.make_tenant()
    rule("169.254.7.0/24", "allow", tenant)
    assert may("169.254.7.1", tenant) and not may("169.254.7.1") and not may("169.254.8.1", tenant)
    assert may("8.8.8.8", tenant) and not Policy.load().is_confined(tenant.pk)
    rule("10.0.0.0/8", "allow", tenant)
    assert may("169.254.7.1", tenant) and not may("8.8.8.8", tenant)


def test_a_wide_rule_does_not_open_what_is_built_in() -> None:
    rule("0.0.0.0/0", "allow")
    rule("::/0", "allow")
    rule("169.254.0.0/16", "allow")
    assert may("8.8.8.8") and may("169.254.1.1")
    for address in ("169.254.169.254", "127.0.0.1", "224.0.0.1", "0.0.0.0", "::1", "fe80::1", "64:ff9b::7f00:1"):
        assert not may(address), address
    rule("169.254.169.254/32", "allow")
    assert may("169.254.169.254")


def test_a_refused_range_is_refused_in_every_disguise() -> None:
    rule("10.9.0.0/16", "refuse")
    for address in ("10.9.0.1", "::ffff:10.9.0.1", "64:ff9b::10.9.0.1", "2002:0a09:0001::1", "::10.9.0.1"):
        assert not may(address), address


def test_rules_are_canonical_and_hold_at_once_with_one_query() -> None:
    assert rule("2001:0DB8::/32", "refuse").cidr == "2001:db8::/32"
    with CaptureQueriesContext(
        connection,
    ) as queries:
        policy = Policy.load()
        for number in range(100):
            policy.decide(parse_address(f"10.0.0.{number}"), tenant_id=1)
    assert len(queries) == 1
    assert may("10.0.0.1")
    TargetRule.objects.create(cidr="10.0.0.0/24", action="refuse")
    assert not may("10.0.0.1"), "another process wrote it"


def test_a_shard_reads_the_rules_once(settings: Any) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from monitoring.models import Check
    from monitoring.services import polling

    rule("10.0.0.0/8", "refuse")
    for number in range(5):
        make.make_flat(ip=f"192.0.2.{number + 1}")
    TargetRule.objects.create(cidr="192.0.2.0/24", action="refuse")
    deadline = timezone.now() + timedelta(seconds=20)
    Check.objects.update(claim_token="t", claimed_until=deadline)
    ids = list(Check.objects.values_list("pk", flat=True))
    with CaptureQueriesContext(connection) as queries:
        polling.run_shard("snmp", ids, "t", deadline)
    assert sum("inventory_targetrule" in query["sql"] for query in queries) == 1
    assert set(Check.objects.values_list("last_error_code", flat=True)) == {"target_refused"}


# --- netmon's own services --------------------------------------------------------------------------------------------


def test_the_own_database_and_broker_are_refused_on_their_very_ports(settings: Any) -> None:
    settings.ALLOW_LOOPBACK = True
    policy = Policy([], [(parse_address("10.0.0.5"), 5432), (parse_address("127.0.0.1"), 6379)])

    def allowed(address: str, port: int | None) -> bool:
        return policy.decide(parse_address(address), tenant_id=None, port=port).is_allowed

    assert not allowed("10.0.0.5", 5432) and allowed("10.0.0.5", 161) and allowed("10.0.0.5", None)
    assert not allowed("::ffff:10.0.0.5", 5432) and not allowed("64:ff9b::10.0.0.5", 5432)
    for address in ("127.0.0.1", "127.3.2.1", "::1"):
        assert not allowed(address, 6379) and allowed(address, 161)
    assert allowed("10.0.0.6", 6379), "another machine's port of that number"


def test_only_a_rule_for_exactly_this_address_opens_the_own_database() -> None:
    address = parse_address("10.0.0.5")
    own = [(address, 5432)]
    assert not Policy([*rules_of(rule("10.0.0.0/8"))], own).decide(address, tenant_id=None, port=5432).is_allowed
    assert Policy([*rules_of(rule("10.0.0.5/32"))], own).decide(address, tenant_id=None, port=5432).is_allowed


def rules_of(row: TargetRule) -> list[policies.Rule]:
    from netmon.common.addresses import parse_prefix

    return [policies.rule_of(parse_prefix(row.cidr), is_allowed=row.action == "allow", pk=row.pk)]


def test_own_places_are_read_from_the_settings(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    databases = {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": "192.0.2.7", "PORT": 5433}}
    monkeypatch.setattr(policies.settings, "DATABASES", databases)
    settings.BROKER_URL = "redis://:word@192.0.2.8/0"
    monkeypatch.setenv("NETMON_SUPERVISED_BIND", "[::1]:8000")
    found = {(str(address), port) for address, port in policies.own_services()}
    assert found == {("192.0.2.7", 5433), ("192.0.2.8", 6379), ("::1", 8000)}
    decision = Policy.load().decide(parse_address("192.0.2.8"), tenant_id=None, port=6379)
    assert not decision.is_allowed and "broker" in decision.reason


def test_an_endpoint_on_the_own_database_is_refused_when_written_and_when_used(
    monkeypatch: pytest.MonkeyPatch, api: APIClient
) -> None:
    monkeypatch.setattr(policies, "own_services", lambda: [(parse_address("10.0.0.5"), 161)])
    device = make.make_flat(ip="10.0.0.4")
    IPAddress.objects.filter(pk=device.primary_ip_id).update(address="10.0.0.5")
    body = {"device": device.pk, "protocol": "tcp", "port": 161}
    answer = api.post("/api/v1/endpoints/", body)
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/port"
    with pytest.raises(TargetRefused, match="own database"):
        targets.target_of(Device.objects.get().endpoints.get(protocol="snmp"))


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_name_that_changes_its_mind_is_contacted_where_it_was_checked(names: dict[str, Any]) -> None:
    names["router.example"] = [["10.0.0.7"], ["127.0.0.1"]]
    device = make.make_flat(ip="10.0.0.1", ssh_username="u", ssh_password="p", ssh_host="router.example")
    endpoint = device.endpoints.get(protocol="ssh")
    address = targets.contact_address(endpoint, Policy.load())
    assert str(address) == "10.0.0.7", "one answer is asked for, judged and used"
    with pytest.raises(TargetRefused):
        targets.contact_address(endpoint, Policy.load())


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["10.0.0.7", "169.254.169.254"], ["169.254.169.254", "10.0.0.7"]])
def test_a_name_with_one_refused_address_is_refused(answers: list[str], names: dict[str, Any], api: APIClient) -> None:
    names["trap.example"] = [answers]
    with pytest.raises(TargetRefused):
        resolve_once("trap.example", policy=Policy.load(), tenant_id=None)
    body = {"name": "r", "ip": "10.0.0.1", "ssh_username": "u", "ssh_password": "p", "ssh_host": "trap.example"}
    answer = api.post("/api/v1/routers/", body)
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/ssh_host"


def test_a_name_is_judged_by_the_rules_of_the_tenant(names: dict[str, Any]) -> None:
    tenant = make.make_tenant()
    rule("10.1.0.0/16", "allow", tenant)
    names["far.example"] = [["10.2.0.1"]]
    assert str(resolve_once("far.example", policy=Policy.load(), tenant_id=None)) == "10.2.0.1"
    with pytest.raises(TargetRefused, match="no allow rule of this tenant"):
        resolve_once("far.example", policy=Policy.load(), tenant_id=tenant.pk)


def test_the_errors_of_names_are_told_apart(monkeypatch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    with pytest.raises(NameUnknown, match="does not resolve"):
        resolve_all("nobody.example")

    def failing(code: int) -> Callable[..., Any]:
        def getaddrinfo(*args: Any, **kwargs: Any) -> Any:
            raise socket.gaierror(code, "told so")

        return getaddrinfo

    monkeypatch.setattr(policies.socket, "getaddrinfo", failing(socket.EAI_AGAIN))
    with pytest.raises(NameUnanswered, match="does not resolve now"):
        resolve_all("slow.example")
    release = threading.Event()
    monkeypatch.setattr(policies.socket, "getaddrinfo", lambda *args, **kwargs: release.wait(10) and [])
    with pytest.raises(NameUnanswered, match="within"):
        resolve_all("silent.example", timeout_seconds=0.05)
    release.set()


def test_a_name_that_nobody_knows_yet_may_be_written(names: dict[str, Any], api: APIClient) -> None:
    body = {"name": "r", "ip": "10.0.0.1", "ssh_username": "u", "ssh_password": "p", "ssh_host": "planned.example"}
    assert api.post("/api/v1/routers/", body).status_code == 201
    with pytest.raises(NameUnknown):
        targets.contact_address(Device.objects.get().endpoints.get(protocol="ssh"), Policy.load())


# --- at use -----------------------------------------------------------------------------------------------------------


def test_a_rule_made_later_holds_at_the_next_poll(settings: Any) -> None:
    device = make.make_flat(ip="10.0.0.1")
    endpoint = device.endpoints.get(protocol="snmp")
    assert targets.target_of(endpoint).address == "10.0.0.1"
    rule("10.0.0.0/24", "refuse")
    with pytest.raises(TargetRefused, match=r"10\.0\.0\.0/24"):
        targets.target_of(endpoint)
    assert isinstance(TargetRefused("x"), NetmonError)


def test_what_a_new_rule_refuses_may_still_be_renamed_and_switched_off(api: APIClient) -> None:
    device = make.make_flat(ip="10.0.0.1")
    rule("10.0.0.0/24", "refuse")
    url = f"/api/v1/routers/{device.pk}/"
    assert api.patch(url, {"name": "renamed", "ip": "10.0.0.1"}).status_code == 200
    endpoint = device.endpoints.get(protocol="snmp")
    assert api.patch(f"/api/v1/endpoints/{endpoint.pk}/", {"is_enabled": False}, format="json").status_code == 200
    answer = api.patch(url, {"ip": "10.0.0.2"})
    assert answer.status_code == 400 and answer.json()["errors"][0]["code"] == "address_refused"


def test_a_device_does_not_move_to_a_tenant_that_may_not_reach_it(api: APIClient) -> None:
    device, tenant = make.make_flat(ip="10.0.0.1", snmp_community=None), make.make_tenant()
    rule("10.1.0.0/16", "allow", tenant)
    answer = api.patch(f"/api/v1/routers/{device.pk}/", {"tenant": tenant.pk})
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/tenant"
    device.refresh_from_db()
    assert device.tenant_id is None


# --- doors ------------------------------------------------------------------------------------------------------------


def test_rules_are_written_by_admins_and_asked_by_operators(cast: people.Cast, _clean_cache: None) -> None:
    admin, operator = people.client_for(cast.ada), people.client_for(cast.omar)
    body = {"cidr": "10.0.0.0/8", "action": "allow"}
    assert operator.post("/api/v1/target-rules/", body).status_code == 403
    assert admin.post("/api/v1/target-rules/", body).status_code == 201
    assert admin.post("/api/v1/target-rules/", body).status_code == 409
    answer = admin.post("/api/v1/target-rules/", {"cidr": "10.0.0.1/8", "action": "allow"})
    assert answer.status_code == 400 and "Did you mean 10.0.0.0/8" in answer.json()["detail"]
    assert operator.get("/api/v1/target-rules/").json()["count"] == 1
    check = "/api/v1/target-rules/check/"
    good = operator.post(check, {"address": "10.0.0.1"}).json()
    assert good["allowed"] and "allow 10.0.0.0/8" in good["verdicts"][0]["rule"]
    bad = operator.post(check, {"address": "169.254.169.254"}).json()
    assert not bad["allowed"] and bad["verdicts"][0]["rule"] == "built in: 169.254.169.254/32"
    wrong = operator.post(check, {"address": "0x7f.1"})
    assert wrong.status_code == 400 and wrong.json()["errors"][0]["pointer"] == "/address"
    assert operator.post(check, {"address": "no-such-name.invalid"}).json()["code"] == "name_unknown"


def test_a_tenants_people_ask_for_their_own_tenant_only(cast: people.Cast, _clean_cache: None) -> None:
    mine, other = make.make_tenant(), make.make_tenant()
    mine.members.add(cast.omar)
    for cidr, tenant in (("10.1.0.0/16", mine), ("10.2.0.0/16", other), ("10.0.0.0/8", None)):
        rule(cidr, "allow", tenant)
    client = people.client_for(cast.omar)
    assert [row["cidr"] for row in client.get("/api/v1/target-rules/").json()["results"]] == ["10.1.0.0/16"]
    check = "/api/v1/target-rules/check/"
    assert client.post(check, {"address": "10.1.0.1"}).status_code == 400
    assert client.post(check, {"address": "10.1.0.1", "tenant": other.pk}).status_code == 400
    assert client.post(check, {"address": "10.1.0.1", "tenant": mine.pk}).json()["allowed"]


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("check_target", *arguments, stdout=out)
    return int(str(ended.value.code)), out.getvalue()


def test_the_command_says_which_rule_decides() -> None:
    tenant = make.make_tenant(slug="school")
    rule("10.1.0.0/16", "allow", tenant)
    code, text = run("10.1.0.1", "--tenant", "school")
    assert code == 0 and "allowed" in text and "10.1.0.0/16" in text
    code, text = run("10.2.0.1", "--tenant", "school", "--json")
    assert code == 5 and json.loads(text)["verdicts"][0]["allowed"] is False
    code, text = run("127.0.0.1")
    assert code == 5 and "refused" in text and "built in: 127.0.0.0/8" in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["0x7f.1"], 2), (["10.0.0.1", "--port", "0"], 2), (["no-such.invalid"], 1), (["10.0.0.1", "--tenant", "x"], 4)],
)
def test_the_command_tells_its_errors_apart(arguments: list[str], code: int) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("check_target", *arguments)
    assert caught.value.returncode == code
