"""What the Configuration tab of a device shows. Texts are masked here for everybody."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from inventory.models import Device
from monitoring.models import Check, ConfigVersion
from monitoring.services import config_search, configs
from netmon.common.secrets import Undecryptable
from netmon.drivers.errors import NotSupported
from netmon.jobs.models import Job

SHOWN_LINES = 5000
SHOWN_VERSIONS = 100
VIEWS = (("split", "Side by side"), ("unified", "Unified"))
SIGNS = {"equal": ("", ""), "added": ("", "+"), "removed": ("\u2212", ""), "changed": ("\u2212", "+")}
WORDS = {"\u2212": "removed", "+": "added", "": ""}
Parts = list[tuple[str, bool]]  # a piece of a line, and whether it differs


@dataclass(frozen=True, slots=True)
class Side:
    """One line of one text in a diff; no number where this text has no such line."""

    number: int | None
    sign: str
    parts: Parts

    @property
    def word(self) -> str:
        return WORDS[self.sign]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a unified diff."""

    before: int | None
    after: int | None
    sign: str
    parts: Parts

    @property
    def word(self) -> str:
        return WORDS[self.sign]


@dataclass(frozen=True, slots=True)
class Hunk:
    section: str
    pairs: list[tuple[Side, Side]]
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Diff:
    old: ConfigVersion
    new: ConfigVersion
    summary: str
    is_equal: bool
    is_cut: bool
    hunks: list[Hunk]


@dataclass(frozen=True, slots=True)
class ConfigPage:
    versions: list[ConfigVersion]
    more: int
    running: ConfigVersion | None
    check: Check | None
    job: Job | None
    has_way_in: bool
    view: str
    shown: ConfigVersion | None = None
    lines: list[str] = field(default_factory=list)
    hidden_lines: int = 0
    diff: Diff | None = None
    problem: str = ""

    @property
    def is_saved(self) -> bool | None:
        return self.running.is_saved if self.running else None

    @property
    def nothing(self) -> str:
        """Why there is nothing to keep of this device, if the last run said so."""
        return str(self.check.memory.get("nothing", "")) if self.check else ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to: each hit with its lines in pieces, marked or not."""

    page: config_search.Page
    hits: list[tuple[config_search.Hit, list[tuple[config_search.Line, Parts]]]]

    @property
    def last(self) -> int:
        return self.page.offset + self.page.searched


def found(user: Any, text: str, offset: int) -> Found:
    """A piece of the search over configurations."""
    page = config_search.search(user, text, offset=offset)
    return Found(page, [(hit, [(line, _parts(line.text, line.spans)) for line in hit.lines]) for hit in page.hits])


def config_page(device: Device, *, version: str = "", old: str = "", new: str = "", view: str = "") -> ConfigPage:
    """The list, and a text or the difference of two; of an address that names nothing, what there is."""
    rows = device.config_versions.defer("content")
    versions = list(rows[:SHOWN_VERSIONS])
    check = Check.objects.filter(endpoint__device=device, module=configs.MODULE).first()
    page: dict[str, Any] = {
        "versions": versions,
        "more": rows.count() - len(versions),
        "running": next((row for row in configs.newest(device) if row.kind == ConfigVersion.Kind.RUNNING), None),
        "check": check,
        "job": Job.objects.filter(kind=configs.MODULE, key=str(device.pk), status__in=Job.ACTIVE).first(),
        "has_way_in": check is not None or device.endpoints.filter(protocol="ssh", is_enabled=True).exists(),
        "view": view if view in dict(VIEWS) else VIEWS[0][0],
    }
    try:
        return ConfigPage(**page, **_chosen(device, version, old, new))
    except (NotSupported, Undecryptable) as error:
        return ConfigPage(**page, problem=error.detail)


def _chosen(device: Device, version: str, old: str, new: str) -> dict[str, Any]:
    after = _version(device, new)
    if after is not None:
        before = _version(device, old) if old else configs.before(after)
        if before is not None:
            return {"diff": _diff(before, after)}
    shown = _version(device, version) or after or configs.latest(device, ConfigVersion.Kind.RUNNING)
    if shown is None:
        return {}
    lines = configs.text_of(shown).splitlines()
    return {"shown": shown, "lines": lines[:SHOWN_LINES], "hidden_lines": max(0, len(lines) - SHOWN_LINES)}


def _version(device: Device, text: str) -> ConfigVersion | None:
    if text in ConfigVersion.Kind.values:
        return configs.latest(device, text)
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        return None
    return device.config_versions.filter(pk=int(text)).first()


def _diff(old: ConfigVersion, new: ConfigVersion) -> Diff:
    found = configs.compare(old, new)
    hunks = [_hunk(hunk) for hunk in found["hunks"]]
    return Diff(old, new, found["summary"], found["is_equal"], found["is_cut"], hunks)


def _hunk(hunk: dict[str, Any]) -> Hunk:
    pairs, lines = [], []
    for row in hunk["rows"]:
        minus, plus = SIGNS[row["kind"]]
        before = Side(row["before_number"], minus, _parts(row["before"], row["before_spans"]))
        after = Side(row["after_number"], plus, _parts(row["after"], row["after_spans"]))
        pairs.append((before, after))
        if row["kind"] == "equal":
            lines.append(Line(before.number, after.number, "", after.parts))
            continue
        lines += [Line(before.number, None, minus, before.parts)] if minus else []
        lines += [Line(None, after.number, plus, after.parts)] if plus else []
    return Hunk(hunk["section"], pairs, lines)


def _parts(text: str, spans: Sequence[Sequence[int]]) -> Parts:
    parts: Parts = []
    at = 0
    for start, end in spans:
        parts += [(text[at:start], False), (text[start:end], True)]
        at = end
    parts.append((text[at:], False))
    return [part for part in parts if part[0]]
