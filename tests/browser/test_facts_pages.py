"""The Facts and Routing tabs and a host's charts in a real browser."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from monitoring.store.write import SampleWrite, write_many
from netmon.drivers.platforms import frr_routes, frr_routing
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from tests import factories
from tests.browser.helpers import VARIANTS
from tests.unit.drivers.platforms.captures import capture

pytestmark = pytest.mark.browser
SHOTS = os.environ.get("NETMON_TEST_SHOTS", "")


def make_router():
    """A router with everything that the tab can show, faults included."""
    device = factories.make_device(kind="router", name="core-r1")
    endpoint = factories.make_endpoint(device, protocol="ssh")
    factories.make_check(endpoint, module="ssh.routing", interval_seconds=300)
    readings = {
        "bgp_summary": frr_routing.bgp_summary(capture("converged/r1/show_bgp_vrf_all_summary.json")),
        "ospf_neighbors": frr_routing.ospf_neighbors(capture("converged/r1/show_ip_ospf_neighbor.json"), 2),
    }
    for kind, reading in readings.items():
        factories.make_fact(device, kind, reading.as_dict())
    summary = frr_routes.route_summary(capture("converged/r1/show_ip_route_summary.json")).value
    table = frr_routes.routes(capture("converged/r1/show_ip_route.json")).value
    factories.make_fact(device, "routes_summary", {"presence": "running", "reason": "", "value": {"ipv4": summary}})
    routes = [{"family": "ipv4", **route} for route in table["routes"]]
    value = {"is_partial": False, "routes": routes}
    factories.make_fact(device, "routing_table", {"presence": "running", "reason": "", "value": value})
    cut = {"peer": "10.213.13.2", "interface": "to-r3", "reasons": ["OSPF lost its neighbours on to-r3."]}
    missing = {"ospf": {"missing": ["10.213.255.9"], "down": [], "unexpected": []}}
    factories.make_fact(device, "routing_health", {"neighbours": missing, "silent_cuts": [cut]})
    factories.make_event(device, kind="bgp_down", detail="The session fell.")
    factories.make_event(device, kind="silent_cut", severity="critical", subject="to-r3", source="routing")
    return device


def make_computer():
    device = factories.make_device(kind="computer", name="web-1")
    endpoint = factories.make_endpoint(device, protocol="ssh")
    check = factories.make_check(endpoint, module="ssh.host")
    factories.watch(device, hours=2)
    disk = {
        "device": "/dev/vda1", "type": "ext4", "mount_point": "/srv/a long name with blanks", "total_bytes": 100e9,
        "used_bytes": 91e9, "available_bytes": 9e9, "used_percent": 91, "inodes_used_percent": 3,
        "days_until_full": 4.5,
    }  # fmt: skip
    factories.make_fact(device, "os_release", {"PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)"})
    factories.make_fact(device, "memory", {"used_bytes": 4e9, "total_bytes": 16e9, "swap_total_bytes": 0})
    factories.make_fact(device, "cpu", {"cpu_percent": 12.5, "cores": 4, "load1": 0.5, "load5": 0.4, "load15": 0.3})
    factories.make_fact(device, "disks", {"disks": [disk, {**disk, "mount_point": "/", "days_until_full": None}]})
    factories.make_fact(device, "units", {"failed": [{"unit": "backup.service", "description": "Nightly backup"}]})
    users = [{"user": "ada", "terminal": "pts/0", "since": "2026-11-22 08:00", "origin": "192.0.2.7"}]
    factories.make_fact(device, "users", {"users": users})
    row = factories.make_series(device, metric_set="host")
    from django.utils import timezone

    now = int(timezone.now().timestamp()) // 60 * 60
    values = [
        SampleWrite(row.pk, now - 60 * n, [20.0 + n % 30, *[0.1] * 3, 60.0, 4e9, None, 9e4, 1.0, 0.0, 20.0, 1.0])
        for n in range(1, 100)
    ]
    write_many(values)
    assert check.pk
    return device


def keep(page, name, width, theme):
    """A picture, where somebody wants to look."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/{name}-{width}-{theme}.png", full_page=True)


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_facts_and_routing_are_accessible_and_fit(visit, width, theme):
    router, computer = make_router(), make_computer()
    visitor = visit("vera", width=width, theme=theme)
    paths = {
        "routing": f"/devices/{router.pk}/?panel=Routing",
        "facts": f"/devices/{computer.pk}/facts/",
        "host": f"/devices/{computer.pk}/?range=6h",
    }
    for name, path in paths.items():
        page = visitor.open(path)
        page.wait_for_selector({"routing": "#h-happened", "facts": "#h-disks", "host": "#h-host"}[name])
        if name == "host":
            page.wait_for_selector('[data-chart="host"] canvas')
        keep(page, name, width, theme)
        assert visitor.accessibility_faults() == [], path
        assert visitor.overflow() == 0, path
        assert visitor.faults == [], path


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_a_router_is_asked_for_one_prefix(visit, width, theme):
    device = make_router()
    device.primary_ip = factories.make_address(factories.make_interface(device), address="127.80.0.1")
    device.save()
    visitor = visit("omar", width=width, theme=theme)
    page = visitor.open(f"/devices/{device.pk}/?panel=Routing")
    field = page.get_by_label("Ask the router for")
    field.fill("10.0.0.0/8; reboot")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#lookup .error")).to_have_text("Write a prefix or an address.")
    assert visitor.accessibility_faults() == [] and visitor.overflow() == 0
    field.fill("198.18.3.7")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#lookup")).to_contain_text("Asking for 198.18.3.7.")
    route = {"prefix": "198.18.3.0/24", "protocol": "bgp", "is_in_fib": True, "distance": 20, "metric": 0}
    hops = [{"address": "192.0.2.1", "interface": "to-r3", "is_blackhole": False}]
    result = {"error_code": "", "data": {"presence": "running"}, "routes": [{**route, "next_hops": hops}]}
    jobs.finish(jobs.claim(Job.objects.get(kind="routing.lookup").pk), result=result)
    expect(page.locator("#lookup th[scope=row]")).to_have_text("198.18.3.0/24", timeout=10_000)
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    assert visitor.accessibility_faults() == [] and visitor.overflow() == 0
    if width < 700:
        assert visitor.small_targets() == []
