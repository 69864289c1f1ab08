"""What answers to repeated requests need."""

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from netmon.common.constraints import unique
from netmon.common.fields import EncryptedTextField
from netmon.common.querysets import VisibleQuerySet


class IdempotentRequest(models.Model):
    """A POST with an Idempotency-Key, and what it was answered: encrypted, for an answer may show a new key once."""

    secret_ref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    path = models.CharField(max_length=255)
    body_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    status = models.PositiveSmallIntegerField(null=True, help_text="Null while the first request is under way.")
    process = models.CharField(max_length=120, blank=True, help_text="Which process has it under way.")
    location = models.CharField(max_length=255, blank=True)
    content_type = models.CharField(max_length=100, blank=True)
    body = EncryptedTextField(blank=True)

    objects: ClassVar[models.Manager[Any]] = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        constraints = unique(
            "idempotent_request_key", ["user", "key"], error_field="key", message="This key was used already."
        )

    def __str__(self) -> str:
        return f"{self.user} {self.key}"
