"""`auth/`: tokens, one's own profile, password and second factor."""

from typing import Any, ClassVar

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
    EnrolTotpSerializer,
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


class _FactorView(GenericAPIView[Totp]):
    """A change of the second factor, by the person alone and by what `proofs` names of the request."""

    required_roles = {"write": "viewer"}
    proofs: ClassVar[tuple[str, ...]] = ()
    needs_factor: ClassVar[bool] = True

    def proved(self, request: Request) -> dict[str, Any]:
        """What was sent. Raises ValidationError, LockedOut, PermissionDenied or a Conflict of the second factor."""
        _refuse_keys(request)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given: dict[str, Any] = serializer.validated_data
        is_on = _person(request).totp_enabled
        if self.needs_factor and not is_on:
            raise totp.TotpNotEnabled("There is no second factor.")
        if not self.needs_factor and is_on:
            raise totp.TotpAlreadyEnabled("A second factor is in use: disable it first.")
        if self.proofs:
            _prove(request, fields={name: name for name in self.proofs}, **{name: given[name] for name in self.proofs})
        return given


def _secret_answer(body: Any) -> Response:
    """An answer that is shown once."""
    return Response(body, headers={"Cache-Control": "no-store"})


class TotpEnrolView(_FactorView):
    """A fresh secret for your authenticator, for your password. It counts once `auth/totp/confirm/` saw a code."""

    serializer_class = EnrolTotpSerializer
    proofs = ("password",)
    needs_factor = False

    @extend_schema(responses={200: EnrolmentSerializer})
    def post(self, request: Request) -> Response:
        self.proved(request)
        row = totp.enrol(user=_person(request))
        uri = totp.provisioning_uri(row)
        body = {"secret": totp.clear_secret(row), "otpauth_uri": uri, "qr_svg": totp.qr_svg(uri)}
        return _secret_answer(EnrolmentSerializer(body).data)


class TotpConfirmView(_FactorView):
    """Switches the second factor on by its first code; answers ten recovery codes, once."""

    serializer_class = CodeSerializer
    needs_factor = False  # the code belongs to the secret that waits

    @extend_schema(responses={200: RecoveryCodesSerializer})
    def post(self, request: Request) -> Response:
        given = self.proved(request)
        return _secret_answer({"recovery_codes": totp.confirm(user=_person(request), code=given["code"])})


class TotpDisableView(_FactorView):
    """Switches the second factor off: takes the password and a code."""

    serializer_class = DisableTotpSerializer
    proofs = ("password", "code")

    @extend_schema(responses={204: None})
    def post(self, request: Request) -> Response:
        self.proved(request)
        totp.remove(user=_person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class RecoveryCodesView(_FactorView):
    """Ten new recovery codes for a code; the old ones end."""

    serializer_class = CodeSerializer
    proofs = ("code",)

    @extend_schema(responses={200: RecoveryCodesSerializer})
    def post(self, request: Request) -> Response:
        self.proved(request)
        return _secret_answer({"recovery_codes": totp.renew_recovery_codes(user=_person(request))})
