"""`auth/`: tokens, one's own profile, password and second factor."""

from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import ValidationError
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.exceptions import PermissionDenied
from rest_framework.generics import GenericAPIView, RetrieveUpdateAPIView
from rest_framework.parsers import FormParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import Token
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView, TokenVerifyView

from netmon.accounts import tokens
from netmon.accounts.models import Totp, User
from netmon.accounts.serializers import (
    CodeSerializer,
    DisableTotpSerializer,
    EnrolmentSerializer,
    LoginSerializer,
    LogoutSerializer,
    MeSerializer,
    PairSerializer,
    PasswordSerializer,
    RecoveryCodesSerializer,
    RefreshSerializer,
    TotpSerializer,
    VerifySerializer,
)
from netmon.accounts.services import logins, people, totp
from netmon.accounts.viewsets import ApiKeyViewSet, InviteViewSet, UserViewSet
from netmon.audit import services as audit
from netmon.common.errors import NetmonError
from netmon.common.parsers import BoundedJSONParser
from netmon.common.throttling import ScopedThrottle

__all__ = ["ApiKeyViewSet", "InviteViewSet", "UserViewSet"]


class InvalidRefresh(NetmonError):
    code = "token_not_valid"
    http_status = 401


@extend_schema_view(post=extend_schema(responses={200: PairSerializer}))
class LoginView(TokenObtainPairView):
    """A pair of tokens for a user name and a password (JSON or form), and `otp` where a code is asked for.

    5 a minute and address; failed ones are slowed down further. 401 `otp_required`: the password is right, the code is
    missing.
    """

    area = "accounts"
    serializer_class = LoginSerializer
    parser_classes = (BoundedJSONParser, FormParser)
    permission_classes = (AllowAny,)  # type: ignore[assignment]
    throttle_classes = [ScopedThrottle]
    throttle_scope = "login"


class RefreshView(TokenRefreshView):
    """A new pair for a refresh token, which is used up by this. One that was used before ends its whole log-in."""

    area = "accounts"
    serializer_class = RefreshSerializer
    permission_classes = (AllowAny,)  # type: ignore[assignment]


class VerifyView(TokenVerifyView):
    """200 while a token is valid."""

    area = "accounts"
    serializer_class = VerifySerializer
    permission_classes = (AllowAny,)  # type: ignore[assignment]


