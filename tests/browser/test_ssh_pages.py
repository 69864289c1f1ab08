"""Host keys and the set-up text in a real browser: compared, decided, entered, copied."""

import re
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from inventory import host_keys
from inventory.models import HostKey, ManagementEndpoint
from netmon.drivers.targets import HostKey as DriverHostKey
from tests import factories
from tests.browser.helpers import VARIANTS

KEY, OTHER, ECDSA = (DriverHostKey.parse(line) for line in factories.HOST_KEY_LINES)


@pytest.fixture
def endpoint(db: Any) -> ManagementEndpoint:
    endpoint = factories.make_ssh_endpoint()
    factories.make_host_key(endpoint, KEY, state="trusted", first_seen_at=timezone.now(), last_seen_at=timezone.now())
    host_keys.note_refused(endpoint.pk, OTHER, "changed")
    host_keys.note_refused(endpoint.pk, ECDSA, "other_type")
    return endpoint


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
@pytest.mark.parametrize("username", ["ada", "omar"])
def test_every_page_is_accessible_and_fits(visit, cast, endpoint, username, width, theme):
    fresh = factories.make_ssh_endpoint()
    host_keys.note_refused(fresh.pk, KEY, "unknown")
    visitor = visit(username, width=width, theme=theme)
    paths = ["/host-keys/", f"/endpoints/{endpoint.pk}/setup/", f"/devices/{endpoint.device_id}/edit/"]
    paths += [f"/devices/{one.device_id}/?panel=Host%20keys" for one in (endpoint, fresh)]
    for path in paths:
        page = visitor.open(path)
        if path.endswith("/edit/"):
            page.wait_for_selector("form[data-ready]")
        if "panel" in path:
            expect(page.locator("#host-keys")).to_be_visible()
        assert visitor.accessibility_faults() == [], path
        assert visitor.overflow() == 0, path
        if width < 700:
            assert visitor.small_targets() == [], path


def test_an_admin_compares_and_approves(visit, cast, endpoint):
    visitor = visit("ada")
    page = visitor.open_device(endpoint.device)
    notice = page.locator("#host-key-notice")
    expect(notice).to_contain_text("host key has changed")
    notice.get_by_role("link", name="Compare the keys").click()
    block = page.locator(".waits.changed").filter(has_text=OTHER.fingerprint)
    expect(block).to_contain_text(KEY.fingerprint)
    left, right = (block.locator(".pin").nth(number).bounding_box() for number in (0, 1))
    assert left["y"] == right["y"] and left["x"] < right["x"], "side by side"
    block.get_by_role("button", name="Approve").click()
    expect(page.locator("#host-keys [role=status]")).to_contain_text(f"{OTHER.fingerprint} is trusted")
    assert HostKey.objects.get(fingerprint=OTHER.fingerprint).state == "trusted"
    page.locator(".waits").get_by_role("button", name="Refuse").click()
    expect(page.locator(".waits")).to_have_count(0)
    page.reload()
    expect(page.locator("#host-key-notice")).to_have_count(0)


def test_an_admin_enters_a_key(visit, cast, endpoint):
    visitor = visit("ada")
    page = visitor.open(f"/devices/{endpoint.device_id}/?panel=Host%20keys")
    page.get_by_label("Public line").fill("nonsense")
    page.get_by_role("button", name="Trust this key").click()
    expect(page.locator("#host-keys .error")).to_be_visible()
    new = factories.driver_host_key(9)
    page.get_by_label("Public line").fill(new.line)
    page.get_by_role("button", name="Trust this key").click()
    expect(page.locator("#host-keys [role=status]")).to_contain_text(new.fingerprint)
    assert HostKey.objects.filter(fingerprint=new.fingerprint, state="trusted").exists()


def test_the_set_up_text_follows_the_platform(visit, cast, endpoint):
    visitor = visit("omar")
    page = visitor.open(f"/endpoints/{endpoint.pk}/setup/")
    page.select_option("#platform", "frr")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#setup-text")).to_contain_text("frrvty")
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#announce")).not_to_be_empty()


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_a_device_is_added_with_ssh_and_its_set_up_is_shown(visit, cast, width, theme):
    jump = factories.make_ssh_endpoint()
    visitor = visit("omar", width=width, theme=theme)
    page = visitor.open("/devices/add/")
    expect(page.locator("#ssh_password")).to_be_hidden()
    page.fill("#name", "edge-r9")
    page.fill("#ip", "127.79.0.9")
    page.select_option("#snmp_version", "")
    page.select_option("#ssh_login", "key")
    expect(page.locator("#ssh_username")).to_be_hidden()
    page.select_option("#ssh_login", "password")
    page.fill("#ssh_username", "netmon-ro")
    page.fill("#ssh_password", "a-pass-phrase")
    page.select_option("#ssh_platform", "frr")
    page.select_option("#ssh_jump", str(jump.pk))
    assert visitor.accessibility_faults() == [] and visitor.overflow() == 0
    if width < 700:
        assert visitor.small_targets() == []
    page.click("#add-device button[type=submit]")
    expect(page.locator("#setup-text")).to_contain_text("usermod -a -G frrvty")
    expect(page.locator("#setup-text")).to_contain_text("netmon-ro")
    made = ManagementEndpoint.objects.get(device__name="edge-r9", protocol="ssh")
    assert made.options == {"platform": "frr", "jump": jump.pk} and page.url.endswith(f"/endpoints/{made.pk}/setup/")
    assert made.credential.username == "netmon-ro" and "a-pass-phrase" not in page.content()
    assert visitor.accessibility_faults() == [] and visitor.overflow() == 0


def test_platform_and_jump_host_are_changed_and_taken_away(visit, cast):
    jump, endpoint = factories.make_ssh_endpoint(), factories.make_ssh_endpoint()
    other = factories.make_ssh_endpoint(tenant=factories.make_tenant(name="Other"))
    visitor = visit("ada")
    for platform, number in (("linux", str(jump.pk)), ("", "")):
        page = visitor.open(f"/devices/{endpoint.device_id}/edit/")
        page.wait_for_selector("form[data-ready]")
        choices = page.locator("#ssh_jump option").evaluate_all("all => all.map(one => one.value)")
        assert str(jump.pk) in choices and not {str(endpoint.pk), str(other.pk)} & set(choices)
        page.select_option("#ssh_platform", platform)
        page.select_option("#ssh_jump", number)
        page.click("#edit-device button[type=submit]")
        expect(page).to_have_url(re.compile(rf"/endpoints/{endpoint.pk}/setup/$"))
        endpoint.refresh_from_db()
        assert endpoint.options == ({"platform": platform, "jump": jump.pk} if platform else {})
