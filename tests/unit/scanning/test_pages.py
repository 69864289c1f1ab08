"""The pages of scans: who sees and does what, across tenants, with hostile texts, words of the guard at their field."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from inventory import search
from inventory.models import Tenant
from netmon.audit.models import AuditEvent
from netmon.jobs.models import Job
from scanning.models import (
    Scan,
)
from scanning.services import results
from tests import people
from tests.unit.scanning import scenes
from tests.unit.scanning.scenes import EVIL

pytestmark = pytest.mark.django_db


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
        *(f"/discoveries/{host}/{verb}/" for verb in ("adopt", "attach", "identify", "ignore", "reopen")),
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


def test_hosts_of_a_scan_under_way_come_as_they_are_found(cast: people.Cast, db: Any) -> None:
    client, scan = people.client_for(cast.vera), active()
    page = client.get(f"/scans/{scan.pk}/").content.decode()
    url = re.search(r'hx-get="(/scans/\d+/found/[^"]+)"', page)
    assert url is not None and "Nobody has answered yet." in page
    same = client.get(html.unescape(url[1]))
    assert (same.status_code, same["Cache-Control"]) == (204, "private, no-store")
    results.record(scan, [scenes.host("192.0.2.200", 22)])
    results.record(scan, [scenes.host("192.0.2.1")])
    part = client.get(html.unescape(url[1])).content.decode()
    assert "<html" not in part and part.index("192.0.2.200") < part.index("192.0.2.1<"), "what is new joins below"
    results.record(scan, [scenes.host(f"192.0.2.{n}") for n in range(2, 130)])
    assert client.get(f"/scans/{scan.pk}/found/").content.decode().count("<tr>") == 1 + 100
    Scan.objects.filter(pk=scan.pk).update(outcome="succeeded")
    assert client.get(html.unescape(url[1])).status_code == 204
    assert "/found/" not in client.get(f"/scans/{scan.pk}/").content.decode()


def test_looking_again_and_again_costs_few_statements(
    cast: people.Cast, db: Any, django_assert_max_num_queries: Any
) -> None:
    client, scan = people.client_for(cast.vera), active()
    results.record(scan, [scenes.host(f"192.0.2.{n}", 22, 443) for n in range(1, 130)])
    with django_assert_max_num_queries(8):
        client.get(f"/scans/{scan.pk}/found/")


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


def test_a_job_of_a_scan_leads_to_it(cast: people.Cast, db: Any) -> None:
    scan = active()
    result = {"scan": scan.pk, "hosts_up": 3, "open_ports": 4}
    Job.objects.filter(pk=scan.job_id).update(status="succeeded", result=result, requested_by=cast.omar)
    assert f"/scans/{scan.pk}/" in people.client_for(cast.omar).get(f"/jobs/{scan.job_id}/").content.decode()