class LogoutView(GenericAPIView[User]):
    """Ends the log-in of a refresh token: this token and every one that came of the same log-in."""

    serializer_class = LogoutSerializer
    required_roles = {"write": "viewer"}

    @extend_schema(responses={204: None})
    def post(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            token = tokens.FamilyRefreshToken(serializer.validated_data["refresh"])
        except TokenError as error:
            raise InvalidRefresh(str(error)) from None
        if str(token.get("user_id")) != str(request.user.pk):
            raise InvalidRefresh("This refresh token belongs to somebody else.")
        token.blacklist()
        tokens.revoke_family(token, _person(request).pk)
        audit.record("logout", _person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class LogoutEverywhereView(GenericAPIView[User]):
    """Ends every session and every token of yours, this one too. API keys stay: revoke them one by one."""

    required_roles = {"write": "viewer"}

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        people.end_everything(user=_person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(RetrieveUpdateAPIView[User]):
    """Who am I."""

    serializer_class = MeSerializer
    http_method_names = ["get", "patch", "head", "options"]
    required_roles = {"write": "viewer"}

    def get_object(self) -> Any:
        return self.request.user

    def perform_update(self, serializer: Any) -> None:
        before = audit.snapshot(serializer.instance)
        audit.record("update", serializer.save(), before=before, after=audit.snapshot(serializer.instance))


def _person(request: Request) -> User:
    user: Any = request.user
    return user


def _prove(request: Request, *, fields: dict[str, str], **proofs: str) -> None:
    """Raises ValidationError naming the field of the proof that is wrong, LockedOut after too many."""
    wrong = logins.prove(request._request, _person(request), **proofs)
    if wrong == "password":
        raise ValidationError(
            {fields["password"]: ValidationError("This is not your password.", code="wrong_password")}
        )
    if wrong == "code":
        raise ValidationError({fields["code"]: ValidationError("This code is wrong or used.", code="wrong_code")})


class PasswordView(GenericAPIView[User]):
    """Your new password. It ends every other session and every token; API keys stay.

    By token the answer is 200 with a fresh pair, by session or key 204.
    """

    serializer_class = PasswordSerializer
    required_roles = {"write": "viewer"}

    @extend_schema(responses={200: PairSerializer, 204: OpenApiResponse(description="By session or key.")})
    def post(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        _prove(request, fields={"password": "current_password"}, password=given["current_password"])
        user = people.set_own_password(user=_person(request), password=given["new_password"])
        if isinstance(request.auth, Token):
            return Response(tokens.pair(user))
        if request.auth is None:
            update_session_auth_hash(request._request, user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class TotpView(GenericAPIView[Totp]):
    """Your second factor: is it on, how many recovery codes are left."""

    serializer_class = TotpSerializer
    required_roles = {"write": "viewer"}

    def get(self, request: Request) -> Response:
        user = _person(request)
        row = Totp.objects.filter(user=user, confirmed_at__isnull=False).first()
        body = {
            "enabled": row is not None,
            "confirmed_at": row.confirmed_at if row else None,
            "is_required": totp.is_required(user),
            "recovery_codes_left": totp.recovery_codes_left(user),
        }
        return Response(TotpSerializer(body).data)


def _refuse_keys(request: Request) -> None:
    """A program that holds a key must not lock its owner out by a second factor of its own."""
    if hasattr(request.auth, "scopes"):
        raise PermissionDenied("A second factor is changed by the person, not by an API key.")


class TotpEnrolView(GenericAPIView[Totp]):
    """A fresh secret for your authenticator. It counts once `auth/totp/confirm/` has seen a code of it."""

    serializer_class = EnrolmentSerializer
    required_roles = {"write": "viewer"}

    @extend_schema(request=None, responses={200: EnrolmentSerializer})
    def post(self, request: Request) -> Response:
        _refuse_keys(request)
        row = totp.enrol(user=_person(request))
        uri = totp.provisioning_uri(row)
        body = {"secret": totp.clear_secret(row), "otpauth_uri": uri, "qr_svg": totp.qr_svg(uri)}
        return Response(EnrolmentSerializer(body).data, headers={"Cache-Control": "no-store"})


class TotpConfirmView(GenericAPIView[Totp]):
    """Switches the second factor on by its first code; answers ten recovery codes, once."""

    serializer_class = CodeSerializer
    required_roles = {"write": "viewer"}

    @extend_schema(responses={200: RecoveryCodesSerializer})
    def post(self, request: Request) -> Response:
        _refuse_keys(request)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        codes = totp.confirm(user=_person(request), code=serializer.validated_data["code"])
        return Response({"recovery_codes": codes}, headers={"Cache-Control": "no-store"})


class TotpDisableView(GenericAPIView[Totp]):
    """Switches the second factor off: takes the password and a code."""

    serializer_class = DisableTotpSerializer
    required_roles = {"write": "viewer"}

    @extend_schema(responses={204: None})
    def post(self, request: Request) -> Response:
        _refuse_keys(request)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        if not _person(request).totp_enabled:
            raise totp.TotpNotEnabled("There is no second factor.")
        given = serializer.validated_data
        fields = {"password": "password", "code": "code"}
        _prove(request, fields=fields, password=given["password"], code=given["code"])
        totp.remove(user=_person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class RecoveryCodesView(GenericAPIView[Totp]):
    """Ten new recovery codes for a code; the old ones end."""

    serializer_class = CodeSerializer
    required_roles = {"write": "viewer"}

    @extend_schema(responses={200: RecoveryCodesSerializer})
    def post(self, request: Request) -> Response:
        _refuse_keys(request)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        if not _person(request).totp_enabled:
            raise totp.TotpNotEnabled("There is no second factor.")
        _prove(request, fields={"code": "code"}, code=serializer.validated_data["code"])
        codes = totp.renew_recovery_codes(user=_person(request))
        return Response({"recovery_codes": codes}, headers={"Cache-Control": "no-store"})
