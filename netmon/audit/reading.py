"""Reading the record: the history of an object, and what an event changed."""

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import Q, QuerySet

from netmon.audit.models import AuditEvent


@dataclass(frozen=True, slots=True)
class Line:
    """An event, and (name, before, after) of each column it tells of."""

    event: AuditEvent
    changes: list[tuple[str, Any, Any]]


def line(event: AuditEvent) -> Line:
    before, after = event.before or {}, event.after or {}
    return Line(event, [(name, before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys())])


def history(obj: models.Model) -> "QuerySet[Any]":
    """What was done to an object and to its parts, newest first."""
    label, number = obj._meta.label_lower, str(obj.pk)
    return AuditEvent.objects.filter(
        Q(object_type=label, object_id=number) | Q(parent_type=label, parent_id=number)
    ).order_by("-id")
