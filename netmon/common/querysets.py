"""The one gate through which views get at rows."""

from typing import Any, ClassVar, Self

from django.db import models


class VisibleQuerySet(models.QuerySet[Any, Any]):
    """A queryset that knows which rows a person may see.

    `tenant_path` names the way from the model to its tenant (`"tenant"`, `"device__tenant"`), or is empty for
    models that belong to no tenant. In v1 every signed-in person sees every tenant; limiting people to tenants is a
    change in this one method.
    """

    tenant_path: ClassVar[str] = ""

    def visible_to(self, user: Any) -> Self:
        if not getattr(user, "is_authenticated", False) or not user.is_active:
            return self.none()
        return self.all()
