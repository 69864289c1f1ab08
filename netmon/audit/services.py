"""Writing the record."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
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


def snapshot(obj: models.Model, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """The columns of a row for the record. Of a secret only whether it is set.

    A model may add what belongs to it in a method `audit_extra() -> dict`; who reads that of many rows at once gives it
    as `extra`.
    """
    values: dict[str, Any] = {}
    for field in obj._meta.concrete_fields:
        if field.name in SILENT or isinstance(field, FoldedField):
            continue
        if isinstance(field, EncryptedTextField) or field.name in HIDDEN:
            values[f"{field.name}_set"] = bool(getattr(obj, field.attname))
        elif field.editable or field.name.endswith("_at"):
            value = field.value_from_object(obj)
            values[field.name] = str(value) if isinstance(value, tzinfo) else value
    if extra is None:
        extra = getattr(obj, "audit_extra", dict)()
    return values | extra


def _changed(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What differs, before and after."""
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    kept = [{name: value for name, value in side.items() if name in names} for side in (before, after)]
    return kept[0], kept[1]


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
        before, after = _changed(before, after)
        if not before and not after:
            return None
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


def record_changes(
    rows: Sequence[models.Model], befores: Sequence[dict[str, Any]], afters: Sequence[dict[str, Any]]
) -> None:
    """The updates of many rows: like `record`, none where nothing changed."""
    changes = [_changed(before, after) for before, after in zip(befores, afters, strict=True)]
    told = [(row, change) for row, change in zip(rows, changes, strict=True) if any(change)]
    record_many(
        "update",
        [row for row, _ in told],
        befores=[change[0] for _, change in told],
        afters=[change[1] for _, change in told],
    )


def record_many(
    action: str,
    rows: Sequence[models.Model],
    *,
    details: Sequence[str] = (),
    befores: Sequence[dict[str, Any]] = (),
    afters: Sequence[dict[str, Any]] = (),
) -> None:
    """One event per row, in as few statements as may be: for bulk writes. What is given is one per row."""
    texts = details or [""] * len(rows)
    nothing: list[dict[str, Any] | None] = [None] * len(rows)
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
                object_name=str(row)[:255].replace("\x00", ""),
                detail=text[:255],
                before=before,
                after=after,
            )
            for row, text, before, after in zip(rows, texts, befores or nothing, afters or nothing, strict=True)
        ],
        batch_size=200,
    )


def prune(now: datetime | None = None) -> int:
    """Drop events older than NETMON_AUDIT_DAYS. Returns how many went."""
    limit = (now or timezone.now()) - timedelta(days=settings.AUDIT_DAYS)
    count, _ = AuditEvent.objects.filter(at__lt=limit).delete()
    return count
