"""JSON Web Tokens: a log-in is a family of tokens, which ends as a whole."""

import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken, Token
from rest_framework_simplejwt.utils import datetime_from_epoch, get_md5_hash_password

from netmon.accounts.models import RevokedFamily, User

FAMILY, VERSION = "family", "ver"


class FamilyRefreshToken(RefreshToken):
    """A refresh token that knows its log-in. The list of outstanding tokens keeps its number, not the token itself."""

    @classmethod
    def for_user(cls, user: Any) -> "FamilyRefreshToken":
        token = cls()
        token[api_settings.USER_ID_CLAIM] = str(user.pk)
        token[api_settings.REVOKE_TOKEN_CLAIM] = _password_claim(user)
        token[VERSION] = user.token_version
        token[FAMILY] = uuid.uuid4().hex
        token.outstand()
        return token

    def outstand(self) -> OutstandingToken:
        row, _ = OutstandingToken.objects.get_or_create(
            jti=self[api_settings.JTI_CLAIM],
            defaults={
                "user": User.objects.filter(pk=self[api_settings.USER_ID_CLAIM]).first(),
                "created_at": timezone.now(),
                "token": "",
                "expires_at": datetime_from_epoch(self["exp"]),
            },
        )
        return row


def _password_claim(user: Any) -> str:
    return str(get_md5_hash_password(user.password))


def pair(user: User) -> dict[str, str]:
    """A new log-in's tokens: `{"refresh", "access"}`."""
    refresh = FamilyRefreshToken.for_user(user)
    return {"refresh": str(refresh), "access": str(refresh.access_token)}


def family_of(token: Token) -> uuid.UUID | None:
    """None for a token without one: made before there were families, so it is worth nothing."""
    try:
        return uuid.UUID(str(token.get(FAMILY)))
    except ValueError:
        return None


def is_revoked(token: Token) -> bool:
    family = family_of(token)
    return family is None or RevokedFamily.objects.filter(family=family).exists()


@transaction.atomic
def revoke_family(token: Token, user_id: int) -> None:
    """End every token that descends from this token's log-in, the access tokens too."""
    family = family_of(token)
    if family is None:
        return
    longest: timedelta = api_settings.REFRESH_TOKEN_LIFETIME
    RevokedFamily.objects.bulk_create(
        [RevokedFamily(family=family, user_id=user_id, expires_at=timezone.now() + longest)], ignore_conflicts=True
    )


def forget_expired() -> int:
    """Delete what speaks of tokens that have run out by themselves; how many rows."""
    now = timezone.now()
    count = RevokedFamily.objects.filter(expires_at__lt=now).delete()[0]
    return count + OutstandingToken.objects.filter(expires_at__lt=now).delete()[0]
