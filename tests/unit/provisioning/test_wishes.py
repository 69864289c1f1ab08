"""Wrong requests and their answers, at the service: each names its field, and nothing is written."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from inventory.models import Device, IPAddress
from netmon.common.errors import NetmonError
from provisioning.models import DhcpReservation, PortClaim, PortForward, RuleClaim, Vm
from provisioning.models.texts import parse_source
from provisioning.services import ports, vms, wishes
from tests import factories

pytestmark = pytest.mark.django_db

MAC = "02:00:00:00:00:01"
LABEL = "RFC 1123"


def port(**values: Any) -> dict[str, Any]:
    return {"ports": [{"name": "game", "internal_port": 27015, **values}]}


# what is asked for beside a good name: the field that is blamed, and words of the answer
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no name": ({"vm_name": ""}, "vm_name", "needed"),
    "a name with an underscore": ({"vm_name": "web_1"}, "vm_name", "no underscore"),
    "a name with a dot": ({"vm_name": "web.example"}, "vm_name", LABEL),
    "a name with a blank": ({"vm_name": "web 1"}, "vm_name", LABEL),
    "a name that begins with a hyphen": ({"vm_name": "-web"}, "vm_name", LABEL),
    "a name that ends with a hyphen": ({"vm_name": "web-"}, "vm_name", LABEL),
    "a name with a quote": ({"vm_name": "web'1"}, "vm_name", LABEL),
    "a name with a line break": ({"vm_name": "web\n"}, "vm_name", LABEL),
    "a name with an accent": ({"vm_name": "wéb"}, "vm_name", LABEL),
    "a name of 64 letters": ({"vm_name": "w" * 64}, "vm_name", LABEL),
    "a name of 300 letters": ({"vm_name": "w" * 300}, "vm_name", "At most 255"),
    "a name that is a number": ({"vm_name": 7}, "vm_name", "Write a text"),
    "a name with a null character": ({"vm_name": "web\x00"}, "vm_name", "Null characters"),
    "a host name with an underscore": ({"hostname": "my_host"}, "hostname", "no underscore"),
    "a MAC address that is too short": ({"mac_address": "02:00:00:00:00"}, "mac_address", "six octets"),
    "a MAC address with a wrong digit": ({"mac_address": "02:00:00:00:00:0g"}, "mac_address", "six octets"),
    "a multicast MAC address": ({"mac_address": "01:00:5e:00:00:01"}, "mac_address", "multicast"),
    "the broadcast MAC address": ({"mac_address": "ff-ff-ff-ff-ff-ff"}, "mac_address", "multicast"),
    "a MAC address of zeros": ({"mac_address": "0000.0000.0000"}, "mac_address", "zeros"),
    "a MAC address that is a number": ({"mac_address": 1}, "mac_address", "Write a text"),
    "a MAC address that never ends": ({"mac_address": "02" * 100}, "mac_address", "At most 40"),
    "an unknown router": ({"router": "moon"}, "router", "no router 'moon'; known are"),
    "an unknown router by number": ({"router": 999999}, "router", "known are"),
    "an unknown pool": ({"dhcp_pool": "moon"}, "dhcp_pool", "known are"),
    "an unknown port pool": ({"port_pool": "moon"}, "port_pool", "known are"),
    "a router that is a list": ({"router": ["a"]}, "router", "Write a text"),
    "an address that is none": ({"ip_address": "192.168.66"}, "ip_address", "Not an IPv4 address"),
    "an address with zeros before": ({"ip_address": "192.168.066.010"}, "ip_address", "Not an IPv4 address"),
    "an IPv6 address": ({"ip_address": "2001:db8::1"}, "ip_address", "Not an IPv4 address"),
    "an address outside of the pool": ({"ip_address": "192.168.66.200"}, "ip_address", "none that the pool"),
    "an address of elsewhere": ({"ip_address": "10.0.0.1"}, "ip_address", "none that the pool"),
    "the gateway": ({"ip_address": "192.168.66.1"}, "ip_address", "none that the pool"),
    "the broadcast address": ({"ip_address": "192.168.66.255"}, "ip_address", "none that the pool"),
    "an address and a range": (
        {"ip_address": "192.168.66.10", "ip_range": {"start": "192.168.66.10", "end": "192.168.66.12"}},
        "ip_range", "leave one of them out",
    ),
    "a reversed range": ({"ip_range": {"start": "192.168.66.20", "end": "192.168.66.10"}}, "ip_range", "reversed"),
    "half a range": ({"ip_range": {"start": "192.168.66.20"}}, "ip_range", "start and end"),
    "a range that is a text": ({"ip_range": "10-20"}, "ip_range", "an object such as"),
    "a range of a base with a wrong end": (
        {"ip_range": {"base": "192.168.66.", "start": 10, "end": 256}}, "ip_range", "0 to 255",
    ),
    "a range outside of the pool": (
        {"ip_range": {"start": "192.168.66.90", "end": "192.168.66.110"}}, "ip_range", "choose a range inside",
    ),
    "reversed ports": ({"port_range": {"start": 32100, "end": 32000}}, "port_range", "reversed"),
    "ports outside of the pool": ({"port_range": {"start": 100, "end": 200}}, "port_range", "range inside"),
    "ports that are texts": ({"port_range": {"start": "1", "end": "2"}}, "port_range", "1 to 65535"),
    "half a range of ports": ({"port_range": {"end": 32000}}, "port_range", "start and end"),
    "port 0": (port(internal_port=0), "ports", "Entry 1: internal_port: A port is a number of 1 to 65535"),
    "port 70000": (port(internal_port=70000), "ports", "1 to 65535"),
    "a port that is a boolean": (port(internal_port=True), "ports", "1 to 65535"),
    "a port of unknown name without number": ({"ports": [{"name": "game"}]}, "ports", "internal_port: Say to which"),
    "a name that the template lacks": ({"ports": ["smtp"]}, "ports", "none of ssh, http, https"),
    "ports that are no list": ({"ports": "ssh"}, "ports", "Write a list"),
    "51 ports": ({"ports": ["ssh"] * 51}, "ports", "at most 50"),
    "a port that is a number": ({"ports": [22]}, "ports", "Entry 1: Write a name of the template"),
    "the same port twice": ({"ports": ["ssh", "SSH"]}, "ports", "Entry 2: name: ssh comes twice"),
    "the same external port twice": (
        {"ports": [{"name": "a", "internal_port": 1, "external_port": 32005},
                   {"name": "b", "internal_port": 2, "external_port": 32005, "protocol": "tcp_udp"}]},
        "ports", "a and b both ask for tcp 32005",
    ),
    "a port name with an underscore": (port(name="my_game"), "ports", "no underscore"),
    "an unknown protocol": (port(protocol="icmp"), "ports", "tcp, udp, tcp_udp"),
    "a reversed range of ports": (port(internal_port_end=27000), "ports", "reversed"),
    "too many ports": (port(internal_port_end=28000), "ports", "More than 100 ports"),
    "an external range past the end": (
        port(internal_port_end=27020, external_port=65533), "ports", "ends above 65535",
    ),
    "an external port outside of the pool": (port(external_port=80), "ports", "choose among these"),
    "a source that is a name": (port(source="example.com"), "ports", "an address, a prefix or a range"),
    "a source with host bits": (port(source="192.0.2.7/24"), "ports", "Did you mean 192.0.2.0/24"),
    "a reversed source": (port(source="192.0.2.9-192.0.2.1"), "ports", "reversed"),
    "a source that is only a mark": (port(source="!"), "ports", "an address, a prefix or a range"),
    "a source that is too long": (port(source="1" * 41), "ports", "At most 40"),
    "a hairpin that is a text": (port(hairpin="yes"), "ports", "true or false"),
    "a field of a port that is none": (port(colour="red"), "ports", "There is no such field"),
    "a field that is none": ({"colour": "red"}, "colour", "There is no such field"),
    "an end in the past": ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at", "in the past"),
    "an end without a zone": ({"expires_at": "2099-01-01T00:00:00"}, "expires_at", "with its zone"),
    "an end that is no time": ({"expires_at": "tomorrow"}, "expires_at", "with its zone"),
    "an end on a day that is none": ({"expires_at": "2099-02-30T00:00:00Z"}, "expires_at", "with its zone"),
    "metadata that is a list": ({"metadata": [1]}, "metadata", "Write an object"),
    "metadata of 5000 bytes": ({"metadata": {"a": "b" * 5000}}, "metadata", "at most 4096"),
    "metadata with a null character": ({"metadata": {"a": "\x00"}}, "metadata", "Null characters"),
}  # fmt: skip


def ask(**fields: Any) -> vms.Provisioned:
    return vms.provision(wishes.read_vm({"vm_name": "web-1", **fields}))


@pytest.fixture
def pools() -> None:
    router = factories.make_vyos_router()
    factories.make_dhcp_pool(router)
    factories.make_port_pool(router)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_answered_by_field_and_writes_nothing(name: str, pools: None) -> None:
    fields, field, words = WRONG[name]
    before = Device.objects.count()
    with pytest.raises((ValidationError, NetmonError)) as caught:
        ask(**fields)
    if isinstance(caught.value, ValidationError):
        assert set(caught.value.message_dict) == {field}
        said = " ".join(caught.value.message_dict[field])
    else:
        assert caught.value.data["field"] == field
        said = caught.value.detail
    assert words in said
    assert Device.objects.count() == before
    for model in (Vm, DhcpReservation, PortForward, PortClaim, RuleClaim, IPAddress):
        assert not model._default_manager.exists()


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        wishes.read_vm({"vm_name": "a_b", "mac_address": "x", "ports": ["a", "b"], "expires_at": "never"})
    assert set(caught.value.message_dict) == {"vm_name", "mac_address", "ports", "expires_at"}
    assert len(caught.value.message_dict["ports"]) == 2


@pytest.mark.parametrize("text", ["02:00:00:AA:bb:01", "02-00-00-aa-bb-01", "0200.00aa.bb01", "020000AABB01"])
def test_a_mac_address_has_one_spelling(text: str) -> None:
    assert wishes.read_vm({"vm_name": "a", "mac_address": text}).mac_address == "02:00:00:aa:bb:01"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" ! 192.0.2.1 ", "!192.0.2.1"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("!192.0.2.1 - 192.0.2.9", "!192.0.2.1-192.0.2.9"),
        ("", ""),
    ],
)
def test_a_source_has_one_spelling(text: str, kept: str) -> None:
    assert parse_source(text) == kept


def test_a_range_may_be_written_by_its_base() -> None:
    for base in ("192.168.66.", "192.168.66", "192.168.66.0"):
        wish = wishes.read_vm({"vm_name": "a", "ip_range": {"base": base, "start": 10, "end": 12}})
        assert wish.ip_range == ("192.168.66.10", "192.168.66.12")


def test_names_of_ports_are_read_for_an_action() -> None:
    assert wishes.read_names(["SSH", "web"]) == ("ssh", "web")
    for value in ([], "ssh", ["a_b"], ["ssh", "SSH"], [1], ["a"] * 51):
        with pytest.raises(ValidationError) as caught:
            wishes.read_names(value)
        assert set(caught.value.message_dict) == {"ports"}


def test_a_port_that_a_machine_lacks_is_named(pools: None) -> None:
    vm = ask(ports=["ssh"]).vm
    with pytest.raises(NetmonError) as caught:
        ports.act(vm, "pause", ["https"])
    assert "no port https; it has ssh" in caught.value.detail


def test_a_time_is_kept_as_it_is_meant() -> None:
    at = timezone.now() + timedelta(days=1)
    assert wishes.read_vm({"vm_name": "a", "expires_at": at.isoformat()}).expires_at == at
