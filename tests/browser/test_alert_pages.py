"""The pages of alerting in a real browser: how they look to axe, keys, live rows that stay put, forms that answer."""

from typing import Any

import pytest
from playwright.sync_api import expect

from inventory.models import Device
from monitoring.models import Alert, AlertEvent, AlertRule, MaintenanceWindow, SeverityModifier
from tests import alarms, factories, people
from tests.browser.helpers import SECONDS

VARIANTS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]


FITS = "[...document.querySelectorAll('.t-stack')].every((one) => one.scrollWidth <= one.parentElement.clientWidth)"


@pytest.fixture
def small() -> dict[str, Device]:
    """Three devices without measurements: most of these pages need no more."""
    return {name: factories.make_flat(name=name, site=factories.make_site()) for name in ("core", "edge", "gate")}


def check(visitor: Any, path: str, width: int) -> None:
    assert visitor.accessibility_faults() == [], path
    assert visitor.overflow() == 0, path
    if width < 700:
        assert visitor.small_targets() == [], path


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_the_list_and_one_alert_are_accessible_and_fit(
    visit: Any, scene: Any, cast: people.Cast, width: int, theme: str
) -> None:
    made = alarms.make_alarms(scene, user=cast.omar)
    visitor = visit("omar", width=width, theme=theme)
    page = visitor.open("/alerts/")
    assert page.title() == "(7) Alerts · netmon"
    check(visitor, "list", width)
    page.click(f"#behind-{made['cause'].pk} summary")
    page.check(f"#pick-{made['disk'].pk}")
    check(visitor, "list, opened and chosen", width)
    path = f"/alerts/{made['cause'].pk}/"
    visitor.open(path)
    visitor.wait_for_charts()
    assert visitor.ink(".chart canvas") > 3
    check(visitor, path, width)


@pytest.mark.parametrize(("width", "theme"), [(1440, "dark"), (390, "light")])
def test_the_other_pages_are_accessible_and_fit(
    visit: Any, small: Any, cast: people.Cast, width: int, theme: str
) -> None:
    made = alarms.make_alarms(small, children=7, user=cast.omar)
    device = made["cause"].device_id
    modifier = SeverityModifier.objects.create(name="Core", delta=1, kind="router")
    paths = [
        "/", "/alerts/?state=resolved&days=30", "/alerts/?q=nothing", f"/alerts/{made['hostile'].pk}/",
        "/alerts/rules/", f"/alerts/rules/{made['disk_rule'].pk}/", "/alerts/rules/add/", "/alerts/silences/",
        "/alerts/contacts/", f"/alerts/contacts/{made['noc'].pk}/", "/alerts/policies/",
        f"/alerts/policies/{made['policy'].pk}/", "/alerts/channels/", f"/alerts/channels/{made['pager'].pk}/",
        "/alerts/channels/add/?kind=email", "/alerts/log/", "/alerts/severity/",
        f"/alerts/severity/{modifier.pk}/", "/maintenance/", f"/maintenance/add/?device={device}",
        f"/devices/{device}/", f"/devices/{device}/alerts/", f"/devices/{device}/drill/", "/account/alerts/",
    ]  # fmt: skip
    visitor = visit("ada", width=width, theme=theme)
    for path in paths:
        page = visitor.open(path)
        check(visitor, path, width)
        # No table of messages is wider than a telephone: rows become cards.
        assert not page.locator("table.t-stack").count() or page.evaluate(FITS), path


def test_keys_move_choose_and_acknowledge(visit: Any, small: Any, cast: people.Cast) -> None:
    made = alarms.make_alarms(small, children=3, user=cast.omar)
    page = visit("omar").open("/alerts/")
    page.keyboard.press("j")
    expect(page.locator(f"#alert-{made['cause'].pk}")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("x")
    expect(page.locator(".bulk-n")).to_have_text("1 chosen")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator(".bulk-n")).to_have_text("2 chosen")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("#alert-filters [name=q]")).to_be_focused()
    page.keyboard.type("ajx")  # letters in a field are letters
    expect(page.locator(".bulk-n")).to_have_text("2 chosen")
    page.locator(f"#alert-{made['cause'].pk}").focus()
    page.keyboard.press("a")
    expect(page.locator(".banner")).to_contain_text("2 alerts acknowledged.")
    assert Alert.objects.filter(acknowledged_by=cast.omar, comment="").count() == 2
    page.keyboard.press("j")
    page.keyboard.press("s")
    expect(page.locator(".banner")).to_contain_text("1 alert silenced.")


def test_rows_that_come_anew_keep_choice_focus_and_what_is_open(visit: Any, small: Any, cast: people.Cast) -> None:
    made = alarms.make_alarms(small, children=3, user=cast.omar)
    page = visit("omar").open("/alerts/")
    page.check(f"#pick-{made['disk'].pk}")
    page.click(f"#behind-{made['cause'].pk} summary")
    page.locator(f"#alert-{made['disk'].pk}").focus()
    new = alarms.make_alert(small["gate"], summary="Fan failed", severity="critical")
    page.evaluate("document.body.dispatchEvent(new CustomEvent('live'))")
    expect(page.locator(f"#alert-{new.pk}")).to_be_visible()
    expect(page).to_have_title("(8) Alerts · netmon")
    expect(page.locator(".side [data-alert-count]")).to_contain_text("8")
    expect(page.locator(f"#pick-{made['disk'].pk}")).to_be_checked()
    expect(page.locator(f"#behind-{made['cause'].pk}")).to_have_attribute("open", "")
    expect(page.locator(f"#alert-{made['disk'].pk}")).to_be_focused()
    expect(page.locator("#announce")).to_contain_text("Fan failed")
    Alert.objects.filter(pk=made["disk"].pk).update(state="resolved", resolved_at=new.started_at, version=9)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('live'))")
    expect(page.locator(f"#alert-{made['disk'].pk}")).to_have_count(0)
    assert page.evaluate("!!document.activeElement.closest('tr[data-alert]')")


