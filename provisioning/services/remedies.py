"""Actions as proposals at alerts."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse

from monitoring.models import Alert
from monitoring.remedies import Remedy
from netmon.common.permissions import has_role
from provisioning.models import Action
from provisioning.services import actions, scripts


def of_alert(alert: Alert, user: Any) -> list[Remedy]:
    """The actions that are tied to the alert's rule or source, and that this person may run at its device."""
    if alert.device is None or not scripts.is_on() or not has_role(user, "operator"):
        return []
    tied = Q(remedies=alert.rule_id) if alert.rule_id else Q()
    wanted = set(
        Action.objects.filter(tied | Q(remedy_source=alert.source), is_enabled=True).values_list("pk", flat=True)
        if alert.source or alert.rule_id
        else ()
    )
    if not wanted:
        return []
    query = urlencode({"device": alert.device.pk, "alert": alert.pk})
    return [
        Remedy(row.name, f"{reverse('action-start', args=[row.pk])}?{query}", row.description.partition("\n")[0][:200])
        for row in actions.runnable(user, alert.device)
        if row.pk in wanted
    ]
