"""What the pages of scans show: rows with the words that stand beside them. Nothing is written here."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from inventory.models import Device
from netmon.common.permissions import has_role
from scanning.models import Scan, ScanHost, SeenHost
from scanning.visibility import visible_device

TABS = (
    ("scans", "Scans", "viewer"),
    ("discoveries", "Discoveries", "viewer"),
    ("prefixes", "Prefixes", "viewer"),
    ("scan-schedules", "Schedules", "viewer"),
    ("scan-exclusions", "Exclusions", "operator"),
)
NEWS_DAYS, NEWS_SCANS, NEWS_SHOWN = 7, 5, 8
KIND_WORDS = {"ping": "Who answers", "ports": "Ports of one host", "network": "Hosts and ports"}
# Shape and word of a change, in the shapes that states of devices have.
CHANGES = {
    "new_host": ("degraded", "New host"),
    "host_back": ("up", "Back"),
    "host_gone": ("down", "Gone"),
    "mac_changed": ("degraded", "Other hardware"),
    "host_moved": ("maintenance", "Moved"),
    "new_port": ("degraded", "New port"),
    "port_back": ("up", "Open again"),
    "port_gone": ("down", "No longer open"),
}
DIFFERENCES = {
    "appeared": ("degraded", "Appeared"),
    "gone": ("down", "Gone"),
    "mac": ("degraded", "Other hardware"),
    "hostname": ("maintenance", "Other name"),
    "opened": ("degraded", "Opened"),
    "closed": ("down", "Closed"),
    "service": ("maintenance", "Other answer"),
}
REVIEWS = {
    "new": ("pending", "Waits for review"),
    "adopted": ("up", "In the inventory"),
    "ignored": ("unknown", "Ignored"),
}


def context(request: HttpRequest, tab: str, **values: Any) -> dict[str, Any]:
    """What every page of scans needs."""
    tabs = [(name, reverse(name), label) for name, label, role in TABS if has_role(request.user, role)]
    return {"section": "scans", "tabs": tabs, "tab": tab, "here": request.get_full_path(), **values}


@dataclass(frozen=True, slots=True)
class Change:
    """A change as a line of a list."""

    css: str
    word: str
    address: str
    text: str
    port: int | None
    host: int | None
    device: int | None
    name: str = ""


def changes_of(scan: Scan, limit: int | None = None) -> list[Change]:
    changes = []
    for one in scan.notes.get("changes", [])[:limit]:
        css, word = CHANGES.get(one["kind"], ("unknown", one["kind"]))
        text = one["text"].removeprefix(one["address"]).strip()
        changes.append(Change(css, word, one["address"], text, one["port"], one["host"], one["device"]))
    return changes


@dataclass(frozen=True, slots=True)
class News:
    """What one scan found changed."""

    scan: Scan
    changes: list[Change]
    more: int


def news(user: Any) -> list[News]:
    """The changes of the last scans, newest first."""
    since = timezone.now() - timedelta(days=NEWS_DAYS)
    rows = Scan.objects.visible_to(user).filter(finished_at__gte=since).exclude(outcome="").defer("checkpoint")
    found = []
    for scan in rows.order_by("-finished_at", "-pk")[:50]:
        total = scan.notes.get("changes_total", 0)
        if total:
            found.append(News(scan, changes_of(scan, NEWS_SHOWN), max(0, total - NEWS_SHOWN)))
        if len(found) == NEWS_SCANS:
            break
    return found


def status_word(status: str) -> str:
    return {"partial": "Partly done"}.get(status, status.capitalize())


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is."""

    scan: Scan
    shape: str
    word: str
    percent: int | None
    phase: str
    rate: float | None
    lasted: float | None
    is_stopping: bool


def progress(scan: Scan) -> Progress:
    end = scan.finished_at or timezone.now()
    lasted = (end - scan.started_at).total_seconds() if scan.started_at else None
    if scan.status == "queued":
        phase = "Waits for a worker."
    elif not scan.is_active:
        phase = ""
    elif scan.hosts_done < scan.hosts_total:
        phase = "Looks who answers."
    elif scan.probes_done < scan.probes_total:
        phase = "Asks for ports."
    else:
        phase = "Reads banners and names."
    return Progress(
        scan=scan,
        shape=scan.shape,
        word=status_word(scan.status),
        percent=scan.percent,
        phase=phase,
        rate=scan.packets_sent / lasted if lasted and scan.packets_sent and scan.is_active else None,
        lasted=lasted if lasted is not None and lasted >= 0 else None,
        is_stopping=bool(scan.is_active and scan.job and scan.job.cancel_requested),
    )


