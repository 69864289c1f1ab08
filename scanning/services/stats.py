"""Figures over what scans have found."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from django.utils import timezone

from scanning.models import Scan, SeenHost, SeenPort

TOP = 10


def stats(user: Any, now: datetime | None = None) -> dict[str, Any]:
    """Hosts, scans, the ports that are open most often, by what of them the person may see."""
    now = now or timezone.now()
    hosts = SeenHost.objects.visible_to(user)
    scans = Scan.objects.visible_to(user)
    ports = SeenPort.objects.visible_to(user).filter(is_open=True, host__is_present=True)
    by_review = dict(hosts.filter(device=None).order_by().values_list("review").annotate(count=Count("pk")))
    return {
        "hosts_total": hosts.count(),
        "hosts_present": hosts.filter(is_present=True).count(),
        "hosts_new_7_days": hosts.filter(first_seen_at__gte=now - timedelta(days=7)).count(),
        "discoveries": by_review.get(SeenHost.Review.NEW, 0),
        "ignored": by_review.get(SeenHost.Review.IGNORED, 0),
        "scans_total": scans.count(),
        "scans_active": scans.active().count(),
        "scans_7_days": scans.filter(created_at__gte=now - timedelta(days=7)).count(),
        "open_ports": ports.count(),
        "top_ports": [
            {"protocol": protocol, "port": port, "hosts": count}
            for protocol, port, count in ports.order_by()
            .values_list("protocol", "port")
            .annotate(count=Count("pk"))
            .order_by("-count", "port")[:TOP]
        ],
    }
