"""The pages of prefixes: which of their addresses are used, free or unknown."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from inventory.models import Prefix
from monitoring import page_tools
from netmon.common.addresses import parse_prefix
from scanning import pages
from scanning.services import mapping
from scanning.targets import Span

# State of an address -> a mark that tells it without colour, and its word.
STATES = {
    "used": ("●", "Used", "in the inventory, and answers"),
    "silent": ("○", "Silent", "in the inventory, and did not answer"),
    "found": ("◆", "Found", "answers, and is not in the inventory"),
    "gone": ("◇", "Gone", "answered once, not now"),
    "free": ("·", "Free", "looked at, and nobody there"),
    "excluded": ("\N{MULTIPLICATION SIGN}", "Excluded", "no scan looks there"),
    "unknown": ("?", "Unknown", "nobody has looked"),
}
LISTED = 500


@require_GET
@login_required
def prefixes(request: HttpRequest) -> HttpResponse:
    text = page_tools.text_of(request, "q")
    rows = Prefix.objects.visible_to(request.user).select_related("site")
    if text:
        rows = rows.filter(cidr__startswith=text.lower()) | rows.filter(description__icontains=text)
    paging = page_tools.paged(request, rows.order_by("first_key", "-last_key"))
    lines = [(row, Span.of_network(parse_prefix(row.cidr)).count) for row in paging]
    context = pages.context(request, "prefixes", paging=paging, lines=lines, text=text, kept=page_tools.kept(request))
    return render(request, "scanning/prefixes.html", context)


@require_GET
@login_required
def prefix_map(request: HttpRequest, pk: int) -> HttpResponse:
    user: Any = request.user
    row = get_object_or_404(Prefix.objects.visible_to(user).select_related("site"), pk=pk)
    found = mapping.prefix_map(row, user)
    wanted = page_tools.text_of(request, "state")
    wanted = wanted if wanted in STATES else ""
    known = [
        cell for cell in found.cells if cell.state in ((wanted,) if wanted else ("used", "silent", "found", "gone"))
    ]
    context = pages.context(
        request,
        "prefixes",
        map=found,
        prefix=row,
        legend=[(key, *STATES[key], found.counts[key]) for key in STATES],
        cells=[(cell, *STATES[cell.state]) for cell in found.cells] if found.is_complete else [],
        listed=[(cell, *STATES[cell.state]) for cell in known[:LISTED]],
        more=max(0, len(known) - LISTED),
        state=wanted,
        state_word=STATES[wanted][1] if wanted else "",
    )
    return render(request, "scanning/map.html", context)
