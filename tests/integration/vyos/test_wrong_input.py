"""What is wrong with a request is said with its field; nothing is written then, and the router hears of nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from inventory.models import Device, IPAddress
from netmon.audit.models import AuditEvent
from provisioning.models import (
    ChangeItem,
    ConfigChange,
    DhcpPool,
    DhcpReservation,
    PortClaim,
    PortForward,
    PortPool,
    Quota,
    RuleClaim,
    Vm,
    VyosRouter,
)
from tests import factories, people
from tests.vyos import Site, site_of

pytestmark = pytest.mark.django_db
TABLES: tuple[Any, ...] = (
    Device, IPAddress, VyosRouter, DhcpPool, PortPool, Quota, Vm, DhcpReservation, PortForward, PortClaim, RuleClaim,
    ConfigChange, ChangeItem, AuditEvent,
)  # fmt: skip
Case = tuple[str, Any, int, str, str]


@pytest.fixture
def site() -> Iterator[Site]:
    with site_of() as found:
        found.provision("web-1", mac_address="02:00:00:00:00:01", ports=["ssh"])
        factories.make_device(name="a-desk")
        yield found


def tried(site: Site, api: Any, cases: list[Case], prefix: str = "/api/v1/", method: str = "post") -> None:
    """(path, body, status, code, field) of each; no row is written by any, and the router hears of nothing new.

    A machine cannot be planned before the router was read, so reads are no fault; commits and saves are.
    """
    counts = [model._base_manager.count() for model in TABLES]
    sent = {name: site.lab.counts[name] for name in ("configures", "commits", "saves", "discards")}
    wrong = []
    for path, body, status, code, field in cases:
        answer = getattr(api, method)(prefix + path, body, format="json")
        found = answer.json() if answer.content else {}
        named = {error["pointer"].lstrip("/") for error in found.get("errors", [])} | {found.get("field", "")}
        if (answer.status_code, found.get("code")) != (status, code) or field not in named:
            wrong.append((path, str(body)[:90], answer.status_code, found.get("code"), sorted(named)))
    assert not wrong, "\n".join(str(entry) for entry in wrong)
    assert [model._base_manager.count() for model in TABLES] == counts
    assert {name: site.lab.counts[name] for name in sent} == sent


def port(**fields: Any) -> dict[str, Any]:
    return {"vm_name": "new", "ports": [{"name": "x", "internal_port": 80, **fields}]}


MACHINES: list[Case] = [
    (body, *rest)  # type: ignore[misc]
    for body, *rest in (
        ({}, 400, "invalid", "vm_name"),
        ([], 400, "invalid", ""),
        ("web", 400, "invalid", ""),
        ({"vm_name": None}, 400, "invalid", "vm_name"),
        ({"vm_name": ""}, 400, "invalid", "vm_name"),
        ({"vm_name": 7}, 400, "invalid", "vm_name"),
        ({"vm_name": ["new"]}, 400, "invalid", "vm_name"),
        ({"vm_name": "under_score"}, 400, "invalid", "vm_name"),
        ({"vm_name": "with.dot"}, 400, "invalid", "vm_name"),
        ({"vm_name": "-new"}, 400, "invalid", "vm_name"),
        ({"vm_name": "new\n"}, 400, "invalid", "vm_name"),
        ({"vm_name": "new; reboot"}, 400, "invalid", "vm_name"),
        ({"vm_name": "n" * 64}, 400, "invalid", "vm_name"),
        ({"vm_name": "n" * 100_000}, 400, "invalid", "vm_name"),
        ({"vm_name": "nül"}, 400, "invalid", "vm_name"),
        ({"vm_name": "new\x00"}, 400, "invalid", "vm_name"),
        ({"vm_name": "a-desk"}, 409, "name_taken", "vm_name"),
        ({"vm_name": "new", "hostname": "under_score"}, 400, "invalid", "hostname"),
        ({"vm_name": "new", "hostname": "WEB-1"}, 409, "name_taken", "hostname"),
        ({"vm_name": "new", "mac_address": "02:00:00:00:00"}, 400, "invalid", "mac_address"),
        ({"vm_name": "new", "mac_address": "zz:00:00:00:00:01"}, 400, "invalid", "mac_address"),
        ({"vm_name": "new", "mac_address": "ff:ff:ff:ff:ff:ff"}, 400, "invalid", "mac_address"),
        ({"vm_name": "new", "mac_address": "00:00:00:00:00:00"}, 400, "invalid", "mac_address"),
        ({"vm_name": "new", "mac_address": 7}, 400, "invalid", "mac_address"),
        ({"vm_name": "new", "mac_address": "02-00-00-00-00-01"}, 409, "mac_taken", "mac_address"),
        ({"vm_name": "web-1", "mac_address": "02:00:00:00:00:02"}, 409, "vm_differs", "mac_address"),
        ({"vm_name": "new", "ip_address": "192.168.66"}, 400, "invalid", "ip_address"),
        ({"vm_name": "new", "ip_address": "fe80::1"}, 400, "invalid", "ip_address"),
        ({"vm_name": "new", "ip_address": "192.168.66.10"}, 409, "address_taken", "ip_address"),
        ({"vm_name": "new", "ip_address": "192.168.66.1"}, 409, "out_of_pool", "ip_address"),
        ({"vm_name": "new", "ip_address": "192.168.66.240"}, 409, "out_of_pool", "ip_address"),
        ({"vm_name": "new", "ip_address": "10.0.0.1"}, 409, "out_of_pool", "ip_address"),
        (
            {"vm_name": "new", "ip_range": {"start": "192.168.66.30", "end": "192.168.66.20"}},
            400,
            "invalid",
            "ip_range",
        ),
        ({"vm_name": "new", "ip_range": {"start": "10.0.0.1", "end": "10.0.0.9"}}, 409, "out_of_pool", "ip_range"),
        ({"vm_name": "new", "ip_range": {"start": 10}}, 400, "invalid", "ip_range"),
        ({"vm_name": "new", "ip_range": {"base": "192.168.66", "start": 10, "end": 256}}, 400, "invalid", "ip_range"),
        (
            {"vm_name": "new", "ip_address": "192.168.66.9", "ip_range": {"start": "1.1.1.1", "end": "1.1.1.2"}},
            400,
            "invalid",
            "ip_range",
        ),
        ({"vm_name": "new", "port_range": {"start": 33000, "end": 32000}}, 400, "invalid", "port_range"),
        ({"vm_name": "new", "port_range": {"start": 0, "end": 70000}}, 400, "invalid", "port_range"),
        ({"vm_name": "new", "port_range": {"start": 40000, "end": 40010}}, 409, "out_of_pool", "port_range"),
        ({"vm_name": "new", "port_range": {"start": 32001, "end": 32002}}, 409, "ports_exhausted", "port_pool"),
        ({"vm_name": "new", "ports": "ssh"}, 400, "invalid", "ports"),
        ({"vm_name": "new", "ports": ["telnet"]}, 400, "invalid", "ports"),
        ({"vm_name": "new", "ports": ["ssh", "SSH"]}, 400, "invalid", "ports"),
        ({"vm_name": "new", "ports": [None]}, 400, "invalid", "ports"),
        ({"vm_name": "new", "ports": [f"p{n}" for n in range(51)]}, 400, "invalid", "ports"),
        ({"vm_name": "new", "ports": [{"name": "x"}] * 100_00}, 400, "invalid", "ports"),
        (port(internal_port=0), 400, "invalid", "ports"),
        (port(internal_port=70000), 400, "invalid", "ports"),
        (port(internal_port="80"), 400, "invalid", "ports"),
        (port(internal_port=True), 400, "invalid", "ports"),
        (port(internal_port=None), 400, "invalid", "ports"),
        (port(internal_port_end=79), 400, "invalid", "ports"),
        (port(internal_port_end=180), 400, "invalid", "ports"),
        (port(external_port=70000), 400, "invalid", "ports"),
        (port(external_port=22), 409, "out_of_pool", "ports"),
        (port(external_port=32000), 409, "port_taken", "ports"),
        (port(protocol="icmp"), 400, "invalid", "ports"),
        (port(source="everybody"), 400, "invalid", "ports"),
        (port(source="192.0.2.9-192.0.2.1"), 400, "invalid", "ports"),
        (port(hairpin="yes"), 400, "invalid", "ports"),
        (port(name="under_score"), 400, "invalid", "ports"),
        (port(colour="red"), 400, "invalid", "ports"),
        ({"vm_name": "new", "expires_at": "2001-01-01T00:00:00Z"}, 400, "invalid", "expires_at"),
        ({"vm_name": "new", "expires_at": "tomorrow"}, 400, "invalid", "expires_at"),
        ({"vm_name": "new", "expires_at": "2099-01-01T00:00:00"}, 400, "invalid", "expires_at"),
        ({"vm_name": "new", "metadata": []}, 400, "invalid", "metadata"),
        ({"vm_name": "new", "metadata": {"a": "x" * 5000}}, 400, "invalid", "metadata"),
        ({"vm_name": "new", "router": "nowhere"}, 400, "invalid", "router"),
        ({"vm_name": "new", "router": 0}, 400, "invalid", "router"),
        ({"vm_name": "new", "router": 999_999}, 400, "invalid", "router"),
        ({"vm_name": "new", "dhcp_pool": "nowhere"}, 400, "invalid", "dhcp_pool"),
        ({"vm_name": "new", "port_pool": {}}, 400, "invalid", "port_pool"),
        ({"vm_name": "new", "colour": "red"}, 400, "invalid", "colour"),
        ({"vm_name": "new", "owner": 999_999}, 400, "invalid", "owner"),
        ({"vm_name": "new", "tenant": "ours"}, 400, "invalid", "tenant"),
        ({"vm_name": "new", "digest": "abc"}, 400, "invalid", "digest"),
        ({"vm_name": "new", "digest": "0" * 64, "confirm": "1" * 64}, 400, "invalid", "confirm"),
        ({"vm_name": "new", "digest": "0" * 64}, 409, "stale_plan", "digest"),
        ({"vm_name": "under_score", "mac_address": "x", "ports": [7]}, 400, "invalid", "mac_address"),
    )
]


def test_machines(site: Site, cast: people.Cast, _clean_cache: None) -> None:
    assert len(MACHINES) > 70
    tried(site, people.client_for(cast.omar), [("vms/provision/", *case) for case in MACHINES])  # type: ignore[list-item]


def test_what_is_wrong_with_one_of_many_is_wrong_there_alone(site: Site, cast: people.Cast, _clean_cache: None) -> None:
    api = people.client_for(cast.omar)
    bodies = [body for body, status, *_ in MACHINES if status == 400 and "digest" not in str(body)]
    bodies = [body for body in bodies if isinstance(body, dict) and not {"owner", "tenant"} & set(body)]
    counts = [model._base_manager.count() for model in TABLES]
    answer = api.post("/api/v1/vms/bulk/", bodies, format="json")
    assert answer.status_code == 207
    assert {entry["status"] for entry in answer.json()["results"]} == {400}
    assert all(entry["errors"] and entry["vm"] is None for entry in answer.json()["results"])
    assert [model._base_manager.count() for model in TABLES] == counts


def test_ports_ends_and_removal(site: Site, cast: people.Cast, _clean_cache: None) -> None:
    template, one, expiry, forwards = (
        "vms/web-1/ports/template/",
        "vms/web-1/ports/ssh/",
        "vms/web-1/expiry/",
        "port-forwards/",
    )
    forward = {"vm": "web-1", "name": "x", "internal_port": 80}
    cases: list[Case] = [
        (template, {}, 400, "invalid", "action"),
        (template, {"action": "explode"}, 400, "invalid", "action"),
        (template, {"action": None}, 400, "invalid", "action"),
        (template, {"action": ["create"]}, 400, "invalid", "action"),
        (template, {"action": "create", "ports": ["telnet"]}, 400, "invalid", "ports"),
        (template, {"action": "create", "ports": [{"name": "ssh", "internal_port": 23}]}, 409, "vm_differs", "ports"),
        (template, {"action": "disable", "ports": []}, 400, "invalid", "ports"),
        (template, {"action": "disable", "ports": ["ssh", "ssh"]}, 400, "invalid", "ports"),
        (template, {"action": "disable", "ports": ["telnet"]}, 409, "no_such_port", "ports"),
        (template, {"action": "disable", "ports": [{"name": "ssh"}]}, 400, "invalid", "ports"),
        (template, {"action": "disable", "port": "ssh"}, 400, "invalid", "port"),
        (one, {}, 400, "invalid", "action"),
        (one, {"action": "create"}, 400, "invalid", "action"),
        (one, {"action": "delete", "digest": 7}, 400, "invalid", "digest"),
        (one, {"action": "delete", "digest": "0" * 64}, 409, "stale_plan", "digest"),
        ("vms/web-1/ports/telnet/", {"action": "enable"}, 409, "no_such_port", "ports"),
        ("vms/web-1/decommission/", {"digest": "0" * 64}, 409, "stale_plan", "digest"),
        ("vms/web-1/decommission/", {"now": True}, 400, "invalid", "now"),
        ("vms/web-1/decommission/?wait=31", {}, 400, "invalid", "wait"),
        ("vms/web-1/decommission/?dry_run=perhaps", {}, 400, "invalid", "dry_run"),
        ("vms/web-1/decommission/?dryrun=1", {}, 400, "invalid", "dryrun"),
        ("vms/nothing/decommission/", {}, 404, "not_found", ""),
        ("vms/999999/expiry/", {"expires_at": None}, 404, "not_found", ""),
        (expiry, {}, 400, "invalid", "expires_at"),
        (expiry, {"expires_at": "soon"}, 400, "invalid", "expires_at"),
        (expiry, {"expires_at": "2001-01-01T00:00:00Z"}, 400, "invalid", "expires_at"),
        (expiry, {"expires_at": 7}, 400, "invalid", "expires_at"),
        (expiry, {"expires_at": None, "ports": ["telnet"]}, 409, "no_such_port", "ports"),
        (forwards, {}, 400, "invalid", "vm"),
        (forwards, {**forward, "vm": "nothing"}, 400, "invalid", "vm"),
        (forwards, {**forward, "vm": None}, 400, "invalid", "vm"),
        (forwards, {**forward, "vm": {}}, 400, "invalid", "vm"),
        (forwards, {**forward, "internal_port": 0}, 400, "invalid", "internal_port"),
        (forwards, {**forward, "internal_port": 70000}, 400, "invalid", "internal_port"),
        (forwards, {**forward, "name": "under_score"}, 400, "invalid", "name"),
        (forwards, {**forward, "external_port": 32000}, 409, "port_taken", "ports"),
        (forwards, {**forward, "source": "x"}, 400, "invalid", "source"),
        (forwards, {**forward, "rule_number": 7}, 400, "invalid", "rule_number"),
    ]
    api = people.client_for(cast.omar)
    tried(site, api, cases)
    number = PortForward.objects.get().pk
    url = f"port-forwards/{number}/"
    changes: list[Case] = [
        (url, {}, 400, "invalid", ""),
        (url, {"desired": "absent"}, 400, "invalid", "desired"),
        (url, {"desired": None}, 400, "invalid", "desired"),
        (url, {"desired": "enabled", "expires_at": None}, 400, "invalid", ""),
        (url, {"source": "192.0.2.1"}, 400, "invalid", "source"),
        (url, {"expires_at": "x"}, 400, "invalid", "expires_at"),
    ]
    tried(site, api, changes, method="patch")
    closed: list[Case] = [("dhcp-reservations/", {"address": "192.168.66.20"}, 405, "method_not_allowed", "")]
    tried(site, api, closed)


def test_routers_pools_and_quotas(site: Site, cast: people.Cast, _clean_cache: None) -> None:
    snmp = factories.make_endpoint(factories.make_device(), protocol="snmp")
    free = factories.make_endpoint(factories.make_device(), protocol="vyos")
    router = {"endpoint": free.pk, "inbound_interface": "eth0"}
    prefix = site.pool.prefix_id
    pool = {
        "router": site.row.pk, "name": "new", "shared_network": "LAN", "prefix": prefix,
        "range_start": "192.168.66.210", "range_end": "192.168.66.220",
    }  # fmt: skip
    ports = {"router": site.row.pk, "name": "new", "port_start": 40000, "port_end": 40010}
    cases: list[Case] = [
        ("vyos-routers/", {}, 400, "invalid", "endpoint"),
        ("vyos-routers/", {**router, "endpoint": snmp.pk}, 400, "invalid", "endpoint"),
        ("vyos-routers/", {**router, "endpoint": site.row.endpoint_id}, 409, "unique", "endpoint"),
        ("vyos-routers/", {**router, "inbound_interface": "eth0; reboot"}, 400, "invalid", "inbound_interface"),
        ("vyos-routers/", {**router, "external_address": "example.net"}, 400, "invalid", "external_address"),
        ("vyos-routers/", {**router, "rule_start": 0}, 400, "invalid", "rule_start"),
        ("vyos-routers/", {**router, "rule_start": 30000}, 400, "invalid", ""),
        ("vyos-routers/", {**router, "confirm_minutes": 61}, 400, "invalid", "confirm_minutes"),
        ("vyos-routers/", {**router, "allow_firewall_rule": "yes"}, 400, "invalid", "allow_firewall_rule"),
        ("vyos-routers/", {**router, "api_key": "hush"}, 400, "invalid", "api_key"),
        ("dhcp-pools/", {}, 400, "invalid", "router"),
        ("dhcp-pools/", {**pool, "name": "under_score"}, 400, "invalid", "name"),
        ("dhcp-pools/", {**pool, "name": site.pool.name.upper()}, 409, "unique", "name"),
        ("dhcp-pools/", {**pool, "range_start": "192.168.66.230"}, 400, "invalid", ""),
        ("dhcp-pools/", {**pool, "range_end": "192.168.67.1"}, 400, "invalid", "range_end"),
        ("dhcp-pools/", {**pool, "range_start": "192.168.066.1"}, 400, "invalid", "range_start"),
        ("dhcp-pools/", {**pool, "gateway": "10.0.0.1"}, 400, "invalid", "gateway"),
        ("dhcp-pools/", {**pool, "name_servers": ["dns"]}, 400, "invalid", "name_servers"),
        ("dhcp-pools/", {**pool, "name_servers": ["192.0.2.1"] * 9}, 400, "invalid", "name_servers"),
        ("dhcp-pools/", {**pool, "prefix": 999_999}, 400, "invalid", "prefix"),
        ("dhcp-pools/", {**pool, "subnet_id": 0}, 400, "invalid", "subnet_id"),
        ("dhcp-pools/", {**pool, "subnet_id": 7}, 400, "invalid", "subnet_id"),
        ("port-pools/", {**ports, "port_start": 0}, 400, "invalid", "port_start"),
        ("port-pools/", {**ports, "port_end": 70000}, 400, "invalid", "port_end"),
        ("port-pools/", {**ports, "port_end": 39999}, 400, "invalid", ""),
        ("port-pools/", {**ports, "port_start": 32900}, 400, "invalid", "port_start"),
        ("port-pools/", {**ports, "router": "vyos"}, 400, "invalid", "router"),
        ("quotas/", {"max_vms": 3}, 400, "invalid", ""),
        ("quotas/", {"owner": cast.vera.pk}, 400, "invalid", ""),
        ("quotas/", {"owner": cast.vera.pk, "max_vms": -1}, 400, "invalid", "max_vms"),
        ("quotas/", {"owner": cast.vera.pk, "tenant": factories.make_tenant().pk, "max_vms": 1}, 400, "invalid", ""),
    ]
    api = people.client_for(cast.ada)
    tried(site, api, cases)
    held: list[Case] = [
        (f"vyos-routers/{site.row.pk}/", {}, 409, "in_use", ""),
        (f"dhcp-pools/{site.pool.pk}/", {}, 409, "in_use", ""),
        (f"port-pools/{site.ports.pk}/", {}, 409, "in_use", ""),
    ]
    tried(site, api, held, method="delete")
    moved: list[Case] = [
        (f"dhcp-pools/{site.pool.pk}/", {"prefix": factories.make_dhcp_pool(cidr="10.9.9.0/24").prefix_id}, 400,
         "invalid", "prefix"),
        (f"port-pools/{site.ports.pk}/", {"external_address": "203.0.113.1"}, 400, "invalid", "external_address"),
    ]  # fmt: skip
    tried(site, api, moved, method="patch")
