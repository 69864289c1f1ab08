"""Who asked for a job, with what right: kept when it is queued, asked again when it runs."""

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.utils import timezone

from netmon.jobs.models import Job


def remembered(user: Any) -> dict[str, Any]:
    """What of the asker's right goes along with a job: the role and the API key, if one was used."""
    key = getattr(user, "acting_key", None)
    return {"role": getattr(user, "acting_role", None), "key": key.pk if key is not None else None}


def recalled(job: Job) -> Any | None:
    """The person who asked, with the rights of now; None when they, or the key they used, are gone or switched off."""
    user: Any = get_user_model().objects.filter(pk=job.requested_by_id, is_active=True).first()
    if user is None:
        return None
    user.acting_role, user.acting_key = job.arguments.get("role"), None
    if (pk := job.arguments.get("key")) is not None:
        # By name: the accounts stand above this layer.
        keys = apps.get_model("accounts", "ApiKey").objects.filter(pk=pk, user=user, revoked_at=None)
        user.acting_key = keys.filter(expires_at__gt=timezone.now()).first()
        if user.acting_key is None:
            return None
    return user


def via(user: Any) -> str:
    """The door, for the record."""
    key = getattr(user, "acting_key", None)
    return f"job api_key:{key.prefix}" if key is not None else "job"
