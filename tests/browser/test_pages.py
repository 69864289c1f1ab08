import json
import re

import pytest
from playwright.sync_api import expect

from inventory.models import Device
from monitoring.models import DeviceState
from tests import factories, scenes
from tests.browser.helpers import VARIANTS

DARK = "getComputedStyle(document.body).backgroundColor"


def test_somebody_logs_in_and_out(visit):
    visitor = visit("")
    page = visitor.open("/devices/")
    expect(page).to_have_url(re.compile(r"/login/\?next=/devices/"))
    visitor.log_in("vera")
    expect(page.locator("h1")).to_have_text("Overview")
    page.click("[popovertarget=user-menu]")
    expect(page.locator("#user-menu")).to_contain_text("Viewer")
    page.click("text=Log out")
    expect(page.locator("h1")).to_have_text("Log in")


def test_a_wrong_password_is_refused_with_a_reason(visit):
    visitor = visit("")
    visitor.log_in("vera", "wrong")
    expect(visitor.page.locator("[role=alert]")).to_contain_text("correct username and password")
    assert visitor.accessibility_faults() == []


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_every_page_is_accessible_and_fits(visit, scene, width, theme):
    visitor = visit("ada", width=width, theme=theme)
    first = scene["core1.fra"]
    addresses = ["/", "/devices/", "/devices/add/", "/health/", f"/devices/{first.pk}/interfaces/"]
    addresses += [
        f"/devices/{first.pk}/checks/",
        f"/devices/{first.pk}/facts/",
        f"/devices/{scene['access-2.par'].pk}/",
    ]
    for path in [*addresses, f"/devices/{first.pk}/"]:
        page = visitor.open(path)
        if page.locator("[data-charts]").count():
            visitor.wait_for_charts()
        assert visitor.accessibility_faults() == [], path
        assert visitor.overflow() == 0, path
        if width < 700:
            assert visitor.small_targets() == [], path
    visitor.open(f"/devices/{first.pk}/")
    visitor.wait_for_charts()
    page.locator("details.twin").first.locator("summary").click()
    expect(visitor.page.locator("details.twin td").first).to_be_visible()
    assert visitor.accessibility_faults() == []


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_the_login_page_is_accessible(visit, width, theme):
    visitor = visit("", width=width, theme=theme)
    visitor.open("/login/")
    assert visitor.accessibility_faults() == [] and visitor.overflow() == 0
    if width < 700:
        assert visitor.small_targets() == []


def test_the_overview_says_what_is_wrong(visit, scene):
    page = visit("vera").open("/")
    expect(page.locator("#wrong + .sub")).to_have_text("1 down, 1 degraded, 1 without data.")
    expect(page.locator("tr[data-state]").first).to_contain_text("access-2.par")
    assert page.locator(".t-devices tbody tr").count() == len(scene)


def test_the_overview_follows_by_itself_and_announces_the_change(visit, scene):
    page = visit("vera").open("/")
    DeviceState.objects.filter(device=scene["db1.fra"]).update(state="down", cause="Power cut", version=500)
    with page.expect_response(lambda answer: "/live/" in answer.url and answer.status == 200):
        page.evaluate("document.body.dispatchEvent(new CustomEvent('live'))")
    expect(page.locator("tr[data-device='db1.fra']")).to_contain_text("Power cut")
    expect(page.locator("#announce")).to_have_text("db1.fra: down")
    with page.expect_response(lambda answer: "/live/" in answer.url and answer.status == 304):
        page.evaluate("document.body.dispatchEvent(new CustomEvent('live'))")
    expect(page.locator("tr[data-device='db1.fra']")).to_contain_text("Power cut")


def test_a_device_page_follows_by_itself_and_keeps_its_charts(visit, scene):
    visitor = visit("vera")
    device = scene["core2.fra"]
    page = visitor.open_device(device)
    page.locator("canvas").first.evaluate("canvas => { canvas.dataset.same = 'yes' }")
    DeviceState.objects.filter(device=device).update(state="down", cause="Power cut", version=500)
    factories.make_indicator(device, value="the fuse is black")
    page.evaluate("document.body.dispatchEvent(new CustomEvent('live'))")
    visitor.wait_for_state("Down")
    expect(page.locator("#indicator-list")).to_contain_text("the fuse is black")
    expect(page.locator("#events")).to_contain_text("the fuse is black")
    expect(page.locator(".banner")).to_contain_text("Power cut")
    expect(page.locator("#announce")).to_have_text("core2.fra: down")
    for part in ("availability", "interfaces", "checks", "events", "indicator-list", "facts", "device-head"):
        expect(page.locator(f"#{part}")).to_have_count(1)
    expect(page.locator("canvas[data-same]")).to_have_count(1)
    visitor.open(f"/devices/{device.pk}/checks/")
    with page.expect_response(lambda answer: "/checks/live/" in answer.url):
        page.evaluate("document.body.dispatchEvent(new CustomEvent('live'))")
    expect(page.locator("#checks")).to_have_count(1)


