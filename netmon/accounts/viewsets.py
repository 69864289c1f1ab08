"""`users/`, `invites/` and `api-keys/`."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from netmon.accounts.filters import ApiKeyFilter, InviteFilter, UserFilter
from netmon.accounts.models import ApiKey, Invite, User
from netmon.accounts.serializers import (
    ApiKeySerializer,
    InviteSerializer,
    MadeApiKeySerializer,
    MadeInviteSerializer,
    NewInviteSerializer,
    UserSerializer,
)
from netmon.accounts.services import invites, keys, people, totp
from netmon.rest.idempotency import IdempotentMixin
from netmon.rest.viewsets import VisibleViewSet


class UserViewSet(VisibleViewSet):
    """People, for admins. Who is removed stays in the audit by name."""

    model, queryset = User, User.objects.none()
    records_itself = True
    brief = {"id": "pk", "username": "username", "role": "role"}
    serializer_class = UserSerializer
    filterset_class = UserFilter
    ordering_fields = ["id", "username", "email", "role", "is_active", "last_login", "date_joined"]
    required_roles = {"read": "admin", "write": "admin"}

    def get_queryset(self) -> Any:
        people_seen = User.objects.visible_to(self.request.user)
        return people_seen.select_related("totp").prefetch_related("tenants")

    def perform_destroy(self, instance: User) -> None:
        people.delete(user=instance)

    @extend_schema(request=NewInviteSerializer, responses={201: MadeInviteSerializer})
    @action(detail=False, methods=["post"], filterset_class=None)
    def invite(self, request: Request) -> Response:
        """Invite somebody: answers a link that makes one account, shown this once."""
        serializer = NewInviteSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        by: Any = request.user
        invite, token = invites.make(
            by=by,
            role=given["role"],
            email=given.get("email", ""),
            tenants=[tenant.pk for tenant in given.get("tenants", [])],
            hours=given["expires_hours"],
        )
        invite.url = request.build_absolute_uri(reverse("invite", args=[token]))  # type: ignore[attr-defined]
        body = MadeInviteSerializer(invite, context=self.get_serializer_context()).data
        return Response(body, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"], url_path="reset-totp")
    def reset_totp(self, request: Request, pk: str) -> Response:
        """Take somebody's second factor away, who has lost it, and end their sessions and tokens."""
        user = self.get_object()
        totp.reset(user=user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"], url_path="logout-everywhere")
    def logout_everywhere(self, request: Request, pk: str) -> Response:
        """End every session and token of a person; API keys stay."""
        people.end_everything(user=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


class InviteViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, GenericViewSet[Invite]):
    """Invites, for admins: made by `users/invite/`; deleting one ends its link."""

    queryset = Invite.objects.none()
    serializer_class = InviteSerializer
    filterset_class = InviteFilter
    lookup_value_regex = r"\d{1,18}"
    ordering_fields = ["id", "expires_at", "created_at"]
    required_roles = {"read": "admin", "write": "admin"}

    def get_queryset(self) -> Any:
        return Invite.objects.visible_to(self.request.user).select_related("created_by", "used_by")

    def perform_destroy(self, instance: Invite) -> None:
        invites.withdraw(invite=instance)


class ApiKeyViewSet(
    IdempotentMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.CreateModelMixin, GenericViewSet[ApiKey]
):
    """Your API keys; an admin sees everybody's. The key itself is in the answer to its making, and never again."""

    queryset = ApiKey.objects.none()
    serializer_class = ApiKeySerializer
    filterset_class = ApiKeyFilter
    lookup_value_regex = r"\d{1,18}"
    ordering_fields = ["id", "name", "expires_at", "created_at", "last_used_at"]
    required_roles = {"write": "viewer"}

    def get_queryset(self) -> Any:
        return ApiKey.objects.visible_to(self.request.user).select_related("user")

    def get_serializer_class(self) -> Any:
        return MadeApiKeySerializer if self.action == "create" else ApiKeySerializer

    def get_success_headers(self, data: Any) -> dict[str, str]:
        return {"Cache-Control": "no-store"}

    @extend_schema(request=None, responses={200: ApiKeySerializer})
    @action(detail=True, methods=["post"], filterset_class=None)
    def revoke(self, request: Request, pk: str) -> Response:
        """End a key at once and for good."""
        key = keys.revoke(key=self.get_object())
        return Response(ApiKeySerializer(key, context=self.get_serializer_context()).data)
