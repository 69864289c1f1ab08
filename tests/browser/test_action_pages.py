"""The pages of actions in a real browser: accessible, fitting, and one run from the form to its output."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from provisioning.models import ActionRun
from provisioning.services import running
from tests import factories, people
from tests.browser.helpers import SECONDS, VARIANTS
from tests.browser.test_alert_pages import check
from tests.unit.provisioning.conftest import Place


@pytest.fixture
def place(tmp_path: Path, settings: Any) -> Place:
    settings.ACTIONS_DIR, settings.ACTIONS_TRUST_OWNER = tmp_path / "actions", True
    settings.ALLOW_LOOPBACK = True
    return Place(tmp_path / "actions")


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_the_pages_are_accessible_and_fit(visit: Any, place: Place, cast: people.Cast, width: int, theme: str) -> None:
    device = factories.make_flat(name="core")
    schema = [{"name": "port", "kind": "integer"}, {"name": "deep", "kind": "boolean"}]
    action = place.action(parameters=schema, confirmation="It restarts", description="Says hello")
    risky = place.action(executable="risky", is_risky=True)
    factories.make_run(device, risky, status="waiting", requested_by=cast.omar, started_at=None, finished_at=None)
    done = factories.make_run(device, action, output="line\n" * 60, is_truncated=True, output_bytes=9000)
    visitor = visit("ada", width=width, theme=theme)
    visitor.tolerate("400")  # forms that are refused, shown again
    visitor.open(f"/actions/{action.pk}/start/")
    visitor.page.fill("[name=p_port]", "7")
    visitor.page.click("button.pri:has-text('Run it')")
    expect(visitor.page.locator("[name=p_port]")).to_have_value("7")
    check(visitor, "a run that was refused", width)
    factories.make_indicator(device, value="disk smells burnt", severity="warning", note="behind the rack " * 12)
    visitor.open(f"/devices/{device.pk}/")
    visitor.page.click("text=Add an indicator")
    visitor.page.fill("[name=kind]", "smell")
    visitor.page.fill("[name=value]", "burnt")
    visitor.page.fill("[name=note]", "behind the rack")
    check(visitor, "the form of an indicator", width)
    visitor.page.eval_on_selector("[name=kind]", "e => { e.form.noValidate = true; e.value = 'Two words' }")
    visitor.page.click("text='Add indicator'")
    expect(visitor.page.locator("[name=note]")).to_have_value("behind the rack")
    check(visitor, "an indicator that was refused", width)
    for path in (
        "/actions/", f"/actions/{action.pk}/", f"/actions/{action.pk}/start/?device={device.pk}", "/actions/runs/",
        f"/actions/runs/{done.pk}/", "/actions/waiting/", f"/devices/{device.pk}/actions/",
    ):  # fmt: skip
        visitor.open(path)
        check(visitor, path, width)


def test_a_run_is_followed_to_its_end(visit: Any, place: Place, cast: people.Cast) -> None:
    factories.make_flat(name="core")
    action = place.action(parameters=[{"name": "port", "kind": "integer", "required": True}])
    page = visit("omar").open(f"/actions/{action.pk}/start/")
    page.fill("[name=device]", "core")
    page.fill("[name=p_port]", "7")
    page.click("button.pri:has-text('Run it')")
    expect(page.locator("#run")).to_contain_text("Queued")
    run = ActionRun.objects.get()
    assert run.job is not None
    running.run_job(run.job.pk)
    expect(page.locator(".output")).to_contain_text("--port=7", timeout=10 * SECONDS)
    expect(page.locator("#h-state")).to_contain_text("Succeeded")
