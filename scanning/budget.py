"""How much an address has been asked within a day: what all scans together may do to one host has a limit, too."""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone

from inventory.models import Tenant
from scanning import ports, targets
from scanning.models import Scan
from scanning.targets import Span

DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Spent:
    """The address of a scan that got the most probes within a day, and how many."""

    address: str = ""
    probes: int = 0

    @property
    def limit(self) -> int:
        """How many it may get; 0 without a limit."""
        return int(settings.SCAN_HOST_PROBES_DAY)


def spent(spans: tuple[Span, ...], tenant: Tenant | None) -> Spent:
    """By the stored scans of the tenant, each counted as if the address had been up, and all its ports been asked.

    Between two ends of a scan's ranges every address got the same: only these are looked at.
    """
    begun = Scan.objects.filter(tenant=tenant, source=Scan.Source.NETMON, created_at__gt=timezone.now() - DAY)
    begun = begun.filter(Q(outcome="") | Q(started_at__isnull=False)).exclude(ports="")
    steps: dict[tuple[int, int], int] = {}
    sizes: dict[str, int] = {}
    for texts, asked in begun.values_list("spans", "ports").iterator():
        if asked not in sizes:
            sizes[asked] = len(ports.parse(asked))
        for span in targets.within([Span.parse(text) for text in texts], spans):
            steps[span.version, span.first] = steps.get((span.version, span.first), 0) + sizes[asked]
            steps[span.version, span.last + 1] = steps.get((span.version, span.last + 1), 0) - sizes[asked]
    most, probes, now = (4, 0), 0, 0
    for place in sorted(steps):
        now += steps[place]
        if now > probes:
            most, probes = place, now
    version, number = most
    return Spent(str((IPv4Address if version == 4 else IPv6Address)(number)), probes) if probes else Spent()


def check(already: Spent, more: int) -> None:
    """Raises ValidationError where `more` probes would be too many for the address that got the most."""
    limit = already.limit
    if not limit or not more or already.probes + more <= limit:
        return
    got = f"{already.address} got {already.probes:,} probes within 24 hours, and these are" if already.probes else ""
    raise ValidationError(
        {
            "ports": f"{got or 'Each address would get'} {more:,}{' more' if got else ''}; at most {limit:,} a day "
            "(NETMON_SCAN_HOST_PROBES_DAY). Name fewer ports, or scan it tomorrow."
        },
        code="host_budget",
    )
