"""Which VyOS a router runs. People choose the wrong one, so the router is asked, and names are trusted least.

What counts is the family: "1.3", "1.4" and "1.5" take different paths. 1.5 is proven by a node that no older version
has; 1.3 and 1.4 by their names or, where a build is named otherwise, by how they refuse a request without a key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from netmon.drivers.errors import NotSupported
from netmon.drivers.vyos.client import VyosClient

FAMILIES = ("1.3", "1.4", "1.5")
_REST = ("service", "https", "api", "rest")
_NAME = re.compile(r"(?im)^[ \t]*version:[ \t]*(?:vyos[ \t]+)?(\S{1,100})")
_NUMBERED = re.compile(r"(\d+\.\d+)(?:\D.*)?")
_BUILT = re.compile(r"(20\d{2})(\d{2})(\d{2})\d{0,6}\b")
# The handler that hangs with two requests at once came with T7588; T7090 and T8235 mended it.
_HANGS_SINCE, _HANGS_UNTIL = "20250627", "20260209"


@dataclass(frozen=True, slots=True)
class Version:
    """`name` as the router gives it, `family` one of FAMILIES; `hostname` "" where it does not tell.

    `commit_confirm` and `background`: False where the version surely lacks it, None where only the answer to a change
    can tell (`Commit.confirm_minutes`).
    """

    name: str
    family: str
    hostname: str = ""
    has_info: bool = False

    @property
    def commit_confirm(self) -> bool | None:
        return None if self.has_info else False

    @property
    def background(self) -> bool | None:
        return None if self.has_info else False

    @property
    def configure_section(self) -> bool:
        return self.family != "1.3"

    @property
    def built(self) -> str:
        """The day in the name of a rolling build, "20250813", or ""."""
        match = _BUILT.search(self.name)
        return "".join(match.groups()) if match else ""

    @property
    def hangs_on_two_requests(self) -> bool:
        """A rolling build whose whole API hangs for ever when two configuration requests meet."""
        return self.family == "1.5" and _HANGS_SINCE <= self.built <= _HANGS_UNTIL


def detect(client: VyosClient) -> Version:
    """Asks two to four questions that change nothing.

    Raises NotSupported, reason "unknown_version", for a version whose paths are not known; and what any call raises.
    """
    name, hostname, has_info = "", "", True
    try:
        info = client.info()
        name, hostname = info.version, info.hostname
    except NotSupported:
        has_info = False
    if not name:
        match = _NAME.search(client.show(["version"]))
        name = match[1] if match else ""
    name = re.sub(r"(?i)^vyos\s+", "", name.strip())
    if client.exists(_REST):
        return Version(name, "1.5", hostname, has_info)
    numbered = _NUMBERED.fullmatch(name)
    if numbered and numbered[1] in ("1.3", "1.4"):
        return Version(name, numbered[1], hostname, has_info)
    if not name or numbered:
        raise NotSupported(
            f"The router runs {name or 'a version it does not tell'}, whose paths are not known.",
            reason="unknown_version",
        )
    # A rolling build from before the API had its own node: the old library answers 422.
    family = "1.3" if client.status_without_key() == 422 else "1.4"
    return Version(name, family, hostname, has_info)
