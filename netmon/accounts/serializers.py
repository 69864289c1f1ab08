from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.serializers import (
    PasswordField,
    TokenObtainPairSerializer,
    TokenRefreshSerializer,
    TokenVerifySerializer,
)
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import UntypedToken

from netmon.accounts import tokens
from netmon.accounts.authentication import FamilyJWTAuthentication
from netmon.accounts.models import ApiKey, Invite, User
from netmon.accounts.services import invites, keys, logins, people
from netmon.audit import services as audit
from netmon.common.permissions import SCOPES
from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer

PROFILE = ["id", "username", "email", "first_name", "last_name", "role", "last_login", "date_joined"]


class NamedTenantSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class MeSerializer(ValidatedModelSerializer):
    tenants = NamedTenantSerializer(many=True, read_only=True)
    totp_enabled = serializers.BooleanField(read_only=True)
    via = serializers.SerializerMethodField(help_text="session, jwt or api_key")
    scopes = serializers.SerializerMethodField(help_text="Of the API key of this request; null without one.")

    class Meta:
        model = User
        fields = [*PROFILE, "tenants", "totp_enabled", "via", "scopes"]
        read_only_fields = ["id", "username", "role", "last_login", "date_joined"]

    def get_via(self, person: User) -> str:
        auth = getattr(self.context["request"], "auth", None)
        return "session" if auth is None else "api_key" if isinstance(auth, ApiKey) else "jwt"

    @extend_schema_field(serializers.ListField(child=serializers.CharField(), allow_null=True))
    def get_scopes(self, person: User) -> list[str] | None:
        return getattr(getattr(self.context["request"], "auth", None), "scopes", None)


class LoginSerializer(TokenObtainPairSerializer):
    token_class = tokens.FamilyRefreshToken

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Bounds: a failed name goes into a column, and every password is hashed.
        self.fields["username"] = serializers.CharField(max_length=150, write_only=True)
        self.fields["password"] = PasswordField(max_length=4096, trim_whitespace=False)
        self.fields["otp"] = serializers.CharField(
            max_length=40, write_only=True, required=False, allow_blank=True, help_text="Code or recovery code."
        )

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        request = self.context["request"]
        try:
            user = logins.authenticate_person(
                request, username=attrs["username"], password=attrs["password"], otp=attrs.get("otp")
            )
        except logins.OtpRequired as error:
            raise AuthenticationFailed(error.detail, code=error.code) from None
        if user is None:
            raise AuthenticationFailed(logins.REFUSED, code="no_active_account")
        with transaction.atomic():
            pair = tokens.pair(user)
            logins.note_token_login(request, user, pair["access"])
        return pair


class RefreshSerializer(TokenRefreshSerializer):
    """A used refresh token that comes again was stolen, before its use or after: the whole log-in ends."""

    token_class = tokens.FamilyRefreshToken

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        token = UntypedToken(attrs["refresh"])
        with transaction.atomic():
            # One at a time: two that come with the same token must not both get a successor.
            held = OutstandingToken.objects.select_for_update().filter(jti=token["jti"]).order_by("pk").first()
            if held is None or not BlacklistedToken.objects.filter(token=held).exists():
                FamilyJWTAuthentication().get_user(token)
                return super().validate(attrs)
        if held.user_id is not None:
            tokens.revoke_family(token, held.user_id)
            audit.record("token_reused", held.user, user=held.user)
        raise TokenError("Token is blacklisted")


class VerifySerializer(TokenVerifySerializer):
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        answer = super().validate(attrs)
        FamilyJWTAuthentication().get_user(UntypedToken(attrs["token"]))
        return answer


class LogoutSerializer(StrictSerializer):
    refresh = serializers.CharField(max_length=4096, help_text="The refresh token whose log-in shall end.")


class PasswordSerializer(StrictSerializer):
    current_password = PasswordField(max_length=4096, trim_whitespace=False)
    new_password = PasswordField(max_length=4096, trim_whitespace=False)


class PairSerializer(serializers.Serializer[Any]):
    refresh = serializers.CharField()
    access = serializers.CharField()


class CodeSerializer(StrictSerializer):
    code = serializers.CharField(max_length=40, help_text="Six digits of the authenticator, or a recovery code.")


class EnrolTotpSerializer(StrictSerializer):
    password = PasswordField(max_length=4096, trim_whitespace=False, help_text="Yours, as it is now.")


class DisableTotpSerializer(CodeSerializer):
    password = PasswordField(max_length=4096, trim_whitespace=False)


class TotpSerializer(serializers.Serializer[Any]):
    enabled = serializers.BooleanField()
    confirmed_at = serializers.DateTimeField(allow_null=True)
    is_required = serializers.BooleanField(help_text="Whether NETMON_REQUIRE_TOTP asks you for it.")
    recovery_codes_left = serializers.IntegerField()