def test_what_can_be_done_with_an_alert_follows_it_and_a_comment_stays(
    visit: Any, small: Any, cast: people.Cast
) -> None:
    alert = alarms.make_alarms(small, children=0, user=cast.omar)["disk"]
    page = visit("omar").open(f"/alerts/{alert.pk}/")
    comment, until = page.locator("form.doing [name=comment]"), page.locator("#until")
    live = "document.body.dispatchEvent(new CustomEvent('live'))"
    comment.fill("I am on my w")
    until.fill("2031-01-01T10:00")
    comment.press("End")
    Alert.objects.filter(pk=alert.pk).update(
        acknowledged_at=alarms.timezone.now(), acknowledged_by=cast.ada, version=alert.version + 1
    )
    page.evaluate(live)
    expect(page.locator("#do-unacknowledge")).to_be_visible()
    expect(comment).to_be_focused()
    page.keyboard.type("ay")
    expect(comment).to_have_value("I am on my way")
    expect(until).to_have_value("2031-01-01T10:00")
    # The button that is gone gives its focus to the comment, where Enter takes nothing back.
    page.locator("#do-unacknowledge").focus()
    Alert.objects.filter(pk=alert.pk).update(acknowledged_at=None, acknowledged_by=None, version=alert.version + 2)
    page.evaluate(live)
    expect(page.locator("#do-acknowledge")).to_be_visible()
    expect(comment).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".banner").first).to_contain_text("The comment is kept.")
    assert AlertEvent.objects.filter(alert=alert, kind="comment", text="I am on my way").exists()
    state = {"state": "resolved", "resolved_at": alarms.timezone.now(), "version": alert.version + 9}
    Alert.objects.filter(pk=alert.pk).update(**state)
    page.evaluate(live)
    expect(page.locator("#do-resolve")).to_have_count(0)
    expect(page.locator("#do-comment")).to_be_visible()


def test_a_rule_follows_its_source_and_is_rehearsed(visit: Any, small: Any) -> None:
    factories.make_outage(small["core"], alarms.timezone.now() - alarms.timedelta(days=2), 30)
    page = visit("omar").open("/alerts/rules/add/")
    page.select_option("[name=source]", "metric")
    expect(page.locator("[name=metric]")).to_be_visible()
    expect(page.locator("[data-hint-of=source]")).to_contain_text("Compares what was measured")
    page.select_option("[name=source]", "device.down")
    expect(page.locator("[name=metric]")).to_be_hidden()
    expect(page.locator("[name=interface_pattern]")).to_be_hidden()
    page.click("text=Rehearse")
    expect(page.locator("#rehearsal")).to_contain_text("must be right first", timeout=10 * SECONDS)
    page.fill("[name=name]", "Mine")
    page.click("text=Rehearse")
    expect(page.locator("#rehearsal")).to_contain_text("fired 1 time in 30 days", timeout=20 * SECONDS)
    page.click("button.pri:has-text('Save')")
    expect(page.locator(".banner")).to_contain_text("The rule Mine is kept.")
    assert AlertRule.objects.filter(name="Mine").exists()


def test_a_device_says_what_fires_and_goes_into_maintenance(visit: Any, small: Any, cast: people.Cast) -> None:
    made = alarms.make_alarms(small, children=4, user=cast.omar)
    device = made["cause"].device
    page = visit("omar").open(f"/devices/{device.pk}/")
    expect(page.locator(f"[data-alarm='{made['cause'].pk}']")).to_contain_text("Severity critical, sent to NOC by mail")
    expect(page.locator("#way")).to_contain_text("4 devices behind this device")
    page.click(f"[data-alarm='{made['cause'].pk}'] >> text=Acknowledge")
    expect(page.locator(f"[data-alarm='{made['cause'].pk}']")).to_contain_text("omar is on it")
    assert AlertEvent.objects.filter(kind="acknowledged").count() == 1
    page.click(".acts >> text=Maintenance")
    page.click("#work >> text=1 hour")
    expect(page.locator(".banner").filter(has_text="is in maintenance for 1 h")).to_be_visible()
    assert MaintenanceWindow.objects.filter(device=device).count() == 1
    page.click("text=What if it fails")
    expect(page.locator("#h-behind + .sub")).to_contain_text("4 devices")


def test_a_window_says_what_it_touches_while_it_is_written(visit: Any, small: Any, cast: people.Cast) -> None:
    alarms.make_alarms(small, children=4, user=cast.omar)
    page = visit("omar").open("/maintenance/add/")
    page.fill("[name=name]", "Swap")
    page.fill("[name=device]", "core")
    page.locator("[name=device]").blur()
    expect(page.locator("#touched")).to_contain_text("5 devices, 4 of them because", timeout=10 * SECONDS)
    page.select_option("[name=recurrence]", "weekly")
    expect(page.locator("[name=weekdays]").first).to_be_visible()
    page.click("button.pri:has-text('Save')")
    expect(page.locator(".banner")).to_contain_text("Swap is planned.")