def test_the_end_of_a_session_leads_to_the_login(visit, scene):
    visitor = visit("vera")
    page = visitor.open("/")
    visitor.context.clear_cookies()
    page.evaluate("document.body.dispatchEvent(new CustomEvent('live'))")
    expect(page.locator("h1")).to_have_text("Log in")


def test_the_charts_are_drawn(visit, scene):
    visitor = visit("vera")
    page = visitor.open_device(scene["core1.fra"])
    assert page.locator(".chart canvas").count() == 2
    assert visitor.ink("[data-chart=traffic] canvas") > 50
    assert visitor.ink("[data-chart=response] canvas") > 20
    expect(page.locator("[data-totals=traffic] tr")).to_have_count(2)
    expect(page.locator("[data-chart=traffic]")).to_have_attribute(
        "aria-label", re.compile("Traffic of eth0 over 24 h")
    )
    box = page.locator("[data-chart=traffic] .u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 60)
    expect(page.locator("[data-chart=traffic] .tip")).to_contain_text("bit/s")
    expect(page.locator("[data-chart=traffic] .tip")).to_contain_text("UTC")


def test_a_range_changes_the_address_and_the_chart(visit, scene):
    visitor = visit("vera")
    page = visitor.open_device(scene["core1.fra"])
    with page.expect_response(lambda answer: "chart=traffic" in answer.url) as answer:
        page.click("a[data-range='6h']")
    times = answer.value.json()["times"]
    assert 5.9 * 3600 < times[-1] - times[0] <= 6 * 3600
    expect(page).to_have_url(re.compile(r"range=6h"))
    expect(page.locator("a[data-range='6h']")).to_have_attribute("aria-current", "true")
    expect(page.locator("[data-chart=traffic]")).to_have_attribute("aria-label", re.compile("over 6 h"))
    page.go_back()
    expect(page.locator("a[data-range='24h']")).to_have_attribute("aria-current", "true")


def test_another_interface_can_be_chosen(visit, scene):
    visitor = visit("vera")
    page = visitor.open_device(scene["core1.fra"])
    page.select_option("[data-pick]", "all")
    page.wait_for_url(re.compile("interface=all"))
    visitor.wait_for_charts()
    expect(page.locator("[data-chart=traffic]")).to_have_attribute("aria-label", re.compile("all interfaces"))
    expect(page.locator(".kpi").nth(3)).to_contain_text("all interfaces")


def test_dragging_zooms_both_charts_and_a_double_click_resets(visit, scene):
    visitor = visit("vera")
    page = visitor.open_device(scene["core1.fra"])
    before = page.locator("[data-chart=response] canvas").evaluate("c => c.toDataURL()")
    box = page.locator("[data-chart=traffic] .u-over").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 50, steps=5)
    page.mouse.up()
    page.wait_for_function(
        "old => document.querySelector('[data-chart=response] canvas').toDataURL() !== old", arg=before
    )
    page.mouse.dblclick(box["x"] + 200, box["y"] + 50)
    page.mouse.move(0, 0)
    page.wait_for_function(
        "old => document.querySelector('[data-chart=response] canvas').toDataURL() === old", arg=before
    )


def test_the_theme_is_kept(visit, scene):
    visitor = visit("vera")
    page = visitor.open("/")
    light = page.evaluate(DARK)
    page.click("#theme")
    dark = page.evaluate(DARK)
    assert light != dark
    page.reload()
    assert page.evaluate(DARK) == dark
    visitor.open_device(scene["core1.fra"])
    assert page.evaluate(DARK) == dark


def test_the_palette_works_by_keyboard(visit, scene):
    visitor = visit("vera")
    page = visitor.open("/")
    page.keyboard.press("Control+k")
    field = page.locator("#palette input")
    expect(field).to_be_focused()
    page.keyboard.type("core")
    expect(page.locator("#palette [aria-labelledby=pal-devices] [role=option]")).to_have_count(2)
    expect(page.locator("#palette [aria-selected=true]")).to_contain_text("core1.fra")
    assert visitor.accessibility_faults() == []
    page.keyboard.press("ArrowDown")
    expect(page.locator("#palette [aria-selected=true]")).to_contain_text("core2.fra")
    expect(field).to_have_attribute("aria-activedescendant", "pal-1")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"/devices/{scene['core2.fra'].pk}/"))


def test_the_palette_closes_and_says_when_it_finds_nothing(visit, scene):
    page = visit("vera").open("/")
    page.keyboard.press("/")
    page.keyboard.type("no such thing")
    expect(page.locator("#palette .hint")).to_have_text("Nothing found.")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).not_to_be_visible()


