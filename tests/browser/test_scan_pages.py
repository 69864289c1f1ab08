"""The pages of scans in a real browser: how they look to axe, the dry run beside the form, a scan that is followed."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from inventory.models import Prefix
from netmon.jobs.models import Job
from scanning.models import ExpectedPort, Scan, ScanExclusion, SeenHost
from scanning.services import results
from scanning.services.results import FoundHost, FoundPort
from tests import factories, people, scans
from tests.browser.test_alert_pages import VARIANTS, check
from tests.unit.scanning import scenes

CERTIFICATE = {"subject": "CN=shop", "issuer": "CN=Example CA", "not_after": "2027-01-01T00:00:00+00:00"}


@pytest.fixture
def made() -> dict[str, Any]:
    """A prefix with a device, two scans of it with changes between them, a schedule, exclusions."""
    prefix = Prefix.objects.create(cidr="192.0.2.0/26", description="office")
    device = factories.make_flat(name="core", ip="192.0.2.1")
    ScanExclusion.objects.create(cidr="192.0.2.48/28", note="the lift's controllers")
    older = scenes.ended([scenes.host("192.0.2.1", 22), scenes.host("192.0.2.5")])
    shop = FoundHost(
        address="192.0.2.9", method="tcp-443", rtt_ms=1.4, hostname="a-rather-long-name-of-a-host.office.example.com",
        mac_address="02:00:5e:00:53:09", is_random_mac=True, closed="1-442", notes={"is_whole": True},
        ports=[FoundPort(port=443, service="https", banner="HTTP/1.1 200 OK, " + "x" * 120, certificate=CERTIFICATE),
               *(FoundPort(port=port, service="http-alt") for port in range(8000, 8012))],
    )  # fmt: skip
    newer = scenes.ended([scenes.host("192.0.2.1", 22, 443), shop], hours=1, reason="agreed with Ada")
    Scan.objects.filter(pk=newer.pk).update(finished_at=timezone.now(), notes={**newer.notes, "icmp": {"ipv4": "none"}})
    ExpectedPort.objects.create(device=device, port=22)
    return {
        "prefix": prefix,
        "device": device,
        "older": older,
        "newer": newer,
        "host": SeenHost.objects.get(address="192.0.2.9"),
        "schedule": scans.make_schedule(name="every night", target="192.0.2.0/28", last_error="Left out once."),
        "running": running(),
    }


def running() -> Scan:
    job = Job.objects.create(
        kind="scan", key="k", task="t", status="running", deadline_at=timezone.now() + timedelta(hours=1)
    )
    return scans.make_scan(job=job, outcome="", hosts_done=7, finished_at=None, eta_seconds=40, packets_sent=900)


def paths(made: dict[str, Any]) -> list[str]:
    newer, older = made["newer"].pk, made["older"].pk
    return [
        "/scans/", f"/scans/{newer}/", f"/scans/{made['running'].pk}/", "/scans/new/", "/discoveries/",
        f"/discoveries/{made['host'].pk}/", f"/prefixes/{made['prefix'].pk}/map/",
        f"/scans/{older}/diff/{newer}/?flaps=1",
    ]  # fmt: skip


def rest(made: dict[str, Any]) -> list[str]:
    device = made["device"].pk
    return [
        "/scans/import/", "/scans/schedules/", f"/scans/schedules/{made['schedule'].pk}/", "/scans/exclusions/",
        "/scans/exclusions/add/", "/prefixes/", "/discoveries/?view=all", f"/devices/{device}/ports/",
    ]  # fmt: skip


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_the_pages_are_accessible_and_fit(visit: Any, made: Any, cast: people.Cast, width: int, theme: str) -> None:
    visitor = visit("ada", width=width, theme=theme)
    # Each of the lesser pages at one width and theme: they are made of the same parts.
    for path in [*paths(made), *(rest(made) if (width, theme) in VARIANTS[1:3] else ())]:
        page = visitor.open(path)
        for summary in page.locator("main details > summary").all():
            summary.click()
        check(visitor, path, width)


def test_the_dry_run_follows_the_form(visit: Any, made: Any) -> None:
    page = visit("omar").open("/scans/new/")
    page.fill("[name=target]", "192.0.2.0/26")
    page.fill("[name=ports]", "22,80")
    expect(page.locator("#plan")).to_contain_text("47 addresses, 94 probes")
    expect(page.locator("#plan")).to_contain_text("the lift's controllers")
    page.select_option("[name=kind]", "ping")
    expect(page.locator("[name=ports]")).to_be_hidden()
    page.fill("[name=target]", "198.51.100.1")
    expect(page.locator("#plan")).to_contain_text("add its prefix to the inventory")
    page.fill("[name=target]", "")
    page.select_option("[name=prefix]", str(made["prefix"].pk))
    expect(page.locator("#plan")).to_contain_text("47 addresses")
    page.click("#scan-form button.pri")
    expect(page.locator("#scan-live")).to_contain_text("Queued")
    page.click("#cancel")
    expect(page.locator("#scan-live")).to_contain_text("Cancelled")


def test_a_scan_is_followed_to_its_end(visit: Any, made: Any) -> None:
    scan = made["running"]
    page = visit("omar").open(f"/scans/{scan.pk}/")
    expect(page.locator("#scan-live")).to_contain_text("of 14")
    Scan.objects.filter(pk=scan.pk).update(hosts_done=11, hosts_up=1)
    expect(page.locator("#scan-live dd").first).to_have_text("11")
    Scan.objects.filter(pk=scan.pk).update(outcome="succeeded", hosts_done=14, finished_at=timezone.now())
    expect(page.locator("#scan-live h2")).to_have_text("Succeeded")
    expect(page.locator("form[role=search]")).to_be_visible()  # the whole page came anew


def test_hosts_appear_while_a_scan_runs(visit: Any, made: Any) -> None:
    """They join below, what stands there stays in its place, and nothing is fetched anew while nothing is found."""
    scan = made["running"]
    visitor = visit("omar")
    page = visitor.open(f"/scans/{scan.pk}/")
    rows = page.locator("#found tbody tr")
    expect(rows).to_have_count(1)
    place = "row => [row.getBoundingClientRect().x, row.getBoundingClientRect().y]"
    before = rows.first.evaluate(place)
    with page.expect_response(lambda response: "/found/" in response.url) as asked:
        pass
    assert asked.value.status == 204
    results.record(scan, [scenes.host(f"198.51.100.{n}") for n in (2, 3)])
    expect(rows).to_have_count(3)
    expect(rows.nth(2)).to_contain_text("198.51.100.3")
    expect(page.locator("#h-hosts")).to_have_text("3 hosts")
    assert rows.first.evaluate(place) == before
    results.record(scan, [scenes.host("198.51.100.2", 8443)])
    expect(rows.nth(1)).to_contain_text("8443")
    assert page.evaluate("document.querySelectorAll('#found, #h-hosts').length") == 2
    check(visitor, f"/scans/{scan.pk}/", 1280)


def test_the_palette_and_the_tab_lead_to_what_was_found(visit: Any, made: Any) -> None:
    page = visit("omar").open("/scans/")
    page.keyboard.press("Control+k")
    page.fill("#palette input", "192.0.2.9")
    page.locator("#palette [role=option]", has_text="a-rather-long-name").last.click()
    expect(page.locator("h1")).to_contain_text("a-rather-long-name")
    page.goto(page.url.replace(f"/discoveries/{made['host'].pk}/", f"/devices/{made['device'].pk}/?panel=Ports"))
    expect(page.locator("#device-ports")).to_contain_text("Open, not expected")
    page.click("text=Take what is open now")
    expect(page.locator("#device-ports")).to_contain_text("tcp/443 open")
