"""A living network watched over SSH: the API answers what the routers' own vtysh prints, and faults are seen."""

import json
from pathlib import Path
from typing import Any

import pytest

from inventory import ssh_keys
from inventory.models import Credential, Device, ManagementEndpoint
from inventory.services import create_device, save_endpoint
from monitoring.models import Check, DeviceEvent, DeviceFact, ExpectedNeighbour, Series
from monitoring.services import facts, lookups, polling
from netmon.drivers.targets import HostKey as DriverHostKey
from tests import factories, people
from tests.daemons import wait_until
from tests.daemons.lab import RoutedLab
from tests.integration.lab.test_lab_parsers import set_timers

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


@pytest.fixture
def credential(lab: RoutedLab, db: None) -> Credential:
    node = lab.node("r1")
    key = ssh_keys.import_key(name="lab", data=Path(node.private_key).read_text(), username=node.username)
    return Credential.objects.get(pk=key.pk)


@pytest.fixture
def r1(lab: RoutedLab, credential: Credential) -> Device:
    return watched(lab, credential, "r1")


def watched(lab: RoutedLab, credential: Credential, name: str) -> Device:
    """A node of the lab as a device, with its own host keys approved."""
    node = lab.node(name)
    device = create_device(fields={"name": name, "kind": "router", "ip": node.address})
    device.endpoints.all().delete()
    endpoint = ManagementEndpoint(device=device, protocol="ssh", port=node.ssh_port, credential=credential)
    save_endpoint(endpoint, may_redirect=True)
    for line in node.host_keys:
        factories.make_host_key(endpoint, DriverHostKey.parse(line), state="trusted")
    assert set(Check.objects.filter(endpoint=endpoint).values_list("module", flat=True)) >= {"ssh.host", "ssh.routing"}
    return device


def poll(device: Device) -> dict[str, dict[str, Any]]:
    """Poll now; the entries by module."""
    return {entry["module"]: entry for entry in polling.poll_device(device)}


def value(device: Device, kind: str) -> Any:
    return DeviceFact.objects.get(device=device, kind=kind).data["value"]


def kinds(device: Device) -> set[str]:
    return set(DeviceEvent.objects.filter(device=device).values_list("kind", flat=True))


def asked(lab: RoutedLab, line: str) -> Any:
    """What r1's own vtysh prints, as JSON."""
    return json.loads(lab.vtysh("r1", line).stdout)


def test_every_endpoint_equals_what_the_router_prints(lab: RoutedLab, r1: Device, cast: people.Cast) -> None:
    entries = poll(r1)
    assert entries["ssh.routing"]["ok"] and entries["ssh.host"]["ok"], entries
    client, url = people.client_for(cast.vera), f"/api/v1/routers/{r1.pk}/"

    own = asked(lab, "show bgp summary json")
    bgp = client.get(url + "bgp-summary/").json()["data"]["value"]
    ours = {(peer["address"], peer["family"]): peer for peer in bgp["peers"]}
    theirs = {
        (address, {"ipv4Unicast": "ipv4_unicast", "ipv6Unicast": "ipv6_unicast"}[family]): peer
        for family, table in own.items()
        for address, peer in table["peers"].items()
    }
    assert set(ours) == set(theirs)
    for key, peer in theirs.items():
        assert (ours[key]["state"], ours[key]["remote_as"]) == (peer["state"], peer["remoteAs"])
        assert ours[key]["prefixes_received"] == peer.get("pfxRcd")
        assert ours[key]["connections_dropped"] == peer["connectionsDropped"]

    neighbours = asked(lab, "show ip ospf neighbor json")["neighbors"]
    ospf = client.get(url + "ospf-neighbors/").json()["data"]["value"]
    assert {one["router_id"] for one in ospf["neighbors"]} == set(neighbours)
    assert {one["state"] for one in ospf["neighbors"]} == {"Full"}

    for family, word in (("ipv4", "ip"), ("ipv6", "ipv6")):
        table = asked(lab, f"show {word} route json")
        answer = client.get(url + f"routing-table/?family={family}&limit=5000").json()
        assert {route["prefix"] for route in answer["routes"]} == set(table)
        assert answer["count"] == sum(len(candidates) for candidates in table.values())
        total = asked(lab, f"show {word} route summary json")["routesTotal"]
        assert answer["data"]["summary"][family]["total"] == total

    interfaces = asked(lab, "show interface json")
    shown = {one["name"]: one for one in client.get(url + "interfaces/").json()["data"]["value"]}
    assert set(shown) == set(interfaces)
    for name, one in interfaces.items():
        assert (shown[name]["admin_status"], shown[name]["mtu"]) == (one["administrativeStatus"], one["mtu"])
        assert shown[name]["link_downs"] == one["linkDowns"]

    ntp = client.get(url + "ntp/").json()["data"]
    assert (ntp["source"], ntp["stratum"]) == (
        "chrony",
        int(lab.run("r1", "chronyc", "-c", "tracking").stdout.split(",")[2]),
    )
    release = client.get(url + "os-release/").json()["data"]
    assert release["ID"] in lab.run("r1", "cat", "/etc/os-release").stdout


