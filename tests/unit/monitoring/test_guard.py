"""Where messages may go: a table of addresses, and the tricks by which one is written as another."""

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from inventory import policy as policies
from inventory.models import TargetRule
from monitoring.notifiers import Failed, carrying
from monitoring.notifying import guard
from monitoring.notifying.messages import Message
from netmon.drivers import dialing, http
from netmon.drivers.errors import AddressRefused, ProtocolError
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db
DATABASE = "10.9.8.7"

REFUSED_TEXT = """
    127.0.0.1 127.1.2.3 127.255.255.255 ::1 ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::7f00:1
    2002:7f00:1:: 2001:0:7f00:1::1
    0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0
    169.254.169.254 169.254.0.1 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe:: ::a9fe:a9fe
    fe80::1 febf::1 fec0::1 fd00:ec2::254 100.100.100.200 192.0.0.192 ::ffff:100.100.100.200
    224.0.0.1 239.255.255.250 ff02::1 ff0e::1 ::ffff:224.0.0.1
    240.0.0.1 255.255.255.255 ::ffff:255.255.255.255 64:ff9b::f000:1 4000::1 e000::1 200::1
    10.9.8.7 ::ffff:10.9.8.7 64:ff9b::a09:807 2002:a09:807::
"""
ADMITTED_TEXT = """
    10.0.0.1 10.255.255.254 172.16.0.1 172.31.9.9 192.168.1.20 100.64.0.9 fd12:3456::1 fc00::1
    8.8.8.8 93.184.216.34 2606:4700::1111 2a00:1450:4001::2003 64:ff9b::808:808 2002:808:808::1 ::ffff:10.0.0.1
    10.9.8.6 10.9.8.8
"""
REFUSED, ADMITTED = REFUSED_TEXT.split(), ADMITTED_TEXT.split()


@pytest.fixture(autouse=True)
def _own(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ALLOW_LOOPBACK = False
    monkeypatch.setattr(policies, "own_services", lambda: [(ipaddress.ip_address(DATABASE), 5432)])


def judged(text: str, *, tenant_id: int | None = None, port: int = 443, is_mail: bool = False) -> str:
    return guard.refuser(tenant_id=tenant_id, port=port, is_mail=is_mail)(ipaddress.ip_address(text))


def allow(cidr: str, **over: Any) -> None:
    TargetRule.objects.create(cidr=cidr, action="allow", **over)


@pytest.mark.parametrize("address", REFUSED)
def test_refused(address: str) -> None:
    assert judged(address)
    assert judged(address, is_mail=True, tenant_id=make_tenant().pk)


@pytest.mark.parametrize("address", ADMITTED)
def test_admitted(address: str) -> None:
    assert judged(address) == ""


@pytest.mark.parametrize("cidr", ["127.0.0.1/32", "169.254.169.254/32", "::1/128", "fe80::/10", "224.0.0.0/4"])
def test_a_rule_that_lets_devices_be_asked_there_sends_no_message_there(cidr: str) -> None:
    allow(cidr)
    assert judged(cidr.partition("/")[0])


def test_refusing_rules_hold() -> None:
    tenant = make_tenant()
    TargetRule.objects.create(cidr="10.20.0.0/16", action="refuse")
    TargetRule.objects.create(cidr="203.0.113.0/24", action="refuse", tenant=tenant)
    assert judged("10.20.3.4") and judged("::ffff:10.20.3.4") and judged("64:ff9b::a14:304")
    assert judged("203.0.113.9", tenant_id=tenant.pk) and not judged("203.0.113.9")


def test_an_allow_list_confines_private_addresses_and_not_the_internet() -> None:
    tenant = make_tenant()
    allow("10.30.0.0/16", tenant=tenant)
    assert judged("10.31.0.1", tenant_id=tenant.pk) and judged("fd00::1", tenant_id=tenant.pk)
    assert judged("10.30.0.1", tenant_id=tenant.pk) == "" and judged("10.31.0.1") == ""
    assert judged("93.184.216.34", tenant_id=tenant.pk) == ""


def test_netmons_own_database_is_refused_on_every_port_unless_a_rule_names_it() -> None:
    assert judged(DATABASE, port=8008) and judged(DATABASE, port=5432)
    allow(f"{DATABASE}/32")
    assert judged(DATABASE, port=8008) == ""


def test_loopback_for_tests_and_demos_but_not_what_listens_there_of_netmons(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ALLOW_LOOPBACK = True
    monkeypatch.setattr(policies, "own_services", lambda: [(ipaddress.ip_address("127.0.0.1"), 6379)])
    assert judged("127.0.0.1", port=8080) == "" and judged("::1", port=8080) == ""
    assert judged("127.0.0.1", port=6379) and judged("127.0.0.2", port=6379) and judged("::ffff:127.0.0.1", port=6379)
    assert judged("169.254.169.254")


def test_a_site_wide_mail_server_may_be_on_this_machine() -> None:
    assert judged("127.0.0.1", port=25, is_mail=True) == ""
    assert judged("127.0.0.1", port=25, is_mail=True, tenant_id=make_tenant().pk)
    assert judged("169.254.1.1", port=25, is_mail=True)


HOSTS = ["2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "017700000001", "0", "0x0", "127.0.0.1.", "[::1]"]
NAMES = ["localhost", "ip6-localhost.", "localtest.example"]


@pytest.mark.parametrize("host", HOSTS + NAMES)
def test_no_spelling_leads_to_this_machine(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = dialing.socket.getaddrinfo

    def getaddrinfo(name: str, *args: Any, **kwargs: Any) -> Any:
        return real("127.0.0.1" if "local" in name else name, *args, **kwargs)

    monkeypatch.setattr(dialing.socket, "getaddrinfo", getaddrinfo)
    message = Message(key="k", kind="test", title="t", items=())
    with pytest.raises(Failed) as raised:
        carrying.post(f"http://{host}:9/x", b"", {}, {"tenant_id": None}, message)
    assert (raised.value.code, raised.value.is_permanent) == ("target_refused", True)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "①②⑦.⓪.⓪.①"])
def test_even_without_a_look_at_the_spelling_the_address_is_judged(host: str) -> None:
    with pytest.raises((AddressRefused, ProtocolError)):
        http.post(
            f"http://{host}:9/",
            body=b"",
            headers={},
            refuse=guard.refuser(tenant_id=None, port=9),
            deadline_seconds=3,
        )


def test_one_query_for_a_message(django_assert_num_queries: Callable[[int], Any]) -> None:
    with django_assert_num_queries(1):
        refuse = guard.refuser(tenant_id=None, port=443)
        for address in REFUSED:
            refuse(ipaddress.ip_address(address))
