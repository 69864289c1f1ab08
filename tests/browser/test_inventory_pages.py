"""The pages of the inventory, of jobs, of the audit, and the admin, in a real browser."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from inventory.models import Credential, Device, Tag
from inventory.services import update_device
from inventory.transfer import importing
from netmon.audit import services as audit
from netmon.audit.context import acting
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from tests import factories
from tests.browser.helpers import VARIANTS

WRONG = "name,kind,ip,site,snmp_community\n" + "core-9,router,10.0.0.9,,public\n" * 2 + "x,teapot,10.0.0.999,,\n"
RIGHT = "name,kind,ip,snmp_community\ncore-9,router,10.0.0.9,public\ncore-10,switch,10.0.0.10,public\n"
ADMIN = [
    "", "inventory/device/", "inventory/device/add/", "inventory/credential/add/", "inventory/ipaddress/add/",
    "monitoring/check/", "monitoring/check/add/", "accounts/user/", "audit/auditevent/",
    "django_celery_beat/periodictask/", "django_celery_beat/periodictask/1/change/",
]  # fmt: skip


def an_import(user: Any, text: str, *, dry_run: bool) -> Job:
    return importing.start(
        text, user=user, file_format="csv", existing="refuse", atomic=True, dry_run=dry_run, name="devices.csv"
    )


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_every_page_is_accessible_and_fits(visit, cast, width, theme):
    device = factories.make_flat(name="core-1")
    Tag.objects.create(name="Core", slug="core")
    key = factories.make_ssh_key(name="fleet")
    factories.make_ssh_key(name="spare")
    factories.make_endpoint(device, protocol="ssh", credential=key)
    with acting(cast.omar, "session"):
        audit.record("update", device, before={"status": "planned"}, after={"status": "active"})
        audit.record("create", device, after={"a": 1, "b": 2, "c": 3, "d": None})
    previews = [an_import(cast.ada, text, dry_run=True) for text in (WRONG, RIGHT)]
    for job in previews:
        importing.run_job(job.pk)
    running = an_import(cast.ada, RIGHT, dry_run=False)
    jobs.claim(running.pk)
    visitor = visit("ada", width=width, theme=theme)
    paths = ["/jobs/", *(f"/jobs/{job.pk}/" for job in (*previews, running)), "/import/", "/keys/ssh/"]
    paths += ["/credentials/", "/audit/", f"/devices/{device.pk}/edit/"]
    for path in paths:
        page = visitor.open(path)
        if path.endswith("/edit/"):
            page.wait_for_selector("form[data-ready]")
        assert visitor.accessibility_faults() == [], path
        assert visitor.overflow() == 0, path
        if width < 700:
            assert visitor.small_targets() == [], path
    page = visitor.open(f"/devices/{device.pk}/?panel=History")
    expect(page.locator("#h-history")).to_be_visible()
    assert visitor.accessibility_faults() == [] and visitor.overflow() == 0


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_the_admin_is_accessible_keeps_the_policy_and_fits(visit, cast, width, theme):
    device = factories.make_flat(name="core-1")
    factories.make_endpoint(device, protocol="ssh", credential=factories.make_ssh_key(name="fleet"))
    with acting(cast.omar, "session"):
        audit.record("update", device, before={"status": "planned"}, after={"status": "active"})
    audit.record("login_failed", username="mallory")
    visitor = visit("ada", width=width, theme=theme)
    paths = [f"inventory/device/{device.pk}/{page}/" for page in ("change", "history")]
    paths += [
        f"accounts/user/{cast.omar.pk}/change/",
        f"inventory/credential/{device.own_credentials.get().pk}/change/",
    ]
    for path in [*ADMIN, *paths]:
        visitor.tolerate()
        visitor.open(f"/admin/{path}")
        assert visitor.faults == [], path
        visitor.tolerate("Applying inline style")  # axe's own, while it looks at labels
        assert visitor.accessibility_faults() == [], path
        assert visitor.overflow() == 0, path


def test_a_searched_field_of_the_admin_says_what_it_is(visit, cast):
    device = factories.make_flat(name="core-1")
    visitor = visit("ada")
    page = visitor.open(f"/admin/inventory/device/{device.pk}/change/")
    visitor.tolerate("Applying inline style")
    tenant = page.get_by_role("combobox", name="Tenant", exact=True)
    tenant.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".select2-results__message")).to_have_text("No results found")
    assert visitor.accessibility_faults() == []
    page.keyboard.press("Escape")
    page.click("#endpoints-group .addlink")
    count = int(page.locator("#id_endpoints-TOTAL_FORMS").input_value())
    expect(page.get_by_role("combobox", name=f"Credential, Management endpoints, {count}")).to_be_visible()
    assert visitor.accessibility_faults() == []


def test_devices_are_chosen_in_the_admin_and_polled(visit, cast):
    factories.make_flat(name="core-1")
    visitor = visit("ada")
    page = visitor.open("/admin/inventory/device/")
    page.check("#action-toggle")
    page.select_option("select[name=action]", "poll_now")
    page.click("#changelist-form button[type=submit]")
    expect(page.locator(".messagelist")).to_contain_text("Polling core-1")
    page.click(".messagelist a")
    expect(page.locator("h1")).to_contain_text("device.poll")


def test_a_file_is_checked_and_then_imported(visit, cast, tmp_path):
    (tmp_path / "devices.csv").write_text(RIGHT)
    visitor = visit("omar")
    page = visitor.open("/import/")
    page.set_input_files("#id_file", tmp_path / "devices.csv")
    page.click("text=Check the file")
    expect(page.locator("h1")).to_have_text("Preview of an import")
    importing.run_job(Job.objects.get().pk)
    page.click("text=Import 2 devices")
    importing.run_job(Job.objects.latest("pk").pk)
    expect(page.locator("#h-counts")).to_have_text("What was done")
    assert Device.objects.count() == 2


def test_a_device_is_changed_by_two_people_at_once(visit, cast):
    device = factories.make_flat(name="core-1", location="rack 1")
    Tag.objects.create(name="Core", slug="core")
    visitor = visit("omar")
    page = visitor.open(f"/devices/{device.pk}/")
    page.click("#edit")
    page.wait_for_selector("form[data-ready]")
    expect(page.locator("#location")).to_have_value("rack 1")
    assert page.locator("#snmp_community").get_attribute("placeholder") == "stored; empty keeps it"
    update_device(device, fields={"vendor": "ACME"})
    visitor.tolerate("412")
    page.fill("#location", "rack 2")
    page.click("#edit-device [type=submit]")
    expect(page.locator("[data-newer]")).to_contain_text("Somebody changed this device")
    assert visitor.accessibility_faults() == []
    page.click("[data-newer] button")
    expect(page.locator("#vendor")).to_have_value("ACME")
    page.fill("#location", "rack 3")
    page.check("#edit-device input[value=core]")
    page.click("#edit-device [type=submit]")
    page.wait_for_url(re.compile(rf"/devices/{device.pk}/$"))
    device.refresh_from_db()
    assert (device.location, device.vendor) == ("rack 3", "ACME") and device.tags.get().slug == "core"
    assert Credential.objects.count() == 1, "an empty secret changes nothing"


def test_a_camera_shows_the_fields_of_its_stream(visit, cast):
    device = factories.make_flat(name="door-1", ip="192.0.2.7")
    visitor = visit("omar")
    page = visitor.open(f"/devices/{device.pk}/edit/")
    page.wait_for_selector("form[data-ready]")
    expect(page.locator("#rtsp_url")).to_be_hidden()
    page.select_option("#kind", "camera")
    page.fill("#rtsp_url", "rtsp://viewer:open-sesame@192.0.2.7/stream1")
    assert visitor.accessibility_faults() == []
    page.click("#edit-device [type=submit]")
    page.wait_for_url(re.compile(rf"/devices/{device.pk}/$"))
    endpoint = device.endpoints.get(protocol="rtsp")
    assert endpoint.options["path"] == "/stream1" and endpoint.credential.username == "viewer"
    page = visitor.open(f"/devices/{device.pk}/edit/")
    page.wait_for_selector("form[data-ready]")
    expect(page.locator("#rtsp_url")).to_have_value("rtsp://192.0.2.7/stream1")
    assert page.locator("#rtsp_password").get_attribute("placeholder") == "stored; empty keeps it"


def test_a_device_is_deleted_after_a_question(visit, cast):
    device = factories.make_flat(name="core-1")
    visitor = visit("omar")
    page = visitor.open(f"/devices/{device.pk}/edit/")
    page.click("#delete")
    expect(page.locator("#delete-device")).to_contain_text("whole history")
    assert visitor.accessibility_faults() == []
    page.click("text=Delete it")
    page.wait_for_url(re.compile(r"/devices/$"))
    assert not Device.objects.exists()


def test_a_key_is_made_copied_and_brought_in(visit, cast):
    visitor = visit("ada")
    page = visitor.open("/keys/ssh/")
    page.fill("#id_g-name", "fleet")
    page.click("text=Make the key")
    expect(page.locator(".list.keys")).to_contain_text("ed25519")
    page.click("[data-copy]")
    expect(page.locator("#announce")).not_to_be_empty()
    visitor.tolerate("400")
    page.fill("#id_i-name", "other")
    page.fill("#id_i-private_key", "not a key")
    page.click("text=Bring it in")
    expect(page.locator("#id_i-private_key_error")).to_be_visible()
    assert page.locator("#id_i-private_key").input_value() == ""
