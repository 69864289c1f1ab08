"""`auth/`: tokens and one's own profile."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.generics import GenericAPIView, RetrieveUpdateAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView, TokenVerifyView

from netmon.accounts.lockout import LOCKED_OUT
from netmon.accounts.models import User
from netmon.accounts.serializers import (
    LoginSerializer,
    LogoutSerializer,
    MeSerializer,
    RefreshSerializer,
    VerifySerializer,
)
from netmon.common.errors import NetmonError


class InvalidRefresh(NetmonError):
    code = "token_not_valid"
    http_status = 401


class LockedOut(NetmonError):
    code = "locked_out"
    http_status = 429


class LoginView(TokenObtainPairView):
    """A pair of tokens for a user name and a password (JSON or form). 5 a minute and address."""

    serializer_class = LoginSerializer
    permission_classes = (AllowAny,)  # type: ignore[assignment]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "login"

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            return super().post(request, *args, **kwargs)
        except AuthenticationFailed:
            if getattr(request, "axes_locked_out", False):
                raise LockedOut(LOCKED_OUT) from None
            raise


class RefreshView(TokenRefreshView):
    """A new pair for a refresh token, which is used up by this. One that was used before ends all of its user's."""

    serializer_class = RefreshSerializer
    permission_classes = (AllowAny,)  # type: ignore[assignment]


class VerifyView(TokenVerifyView):
    """200 while a token is valid."""

    serializer_class = VerifySerializer
    permission_classes = (AllowAny,)  # type: ignore[assignment]


class LogoutView(GenericAPIView[User]):
    """Ends a refresh token."""

    serializer_class = LogoutSerializer
    required_roles = {"write": "viewer"}

    @extend_schema(responses={204: None})
    def post(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            token = RefreshToken(serializer.validated_data["refresh"])
        except TokenError as error:
            raise InvalidRefresh(str(error)) from None
        if str(token.get("user_id")) != str(request.user.pk):
            raise InvalidRefresh("This refresh token belongs to somebody else.")
        token.blacklist()
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(RetrieveUpdateAPIView[User]):
    """Who am I."""

    serializer_class = MeSerializer
    http_method_names = ["get", "patch", "head", "options"]
    required_roles = {"write": "viewer"}

    def get_object(self) -> Any:
        return self.request.user
