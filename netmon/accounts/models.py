"""People and their roles."""

from typing import ClassVar, Self

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models
from django.db.models import Q

from netmon.common.querysets import VisibleQuerySet


class UserQuerySet(VisibleQuerySet):
    def visible_to(self, user: "User") -> Self:
        """An admin sees everybody, others themselves."""
        rows = super().visible_to(user)
        return rows if getattr(user, "is_admin", False) else rows.filter(pk=user.pk)


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

    @property
    def is_admin(self) -> bool:
        return self.is_superuser or self.role == self.Role.ADMIN
