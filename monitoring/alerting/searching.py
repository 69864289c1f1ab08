"""Alerts in the search: what is open goes before what is over, the newest first."""

from typing import Any

from django.db.models import F, Q

from inventory.search import PER_GROUP, Found
from monitoring.models.alerts import Alert
from netmon.common.fields import fold


def matching(text: str) -> Q:
    """Alerts in which a text stands, or in the name of their device or rule."""
    words = Q(summary__icontains=text) | Q(detail__icontains=text) | Q(subject__icontains=text)
    return words | Q(device__name_key__contains=fold(text)) | Q(rule__name_key__contains=fold(text))


def alerts(user: Any, text: str) -> list[Found]:
    """By what is wrong, the object, the device, or the rule."""
    rows = Alert.objects.visible_to(user).filter(matching(text))
    rows = rows.order_by(F("resolved_at").desc(nulls_first=True), "-started_at", "-pk")
    return [
        Found(pk, summary, " · ".join(part for part in (device, state) if part), f"/alerts/{pk}/", severity)
        for pk, summary, device, state, severity in rows.values_list(
            "pk", "summary", "device__name", "state", "severity"
        )[:PER_GROUP]
    ]
