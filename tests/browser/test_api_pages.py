import os
import re

import pytest
from playwright.sync_api import expect

from inventory.models import Site
from tests.browser.helpers import IS_THOROUGH

SHOTS = os.environ.get("NETMON_TEST_SHOTS", "")


def test_the_browsable_api_shows_answers_and_takes_json(visit):
    visitor = visit("omar")
    page = visitor.open("/api/v1/sites/")
    expect(page.locator("[data-answer]")).to_contain_text('"count": 0')
    page.fill("#raw-post", '{"name": "Oslo"')
    page.click("button[value=POST]")
    expect(page.locator("form [role=alert]")).to_contain_text("not JSON")
    page.fill("#raw-post", '{"name": "Oslo"}')
    page.click("button[value=POST]")
    expect(page.locator("[data-answer]")).to_contain_text("HTTP 201")
    site = Site.objects.get()
    page = visitor.open(f"/api/v1/sites/{site.pk}/")
    page.fill("#raw-put", '{"name": "Bergen"}')
    page.click("button[value=PATCH]")
    expect(page.locator("[data-answer]")).to_contain_text("HTTP 200")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("text=Delete")
    expect(page).to_have_url(re.compile(r"/api/v1/sites/$"))
    assert not Site.objects.exists()


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_the_browsable_api_is_accessible_and_fits(visit, width, theme):
    visitor = visit("omar", width=width, theme=theme)
    for path in ("/api/v1/", "/api/v1/sites/", "/api/v1/devices/", "/api/v1/api-keys/", "/docs/errors"):
        page = visitor.open(path)
        for folded in page.locator("main details").all():
            folded.evaluate("e => { e.open = true }")
        assert visitor.accessibility_faults() == [], path
        assert visitor.overflow() == 0, path


@pytest.mark.parametrize("width", [1440, 390])
def test_an_admin_reads_people_and_keys_in_the_browsable_api(visit, width):
    visitor = visit("ada", width=width)
    for path in ("/api/v1/users/", "/api/v1/api-keys/"):
        page = visitor.open(path)
        expect(page.locator("#f-q")).to_be_visible()
        assert visitor.accessibility_faults() == [], path
        assert visitor.overflow() == 0, path


def test_a_form_filters_a_list(visit, scene):
    visitor = visit("omar")
    page = visitor.open("/api/v1/devices/")
    assert page.locator("#f-name__icontains").is_hidden()
    page.select_option("#f-kind", "camera")
    page.click("text=Filter >> nth=-1")
    expect(page).to_have_url(re.compile(r"/api/v1/devices/\?kind=camera$"))
    expect(page.locator("[data-answer]")).to_contain_text('"count": 1')
    expect(page.locator("#f-kind")).to_have_value("camera")
    page.click("summary:has-text('more')")
    page.fill("#f-name__icontains", "gate")
    page.click("button:has-text('Filter')")
    expect(page).to_have_url(re.compile(r"\?kind=camera&name__icontains=gate"))
    visitor.tolerate("400")
    page.fill("#f-site", "paris")
    page.click("button:has-text('Filter')")
    expect(page.locator("[data-answer]")).to_contain_text("invalid")


def test_without_a_login_the_api_offers_one(visit):
    visitor = visit("")
    visitor.tolerate("401")
    page = visitor.open("/api/v1/devices/")
    expect(page.locator(".top a", has_text="Log in")).to_be_visible()
    expect(page.locator("[data-answer]")).to_contain_text("not_authenticated")


# ReDoc lays out every operation at once: half a minute of a browser alone, minutes of one among others.
REDOC_MS = 300_000


def test_the_documentation_renders_without_leaving_the_site(visit):
    page = visit("omar").open("/api/docs/")
    expect(page.locator(".swagger-ui .opblock").first).to_be_visible(timeout=120_000)


def few_operations(route):
    """The document, cut down: how ReDoc looks does not depend on how much it has to lay out."""
    answer = route.fetch(headers={**route.request.headers, "accept": "application/vnd.oai.openapi+json"})
    document = answer.json()
    wanted = [path for path in document["paths"] if path.startswith("/api/v1/monitoring/")][:8]
    assert wanted
    document["paths"] = {path: document["paths"][path] for path in wanted}
    route.fulfill(response=answer, json=document)


# The dark one shows that the palette is netmon's, not the library's.
@pytest.mark.parametrize("theme", ["light", "dark"] if IS_THOROUGH else ["dark"])
def test_the_reference_renders_and_follows_the_theme(visit, theme):
    visitor = visit("omar", theme=theme)
    if not IS_THOROUGH:
        visitor.page.route("**/api/schema/**", few_operations)
    page = visitor.open("/api/redoc/")
    expect(page.locator("h1").first).to_be_visible(timeout=REDOC_MS)
    expect(page.locator("text=monitoring").first).to_be_attached()
    lightness = page.evaluate(
        """() => ["body", ".menu-content", "h1", "#redoc h5"].map(s => document.querySelector(s)).map(
            (e, n) => getComputedStyle(e)[n < 2 ? "backgroundColor" : "color"].match(/\\d+/g)[0] / 255)"""
    )
    body, menu, *texts = (value if theme == "light" else 1 - value for value in lightness)
    assert body > 0.9 and menu > 0.9 and max(texts) < 0.4, lightness
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/redoc-{theme}.png")


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (390, "light")])
def test_the_admin_wears_the_look_under_the_strict_policy(visit, scene, width, theme):
    visitor = visit("ada", width=width, theme=theme)
    for path in ("/admin/", "/admin/inventory/device/", f"/admin/inventory/device/{scene['core1.fra'].pk}/change/"):
        page = visitor.open(path)
        assert "Inter" in page.evaluate("getComputedStyle(document.body).fontFamily")
        expect(page.locator("#site-name")).to_contain_text("netmon admin")
        if width > 700:
            assert visitor.overflow() <= 0, path
