"""The pages of scans: who sees and does what, across tenants, with hostile texts, words of the guard at their field."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from inventory import search
from inventory.models import Device, Tenant
from netmon.audit.models import AuditEvent
from netmon.jobs.models import Job
from scanning.models import (
    ExpectedPort,
    PresencePeriod,
    Scan,
    ScanExclusion,
    ScanSchedule,
    SeenHost,
)
from scanning.services.results import FoundHost, FoundPort
from tests import factories, people
from tests.unit.scanning import scenes

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def made() -> dict[str, Any]:
    """A prefix, a device, two scans of it: a web server appears, and a host nobody knows with hostile texts."""
    prefix = scenes.prefix()
    device = factories.make_flat(name="core", ip="192.0.2.1")
    older = scenes.ended([scenes.host("192.0.2.1", 22)])
    evil = FoundHost(
        address="192.0.2.9", method="icmp", hostname=EVIL, vendor=EVIL, mac_address="02:00:00:00:00:09",
        is_random_mac=True, notes={"is_whole": True, "accuracy": EVIL},
        ports=[FoundPort(port=80, service=EVIL[:32], banner=EVIL, certificate={"subject": EVIL, "issuer": EVIL})],
    )  # fmt: skip
    newer = scenes.ended([scenes.host("192.0.2.1", 22, 443), evil], hours=1, reason=EVIL)
    Scan.objects.filter(pk=newer.pk).update(finished_at=timezone.now())
    return {
        "prefix": prefix,
        "device": device,
        "older": older,
        "newer": newer,
        "host": SeenHost.objects.get(address="192.0.2.9"),
        "known": SeenHost.objects.get(address="192.0.2.1"),
        "schedule": ScanSchedule.objects.create(name=f"nightly {EVIL}", target="192.0.2.0/28", last_error=EVIL),
        "exclusion": ScanExclusion.objects.create(cidr="192.0.2.128/25", note=EVIL),
        "expected": ExpectedPort.objects.create(device=device, port=22, note=EVIL),
    }


def seen_by_all(made: dict[str, Any]) -> list[str]:
    older, newer, device = made["older"].pk, made["newer"].pk, made["device"].pk
    return [
        "/scans/", "/scans/?q=192&status=succeeded&kind=network", "/scans/?status=nonsense", "/scans/?page=x",
        "/scans/running/", f"/scans/{newer}/", f"/scans/{newer}/?q=core&port=443", f"/scans/{newer}/?port=x",
        f"/scans/{newer}/live/", f"/scans/{older}/diff/{newer}/", f"/scans/{newer}/diff/{older}/?flaps=1",
        "/scans/schedules/", f"/scans/schedules/{made['schedule'].pk}/", "/discoveries/", "/discoveries/?view=ignored",
        "/discoveries/?view=known", "/discoveries/?view=all&q=a&kind=router&port=80&present=1",
        f"/discoveries/{made['host'].pk}/", f"/discoveries/{made['known'].pk}/", "/prefixes/", "/prefixes/?q=192",
        f"/prefixes/{made['prefix'].pk}/map/", f"/prefixes/{made['prefix'].pk}/map/?state=free",
        f"/devices/{device}/ports/", f"/devices/{device}/?panel=Ports",
    ]  # fmt: skip


def writes(made: dict[str, Any]) -> list[str]:
    newer, host, schedule, device = (made[name].pk for name in ("newer", "host", "schedule", "device"))
    return [
        "/scans/new/", "/scans/plan/", "/scans/import/", f"/scans/{newer}/cancel/", f"/scans/{newer}/delete/",
        "/scans/schedules/add/", f"/scans/schedules/{schedule}/", f"/scans/schedules/{schedule}/run/",
        f"/scans/schedules/{schedule}/delete/", "/discoveries/bulk/",
        *(f"/discoveries/{host}/{verb}/" for verb in ("adopt", "attach", "ignore", "reopen")),
        *(f"/devices/{device}/ports/{verb}/" for verb in ("scan", "baseline", "expect")),
        f"/devices/{device}/ports/{made['expected'].pk}/forget/",
    ]  # fmt: skip


def admin_writes(made: dict[str, Any]) -> list[str]:
    pk = made["exclusion"].pk
    return ["/scans/exclusions/add/", f"/scans/exclusions/{pk}/", f"/scans/exclusions/{pk}/delete/"]


@pytest.mark.parametrize(("role", "rank"), [("viewer", 0), ("operator", 1), ("admin", 2)])
def test_everybody_sees_what_their_role_allows(cast: people.Cast, made: dict[str, Any], role: str, rank: int) -> None:
    client = people.client_for(cast.by_role(role))
    for path in seen_by_all(made):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert EVIL not in answer.content.decode(), path
    for path in ("/scans/new/", "/scans/import/", "/scans/schedules/add/", "/scans/exclusions/"):
        assert client.get(path).status_code == (200 if rank >= 1 else 403), path
    for path in admin_writes(made)[:2]:
        assert client.get(path).status_code == (200 if rank >= 2 else 403), path


def test_a_viewer_changes_nothing_and_a_stranger_logs_in_first(cast: people.Cast, made: dict[str, Any]) -> None:
    client, stranger = people.client_for(cast.vera), people.client_for(None)
    before = AuditEvent.objects.count()
    for path in [*writes(made), *admin_writes(made)]:
        assert client.post(path, {}).status_code == 403, path
        assert stranger.post(path, {}).status_code == 302, path
    for path in admin_writes(made):
        assert people.client_for(cast.omar).post(path, {}).status_code == 403, path
    assert AuditEvent.objects.count() == before
    for path in seen_by_all(made):
        assert stranger.get(path).status_code == 302, path


def test_another_tenant_sees_nothing(made: dict[str, Any]) -> None:
    tenant = Tenant.objects.create(name="Elsewhere", slug="elsewhere")
    tina = people.make_person("tina", "admin")
    tina.tenants.set([tenant])
    client = people.client_for(tina)
    for path in seen_by_all(made):
        answer = client.get(path)
        objects = any(part.isdigit() for part in path.split("/"))
        assert answer.status_code == (404 if objects else 200), path
        assert "192.0.2.9" not in answer.content.decode(), path
    for path in writes(made):
        if any(part.isdigit() for part in path.split("/")):
            assert client.post(path, {}).status_code == 404, path
    assert search.search(tina, "192.0.2.9") == []


def test_what_is_new_stands_first(cast: people.Cast, made: dict[str, Any]) -> None:
    text = people.client_for(cast.vera).get("/scans/").content.decode()
    news = text[text.index("What is new") : text.index('id="h-list"')]
    assert "New host" in news
    assert "New port" in news
    assert f"/discoveries/{made['host'].pk}/" in news


# --- a new one
def test_a_scan_is_started_and_leads_to_its_page(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.omar)
    form = {"target": "192.0.2.1", "kind": "ports", "ports": "web", "profile": "gentle", "reason": "asked by Ada"}
    answer = client.post("/scans/new/", {**form, "packets_limit": "500"})
    scan = Scan.objects.latest("pk")
    assert answer.status_code == 302
    assert answer["Location"] == f"/scans/{scan.pk}/"
    assert (scan.reason, scan.packets_limit, scan.profile) == ("asked by Ada", 500, "gentle")
    assert scan.requested_by == cast.omar
    again = client.post("/scans/new/", form)
    assert again.status_code == 400
    text = again.content.decode()
    assert "is under way" in text
    assert f'href="/scans/{scan.pk}/"' in text


def test_a_prefix_is_chosen_instead_of_written(cast: people.Cast, made: dict[str, Any]) -> None:
    form = {"prefix": made["prefix"].pk, "kind": "ping", "ports": "1-1024", "profile": "normal"}
    assert people.client_for(cast.omar).post("/scans/new/", form).status_code == 302
    scan = Scan.objects.latest("pk")
    assert (scan.target, scan.ports, scan.hosts_total) == (f"prefix:{made['prefix'].pk}", "", 127)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": ""}, "Write what to scan, or choose a prefix."),
        ({"target": "198.51.100.1"}, "add its prefix to the inventory"),
        ({"target": "no/where"}, "no/where"),
        ({"ports": "99999"}, "a port is 1 to 65535"),
        ({"ports": "<b>"}, "no such service or list"),
        ({"packets_limit": "0"}, "greater than or equal to 1"),
        ({"profile": "rude"}, "Select a valid choice"),
        ({"target": "192.0.2.200"}, "excluded from scans"),
        ({"target": "x\x00y"}, "Null characters are not allowed"),
    ],
)
def test_a_refusal_stands_at_its_field(
    cast: people.Cast, made: dict[str, Any], change: dict[str, str], words: str
) -> None:
    client = people.client_for(cast.omar)
    form = {"target": "192.0.2.1", "kind": "ports", "ports": "22", "profile": "normal"} | change
    for path, htmx in (("/scans/new/", {}), ("/scans/plan/", {}), ("/scans/plan/", {"HTTP_HX_REQUEST": "true"})):
        answer = client.post(path, form, **htmx)
        assert answer.status_code == (200 if htmx else 400), path
        assert words in answer.content.decode(), path
    assert Scan.objects.count() == 2


def test_the_dry_run_says_what_would_be_touched(cast: people.Cast, made: dict[str, Any]) -> None:
    form = {"target": "192.0.2.0/24", "kind": "network", "ports": "22,80", "profile": "normal"}
    text = people.client_for(cast.omar).post("/scans/plan/", form, HTTP_HX_REQUEST="true").content.decode()
    assert "127 addresses, 254 probes" in text
    assert "192.0.2.128-192.0.2.254" in text  # what is excluded, with its reason
    assert "<html" not in text
    assert Scan.objects.count() == 2


def test_a_scan_is_asked_again_with_its_own_values(cast: people.Cast, made: dict[str, Any]) -> None:
    text = people.client_for(cast.omar).get(f"/scans/new/?again={made['newer'].pk}").content.decode()
    assert 'value="192.0.2.0/28"' in text
    assert 'value="1-1024"' in text


NMAP = b"""<?xml version="1.0"?><nmaprun args="nmap &lt;script&gt;" version="7.9">
<scaninfo type="connect" protocol="tcp" services="22"/>
<host><status state="up"/><address addr="198.51.100.7" addrtype="ipv4"/>
<hostnames><hostname name="&lt;script&gt;alert(1)&lt;/script&gt;"/></hostnames>
<ports><port protocol="tcp" portid="22">
<state state="open"/><service name="ssh" product="&lt;script&gt;"/></port></ports>
</host><runstats><finished time="1700000000" exit="success"/></runstats></nmaprun>"""


def test_a_file_of_nmap_becomes_a_scan(cast: people.Cast, db: Any) -> None:
    client = people.client_for(cast.omar)
    answer = client.post("/scans/import/", {"file": SimpleUploadedFile("scan.xml", NMAP), "reason": "the auditor"})
    scan = Scan.objects.get()
    assert answer["Location"] == f"/scans/{scan.pk}/"
    text = client.get(f"/scans/{scan.pk}/").content.decode()
    assert "198.51.100.7" in text
    assert "from a file of nmap" in text
    assert "<script>alert" not in text


@pytest.mark.parametrize(
    ("content", "words"), [(b"no xml", "Not well-formed"), (b"<a/>", "nmap"), (b"", "empty"), (None, "required")]
)
def test_a_wrong_file_is_refused_at_its_field(cast: people.Cast, db: Any, content: bytes | None, words: str) -> None:
    data = {} if content is None else {"file": SimpleUploadedFile("scan.xml", content)}
    answer = people.client_for(cast.omar).post("/scans/import/", data)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert not Scan.objects.exists()


# --- one
def active(**over: Any) -> Scan:
    job = Job.objects.create(
        kind="scan", key="k", task="t", status="running", deadline_at=timezone.now() + timedelta(hours=1)
    )
    values = {"kind": "network", "target": "192.0.2.0/24", "spans": ["192.0.2.1-192.0.2.254"], "ports": "22"}
    return Scan.objects.create(**(values | {"job": job, "hosts_total": 254, "hosts_done": 100} | over))


def test_a_scan_under_way_is_followed_and_cancelled(cast: people.Cast, db: Any) -> None:
    client, scan = people.client_for(cast.omar), active()
    page = client.get(f"/scans/{scan.pk}/").content.decode()
    assert 'hx-trigger="every 1s"' in page
    assert "Looks who answers." in page
    assert 'hx-trigger="every 1s"' in client.get("/scans/").content.decode()
    live = client.get(f"/scans/{scan.pk}/live/", HTTP_HX_REQUEST="true")
    assert "HX-Refresh" not in live
    assert "no-store" in live["Cache-Control"]
    assert client.post(f"/scans/{scan.pk}/delete/").status_code == 302
    assert Scan.objects.filter(pk=scan.pk).exists()  # cancelled first
    client.post(f"/scans/{scan.pk}/cancel/")
    assert AuditEvent.objects.filter(action="cancel").count() == 1
    assert "Stopping" in client.get(f"/scans/{scan.pk}/live/").content.decode()
    Scan.objects.filter(pk=scan.pk).update(outcome="cancelled", finished_at=timezone.now())
    assert client.get(f"/scans/{scan.pk}/live/")["HX-Refresh"] == "true"
    assert client.get("/scans/running/")["HX-Refresh"] == "true"
    assert "every 1s" not in client.get(f"/scans/{scan.pk}/").content.decode()
    client.post(f"/scans/{scan.pk}/delete/")
    assert not Scan.objects.exists()
    assert AuditEvent.objects.filter(action="delete").count() == 1


def test_hosts_are_filtered_and_cut_into_pages(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.vera)
    url = f"/scans/{made['newer'].pk}/"
    assert "192.0.2.9" not in _table(client, f"{url}?port=443")
    assert "192.0.2.1" not in _table(client, f"{url}?q=192.0.2.9")
    assert "No host is like that." in client.get(f"{url}?port=23").content.decode()
    scan = scenes.ended([scenes.host(f"192.0.2.{number}") for number in range(1, 151)], target="192.0.2.0/24", hours=2)
    text = client.get(f"/scans/{scan.pk}/?page=2").content.decode()
    assert "Page 2 of 2" in text
    assert "192.0.2.150" in text


def _table(client: Any, url: str) -> str:
    text: str = client.get(url).content.decode()
    return text[text.index('aria-label="Hosts, a table"') : text.index("</table>")]


def test_a_host_leads_to_its_device_or_to_its_adoption(cast: people.Cast, made: dict[str, Any]) -> None:
    text = _table(people.client_for(cast.omar), f"/scans/{made['newer'].pk}/")
    assert f"/devices/{made['device'].pk}/" in text
    assert f"/discoveries/{made['host'].pk}/" in text
    assert ">Adopt<" in text
    assert "random" in text


def test_a_loss_that_one_look_saw_is_shown_when_asked_for(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.vera)
    third = scenes.ended([scenes.host("192.0.2.1", 22)], hours=2)
    Scan.objects.filter(pk=third.pk).update(finished_at=timezone.now() + timedelta(hours=1))
    url = f"/scans/{made['newer'].pk}/diff/{third.pk}/"
    assert "left out" in client.get(url).content.decode()
    flaps = client.get(f"{url}?flaps=1").content.decode()
    assert "flap?" in flaps
    assert "443" in flaps
    chosen = client.get(f"/scans/diff/?one={made['newer'].pk}&other={third.pk}")
    assert chosen["Location"] == url
    assert client.get("/scans/diff/?one=x").status_code == 302


# --- discoveries
def test_a_discovery_is_adopted_with_the_ports_to_watch(cast: people.Cast, made: dict[str, Any]) -> None:
    client, host = people.client_for(cast.omar), made["host"]
    page = client.get(f"/discoveries/{host.pk}/").content.decode()
    assert 'value="80"' in page
    form = {"name": "printer", "kind": "other", "location": "hall", "tcp_ports": "80, 443"}
    answer = client.post(f"/discoveries/{host.pk}/adopt/", form)
    device = Device.objects.get(name="printer")
    assert answer["Location"] == f"/devices/{device.pk}/"
    assert sorted(device.endpoints.filter(protocol="tcp").values_list("port", flat=True)) == [80, 443]
    again = client.post(f"/discoveries/{host.pk}/adopt/", form)
    assert again.status_code == 400
    assert Device.objects.filter(name="printer").count() == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "required"),
        ({"name": "core"}, "exists"),
        ({"kind": "toaster"}, "Select a valid choice"),
        ({"tcp_ports": "0"}, "a port is 1 to 65535"),
        ({"tcp_ports": "1-100"}, "At most 20"),
        ({"site": "999"}, "Select a valid choice"),
    ],
)
def test_a_wrong_adoption_is_refused_at_its_field(
    cast: people.Cast, made: dict[str, Any], change: dict[str, str], words: str
) -> None:
    form = {"name": "printer", "kind": "other", "tcp_ports": ""} | change
    answer = people.client_for(cast.omar).post(f"/discoveries/{made['host'].pk}/adopt/", form)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert Device.objects.count() == 1


def test_a_discovery_is_a_device_that_is_there(cast: people.Cast, made: dict[str, Any]) -> None:
    client, host = people.client_for(cast.omar), made["host"]
    wrong = client.post(f"/discoveries/{host.pk}/attach/", {"attach-device": "nobody"})
    assert "There is no device of this name." in wrong.content.decode()
    assert client.post(f"/discoveries/{host.pk}/attach/", {"attach-device": "core"}).status_code == 302
    host.refresh_from_db()
    assert host.device == made["device"]


def test_a_discovery_is_ignored_with_a_reason_and_reviewed_again(cast: people.Cast, made: dict[str, Any]) -> None:
    client, host = people.client_for(cast.omar), made["host"]
    assert client.post(f"/discoveries/{host.pk}/ignore/", {"ignore-reason": ""}).status_code == 400
    assert client.post(f"/discoveries/{host.pk}/ignore/", {"ignore-reason": "a guest"}).status_code == 302
    assert "a guest" in client.get("/discoveries/?view=ignored").content.decode()
    client.post(f"/discoveries/{host.pk}/reopen/")
    host.refresh_from_db()
    assert host.review == "new"


def test_many_are_ignored_or_adopted_at_once(cast: people.Cast, made: dict[str, Any]) -> None:
    scenes.ended([scenes.host(f"192.0.2.{number}", 443) for number in (10, 11, 12)], hours=3)
    client = people.client_for(cast.omar)
    rows = {host.address: host.pk for host in SeenHost.objects.all()}

    def send(verb: str, *addresses: str, **over: str) -> str:
        data = {"verb": verb, "host": [rows[address] for address in addresses], "next": "/discoveries/", **over}
        return client.post("/discoveries/bulk/", data, follow=True).content.decode()

    assert "Say why they are ignored." in send("ignore", "192.0.2.10")
    assert "1 host is ignored." in send("ignore", "192.0.2.10", reason="a guest")
    assert "1 host is to be reviewed again." in send("reopen", "192.0.2.10")
    text = send("adopt", "192.0.2.1", "192.0.2.11", "192.0.2.12")
    assert "2 hosts are in the inventory now." in text
    assert "192.0.2.1 is in the inventory already." in text
    assert "Choose hosts first." in send("adopt")
    assert "Choose what is to be done." in send("shoot", "192.0.2.10")
    assert set(Device.objects.values_list("name", flat=True)) == {"core", "192.0.2.11", "192.0.2.12"}


def test_a_host_shows_when_it_was_there(cast: people.Cast, made: dict[str, Any]) -> None:
    host = made["host"]
    PresencePeriod.objects.create(host=host, started_at=scenes.START - timedelta(days=9), ended_at=scenes.START)
    text = people.client_for(cast.vera).get(f"/discoveries/{host.pk}/").content.decode()
    assert "20 Feb 2026, 12:00 to 1 Mar 2026, 12:00" in text
    assert "to now" in text


def test_the_search_finds_discoveries_by_any_name(cast: people.Cast, made: dict[str, Any]) -> None:
    scenes.ended([scenes.host("192.0.2.12", mac="00:00:5e:00:53:07", vendor="Icann")], hours=2)
    host = SeenHost.objects.get(address="192.0.2.12")
    for text in ("192.0.2.12", "0000.5e00.5307", "00:00:5E", "icann"):
        groups = {group["key"]: group["results"] for group in search.search(cast.vera, text)}
        assert groups["discoveries"][0]["url"] == f"/discoveries/{host.pk}/", text


# --- prefixes
def test_the_map_tells_each_address_in_words_too(cast: people.Cast, made: dict[str, Any]) -> None:
    text = people.client_for(cast.vera).get(f"/prefixes/{made['prefix'].pk}/map/").content.decode()
    assert "192.0.2.1 Used, core" in text
    assert "192.0.2.9 Found" in text
    assert "192.0.2.2 Free" in text
    assert "192.0.2.100 Unknown" in text
    assert "192.0.2.200 Excluded" in text


def test_a_large_prefix_lists_what_is_known(cast: people.Cast, made: dict[str, Any]) -> None:
    large = scenes.prefix("192.0.0.0/16")
    text = people.client_for(cast.vera).get(f"/prefixes/{large.pk}/map/").content.decode()
    assert 'class="map"' not in text
    assert "192.0.2.9" in text


# --- schedules and exclusions
SCHEDULE = {
    "name": "weekly", "kind": "network", "target": "192.0.2.0/28", "ports": "web", "profile": "polite",
    "every_minutes": "10080", "jitter_minutes": "30", "time_zone": "Europe/Paris", "window_start": "22:00",
    "window_end": "05:00", "is_enabled": "on", "reason": "agreed",
}  # fmt: skip


def test_a_schedule_is_added_changed_run_and_deleted(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.omar)
    assert client.post("/scans/schedules/add/", SCHEDULE)["Location"] == "/scans/schedules/"
    row = ScanSchedule.objects.get(name="weekly")
    assert (row.created_by, row.every_minutes, str(row.window_end)) == (cast.omar, 10080, "05:00:00")
    client.post(f"/scans/schedules/{row.pk}/", {**SCHEDULE, "name": "weekly, gentle", "profile": "gentle"})
    answer = client.post(f"/scans/schedules/{row.pk}/run/")
    scan = Scan.objects.latest("pk")
    assert answer["Location"] == f"/scans/{scan.pk}/"
    assert (scan.schedule, scan.profile) == (row, "gentle")
    again = client.post(f"/scans/schedules/{row.pk}/run/", follow=True)
    assert "is under way" in again.content.decode()
    client.post(f"/scans/schedules/{row.pk}/delete/")
    actions = list(AuditEvent.objects.filter(object_type="scanning.scanschedule").values_list("action", flat=True))
    assert sorted(actions) == ["create", "delete", "run", "update"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": "198.51.100.0/24"}, "add its prefix to the inventory"),
        ({"window_end": ""}, "A window has a start and an end."),
        ({"every_minutes": "1"}, "greater than or equal to 5"),
        ({"ports": "nonsense"}, "no such service or list"),
        ({"name": ""}, "required"),
    ],
)
def test_a_wrong_schedule_is_refused_at_its_field(
    cast: people.Cast, made: dict[str, Any], change: dict[str, str], words: str
) -> None:
    answer = people.client_for(cast.omar).post("/scans/schedules/add/", SCHEDULE | change)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert ScanSchedule.objects.count() == 1


def test_an_admin_keeps_exclusions(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.ada)
    assert client.post("/scans/exclusions/add/", {"cidr": "192.0.2.7", "note": "a plc"}).status_code == 302
    row = ScanExclusion.objects.get(note="a plc")
    assert client.post(f"/scans/exclusions/{row.pk}/", {"cidr": "192.0.2.8", "note": "a plc"}).status_code == 302
    assert client.post("/scans/exclusions/add/", {"cidr": "300.1.1.1"}).status_code == 400
    assert client.post("/scans/exclusions/add/", {"cidr": "192.0.2.8/32"}).status_code == 400  # it is there
    assert client.post(f"/scans/exclusions/{row.pk}/delete/").status_code == 302
    assert ScanExclusion.objects.count() == 1
    assert AuditEvent.objects.filter(object_type="scanning.scanexclusion").count() == 3


# --- a device's ports
def test_the_tab_holds_ports_against_the_baseline(cast: people.Cast, made: dict[str, Any]) -> None:
    url = f"/devices/{made['device'].pk}/ports/"
    text = people.client_for(cast.omar).get(url, HTTP_HX_REQUEST="true").content.decode()
    assert "<html" not in text
    assert "Open, as expected" in text
    assert "Open, not expected" in text


def test_a_baseline_is_taken_added_to_and_taken_from(cast: people.Cast, made: dict[str, Any]) -> None:
    client, device = people.client_for(cast.omar), made["device"]
    url = f"/devices/{device.pk}/ports/"
    assert client.post(f"{url}baseline/")["Location"] == f"/devices/{device.pk}/?panel=Ports"
    assert set(ExpectedPort.objects.values_list("port", flat=True)) == {22, 443}
    client.post(f"{url}expect/", {"port": "23", "state": "closed", "note": "never telnet"})
    row = ExpectedPort.objects.get(port=23)
    assert row.state == "closed"
    for data, words in (({"port": "23", "state": "open"}, "in its baseline already"), ({"port": "0"}, "equal to 1")):
        assert words in client.post(f"{url}expect/", data, follow=True).content.decode()
    client.post(f"{url}{row.pk}/forget/")
    assert not ExpectedPort.objects.filter(port=23).exists()
    other = factories.make_flat(name="edge", ip="192.0.2.5")
    text = client.post(f"/devices/{other.pk}/ports/baseline/", follow=True).content.decode()
    assert "scan it first" in text


def test_a_device_is_scanned_by_one_click(cast: people.Cast, made: dict[str, Any]) -> None:
    client, device = people.client_for(cast.omar), made["device"]
    client.post(f"/devices/{device.pk}/ports/scan/")
    scan = Scan.objects.latest("pk")
    assert (scan.device, scan.kind) == (device, "ports")
    text = client.post(f"/devices/{device.pk}/ports/scan/", follow=True).content.decode()
    assert "is under way" in text


def test_a_job_of_a_scan_leads_to_it(cast: people.Cast, db: Any) -> None:
    scan = active()
    result = {"scan": scan.pk, "hosts_up": 3, "open_ports": 4}
    Job.objects.filter(pk=scan.job_id).update(status="succeeded", result=result, requested_by=cast.omar)
    assert f"/scans/{scan.pk}/" in people.client_for(cast.omar).get(f"/jobs/{scan.job_id}/").content.decode()
