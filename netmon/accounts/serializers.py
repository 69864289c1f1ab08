from typing import Any

from django.db import transaction
from rest_framework import serializers
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.serializers import (
    PasswordField,
    TokenObtainPairSerializer,
    TokenRefreshSerializer,
    TokenVerifySerializer,
)
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import UntypedToken

from netmon.accounts import services
from netmon.accounts.models import User
from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer


class MeSerializer(ValidatedModelSerializer):
    class Meta:
        model = User
        fields = ["id", "username", "email", "first_name", "last_name", "role", "last_login", "date_joined"]
        read_only_fields = ["id", "username", "role", "last_login", "date_joined"]


class LoginSerializer(TokenObtainPairSerializer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Bounds: a failed name goes into a column of axes, and every password is hashed.
        self.fields["username"] = serializers.CharField(max_length=150, write_only=True)
        self.fields["password"] = PasswordField(max_length=4096, trim_whitespace=False)


class RefreshSerializer(TokenRefreshSerializer):
    """A used refresh token that comes again was stolen, before its use or after: all refresh tokens of its user end."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        token = UntypedToken(attrs["refresh"])
        with transaction.atomic():
            # One at a time: two that come with the same token must not both get a successor.
            held = OutstandingToken.objects.select_for_update().filter(jti=token["jti"]).order_by("pk").first()
            if held is None or not BlacklistedToken.objects.filter(token=held).exists():
                JWTAuthentication().get_user(token)
                return super().validate(attrs)
        if held.user_id is not None:
            services.end_refresh_tokens(held.user_id)
        raise TokenError("Token is blacklisted")


class VerifySerializer(TokenVerifySerializer):
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        answer = super().validate(attrs)
        JWTAuthentication().get_user(UntypedToken(attrs["token"]))
        return answer


class LogoutSerializer(StrictSerializer):
    refresh = serializers.CharField(max_length=4096, help_text="The refresh token that shall end.")
