"""Who did what to what, and when: rows are added and never changed."""

from typing import Any, ClassVar, NoReturn

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone

from netmon.common.querysets import VisibleQuerySet


class AppendOnly(TypeError):
    """Somebody tried to change the record of what was done."""


class AuditEventQuerySet(VisibleQuerySet):
    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly("Audit events are never changed.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("Audit events are never changed.")


class AuditEvent(models.Model):
    """One write, one use of a credential, one login. It outlives the person and the object: both are kept by name."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    action = models.CharField(max_length=32, help_text="create, update, delete, login, login_failed, use ...")
    user_id = models.BigIntegerField(null=True, blank=True)
    username = models.CharField(max_length=150, blank=True)
    via = models.CharField(max_length=32, blank=True, help_text="session, jwt, api_key:<prefix>, command, job")
    ip = models.CharField(max_length=39, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    object_type = models.CharField(max_length=64, blank=True, help_text="Such as inventory.device.")
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=255, blank=True)
    parent_type = models.CharField(max_length=64, blank=True, help_text="What the object is a part of.")
    parent_id = models.CharField(max_length=64, blank=True)
    before = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder)
    detail = models.CharField(max_length=255, blank=True)

    objects: ClassVar[models.Manager["AuditEvent"]] = models.Manager.from_queryset(AuditEventQuerySet)()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["object_type", "object_id"], name="audit_by_object"),  # an object's page
            models.Index(fields=["parent_type", "parent_id"], name="audit_by_parent"),
            models.Index(fields=["user_id"], name="audit_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_name}".rstrip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise AppendOnly("Audit events are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("Audit events leave by retention only.")
