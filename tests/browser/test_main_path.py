"""A newcomer in a browser: log in, add a router, see it UP from a real agent, open its page with its charts."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.helpers import SECONDS, Visitor
from tests.daemons.snmpd import Agent, snmpd
from tests.product import PASSWORD, Product, running

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("browser"), redis_database=3, is_migrated=True) as product:
        yield product


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with snmpd(tmp_path_factory.mktemp("agent"), address="127.0.0.8", name="attic") as agent:
        yield agent


def test_a_router_is_added_and_seen_up_with_its_charts(
    chromium: Browser, product: Product, agent: Agent, db: Any
) -> None:
    visitor = Visitor(chromium, product.url, width=1440, theme="light")
    try:
        visitor.log_in("ada", PASSWORD)
        expect(visitor.page.locator("h1")).to_be_visible()
        page = visitor.add_device(
            kind="router",
            name="attic",
            ip=agent.address,
            snmp_version="2c",
            snmp_community=agent.community,
            snmp_port=str(agent.port),
        )
        page.wait_for_url("**/devices/*/", timeout=20 * SECONDS)
        visitor.wait_for_state("Up", seconds=60)
        assert any("snmp.system" in line or "SNMP" in line for line in visitor.poll_now())
        page.keyboard.press("Escape")
        # A rate needs two polls of the counters, a line two rates.
        expect(page.locator("#interfaces")).to_contain_text("bit/s", timeout=60 * SECONDS)
        page.reload()
        visitor.wait_for_charts()
        assert page.locator(".chart canvas").count() == 2
        expect(page.locator("#facts")).to_contain_text("attic")
        assert visitor.accessibility_faults() == []
        visitor.open("/")
        expect(page.locator("main")).to_contain_text("attic")
        expect(page.locator("main")).to_contain_text("100")
        assert visitor.accessibility_faults() == []
        assert visitor.faults == []
    finally:
        visitor.close()
