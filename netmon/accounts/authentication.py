"""Who calls the API: an API key, a JSON Web Token, or the session of the pages."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import Token

from netmon.accounts import tokens
from netmon.accounts.models import ApiKey, User
from netmon.accounts.services import keys, totp
from netmon.common.clients import client_address

# What somebody who must enrol a second factor can still do.
OPEN_WITHOUT_TOTP = (
    "/api/v1/auth/me/",
    "/api/v1/auth/totp/",
    "/api/v1/auth/logout/",
    "/api/v1/auth/logout-everywhere/",
    "/api/v1/auth/token/",
    "/api/v1/health/",
    "/account/totp/",
    "/logout/",
    "/login/",
    "/api-auth/",
    "/static/",
)


def is_open_without_totp(path: str) -> bool:
    return path.startswith(OPEN_WITHOUT_TOTP)


class TotpEnrolmentRequired(PermissionDenied):
    default_code = "totp_enrolment_required"
    default_detail = "This installation asks you for a second factor: POST auth/totp/enrol/, then auth/totp/confirm/."


class KeyUnknown(AuthenticationFailed):
    default_code = "key_unknown"
    default_detail = "This is no API key of netmon."


class KeyRevoked(AuthenticationFailed):
    default_code = "key_revoked"
    default_detail = "This API key was revoked."


class KeyExpired(AuthenticationFailed):
    default_code = "key_expired"
    default_detail = "This API key has expired: make a new one."


class WrongNetwork(PermissionDenied):
    default_code = "wrong_network"
    default_detail = "This API key may not be used from this address."


class ApiKeyAuthentication(BaseAuthentication):
    """`X-API-Key: nm_...` or `Authorization: Bearer nm_...`."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        text = self.key_in(request)
        if text is None:
            return None
        key = keys.find(text)
        if key is None:
            raise KeyUnknown()
        if key.revoked_at is not None:
            raise KeyRevoked()
        if key.state == "expired":
            raise KeyExpired()
        if not key.user.is_active:
            raise AuthenticationFailed("The owner of this API key is inactive.", code="user_inactive")
        address = client_address(request)
        if not keys.admits(key, address):
            raise WrongNetwork()
        keys.note_use(key, address)
        key.user.acting_role, key.user.acting_key = key.role, key  # type: ignore[attr-defined]
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'

    @staticmethod
    def key_in(request: Request) -> str | None:
        """The key that the request shows; a token of another kind is somebody else's to judge."""
        if (given := request.META.get("HTTP_X_API_KEY")) is not None:
            return str(given).strip()
        kind, _, value = str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")
        if kind.lower() == "bearer" and value.strip().startswith(keys.START):
            return value.strip()
        return None


class FamilyJWTAuthentication(JWTAuthentication):
    """A token is worth something while its log-in is: its family stands, and nothing ended all of the person's."""

    def authenticate(self, request: Request) -> Any:
        found = super().authenticate(request)
        if found is not None and totp.is_missing(found[0]) and not is_open_without_totp(request.path):
            raise TotpEnrolmentRequired()
        return found

    def get_user(self, validated_token: Token) -> Any:
        user: Any = super().get_user(validated_token)
        if validated_token.get(tokens.VERSION) != user.token_version or tokens.is_revoked(validated_token):
            raise AuthenticationFailed("This token was ended: log in again.", code="token_revoked")
        return user
