"""The one gate through which views get at rows."""

from typing import Any, ClassVar, Self

from django.db import models


class VisibleQuerySet(models.QuerySet[Any, Any]):
    """A queryset that knows which rows a person may see.

    `tenant_path` names the way from the model to its tenant (`"tenant"`, `"device__tenant"`). A person bound to no
    tenant sees every row; one bound to tenants sees theirs, and of a model that belongs to no tenant (an empty path)
    nothing, unless the model says otherwise in a `visible_to` of its own.
    """

    tenant_path: ClassVar[str] = ""

    def visible_to(self, user: Any) -> Self:
        if not getattr(user, "is_authenticated", False) or not user.is_active:
            return self.none()
        tenant_ids = user.tenant_ids
        if not tenant_ids:
            return self.all()
        if not self.tenant_path:
            return self.none()
        return self.filter(**{f"{self.tenant_path}__in": tenant_ids})
