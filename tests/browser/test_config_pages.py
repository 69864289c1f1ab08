"""The Configuration tab in a real browser: versions, a text, two texts compared, a backup that is asked for."""

from typing import Any

import pytest
from playwright.sync_api import expect

from inventory.models import Device
from monitoring.models import ConfigVersion
from monitoring.services import configs
from netmon.jobs.models import Job
from tests import factories
from tests.browser.helpers import VARIANTS
from tests.scenes import HOSTILE

SECRET = "hush-hush-9"
CHANGED = factories.CONFIG.replace("65002", "65003").replace("!\nrouter", "ip forwarding\n!\nrouter")


def make(device: Device) -> list[ConfigVersion]:
    long = f"banner {'x' * 300} {HOSTILE}\n"
    by = "! Last configuration change at 10:11:12 UTC Mon Nov 2 2026 by ada\n"
    texts = (factories.CONFIG, by + CHANGED, CHANGED + long)
    return [factories.make_config(device, text, startup=factories.CONFIG) for text in texts]


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_it_is_accessible_and_fits(visit: Any, width: int, theme: str) -> None:
    device = factories.make_ssh_endpoint().device
    rows = make(device)
    bare = factories.make_flat(name="bare")
    visitor = visit("omar", width=width, theme=theme)
    here = f"/devices/{device.pk}/configuration/"
    paths = [here, f"/devices/{bare.pk}/configuration/", f"{here}?version={rows[2].pk}"]
    paths += [f"{here}?new={row.pk}&view={view}" for row in rows[1:] for view in ("split", "unified")]
    paths += [f"{here}?old=startup&new=running"]
    for path in paths:
        page = visitor.open(path)
        assert visitor.accessibility_faults() == [], path
        assert visitor.overflow() == 0, path
        if width < 700:
            assert visitor.small_targets() == [], path
        assert SECRET not in page.content()
    page = visitor.open(f"/devices/{device.pk}/?panel=Configuration")
    expect(page.locator("#h-config")).to_be_visible()
    assert visitor.accessibility_faults() == [] and visitor.overflow() == 0


def test_versions_are_read_and_compared(visit: Any) -> None:
    device = factories.make_ssh_endpoint().device
    make(device)
    visitor = visit("vera")
    page = visitor.open(f"/devices/{device.pk}/?panel=Configuration")
    expect(page.locator("#configuration .pill")).to_have_text("Not saved")
    expect(page.locator("pre.src .l").first).to_have_text("hostname r1\n")
    expect(page.locator("text=With secrets")).to_have_count(0)
    expect(page.locator("#backup-now")).to_have_count(0)
    page.click("text=Running 2")
    expect(page.locator("#h-text")).to_have_text("Running 2")
    page.locator("tr", has_text="Running 2").locator("text=Compare").click()
    expect(page.locator("#h-diff")).to_have_text("Running 1 and Running 2")
    expect(page.locator("#configuration")).to_contain_text("By ada.")
    expect(page.locator(".diff.split del")).to_have_text("65002")
    expect(page.locator(".diff.split ins")).to_have_text("65003")
    page.click("text=Unified")
    expect(page.locator(".diff.unified .removed .sign")).to_have_text("\u2212")
    page.click("text=Show what is not saved")
    expect(page.locator("#h-diff")).to_have_text("Startup 1 and Running 3")
    page.select_option("select[name=old]", index=3)
    page.select_option("select[name=new]", index=0)
    page.click("form.pair button")
    expect(page.locator("#h-diff")).to_be_visible()


def test_a_backup_is_asked_for_and_seen_to_end(visit: Any) -> None:
    device = factories.make_ssh_endpoint().device
    visitor = visit("omar")
    page = visitor.open(f"/devices/{device.pk}/?panel=Configuration")
    expect(page.locator("#configuration")).to_contain_text("No configuration has been backed up yet.")
    page.click("#backup-now")
    expect(page.locator("#backup-now")).to_be_disabled()
    configs.run_job(Job.objects.get(kind="config.backup").pk)  # nobody answers there
    expect(page.locator("#configuration")).to_contain_text("The last backup failed", timeout=10_000)
    expect(page.locator("#backup-now")).to_be_enabled()


def test_a_file_is_downloaded_masked_or_whole(visit: Any) -> None:
    device = factories.make_ssh_endpoint().device
    factories.make_config(device)
    visitor = visit("omar")
    page = visitor.open(f"/devices/{device.pk}/configuration/")
    for label, is_whole in (("Download", False), ("With secrets", True)):
        with page.expect_download() as download:
            page.click(f"text={label}")
        assert (SECRET in download.value.path().read_text()) is is_whole
        assert download.value.suggested_filename == f"{device.name}-running-1.txt"


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_configurations_are_searched(visit: Any, width: int, theme: str) -> None:
    for name, text in (("core-r1", factories.CONFIG), ("core-r2", f"hostname {HOSTILE}\nrouter bgp 65001\n")):
        factories.make_config(factories.make_device(name=name), text)
    visitor = visit("vera", width=width, theme=theme)
    page = visitor.open("/configurations/")
    assert visitor.accessibility_faults() == [] and visitor.overflow() == 0
    page.get_by_label("Look for").fill("BGP 65001")
    page.click("main form.filters button")
    expect(page.locator("main [role=status]")).to_have_text("2 devices found in 2 configurations.")
    expect(page.locator("mark")).to_have_text(["bgp 65001", "bgp 65001"])
    assert visitor.accessibility_faults() == [] and visitor.overflow() == 0
    if width < 700:
        assert visitor.small_targets() == []
    page.get_by_label("Look for").fill(SECRET)
    page.click("main form.filters button")
    expect(page.locator("main [role=status]")).to_have_text("0 devices found in 2 configurations.")
    page.go_back()
    page.get_by_role("link", name="core-r1").click()
    expect(page.locator("#h-text")).to_have_text("Running 1")
