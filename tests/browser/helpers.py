"""What browser tests do over and over. Whoever tests through real polling starts from `Visitor` too."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect

from tests.people import PASSWORD

AXE = Path(__file__).parent / "vendor/axe/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SECONDS = 1000

# Each width and each theme once; `NETMON_TEST_FUZZ=1 make browser` tries all four pairs.
IS_THOROUGH = bool(os.environ.get("NETMON_TEST_FUZZ"))
PAIRS = [(1440, "light"), (390, "dark"), (1440, "dark"), (390, "light")]
VARIANTS = PAIRS if IS_THOROUGH else PAIRS[:2]


class Visitor:
    """One window. It notes every console error, refused policy, failed answer and request to somewhere else."""

    def __init__(self, browser: Browser, origin: str, *, width: int, theme: str) -> None:
        self.origin = origin
        self.faults: list[str] = []
        self.tolerated: tuple[str, ...] = ()
        height = 844 if width < 700 else 900
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
        )
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self._note(message.type == "error", f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self._note(True, f"script: {error}"))
        self.page.on("request", lambda request: self._note(self._is_foreign(request.url), f"left: {request.url}"))
        self.page.on("response", lambda answer: self._note(answer.status >= 400, f"{answer.status}: {answer.url}"))

    def _is_foreign(self, url: str) -> bool:
        return urlsplit(url).scheme in ("http", "https", "ws", "wss") and not url.startswith(self.origin + "/")

    def _note(self, is_fault: bool, text: str) -> None:
        if is_fault and not any(part in text for part in self.tolerated):
            self.faults.append(text)

    def tolerate(self, *parts: str) -> None:
        """Faults whose text has one of these parts are wanted in this test, such as the answer to a wrong form."""
        self.tolerated = parts

    def log_in(self, username: str, password: str = PASSWORD) -> None:
        self.open("/login/")
        self.page.fill("#id_username", username)
        self.page.fill("#id_password", password)
        self.page.click("button[type=submit]")

    def open(self, path: str) -> Page:
        self.page.goto(self.origin + path)
        return self.page

    def open_device(self, device: Any, query: str = "") -> Page:
        """A device's page with its charts drawn."""
        self.open(f"/devices/{device.pk}/{query}")
        self.wait_for_charts()
        return self.page

    def wait_for_charts(self) -> None:
        self.page.wait_for_selector("[data-charts][data-drawn]", timeout=20 * SECONDS)

    def add_device(self, **values: str) -> Page:
        """Fills the form for a new device and sends it: `kind="router", name=..., ip=..., snmp_community=...`."""
        page = self.open("/devices/add/")
        if kind := values.pop("kind", ""):
            page.select_option("#kind", label=kind.capitalize())
        for name, value in values.items():
            field = page.locator(f"#{name}")
            if field.evaluate("e => e.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)
        page.click("#add-device button[type=submit]")
        return page

    def wait_for_state(self, word: str, seconds: float = 60) -> None:
        """Waits on a device's page until its state is this word; the page follows by itself."""
        expect(self.page.locator("#device-head h1 .st")).to_have_text(word, timeout=seconds * SECONDS)

    def poll_now(self) -> list[str]:
        """Presses the button and returns a line for each check."""
        self.page.click("#poll-now")
        self.page.wait_for_selector("#poll-result[open] li", timeout=40 * SECONDS)
        return self.page.locator("#poll-result li").all_inner_texts()

    def accessibility_faults(self) -> list[str]:
        """What axe-core finds: rule, help, the elements. It is run past the policy, which forbids foreign script."""
        if not self.page.evaluate("typeof axe !== 'undefined'"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        window = self.page.viewport_size or {"width": 1440, "height": 900}
        # In a window as high as the page no bar covers anything: axe takes what is half covered for too small.
        height = max(window["height"], int(self.page.evaluate("document.documentElement.scrollHeight")) + 120)
        self.page.set_viewport_size({"width": window["width"], "height": height})
        found = self.page.evaluate(
            "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", RULES
        )
        self.page.set_viewport_size(window)
        return [
            f"{fault['id']}: {fault['help']}: {[node['html'][:160] for node in fault['nodes'][:4]]}"
            for fault in found["violations"]
        ]

    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def small_targets(self, minimum: int = 40) -> list[str]:
        """Buttons, fields and links outside of running text that are lower than a fingertip."""
        found: list[str] = self.page.evaluate(
            """minimum => [...document.querySelectorAll(
                "button, select, input, .btn, .seg a, .tabs a, .tabbar a, .tbl a.if")]
                .filter(e => e.checkVisibility() && !e.closest("dialog:not([open])") && e.type !== "hidden")
                .map(e => [e.getBoundingClientRect(), e])
                .filter(([box]) => box.width && box.height < minimum - 0.5)
                .map(([box, e]) => `${box.height}: ${e.outerHTML.slice(0, 120)}`)""",
            minimum,
        )
        return found

    def ink(self, selector: str) -> int:
        """How many different colours a canvas has: 1 is an empty chart."""
        return int(
            self.page.locator(selector).first.evaluate(
                """canvas => {
                    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                    const seen = new Set();
                    for (let i = 0; i < data.length; i += 4)
                        seen.add((data[i] << 24) ^ (data[i + 1] << 16) ^ (data[i + 2] << 8) ^ data[i + 3]);
                    return seen.size;
                }"""
            )
        )

    def close(self) -> None:
        self.context.close()
