"""The pages of VyOS routers in a real browser: accessible, fitting, and a router healed from page to page."""

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from provisioning.models import DriftItem, PortForward, Vm
from tests import factories, people
from tests.browser.helpers import SECONDS, VARIANTS
from tests.browser.test_alert_pages import check
from tests.machines import make_quota
from tests.vyos import Site, site_of

LAN = "set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 static-mapping"


def furnish(site: Site) -> None:
    """Something differs, something is somebody else's, and something could be taken over."""
    site.lab.edit(f"{LAN} wiki ip-address 192.168.66.50", f"{LAN} wiki mac 00:50:56:00:00:50")
    site.lab.edit(f"{LAN} Odd.Name ip-address 192.168.66.51", f"{LAN} Odd.Name mac 00:50:56:00:00:51")
    site.provision("web-1", ports=["ssh", "https"])
    site.work()
    ssh = PortForward.objects.get(name="ssh")
    site.lab.edit(f"set nat destination rule {ssh.rule_number} translation port 2222")


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_the_pages_are_accessible_and_fit(visit: Any, cast: people.Cast, width: int, theme: str) -> None:
    with site_of() as site:
        furnish(site)
        make_quota(owner=cast.omar)
        words = "The certificate is another one. " * 8
        ill = factories.make_vyos_router(
            last_error_code="untrusted_peer", last_error_detail=words, is_saved=False, last_read_at=timezone.now()
        )
        factories.make_change(ill, vm_name="web-9", requested_by=cast.omar, error_detail=words)
        DriftItem.objects.create(router=ill, kind="foreign", label="destination rule 5", words=["Not netmon's. " * 20])
        visitor = visit("ada", width=width, theme=theme)
        visitor.tolerate("409")  # what cannot be healed, shown
        base = f"/vyos/{site.row.pk}/"
        page = visitor.open(f"{base}drift/")
        page.click("text=Compare now")
        expect(page.locator(".drifts")).to_contain_text("2222")
        page.click("text=1 line would heal it")
        check(visitor, "what differs", width)
        page.check("[name=item]")
        page.click("text=Heal chosen")
        page.wait_for_selector("[name=sure]")
        check(visitor, "the question before healing", width)
        page.click("text=Yes, heal 1")
        expect(page.locator("#h-queue ~ * , #router-live").first).to_be_visible()
        check(visitor, "a change that waits", width)
        visitor.open(f"{base}import/")
        page.check("[name=name]:not([disabled])")
        check(visitor, "what may be taken over", width)
        page.click("text=Try the chosen")
        expect(page.locator("#h-sure")).to_contain_text("1 machine would be taken over")
        check(visitor, "the question before taking over", width)
        for path in ("/vyos/", "/vyos/pools/", f"/vyos/{ill.pk}/", f"/vyos/{ill.pk}/drift/", f"/vyos/{ill.pk}/import/"):
            visitor.open(path)
            check(visitor, path, width)


def test_a_router_is_healed_and_its_machine_taken_over(visit: Any, cast: people.Cast) -> None:
    with site_of() as site:
        furnish(site)
        visitor = visit("omar")
        page = visitor.open(f"/vyos/{site.row.pk}/drift/")
        page.click("text=Compare now")
        page.check("[name=item]")
        page.click("text=Heal chosen")
        page.click("text=Yes, heal 1")
        expect(page.locator("#router-live")).to_contain_text("Queued")
        site.work()
        # The page follows by itself.
        expect(page.locator("#router-live")).to_contain_text("Nothing waits", timeout=15 * SECONDS)
        visitor.open(f"/vyos/{site.row.pk}/import/")
        page.check("[aria-label='Choose wiki']")
        page.click("text=Try the chosen")
        page.click("text=Yes, take over 1")
        expect(page.locator(".banner").first).to_contain_text("Taken over")
        assert Vm.objects.filter(hostname="wiki").exists()