def test_a_page_and_a_prefix_of_the_table(lab: RoutedLab, r1: Device, cast: people.Cast) -> None:
    poll(r1)
    client, url = people.client_for(cast.vera), f"/api/v1/routers/{r1.pk}/routing-table/"
    whole = client.get(url, {"family": "ipv4", "limit": 5000}).json()["routes"]
    pages = [client.get(url, {"family": "ipv4", "limit": 4, "offset": n}).json() for n in range(0, len(whole), 4)]
    assert [route for page in pages for route in page["routes"]] == whole
    assert {page["count"] for page in pages} == {len(whole)}
    found = client.get(url, {"prefix": "198.18.3.0/24"}).json()["routes"]
    assert {route["prefix"] for route in found} == {"198.18.3.0/24"}
    covering = client.get(url, {"prefix": "198.18.3.77"}).json()["routes"]
    assert covering[0]["prefix"] == "198.18.3.0/24"
    assert client.get(url, {"prefix": "nonsense"}).status_code == 400
    assert client.get(url, {"family": "ipv5"}).status_code == 400


def look_up(device: Device, prefix: str, user: Any) -> dict[str, Any]:
    """Ask over HTTP as a page does; the answer once the job has run."""
    client, url = people.client_for(user), f"/api/v1/routers/{device.pk}/routing-table/lookup/"
    started = client.post(f"{url}?wait=0", {"prefix": prefix}, format="json")
    assert started.status_code == 202, started.json()
    lookups.run_job(started.json()["job"]["id"])
    result = client.get(started.headers["Location"]).json()["result"]
    assert isinstance(result, dict)
    return result


def test_one_prefix_is_asked_of_the_router_itself(lab: RoutedLab, r1: Device, cast: people.Cast) -> None:
    poll(r1)
    whole = facts.get(r1, "routing_table").data["value"]["routes"]
    DeviceFact.objects.filter(device=r1, kind="routing_table").delete()
    for prefix in ("198.18.3.0/24", "fd00:198:18:3::/64"):
        found = look_up(r1, prefix, cast.omar)
        assert (found["error_code"], found["count"]) == ("", len(found["routes"]))
        known = [route for route in whole if route["prefix"] == prefix]
        assert [without_age(route) for route in found["routes"]] == [without_age(route) for route in known] != []
    longest = look_up(r1, "198.18.3.77", cast.omar)["routes"]
    assert {route["prefix"] for route in longest} == {"198.18.3.0/24"}
    for nowhere in ("198.18.0.0/16", "203.0.113.1", "2001:db8::1"):
        answer = look_up(r1, nowhere, cast.omar)
        assert (answer["error_code"], answer["data"]["presence"], answer["routes"]) == ("", "running", []), nowhere
    assert not DeviceFact.objects.filter(device=r1, kind="routing_table").exists(), "it is no reading of the table"


def without_age(route: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in route.items() if name != "uptime_seconds"}