class EnrolmentSerializer(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="Base32, for typing.")
    otpauth_uri = serializers.CharField()
    qr_svg = serializers.CharField(help_text="The same as an SVG element.")


class RecoveryCodesSerializer(serializers.Serializer[Any]):
    recovery_codes = serializers.ListField(child=serializers.CharField(), help_text="Shown this once.")


class TenantsField(serializers.PrimaryKeyRelatedField):
    """Numbers of the inventory's tenants, which only the person's relation knows here."""

    def get_queryset(self) -> Any:
        return invites.tenant_model()._default_manager.all()


class UserSerializer(ValidatedModelSerializer):
    tenants = TenantsField(many=True, required=False, queryset=User.objects.none())
    totp_enabled = serializers.BooleanField(read_only=True)
    password = PasswordField(max_length=4096, trim_whitespace=False, help_text="Write-only; needed for a new person.")

    class Meta:
        model = User
        fields = [*PROFILE[:6], "is_active", "tenants", "totp_enabled", "last_login", "date_joined", "password"]
        read_only_fields = ["id", "last_login", "date_joined"]

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        fields["password"].required = self.instance is None
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        super().validate({**attrs, "password": "!"})  # the column holds a hash: the rules of passwords are elsewhere
        return attrs

    def create(self, validated_data: dict[str, Any]) -> User:
        return people.create(**validated_data)

    def update(self, instance: User, validated_data: dict[str, Any]) -> User:
        tenants, password = validated_data.pop("tenants", None), validated_data.pop("password", None)
        return people.change(user=instance, values=validated_data, tenants=tenants, password=password)


class InviteSerializer(ValidatedModelSerializer):
    state = serializers.ChoiceField(choices=Invite.State.choices, read_only=True)
    created_by = serializers.SlugRelatedField[Any]("username", read_only=True, allow_null=True)
    used_by = serializers.SlugRelatedField[Any]("username", read_only=True, allow_null=True)
    tenants = serializers.ListField(child=serializers.IntegerField(), read_only=True)

    class Meta:
        model = Invite
        fields = [
            "id", "email", "role", "tenants", "state", "created_by", "created_at", "expires_at", "used_by", "used_at",
        ]  # fmt: skip
        read_only_fields = fields


class NewInviteSerializer(StrictSerializer):
    email = serializers.EmailField(required=False, allow_blank=True, max_length=254)
    role = serializers.ChoiceField(choices=User.Role.choices)
    tenants = TenantsField(many=True, required=False, queryset=User.objects.none())
    expires_hours = serializers.IntegerField(
        default=invites.DEFAULT_HOURS, min_value=1, max_value=invites.MAX_HOURS, help_text="How long the link works."
    )


class MadeInviteSerializer(InviteSerializer):
    url = serializers.CharField(read_only=True, help_text="The one-time link: shown this once.")

    class Meta(InviteSerializer.Meta):
        fields = [*InviteSerializer.Meta.fields, "url"]
        read_only_fields = fields


class ApiKeySerializer(ValidatedModelSerializer):
    user = serializers.IntegerField(source="user_id", read_only=True)
    username = serializers.CharField(source="user.username", read_only=True)
    state = serializers.ChoiceField(choices=ApiKey.State.choices, read_only=True)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(SCOPES)), allow_empty=False, max_length=len(SCOPES)
    )
    allowed_networks = serializers.ListField(
        child=serializers.CharField(max_length=50),
        required=False,
        max_length=keys.MAX_NETWORKS,
        help_text="Prefixes or addresses, IPv4 and IPv6; empty: from anywhere.",
    )
    role = serializers.ChoiceField(
        choices=User.Role.choices, required=False, help_text="At most the owner's, which is the default."
    )
    expires_at = serializers.DateTimeField(required=False, help_text="90 days from now when left out.")

    class Meta:
        model = ApiKey
        fields = [
            "id", "user", "username", "name", "prefix", "scopes", "role", "allowed_networks", "state", "expires_at",
            "created_at", "last_used_at", "last_used_ip", "revoked_at",
        ]  # fmt: skip
        read_only_fields = ["id", "prefix", "created_at", "last_used_at", "last_used_ip", "revoked_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return attrs  # the service fills what a key needs before it runs the model's rules

    def create(self, validated_data: dict[str, Any]) -> ApiKey:
        request = self.context["request"]
        maker = request.auth if isinstance(request.auth, ApiKey) else None
        key, text = keys.make(user=request.user, maker=maker, **validated_data)
        key.key = text  # type: ignore[attr-defined]
        return key


class MadeApiKeySerializer(ApiKeySerializer):
    key = serializers.CharField(read_only=True, help_text="Shown this once.")

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]
