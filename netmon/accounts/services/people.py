"""Making, changing and removing people."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from netmon.accounts.models import User
from netmon.audit import services as audit
from netmon.common.errors import Conflict


class LastAdmin(Conflict):
    """Nobody would be left who can manage people."""

    code = "last_admin"


@transaction.atomic
def ensure_admin(*, username: str, password: str | None, email: str = "") -> tuple[User, bool]:
    """The admin `username`, made or brought up to admin; a given password is set. Returns (user, created).

    Raises ValidationError when the password is weak or a new account has none, the name is unfit, or the person is
    bound to tenants.
    """
    user = User.objects.select_for_update().filter(username=username).first()
    created = user is None
    if user is None:
        user = User(username=username)
        if password is None:
            raise ValidationError({"password": "A new admin needs a password: use --password-stdin."})
    elif user.tenants.exists():
        raise ValidationError({"role": "This person is bound to tenants, and an admin is not: unbind first."})
    before = None if created else audit.snapshot(user)
    user.email = email or user.email
    user.role, user.is_active = User.Role.ADMIN, True
    if password is not None:
        validate_password(password, user)
        user.set_password(password)
        user.token_version += 1
    user.full_clean()
    user.save()
    audit.record("create" if created else "update", user, before=before, after=audit.snapshot(user))
    if password is not None and not created:
        audit.record("password_set", user)
    return user, created


def check_password_fits(password: str, user: User) -> None:
    """Raises ValidationError that names the field when a password is weak."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ValidationError({"password": error.error_list}) from None


def refuse_bound_admin(*, role: str, tenants: Iterable[Any], field: str) -> None:
    """Raises ValidationError: an admin's powers reach beyond any tenant, so an admin bound to one would act as less."""
    if role == User.Role.ADMIN and list(tenants):
        message = "An admin is bound to no tenant: leave the tenants out, or choose the role operator."
        raise ValidationError({field: ValidationError(message, code="bound_admin")})


@transaction.atomic
def create(*, password: str, tenants: Iterable[Any] = (), **values: Any) -> User:
    """A new person. `values` are columns; `tenants` are rows or numbers. Raises ValidationError naming the field."""
    tenants = list(tenants)
    user = User(**values)
    refuse_bound_admin(role=user.role, tenants=tenants, field="tenants")
    check_password_fits(password, user)
    user.set_password(password)
    user.full_clean()
    user.save()
    user.tenants.set(tenants)
    audit.record("create", user, after=audit.snapshot(user))
    return user


def _is_full_admin(user: User) -> bool:
    return user.role == User.Role.ADMIN and user.is_active and not user.tenants.exists()


def held(user: User) -> User:
    """The row, held until the transaction ends, after all rows of admins: whoever touches an admin waits for others."""
    list(User.objects.select_for_update().filter(role=User.Role.ADMIN).order_by("pk").values_list("pk", flat=True))
    row: User = User.objects.select_for_update().get(pk=user.pk)
    return row


def is_last_admin(user: User) -> bool:
    """Whether this is the only active admin who is bound to no tenant."""
    others = User.objects.filter(role=User.Role.ADMIN, is_active=True, tenants__isnull=True).exclude(pk=user.pk)
    return _is_full_admin(user) and not others.exists()


def _refuse_last_admin() -> None:
    raise LastAdmin("This is the last admin: make somebody else one first, who is active and bound to no tenant.")


@transaction.atomic
def change(
    *, user: User, values: dict[str, Any], tenants: Iterable[Any] | None = None, password: str | None = None
) -> User:
    """Change columns, tenants (None: as they are) and password of a person; returns the fresh row.

    A new password, or switching the account off, ends all sessions and tokens. Raises ValidationError, or LastAdmin
    when nobody would be left who can manage people.
    """
    row = held(user)
    before, was_last = audit.snapshot(row), is_last_admin(row)
    was_active = row.is_active
    for name, value in values.items():
        setattr(row, name, value)
    bound = list(row.tenants.all() if tenants is None else tenants)
    refuse_bound_admin(role=row.role, tenants=bound, field="role" if tenants is None else "tenants")
    stays = row.role == User.Role.ADMIN and row.is_active and not bound
    if was_last and not stays:
        _refuse_last_admin()
    if password is not None:
        check_password_fits(password, row)
        row.set_password(password)
    if password is not None or (was_active and not row.is_active):
        row.token_version += 1
    row.full_clean()
    row.save()
    if tenants is not None:
        row.tenants.set(bound)
        row.__dict__.pop("tenant_ids", None)
    audit.record("update", row, before=before, after=audit.snapshot(row))
    if password is not None:
        audit.record("password_set", row)
    return row


@transaction.atomic
def delete(*, user: User) -> None:
    """Remove a person. What they did stays in the audit, by name. Raises LastAdmin."""
    row = held(user)
    if is_last_admin(row):
        _refuse_last_admin()
    audit.record("delete", row, before=audit.snapshot(row))
    row.delete()


@transaction.atomic
def end_everything(*, user: User, action: str = "logout_everywhere") -> User:
    """End every session and every token of a person; API keys stay. Returns the fresh row."""
    row: User = User.objects.select_for_update().get(pk=user.pk)
    row.token_version += 1
    row.save(update_fields=["token_version"])
    audit.record(action, row)
    return row


@transaction.atomic
def set_own_password(*, user: User, password: str) -> User:
    """A person's new password; ends every session and token made before. Returns the fresh row.

    Raises ValidationError naming `new_password` when it is weak or the old one.
    """
    row: User = User.objects.select_for_update().get(pk=user.pk)
    if row.check_password(password):
        raise ValidationError({"new_password": "This is the password you have: choose another."})
    try:
        validate_password(password, row)
    except ValidationError as error:
        raise ValidationError({"new_password": error.error_list}) from None
    row.set_password(password)
    row.token_version += 1
    row.save(update_fields=["password", "token_version"])
    audit.record("password_change", row)
    return row