def test_hostile_text_shows_as_text(visit):
    device = scenes.make_hostile_device()
    visitor = visit("ada")
    visitor.page.on("dialog", lambda dialog: visitor.faults.append(f"dialog: {dialog.message}"))
    for path in (
        "/",
        "/devices/",
        f"/devices/{device.pk}/",
        f"/devices/{device.pk}/facts/",
        "/admin/inventory/device/",
    ):
        page = visitor.open(path)
        assert page.locator("img[src=x]").count() == 0, path
        assert '<script>alert("x")</script>' in page.locator("body").inner_text(), path
    page = visitor.open("/")
    page.keyboard.press("Control+k")
    page.keyboard.type("script")
    expect(page.locator("#palette [role=option]").first).to_contain_text('<script>alert("x")</script>')
    assert page.locator("img[src=x]").count() == 0


def test_a_refused_device_says_why_beside_the_field(visit):
    visitor = visit("omar")
    visitor.tolerate("/api/v1/routers/", "400 (Bad Request)", "409 (Conflict)")
    page = visitor.add_device(kind="router", name="edge", ip="not an address", snmp_community="public")
    expect(page.locator("#error-ip")).to_be_visible()
    expect(page.locator("#ip")).to_be_focused()
    expect(page.locator("#ip")).to_have_attribute("aria-describedby", "error-ip")
    assert visitor.accessibility_faults() == []


def test_an_added_device_has_its_page(visit):
    visitor = visit("omar")
    page = visitor.add_device(
        kind="switch", name="access-9", ip="192.0.2.9", snmp_community="public", location="rack 4"
    )
    page.wait_for_url(re.compile(r"/devices/\d+/"))
    expect(page.locator("h1")).to_contain_text("access-9")
    visitor.wait_for_state("Pending")
    device = Device.objects.get(name="access-9")
    assert (device.kind, device.location, device.primary_ip.address) == ("switch", "rack 4", "192.0.2.9")


def test_an_snmp_v3_device_can_be_added(visit):
    visitor = visit("omar")
    page = visitor.add_device(
        kind="router", name="core9", ip="192.0.2.10", snmp_version="3", snmp_username="netmon",
        snmp_auth_protocol="SHA-256", snmp_auth_password="long enough",
        snmp_priv_protocol="AES", snmp_priv_password="also long",
    )  # fmt: skip
    page.wait_for_url(re.compile(r"/devices/\d+/"))
    assert Device.objects.get(name="core9").endpoints.get(protocol="snmp").options["version"] == "3"


def test_poll_now_shows_the_result_of_each_check(visit, scene):
    visitor = visit("omar")
    visitor.open_device(scene["core2.fra"])
    results = [
        {"module": "icmp", "ok": True, "ran": True, "response_time_ms": 1.84},
        {"module": "snmp.system", "ok": False, "ran": True, "error_code": "timeout", "error_detail": scenes.HOSTILE},
    ]
    visitor.page.route(
        "**/poll/",
        lambda route: route.fulfill(status=200, content_type="application/json", body=json.dumps({"results": results})),
    )
    lines = visitor.poll_now()
    assert "answered in 1.8 ms" in lines[0] and "<script>" in lines[1]
    assert visitor.accessibility_faults() == []
    visitor.page.click("#poll-result [data-close]")
    expect(visitor.page.locator("#poll-result")).not_to_be_visible()


def test_a_reader_has_no_button_to_poll_or_add(visit, scene):
    visitor = visit("vera")
    page = visitor.open_device(scene["core1.fra"])
    assert page.locator("#poll-now").count() == 0
    visitor.open("/")
    assert page.locator("text=Add a device").count() == 0


@pytest.mark.parametrize(("username", "theme", "pages"), [
    ("vera", "dark", ["Health", "Jobs", "API", "Your API keys"]),
    ("omar", "light", [
        "Actions", "VyOS routers", "Health", "Jobs", "Import", "Credentials", "Host keys", "SSH keys", "API",
        "Your API keys",
    ]),
    ("ada", "dark", [
        "Actions", "VyOS routers", "Health", "Jobs", "Import", "Credentials", "Host keys", "SSH keys", "Audit",
        "People", "Admin", "API", "Your API keys",
    ]),
])  # fmt: skip
def test_a_telephone_reaches_every_page_of_ones_role(visit, username, theme, pages):
    visitor = visit(username, width=390, theme=theme)
    for path in ("/account/", "/"):
        page = visitor.open(path)
        expect(page.locator("#more")).to_be_hidden()
    page.locator("[popovertarget=more]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#more a")).to_have_text(["Scans", "Virtual machines", "Maintenance", *pages])
    expect(page.locator("#more")).to_be_visible()
    assert visitor.accessibility_faults() == [] and visitor.overflow() == 0
    page.keyboard.press("Escape")
    expect(page.locator("#more")).to_be_hidden()
    expect(page.locator("[popovertarget=more]")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/scans/")
    expect(page.locator("#more [aria-current=page]")).to_have_text("Scans")
    assert visitor.small_targets() == []
