"""The pages of machines behind routers in a real browser: accessible, fitting, and one from its form to its end."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from provisioning.models import ChangeItem, DhcpReservation, DriftItem, PortForward, Vm
from tests import factories, machines, people
from tests.browser.helpers import SECONDS, VARIANTS
from tests.browser.test_alert_pages import check
from tests.vyos import Site, site_of


@pytest.fixture
def site(settings: Any) -> Iterator[Site]:
    settings.ALLOW_LOOPBACK = True
    with site_of() as found:
        yield found


@pytest.fixture
def estate(cast: people.Cast) -> dict[str, Any]:
    """Machines in every state, with long words where words come from people and routers."""
    made = machines.make_estate(owner=cast.omar)
    vm, router, now = made["vms"], made["vyos-routers"], timezone.now()
    rows = list(vm.forwards.order_by("rule_number"))
    states: list[dict[str, Any]] = [
        {"applied": "failed"},
        {"desired": "disabled", "why_disabled": "paused", "applied": "applied", "hit_packets": 5, "last_hit_at": now},
        {"desired": "disabled", "why_disabled": "expired", "applied": "drifted", "expires_at": now},
    ]
    for row, values in zip(rows, states, strict=True):
        PortForward.objects.filter(pk=row.pk).update(**values)
    DriftItem.objects.update(
        words=["destination rule 10000 leads to 192.168.66.254 port 22, not to 192.168.66.10." * 2]
    )
    DhcpReservation.objects.update(lease_state="active", lease_ends="2026/11/23 10:00:00", lease_read_at=now)
    for number, state in enumerate(("active", "expired", "leaving")):
        other = factories.make_vm(router, user=cast.ada, vm_name=f"a-machine-of-a-long-name-that-{state}-{number}")
        Vm.objects.filter(pk=other.pk).update(state=state, expires_at=now + timedelta(days=2))
    lines = [f"set nat destination rule {number} description 'netmon {'x' * 40}'" for number in range(10000, 10012)]
    values = {"lines": lines, "undo": lines, "diff": [f"+ {line}" for line in lines] + ["- nat x"], "vm_name": vm.name}
    made["failed"] = factories.make_change(
        router, status="failed", error_code="rejected", error_detail="The router said: " + "no" * 120,
        finished_at=now, started_at=now, sent_requests=1, remark="Not saved: it was busy.", **values,
    )  # fmt: skip
    ChangeItem.objects.create(change=made["failed"], vm=vm, vm_name=vm.name, status="failed", error_detail="no" * 100)
    made["done"] = factories.make_change(
        router, status="applied", is_saved=True, finished_at=now, started_at=now, sent_requests=1, **values
    )
    return made


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_the_pages_are_accessible_and_fit(
    visit: Any, estate: dict[str, Any], cast: people.Cast, width: int, theme: str
) -> None:
    vm = estate["vms"]
    visitor = visit("omar", width=width, theme=theme)
    for path in (
        "/vms/", "/vms/?q=nothing", f"/vms/{vm.pk}/", "/vms/provision/", f"/vms/{vm.pk}/ports/add/",
        f"/vms/{vm.pk}/decommission/", "/changes/", "/changes/?q=nothing", f"/changes/{estate['failed'].pk}/",
        f"/changes/{estate['done'].pk}/", f"/changes/{estate['config-changes'].pk}/",
    ):  # fmt: skip
        visitor.open(path)
        check(visitor, path, width)
    visitor.tolerate("400")
    visitor.open("/vms/provision/").click("button.pri:has-text('Show the plan')")
    expect(visitor.page.locator("#plan")).to_contain_text("Not possible so")
    check(visitor, "a form that was refused", width)


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_without_machines_there_is_a_way_to_begin(visit: Any, cast: people.Cast, width: int, theme: str) -> None:
    visitor = visit("omar", width=width, theme=theme)
    for path in ("/vms/", "/changes/"):
        visitor.open(path)
        check(visitor, path, width)
    visitor.open("/vms/").click("text=Provision a machine")
    expect(visitor.page.locator("h1")).to_have_text("Provision a machine")


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_a_machine_is_made_seen_and_taken_off(
    visit: Any, site: Site, cast: people.Cast, width: int, theme: str
) -> None:
    visitor = visit("omar", width=width, theme=theme)
    page = visitor.open("/vms/provision/")
    page.fill("[name=vm_name]", "web-1")
    plan = page.locator("#plan")
    expect(plan).to_contain_text("192.168.66.10", timeout=10 * SECONDS)
    expect(plan).to_contain_text("32000 → 22")
    check(visitor, "a plan", width)
    page.click("text=Apply exactly this")
    expect(page.locator("#h-state")).to_contain_text("Queued")
    check(visitor, "a change that waits", width)
    site.work()
    expect(page.locator("#h-state")).to_contain_text("Applied", timeout=10 * SECONDS)
    check(visitor, "a change that is done", width)
    vm = site.vm("web-1")
    visitor.open(f"/vms/{vm.pk}/").click("text=Diagnose")
    expect(page.locator("#diagnosis")).to_contain_text("Router reachable", timeout=15 * SECONDS)
    check(visitor, "a diagnosis", width)
    page.locator("form:has([name=port][value=ssh]) button[value=delete]").click()
    check(visitor, "a deletion that is asked for", width)
    page.click("button.danger:has-text('Delete')")
    site.work()
    visitor.open(f"/vms/{vm.pk}/decommission/")
    check(visitor, "a decommission", width)
    page.fill("[name=name]", "web-1")
    page.click("button.danger:has-text('Decommission')")
    site.work()
    expect(page.locator("#h-state")).to_contain_text("Applied", timeout=10 * SECONDS)
    assert not Vm.objects.exists() and not site.rules()
