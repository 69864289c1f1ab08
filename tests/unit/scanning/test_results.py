"""Comparing, exporting, importing, reviewing, mapping what was found."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from inventory.models import Device, ManagementEndpoint
from netmon.common.errors import Conflict
from scanning import guard, guessing, schedules
from scanning.models import Scan, ScanExclusion, ScanSchedule, SeenHost
from scanning.services import comparing, exporting, importing, mapping, repeating, results, reviewing, starting
from scanning.services import stats as figures
from tests import factories, people
from tests.unit.scanning.scenes import ended, host, prefix

pytestmark = pytest.mark.django_db


# --- Comparing
def test_two_scans_are_compared_whichever_way_round() -> None:
    one = ended([host("192.0.2.1", 22, 443), host("192.0.2.2")])
    two = ended([host("192.0.2.1", 22, 80), host("192.0.2.3")], hours=1)
    for found in (comparing.compare(one, two), comparing.compare(two, one)):
        assert (found.older, found.newer) == (one, two)
        assert [(row.address, row.change) for row in found.hosts] == [("192.0.2.3", "appeared")]
        assert [(row.port, row.change) for row in found.ports] == [(80, "opened")]
        assert found.left_out == 2, "one look alone missed 192.0.2.2 and port 443"
    shown = comparing.compare(one, two, with_flaps=True)
    assert {(row.address, row.change, row.is_confirmed) for row in shown.hosts} == {
        ("192.0.2.2", "gone", False),
        ("192.0.2.3", "appeared", True),
    }


def test_a_loss_that_another_look_saw_too_is_no_flap() -> None:
    one = ended([host("192.0.2.1", 22, 443), host("192.0.2.2")])
    two = ended([host("192.0.2.1", 22)], hours=1)
    ended([host("192.0.2.1", 22)], hours=2)
    found = comparing.compare(one, two)
    assert [(row.address, row.change) for row in found.hosts] == [("192.0.2.2", "gone")]
    assert [(row.port, row.change) for row in found.ports] == [(443, "closed")]
    assert found.left_out == 0


def test_only_what_both_looked_at_is_compared() -> None:
    one = ended([host("192.0.2.1", 22)], ports="22")
    two = ended([host("192.0.2.1", 80)], ports="80", hours=1)
    assert comparing.compare(one, two).ports == []
    elsewhere = ended([host("192.0.2.20", 22)], target="192.0.2.16/28", hours=1)
    assert not comparing.compare(one, elsewhere).is_comparable


def test_a_scan_that_ended_early_knows_nothing_of_whom_it_did_not_come_to() -> None:
    unasked = replace(host("192.0.2.1"), notes={})
    cut = ended([unasked, host("192.0.2.2", 22)], outcome=Scan.Outcome.CANCELLED)
    whole = ended([host("192.0.2.1", 80), host("192.0.2.2", 22, 443), host("192.0.2.3")], hours=1)
    found = comparing.compare(cut, whole, with_flaps=True)
    assert found.hosts == [] and [(row.address, row.port, row.change) for row in found.ports] == [
        ("192.0.2.2", 443, "opened")
    ]
    later = ended([unasked], hours=2, outcome=Scan.Outcome.PARTIAL)
    found = comparing.compare(whole, later, with_flaps=True)
    assert found.hosts == [] and found.ports == []


def test_the_diff_over_the_api(api: Any) -> None:
    one, two = ended([host("192.0.2.1", 22)]), ended([host("192.0.2.1", 22, 443)], hours=1)
    body = api.get(f"/api/v1/scans/{one.pk}/diff/?with={two.pk}").json()
    assert (body["older"], body["newer"], body["is_comparable"]) == (one.pk, two.pk, True)
    assert [(row["port"], row["change"]) for row in body["ports"]] == [(443, "opened")]
    for query, field in (("", "with"), ("?with=x", "with"), ("?with=999999", "with"), (f"?with={two.pk}&x=1", "x")):
        answer = api.get(f"/api/v1/scans/{one.pk}/diff/{query}")
        assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == f"/{field}"


# --- Exporting
def test_a_csv_has_a_line_per_open_port_and_no_formula(api: Any) -> None:
    hostile = host("192.0.2.1", 22, 443, hostname="=cmd|' /C calc'!A1")
    scan = ended([hostile, host("192.0.2.2")])
    scan.hosts.get(address="192.0.2.1").ports.filter(port=22).update(banner='=HYPERLINK("http://x")\n@SUM(1)')
    answer = api.get(f"/api/v1/scans/{scan.pk}/export/?format=csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [(row["address"], row["port"]) for row in rows] == [
        ("192.0.2.1", "22"),
        ("192.0.2.1", "443"),
        ("192.0.2.2", ""),
    ]
    assert not any(value.startswith(("=", "+", "-", "@", "\t")) for row in rows for value in row.values())
    assert answer["Content-Disposition"] == f'attachment; filename="netmon-scan-{scan.pk}.csv"'


def test_a_json_file_is_the_scan_with_its_hosts(api: Any) -> None:
    scan = ended([host("192.0.2.1", 22), host("192.0.2.2")])
    answer = api.get(f"/api/v1/scans/{scan.pk}/export/")
    body = json.loads(b"".join(answer.streaming_content))
    assert body["id"] == scan.pk and [row["address"] for row in body["hosts"]] == ["192.0.2.1", "192.0.2.2"]
    assert body["hosts"][0]["open_ports"][0]["port"] == 22
    assert api.get(f"/api/v1/scans/{scan.pk}/export/?format=xml").status_code == 400


def test_a_large_scan_is_exported_in_pieces() -> None:
    scan = ended([host(f"198.51.100.{n}", *range(1, 60)) for n in range(1, 100)], target="198.51.100.0/24")
    pieces = list(exporting.as_csv(scan, None))
    assert len(pieces) > 1 and sum(piece.count("\n") for piece in pieces) == 1 + 99 * 59


# --- nmap
NMAP = """<?xml version="1.0"?>
<!DOCTYPE nmaprun>
<!-- Nmap 7.93 scan initiated as: nmap -oX - 192.0.2.0/29 -->
<nmaprun scanner="nmap" args="nmap -oX - 192.0.2.0/29" start="1772366400" version="7.93">
<scaninfo type="connect" protocol="tcp" numservices="5" services="20-22,80,443"/>
<hosthint><status state="up"/><address addr="192.0.2.6" addrtype="ipv4"/></hosthint>
<host><status state="up" reason="arp-response"/>
<address addr="192.0.2.1" addrtype="ipv4"/><address addr="00:16:3E:00:00:01" addrtype="mac" vendor="Xensource"/>
<hostnames><hostname name="web.example.com" type="PTR"/></hostnames>
<ports><extraports state="closed" count="2"><extrareasons reason="reset" count="2" ports="20-21"/></extraports>
<port protocol="tcp" portid="22"><state state="open" reason="syn-ack"/>
<service name="ssh" product="OpenSSH" version="9.2"/></port>
<port protocol="tcp" portid="80"><state state="filtered" reason="no-response"/></port>
<port protocol="tcp" portid="443"><state state="open" reason="syn-ack"/><service name="&lt;b&gt;x"/></port></ports>
<times srtt="1500" rttvar="300" to="100000"/></host>
<host><status state="down" reason="no-response"/><address addr="192.0.2.2" addrtype="ipv4"/></host>
{end}"""
END = '<runstats><finished time="1772366460" exit="success"/></runstats></nmaprun>'


def imported(text: str, **options: Any) -> Scan:
    return importing.import_nmap(io.BytesIO(text.encode()), tenant=None, user=None, **options)


def test_a_file_of_nmap_is_a_scan() -> None:
    scan = imported(NMAP.format(end=END))
    assert (scan.source, scan.status, scan.hosts_total, scan.hosts_up, scan.open_ports) == (
        "nmap",
        "succeeded",
        2,
        1,
        2,
    )
    assert scan.ports == "20-22,80,443" and scan.notes["nmap_arguments"] == "nmap -oX - 192.0.2.0/29"
    (row,) = scan.hosts.all()
    assert (row.address, row.mac_address, row.hostname, row.rtt_ms) == (
        "192.0.2.1", "00:16:3e:00:00:01", "web.example.com", 1.5,
    )  # fmt: skip
    assert (row.closed, row.filtered) == ("20-21", "80")
    ports = {port.port: (port.service, port.banner) for port in row.ports.all()}
    assert ports == {22: ("ssh", "OpenSSH 9.2"), 443: ("<b>x", "")}
    assert SeenHost.objects.get().mac_address == "00:16:3e:00:00:01"


@pytest.mark.parametrize("end", ["", "<host><status state='up'/>"])
def test_an_interrupted_run_is_partial(end: str) -> None:
    scan = imported(NMAP.format(end=end))
    assert scan.status == "partial" and scan.hosts.count() == 1


def test_a_host_that_stands_twice_in_a_file_is_one() -> None:
    port = '<port protocol="tcp" portid="{}"><state state="open"/></port>'
    one = '<host><status state="up"/><address addr="192.0.2.1" addrtype="ipv4"/><ports>{}</ports></host>'
    hosts = one.format(port.format(22) * 2) + one.format(port.format(80))
    scan = imported(f"<nmaprun>{hosts}{END}")
    assert list(scan.hosts.get().ports.values_list("port", flat=True)) == [22, 80]


def test_a_host_with_a_port_open_by_two_protocols_is_listed_once(api: Any) -> None:
    port = '<port protocol="{}" portid="53"><state state="open"/></port>'
    one = '<host><status state="up"/><address addr="192.0.2.1" addrtype="ipv4"/><ports>{}</ports></host>'
    scan = imported(f"<nmaprun>{one.format(port.format('tcp') + port.format('udp'))}{END}")
    assert api.get(f"/api/v1/scans/{scan.pk}/hosts/?port=53").json()["count"] == 1


def test_a_file_from_a_clock_that_is_ahead_does_not_hide_later_scans() -> None:
    ahead = '<runstats><finished time="4102444800" exit="success"/></runstats></nmaprun>'
    scan = imported(NMAP.format(end=ahead))
    assert scan.finished_at is not None and scan.finished_at <= timezone.now()
    assert scan.started_at is not None and scan.started_at <= scan.finished_at


def test_a_long_list_of_ports_is_read_whole() -> None:
    ports = range(1, 9000, 2)
    listed = ",".join(map(str, ports))
    scan = imported(NMAP.format(end=END).replace("20-22,80,443", listed).replace('ports="20-21"', f'ports="{listed}"'))
    assert scan.kind == "network" and scan.ports == listed and scan.hosts.get().closed == listed


BOMB = '<!DOCTYPE nmaprun [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><nmaprun args="&b;"></nmaprun>'
OUTSIDE = '<!DOCTYPE nmaprun [<!ENTITY x SYSTEM "file:///etc/passwd">]><nmaprun args="&x;"></nmaprun>'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("hello", "Not well-formed"),
        ("<html></html>", "Not a file of nmap"),
        ("<nmaprun></nmaprun>", "no host with an address"),
        ("<nmaprun><host><address addr='x' addrtype='ipv4'/></host></nmaprun>", "no host with an address"),
        ("<nmaprun><host></nmaprun>", "Not well-formed"),
        ("<nmaprun>" + "<a>" * 40, "nested too deeply"),
        (BOMB, "XML entities"),
        (OUTSIDE, "XML entities"),
    ],
)
def test_what_is_no_file_of_nmap_is_refused_and_writes_nothing(text: str, says: str, api: Any) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    file = SimpleUploadedFile("scan.xml", text.encode() or b"", content_type="application/xml")
    answer = api.post("/api/v1/scans/import-nmap/", {"file": file}, format="multipart")
    assert answer.status_code == 400 and not Scan.objects.exists()
    if text:
        assert says in answer.json()["detail"], answer.json()


def test_a_file_comes_in_over_the_api(api: Any) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    file = SimpleUploadedFile("scan.xml", NMAP.format(end=END).encode())
    answer = api.post("/api/v1/scans/import-nmap/", {"file": file, "reason": "audit"}, format="multipart")
    assert answer.status_code == 201 and answer.json()["reason"] == "audit", answer.json()
    assert api.post("/api/v1/scans/import-nmap/", {"reason": "x"}, format="multipart").status_code == 400


# --- Reviewing
def test_a_discovery_is_adopted_with_what_was_found(api: Any) -> None:
    prefix()
    ended([host("192.0.2.7", 22, 443, 554, mac="00:16:3e:00:00:07", hostname="cam-yard.example.com")])
    (found,) = api.get("/api/v1/discoveries/?review=new").json()["results"]
    assert (found["kind_guess"], found["proposed_name"]) == ("camera", "cam-yard")
    assert [one["protocol"] for one in found["proposals"]] == ["icmp", "ssh", "tcp", "rtsp"]
    answer = api.post(f"/api/v1/discoveries/{found['id']}/adopt/", {"location": "yard"})
    assert answer.status_code == 201, answer.json()
    device = Device.objects.get(pk=answer.json()["device"])
    assert (device.name, device.kind, device.location) == ("cam-yard", "camera", "yard")
    assert device.primary_ip is not None and device.primary_ip.address == "192.0.2.7"
    assert device.interfaces.get().mac_address == "00:16:3e:00:00:07"
    protocols = set(ManagementEndpoint.objects.filter(device=device).values_list("protocol", "port"))
    assert protocols == {("icmp", None), ("tcp", 443)}
    assert api.post(f"/api/v1/discoveries/{found['id']}/adopt/", {}).status_code == 409
    assert api.get("/api/v1/discoveries/?review=new").json()["count"] == 0
    assert ended([host("192.0.2.7", 22)], hours=1).hosts.get().device == device


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"kind": "toaster"}, "/kind"),
        ({"tcp_ports": [0]}, "/tcp_ports/0"),
        ({"tcp_ports": "443"}, "/tcp_ports"),
        ({"device": 999999}, "/device"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_a_wrong_adoption_names_the_field_and_makes_nothing(api: Any, body: dict[str, Any], pointer: str) -> None:
    ended([host("192.0.2.7")])
    answer = api.post(f"/api/v1/discoveries/{SeenHost.objects.get().pk}/adopt/", body)
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == pointer, answer.json()
    assert not Device.objects.exists()


def test_a_name_that_is_taken_is_told(api: Any) -> None:
    factories.make_device(name="cam")
    ended([host("192.0.2.7")])
    answer = api.post(f"/api/v1/discoveries/{SeenHost.objects.get().pk}/adopt/", {"name": "cam"})
    assert answer.status_code == 409 and Device.objects.count() == 1


def test_a_discovery_is_said_to_be_a_device_that_is_there(api: Any) -> None:
    device = factories.make_device(name="core-1")
    ended([host("192.0.2.7")])
    answer = api.post(f"/api/v1/discoveries/{SeenHost.objects.get().pk}/adopt/", {"device": device.pk})
    assert answer.status_code == 200 and SeenHost.objects.get().device == device


def test_a_discovery_is_ignored_with_a_reason_and_reopened(api: Any, cast: people.Cast) -> None:
    ended([host("192.0.2.7")])
    pk = SeenHost.objects.get().pk
    assert api.post(f"/api/v1/discoveries/{pk}/ignore/", {}).status_code == 400
    body = api.post(f"/api/v1/discoveries/{pk}/ignore/", {"reason": "a visitor"}).json()
    assert (body["review"], body["review_reason"], body["reviewed_by"]) == ("ignored", "a visitor", cast.omar.username)
    ended([host("192.0.2.7")], hours=1)
    assert SeenHost.objects.get().review == "ignored", "it stays so when it is seen again"
    assert api.post(f"/api/v1/discoveries/{pk}/reopen/").json()["review"] == "new"
    with pytest.raises(Conflict):
        reviewing.reopen(SeenHost.objects.get(), user=cast.omar)


def test_two_people_review_one_discovery_and_the_second_is_told(cast: people.Cast) -> None:
    ended([host("192.0.2.7")])
    row = SeenHost.objects.get()
    verbs = [
        lambda: reviewing.ignore(row, user=cast.omar, reason="x"),
        lambda: reviewing.attach(row, factories.make_device(name="other"), user=cast.omar),
    ]
    device = reviewing.adopt(SeenHost.objects.get(), user=cast.ada, fields={})
    for verb in verbs:
        with pytest.raises(Conflict, match="in the inventory"):
            verb()
    assert SeenHost.objects.get().device == device


@pytest.mark.parametrize(
    ("about", "kind"),
    [
        ({"vendor": "Hangzhou Hikvision Digital Technology", "ports": {554: ""}}, "camera"),
        ({"vendor": "Routerboard.com", "ports": {8291: ""}}, "router"),
        ({"ports": {22: "SSH-2.0-OpenSSH_9.2p1 Debian-2"}, "hostname": "srv-1"}, "server"),
        ({"ports": {22: "SSH-2.0-Cisco-1.25"}}, "router"),
        ({"ports": {3389: "", 445: ""}}, "computer"),
        ({"ports": {9100: "", 631: ""}}, "other"),
        ({"ports": {}, "oid": ".1.3.6.1.4.1.12356.101"}, "firewall"),
        ({"ports": {22: "VyOS"}}, "router"),
        ({"ports": {}, "descr": "ProCurve J9773A Switch 2530-24G"}, "switch"),
        ({"ports": {}}, ""),
        ({"ports": {80: "\x00" * 600}, "hostname": "a" * 300}, ""),
    ],
)
def test_the_kind_is_guessed_with_evidence(about: dict[str, Any], kind: str) -> None:
    row = results.FoundHost(address="192.0.2.1", vendor=about.get("vendor", ""), hostname=about.get("hostname", ""))
    ports = [results.FoundPort(port=port, banner=banner) for port, banner in about["ports"].items()]
    guess = guessing.guess(
        row, ports, system={"sys_object_id": about.get("oid", ""), "sys_descr": about.get("descr", "")}
    )
    assert guess.kind == kind and bool(guess.evidence) == bool(kind)


# --- The map of a prefix
def test_every_address_of_a_prefix_has_its_place(api: Any, cast: people.Cast) -> None:
    row = prefix("192.0.2.0/28")
    factories.make_flat(name="up", ip="192.0.2.1")
    factories.make_flat(name="silent", ip="192.0.2.2")
    ScanExclusion.objects.create(cidr="192.0.2.14/32")
    before = mapping.prefix_map(row, cast.ada)
    assert (before.counts["unknown"], before.counts["used"], before.counts["excluded"]) == (11, 2, 1)
    ended([host("192.0.2.1"), host("192.0.2.9"), host("192.0.2.10")])
    for hours in (1, 2):
        ended([host("192.0.2.1"), host("192.0.2.9")], hours=hours)
    body = api.get(f"/api/v1/prefixes/{row.pk}/map/").json()
    states = {cell["address"]: cell["state"] for cell in body["cells"]}
    assert len(states) == 14 and body["total"] == 14 and body["is_complete"]
    assert [states[f"192.0.2.{n}"] for n in (1, 2, 3, 9, 10, 14)] == [
        "used", "silent", "free", "found", "gone", "excluded",
    ]  # fmt: skip
    assert sum(body["counts"].values()) == 14


def test_a_large_prefix_shows_what_is_known(cast: people.Cast) -> None:
    row = prefix("10.0.0.0/8")
    ended([host("10.9.0.1")], target="10.9.0.0/24")
    found = mapping.prefix_map(row, cast.ada)
    assert not found.is_complete and [cell.address for cell in found.cells] == ["10.9.0.1"]
    assert (found.counts["found"], found.counts["free"]) == (1, 253)


def test_of_very_many_hosts_those_that_are_there_are_shown(cast: people.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "MAX_CELLS", 2)
    row = prefix("192.0.2.0/28")
    ended([host(f"192.0.2.{n}") for n in range(1, 9)])
    for hours in (1, 2):
        ended([host("192.0.2.1")], hours=hours)
    assert [cell.address for cell in mapping.prefix_map(row, cast.ada).cells if cell.state == "found"] == ["192.0.2.1"]


# --- Schedules
def schedule(**over: Any) -> ScanSchedule:
    prefix()
    fields = {"name": "nightly", "target": "192.0.2.0/28", "ports": "web", "every_minutes": 60} | over
    row = ScanSchedule(**fields)
    row.full_clean()
    row.save()
    return row


def test_what_is_due_is_started_once_and_then_due_again() -> None:
    row = schedule()
    now = row.created_at + timedelta(minutes=1)
    assert repeating.start_due(now) == 1 and repeating.start_due(now) == 0
    row.refresh_from_db()
    assert row.next_run_at == row.created_at + timedelta(hours=1)
    assert Scan.objects.get().schedule == row
    late = row.created_at + timedelta(hours=5, minutes=30)
    assert repeating.start_due(late) == 0, "the first one is still under way"
    row.refresh_from_db()
    assert "Left out once" in row.last_error and row.next_run_at == row.created_at + timedelta(hours=6)


def test_a_schedule_that_cannot_start_says_why() -> None:
    row = schedule()
    ScanExclusion.objects.create(cidr="192.0.2.0/24", note="frozen")
    assert repeating.start_due(row.created_at + timedelta(minutes=1)) == 0
    row.refresh_from_db()
    assert "frozen" in row.last_error and row.next_run_at > row.created_at


def test_a_name_that_a_schedule_asks_for_is_not_waited_for_in_a_transaction(
    monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    row = schedule()
    seen: list[bool] = []

    def asked(*args: Any, **options: Any) -> Any:
        seen.append(connection.in_atomic_block)
        raise guard.ScanRefused("no")

    monkeypatch.setattr(repeating.guard, "plan", asked)
    assert repeating.start_due(row.created_at + timedelta(minutes=1)) == 0
    row.refresh_from_db()
    assert seen == [False] and row.last_error == "no"


def test_windows_and_jitter() -> None:
    row = ScanSchedule(every_minutes=60, window_start=time(22), window_end=time(4), time_zone="Europe/Paris")
    row.created_at = datetime(2026, 3, 28, 9, 15, tzinfo=UTC)
    assert schedules.next_run(row, row.created_at) == datetime(2026, 3, 28, 21, 0, tzinfo=UTC)
    night = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
    assert schedules.next_run(row, night) == datetime(2026, 3, 29, 0, 15, tzinfo=UTC)
    summer = datetime(2026, 3, 29, 8, 0, tzinfo=UTC)
    assert schedules.next_run(row, summer) == datetime(2026, 3, 29, 20, 0, tzinfo=UTC), "the clocks went forward"
    row.window_start = row.window_end = None
    row.jitter_minutes = 10
    for _ in range(20):
        assert (
            timedelta(minutes=60) <= schedules.next_run(row, row.created_at) - row.created_at <= timedelta(minutes=70)
        )


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"target": "nonsense!"}, "target"),
        ({"target": "203.0.113.0/24"}, "target"),
        ({"ports": "0"}, "ports"),
        ({"kind": "ports"}, "target"),
        ({"window_start": time(1)}, "window_end"),
        ({"window_start": time(1), "window_end": time(1)}, "window_end"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"every_minutes": 1}, "every_minutes"),
        ({"jitter_minutes": 10000}, "jitter_minutes"),
        ({"name": ""}, "name"),
    ],
)
def test_a_wrong_schedule_names_the_field(over: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        schedule(**over)
    assert field in refused.value.message_dict


def test_figures_and_forgetting(cast: people.Cast, api: Any) -> None:
    old = ended([host("192.0.2.1", 22, 443), host("192.0.2.2", 22)])
    body = api.get("/api/v1/scans/stats/").json()
    assert (body["hosts_total"], body["open_ports"], body["scans_total"]) == (2, 3, 1)
    assert body["top_ports"][0] == {"protocol": "tcp", "port": 22, "hosts": 2}
    assert figures.stats(cast.vera)["discoveries"] == 2
    assert starting.prune(old.finished_at) == 0
    assert starting.prune() > 0 and SeenHost.objects.count() == 2, "who was there stays known"
    assert api.get("/api/v1/scans/recent/?n=5").json() == []
    assert api.get("/api/v1/scans/recent/?n=0").status_code == 400
