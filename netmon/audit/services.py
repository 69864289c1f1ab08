"""Writing the record."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from netmon.audit import context
from netmon.audit.models import AuditEvent
from netmon.common.fields import EncryptedTextField, FoldedField
from netmon.common.middleware import request_id

# Columns that say nothing of what somebody changed.
SILENT = {"created_at", "updated_at", "last_login", "version"}
HIDDEN = {"password", "key_hash"}


def snapshot(obj: models.Model) -> dict[str, Any]:
    """The columns of a row for the record. Of a secret only whether it is set.

    A model may add what belongs to it in a method `audit_extra() -> dict`.
    """
    values: dict[str, Any] = {}
    for field in obj._meta.concrete_fields:
        if field.name in SILENT or isinstance(field, FoldedField):
            continue
        if isinstance(field, EncryptedTextField) or field.name in HIDDEN:
            values[f"{field.name}_set"] = bool(getattr(obj, field.attname))
        elif field.editable or field.name.endswith("_at"):
            values[field.name] = field.value_from_object(obj)
    if extra := getattr(obj, "audit_extra", None):
        values |= extra()
    return values


def record(
    action: str,
    obj: models.Model | None = None,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    detail: str = "",
    user: Any = None,
    username: str = "",
    object_type: str = "",
    object_id: Any = "",
    object_name: str = "",
) -> AuditEvent | None:
    """Add an event, inside the transaction of what it tells of. None when an update changed nothing.

    `before` and `after` are snapshots; of an update only what differs is kept. Who acts comes from the request, the
    command or the job, unless `user` says it; `username` alone names somebody who is nobody yet (a failed login).
    """
    actor = context.current()
    person = user if user is not None else actor.user
    if before is not None and after is not None:
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        if not changed:
            return None
        before = {name: value for name, value in before.items() if name in changed}
        after = {name: value for name, value in after.items() if name in changed}
    parent = getattr(obj, "audit_parent", lambda: None)() if obj is not None else None
    return AuditEvent.objects.create(
        action=action,
        user_id=getattr(person, "pk", None),
        username=(person.get_username() if person is not None else username)[:150].replace("\x00", ""),
        via=actor.via,
        ip=actor.ip,
        request_id=request_id.get(),
        object_type=obj._meta.label_lower if obj is not None else object_type,
        object_id=str(obj.pk if obj is not None else object_id)[:64],
        object_name=(str(obj) if obj is not None else object_name)[:255].replace("\x00", ""),
        parent_type=parent._meta.label_lower if parent is not None else "",
        parent_id=str(parent.pk) if parent is not None else "",
        before=before,
        after=after,
        detail=detail[:255],
    )


def record_many(
    action: str, rows: Sequence[models.Model], *, details: Sequence[str] = (), afters: Sequence[dict[str, Any]] = ()
) -> None:
    """One event per row, in as few statements as may be: for bulk writes. `details` and `afters` are one per row."""
    texts = details or [""] * len(rows)
    snapshots: list[dict[str, Any] | None] = [*afters] or [None] * len(rows)
    actor = context.current()
    AuditEvent.objects.bulk_create(
        [
            AuditEvent(
                action=action,
                user_id=getattr(actor.user, "pk", None),
                username=actor.user.get_username() if actor.user is not None else "",
                via=actor.via,
                ip=actor.ip,
                request_id=request_id.get(),
                object_type=row._meta.label_lower,
                object_id=str(row.pk),
                object_name=str(row)[:255],
                detail=text[:255],
                after=after,
            )
            for row, text, after in zip(rows, texts, snapshots, strict=True)
        ],
        batch_size=200,
    )


def prune(now: datetime | None = None) -> int:
    """Drop events older than NETMON_AUDIT_DAYS. Returns how many went."""
    limit = (now or timezone.now()) - timedelta(days=settings.AUDIT_DAYS)
    count, _ = AuditEvent.objects.filter(at__lt=limit).delete()
    return count
