"""People and their roles."""

from typing import ClassVar, Self

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property

from netmon.common.permissions import has_role
from netmon.common.querysets import VisibleQuerySet


class UserQuerySet(VisibleQuerySet):
    def visible_to(self, user: "User") -> Self:
        """An admin sees everybody, others themselves."""
        if not getattr(user, "is_authenticated", False) or not user.is_active:
            return self.none()
        return self.all() if user.is_admin else self.filter(pk=user.pk)


class UserManager(DjangoUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    pass


class User(AbstractUser):
    class Role(models.TextChoices):
        VIEWER = "viewer", "Viewer: reads"
        OPERATOR = "operator", "Operator: also writes the inventory and runs things"
        ADMIN = "admin", "Admin: also manages people and secrets"

    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        ordering = ["username"]
        constraints = [
            models.CheckConstraint(
                name="user_role_known",
                condition=Q(role__in=["viewer", "operator", "admin"]),
                violation_error_message="The role is viewer, operator or admin.",
            )
        ]

    @cached_property
    def tenant_ids(self) -> frozenset[int]:
        """The tenants this person is bound to (the inventory owns the relation). Empty: to none, so all are seen."""
        return frozenset(self.tenants.values_list("pk", flat=True)) if self.pk else frozenset()

    @property
    def is_admin(self) -> bool:
        return has_role(self, "admin")
