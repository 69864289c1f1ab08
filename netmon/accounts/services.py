"""Verbs about people."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from netmon.accounts.models import User


@transaction.atomic
def ensure_admin(*, username: str, password: str | None, email: str = "") -> tuple[User, bool]:
    """The admin `username`, made or brought up to admin; a given password is set. Returns (user, created).

    Raises ValidationError when the password is weak or a new account has none, or the name is unfit.
    """
    user = User.objects.select_for_update().filter(username=username).first()
    created = user is None
    if user is None:
        user = User(username=username)
        if password is None:
            raise ValidationError({"password": "A new admin needs a password: use --password-stdin."})
    user.email = email or user.email
    user.role, user.is_staff, user.is_superuser, user.is_active = User.Role.ADMIN, True, True, True
    if password is not None:
        validate_password(password, user)
        user.set_password(password)
    user.full_clean()
    user.save()
    return user, created


def end_refresh_tokens(user_id: int) -> None:
    """Blacklist every refresh token of this user."""
    tokens = OutstandingToken.objects.filter(user_id=user_id, blacklistedtoken__isnull=True)
    BlacklistedToken.objects.bulk_create([BlacklistedToken(token=token) for token in tokens], ignore_conflicts=True)
