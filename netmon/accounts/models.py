"""People, what proves who they are, and what they let programs do in their name."""

import uuid
from typing import Any, ClassVar, Self

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.functional import cached_property

from netmon.common.constraints import FieldUniqueConstraint
from netmon.common.fields import EncryptedTextField
from netmon.common.permissions import has_role
from netmon.common.querysets import VisibleQuerySet


class UserQuerySet(VisibleQuerySet):
    def visible_to(self, user: "User") -> Self:
        """An admin sees everybody, others themselves."""
        if not getattr(user, "is_authenticated", False) or not user.is_active:
            return self.none()
        return self.all() if user.is_admin else self.filter(pk=user.pk)


class OwnedQuerySet(VisibleQuerySet):
    def visible_to(self, user: Any) -> Self:
        """An admin sees everybody's rows, others their own."""
        if not getattr(user, "is_authenticated", False) or not user.is_active:
            return self.none()
        return self.all() if user.is_admin else self.filter(user_id=user.pk)


class AdminQuerySet(VisibleQuerySet):
    def visible_to(self, user: Any) -> Self:
        """For admins only."""
        return self.all() if has_role(user, "admin") else self.none()


class UserManager(DjangoUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    pass


class User(AbstractUser):
    class Role(models.TextChoices):
        VIEWER = "viewer", "Viewer: reads"
        OPERATOR = "operator", "Operator: also writes the inventory and runs things"
        ADMIN = "admin", "Admin: also manages people and secrets"

    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)
    token_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="Counts up to end every session and token made before."
    )

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

    def save(self, *args: Any, **kwargs: Any) -> None:
        """The role decides: Django's staff and superuser flags follow it."""
        if self._state.adding and self.is_superuser:  # createsuperuser knows no roles
            self.role = self.Role.ADMIN
        self.is_staff = self.is_superuser = self.role == self.Role.ADMIN
        if (fields := kwargs.get("update_fields")) is not None and "role" in fields:
            kwargs["update_fields"] = {*fields, "is_staff", "is_superuser"}
        super().save(*args, **kwargs)

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        # Both of Django's hashes, the present key's and those of SECRET_KEY_FALLBACKS, come from here.
        text = f"{self.password}:{self.token_version}"
        return salted_hmac("netmon.accounts.session", text, secret=secret, algorithm="sha256").hexdigest()

    @cached_property
    def tenant_ids(self) -> frozenset[int]:
        """The tenants this person is bound to (the inventory owns the relation). Empty: to none, so all are seen."""
        return frozenset(self.tenants.values_list("pk", flat=True)) if self.pk else frozenset()

    @property
    def is_admin(self) -> bool:
        return has_role(self, "admin")

    @property
    def totp_enabled(self) -> bool:
        """Whether a log-in asks for a code."""
        row = getattr(self, "totp", None)
        return row is not None and row.confirmed_at is not None

    def audit_extra(self) -> dict[str, Any]:
        return {"tenants": sorted(self.tenants.values_list("pk", flat=True))} if self.pk else {}


class Totp(models.Model):
    """The second factor of a person (RFC 6238): six digits, 30 seconds, SHA-1, as every authenticator does it."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="totp")
    secret_ref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    secret = EncryptedTextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    confirmed_at = models.DateTimeField(null=True, blank=True, help_text="When a first code proved that it works.")
    last_step = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="The time step of the last code taken: none is taken twice."
    )

    objects: ClassVar[models.Manager["Totp"]] = models.Manager.from_queryset(OwnedQuerySet)()

    class Meta:
        verbose_name = "second factor"

    def __str__(self) -> str:
        return f"second factor of {self.user}"


class RecoveryCode(models.Model):
    """One use instead of a code, for who has lost the device that makes them."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    code_hash = models.CharField(max_length=64, editable=False)
    used_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["RecoveryCode"]] = models.Manager.from_queryset(OwnedQuerySet)()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "code_hash"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"recovery code {self.pk} of {self.user}"


def default_scopes() -> list[str]:
    return ["read"]