def test_a_stopped_daemon_an_absent_protocol_and_an_unreachable_host_differ(
    lab: RoutedLab, r1: Device, cast: people.Cast
) -> None:
    poll(r1)
    lab.stop("r1", "bgpd")
    lab.configure("r1", "no router rip")
    try:
        entries = poll(r1)
        assert "daemon_stopped" in kinds(r1)
        client, url = people.client_for(cast.vera), f"/api/v1/routers/{r1.pk}/"
        dead = client.get(url + "bgp-summary/").json()
        assert (entries["ssh.routing"]["ok"], dead["data"]["presence"]) == (True, "not_running")
        assert "bgpd" in dead["data"]["reason"]
        absent = client.get(url + "rip/").json()
        assert absent["data"]["presence"] == "not_configured", absent
        ManagementEndpoint.objects.filter(device=r1).update(port=9)  # nobody listens there
        entries = poll(r1)
        assert (entries["ssh.routing"]["ok"], entries["ssh.routing"]["error_code"]) == (False, "unreachable")
        old = client.get(url + "bgp-summary/").json()
        assert old["error_code"] == "unreachable", "what was known stays, and says that it is not new"
        assert old["data"]["presence"] == "not_running"
    finally:
        lab.start("r1", "bgpd")
        lab.configure("r1", "router rip", "network to-r2")


def test_a_peer_that_was_removed_lapses_and_one_nobody_asked_for_does_not(lab: RoutedLab, r1: Device) -> None:
    poll(r1)
    peer = f"10.{lab.octet}.99.9"
    rows = Series.objects.filter(device=r1, metric_set="bgp.peer")
    assert rows.get(labels__contains=peer).v0 == 0.0
    lab.configure("r1", "router bgp 65001", f"no neighbor {peer}")
    try:
        ManagementEndpoint.objects.filter(device=r1).update(port=9)  # nobody listens there
        poll(r1)
        assert rows.get(labels__contains=peer).v0 == 0.0, "no answer is no word on its peers"
        ManagementEndpoint.objects.filter(device=r1).update(port=lab.node("r1").ssh_port)
        poll(r1)
        gone = rows.get(labels__contains=peer)
        assert (gone.v0, gone.v3) == (None, None)
        assert rows.filter(v0=1.0).count() == rows.exclude(pk=gone.pk).count()
    finally:
        lab.configure("r1", "router bgp 65001", *lab.peer(peer, 65099, "never-up"))


def test_a_cut_link_is_seen_and_told(lab: RoutedLab, r1: Device) -> None:
    poll(r1)
    facts.adopt_neighbours(r1)
    assert ExpectedNeighbour.objects.filter(device=r1, protocol="ospf").count() == 2
    lab.cut("r1", "r3", "carrier")

    def seen() -> bool:
        poll(r1)
        return {"bgp_down", "ospf_gone", "link_down", "neighbour_missing"} <= kinds(r1)

    wait_until(seen, seconds=40, what=f"the cut: {kinds(r1)}")
    health = DeviceFact.objects.get(device=r1, kind="routing_health").data
    assert health["neighbours"]["ospf"]["missing"] == [lab.node("r3").router_id]
    lab.repair()
    lab.wait_converged()
    poll(r1)
    assert {"bgp_up", "ospf_new", "link_up", "neighbour_back"} <= kinds(r1)


def test_a_silent_cut_is_seen_while_bgp_still_says_established(lab: RoutedLab, r1: Device) -> None:
    """Without BFD and with a long hold time OSPF notices first: in between traffic is lost and BGP is content."""
    set_timers(lab, "no neighbor {} bfd", "neighbor {} timers 60 180")
    try:
        lab.vtysh("r1", f"clear bgp {lab.link_address('r3', 'r1')}")
        lab.wait_converged()
        poll(r1)
        lab.cut("r1", "r3", "silent")

        def told() -> bool:
            poll(r1)
            return "silent_cut" in kinds(r1)

        wait_until(told, seconds=20, what="the silent cut to be told")
        event = DeviceEvent.objects.filter(device=r1, kind="silent_cut").latest("at")
        assert (event.severity, event.subject) == ("critical", "to-r3")
        assert "Established" in event.detail and "OSPF lost its neighbours" in event.detail
    finally:
        lab.repair()
        set_timers(lab, "neighbor {} bfd", "neighbor {} timers 3 9")
    lab.wait_converged()


def test_an_account_without_rights_is_told_apart(lab: RoutedLab, credential: Credential) -> None:
    Credential.objects.filter(pk=credential.pk).update(username="guest")
    credential.refresh_from_db()
    device = watched(lab, credential, "r2")
    entries = poll(device)
    assert entries["ssh.host"]["ok"], entries["ssh.host"]
    assert (entries["ssh.routing"]["ok"], entries["ssh.routing"]["error_code"]) == (False, "not_supported")
    assert "frrvty" in entries["ssh.routing"]["error_detail"]
