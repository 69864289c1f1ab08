"""A real Chromium against a live server. Everything it may not do - errors, foreign requests - fails the test."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, sync_playwright

from tests import people, scenes
from tests.browser.helpers import Visitor

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # The server answers from a thread of its own: it sees committed rows only.
            item.add_marker(pytest.mark.django_db(transaction=True, databases="__all__"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{CHROMIUM} is missing: the browser tests must run in CI.")
        pytest.skip(f"{CHROMIUM} is missing: install Chromium or set CHROMIUM.")
    # playwright's loop runs in this thread, where Django would refuse to touch the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, live_server: Any, cast: people.Cast) -> Iterator[Any]:
    """Opens a browser window of somebody: `visit("omar", width=390, theme="dark")`; "" stays logged out."""
    cache.clear()  # lock-outs and throttles of the test before
    visitors: list[Visitor] = []

    def open_window(username: str = "omar", *, width: int = 1440, theme: str = "light") -> Visitor:
        visitor = Visitor(chromium, live_server.url, width=width, theme=theme)
        visitors.append(visitor)
        if username:
            visitor.log_in(username)
        return visitor

    yield open_window
    for visitor in visitors:
        visitor.close()
    for visitor in visitors:
        assert visitor.faults == []


@pytest.fixture
def scene(db: Any) -> dict[str, Any]:
    return scenes.make_scene(hours=7)