class ApiKey(models.Model):
    """What a program shows to act for a person: `nm_<prefix>_<secret>`, of which only an HMAC is kept."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        EXPIRED = "expired", "Expired"
        REVOKED = "revoked", "Revoked"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=8, unique=True, editable=False)
    key_hash = models.CharField(max_length=64, editable=False)
    pepper_id = models.CharField(max_length=8, editable=False, help_text="Which of NETMON_API_KEY_PEPPERS made it.")
    scopes = models.JSONField(default=default_scopes)
    role = models.CharField(max_length=16, choices=User.Role.choices, default=User.Role.VIEWER)
    allowed_networks = models.JSONField(default=list, blank=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_ip = models.GenericIPAddressField(null=True, blank=True, editable=False)

    objects: ClassVar[models.Manager["ApiKey"]] = models.Manager.from_queryset(OwnedQuerySet)()

    class Meta:
        ordering = ["-id"]
        verbose_name = "API key"
        constraints = [
            FieldUniqueConstraint(
                fields=["user", "name"],
                name="api_key_name",
                condition=Q(revoked_at__isnull=True),
                violation_error_code="unique",
                violation_error_message="This person has a key of this name: revoke it, or choose another name.",
                error_field="name",
            ),
            models.CheckConstraint(
                name="api_key_role_known",
                condition=Q(role__in=["viewer", "operator", "admin"]),
                violation_error_message="The role is viewer, operator or admin.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    @property
    def state(self) -> str:
        """active, expired or revoked."""
        if self.revoked_at is not None:
            return self.State.REVOKED
        return self.State.ACTIVE if self.expires_at > timezone.now() else self.State.EXPIRED


class Invite(models.Model):
    """A link by which somebody makes an account, once."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        USED = "used", "Used"
        EXPIRED = "expired", "Expired"

    email = models.EmailField(blank=True)
    role = models.CharField(max_length=16, choices=User.Role.choices, default=User.Role.VIEWER)
    # Numbers, not a relation: when a tenant goes, the invited must not become somebody who is bound to none.
    tenants = models.JSONField(default=list, blank=True)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="invites_made")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True, editable=False)
    used_by = models.OneToOneField(
        User, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="invite"
    )

    objects: ClassVar[models.Manager["Invite"]] = models.Manager.from_queryset(AdminQuerySet)()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="invite_role_known",
                condition=Q(role__in=["viewer", "operator", "admin"]),
                violation_error_message="The role is viewer, operator or admin.",
            )
        ]

    def __str__(self) -> str:
        return self.email or f"invite {self.pk}"

    @property
    def state(self) -> str:
        """open, used or expired."""
        if self.used_at is not None:
            return self.State.USED
        return self.State.OPEN if self.expires_at > timezone.now() else self.State.EXPIRED


class RevokedFamily(models.Model):
    """A log-in whose tokens have all ended: a refresh token of it came twice, or it logged out."""

    family = models.UUIDField(unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    revoked_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(help_text="When its last token has run out by itself.")

    objects: ClassVar[models.Manager["RevokedFamily"]] = models.Manager.from_queryset(AdminQuerySet)()

    class Meta:
        verbose_name_plural = "revoked families"

    def __str__(self) -> str:
        return str(self.family)


class LoginThrottle(models.Model):
    """How often a log-in failed, and until when none is tried."""

    class Scope(models.TextChoices):
        PAIR = "pair", "An account from an address"
        ADDRESS = "address", "An address, whatever the account"
        ACCOUNT = "account", "An account, whatever the address"

    scope = models.CharField(max_length=8, choices=Scope.choices)
    key = models.CharField(max_length=255)
    failures = models.PositiveIntegerField(default=0)
    window_started_at = models.DateTimeField(default=timezone.now)
    last_failed_at = models.DateTimeField(default=timezone.now, db_index=True)
    locked_until = models.DateTimeField(null=True, blank=True)
    succeeded_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["LoginThrottle"]] = models.Manager.from_queryset(AdminQuerySet)()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "key"], name="login_throttle_key"),
            models.CheckConstraint(
                name="login_throttle_scope_known", condition=Q(scope__in=["pair", "address", "account"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"