def how(scan: Scan) -> list[tuple[str, str]]:
    """How it was looked, as lines of two words each: what a reader needs to trust an answer."""
    notes = scan.notes
    found: list[tuple[str, str]] = []
    for family, mode in sorted(notes.get("icmp", {}).items()):
        words = {
            "datagram": "unprivileged ICMP sockets",
            "raw": "raw ICMP sockets",
            "none": "not allowed: ARP and TCP only",
        }.get(str(mode), str(mode))
        found.append((f"ICMP over {str(family).replace('ip', 'IP')}", words))
    if resumed := notes.get("resumed"):
        found.append(("Resumed", f"{resumed} time{'' if resumed == 1 else 's'}, after its worker ended"))
    if notes.get("is_budget_spent"):
        found.append(
            (
                "Packets limit",
                f"{scan.packets_limit:,} reached: the rest was not asked" if scan.packets_limit else "reached",
            )
        )
    elif scan.packets_limit:
        found.append(("Packets limit", f"{scan.packets_limit:,}"))
    if unasked := notes.get("not_asked"):
        shown = ", ".join(unasked[:5]) + (", …" if len(unasked) > 5 else "")
        found.append(("Not asked", f"{shown}: this machine has no way there"))
    for name, address in sorted(notes.get("resolved", {}).items()):
        found.append((name, f"is {address}"))
    if notes.get("nmap_version"):
        found.append(("nmap", str(notes["nmap_version"])))
    if notes.get("nmap_arguments"):
        found.append(("Called as", str(notes["nmap_arguments"])))
    if notes.get("skipped_hosts"):
        found.append(("Left out", f"{notes['skipped_hosts']} hosts without a usable address"))
    return found


@dataclass(slots=True)
class HostRow:
    """A host of a scan as a line of its table."""

    host: ScanHost
    ports: list[Any]
    device: Device | None = None
    seen: int | None = None
    closed: str = ""
    filtered: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def heard(self) -> list[Any]:
        return [port for port in self.ports if port.banner or port.certificate]


def host_rows(scan: Scan, hosts: Iterable[ScanHost], user: Any) -> list[HostRow]:
    rows = list(hosts)
    seen: dict[str, int] = {}
    known = SeenHost.objects.visible_to(user).filter(
        tenant=scan.tenant_id, device=None, address__in=[row.address for row in rows]
    )
    for address, pk in known.order_by("is_present", "last_seen_at").values_list("address", "pk"):
        seen[address] = pk
    return [
        HostRow(
            host=row,
            ports=list(row.ports.all()),
            device=visible_device(row.device, user),
            seen=seen.get(row.address),
            closed=short(row.closed),
            filtered=short(row.filtered),
            notes=host_notes(row),
        )
        for row in rows
    ]


def state_of(rows: Iterable[HostRow], count: int) -> str:
    """A text that is another one when the lines of a table of hosts have changed."""
    shown = [
        (row.host.pk, row.host.hostname, row.device, row.seen, [(port.port, port.service) for port in row.ports])
        for row in rows
    ]
    return f"{count}-{zlib.crc32(repr(shown).encode()):08x}"


def short(ranges: str, limit: int = 60) -> str:
    return ranges if len(ranges) <= limit else ranges[:limit].rpartition(",")[0] + ", …"


def host_notes(host: ScanHost) -> list[str]:
    notes = host.notes
    found = []
    if text := notes.get("accuracy"):
        found.append(str(text))
    if loss := notes.get("loss_percent"):
        found.append(f"About {loss:g} % of the packets were lost.")
    if notes.get("is_whole") is False:
        found.append("Not all of its ports were asked.")
    found += [
        f"{state.capitalize()}: {notes[state]}." for state in ("unreachable", "error", "unknown") if notes.get(state)
    ]
    return found


def others_of(scan: Scan, user: Any, limit: int = 20) -> list[Scan]:
    """Finished scans that looked at some of the same addresses, newest first: what this one can be compared with."""
    from scanning import targets

    spans = [targets.Span.parse(text) for text in scan.spans]
    rows = Scan.objects.visible_to(user).exclude(outcome="").exclude(pk=scan.pk).filter(tenant=scan.tenant_id)
    found = []
    for one in rows.only("pk", "target", "spans", "finished_at", "kind", "outcome", "created_at").order_by("-pk")[:300]:
        if targets.within(spans, [targets.Span.parse(text) for text in one.spans]):
            found.append(one)
        if len(found) == limit:
            break
    return found


def expires_in(certificate: dict[str, Any] | None) -> str:
    """A certificate's end as the file has it."""
    return str((certificate or {}).get("not_after", ""))[:10]


def certificate_words(certificate: dict[str, Any] | None) -> str:
    """One line of a certificate: whose, by whom, until when."""
    if not certificate:
        return ""
    parts = [str(certificate.get("subject", "")) or "a certificate without a subject"]
    if issuer := certificate.get("issuer"):
        parts.append(f"by {issuer}")
    if until := expires_in(certificate):
        parts.append(f"until {until}")
    return ", ".join(parts)
