"""Who is told, by what, and in which order, over HTTP."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring import alert_filters as filters
from monitoring import delivery_serializers as shapes
from monitoring.models import Channel, Contact, EscalationPolicy
from monitoring.notifying import testing
from monitoring.shared_api import SharedViewSet
from netmon.audit import services as audit
from netmon.common.permissions import has_role
from netmon.common.throttling import MinuteThrottle, ScopedThrottle


class ChannelViewSet(SharedViewSet):
    """Ways out: a mail server, a Slack webhook, a signed webhook, or another service. An admin's."""

    model, queryset = Channel, Channel.objects.none()
    serializer_class = shapes.ChannelSerializer
    filterset_class = filters.ChannelFilter
    ordering_fields = ["id", "name", "kind", "last_sent_at", "created_at"]
    brief = {"id": "pk", "name": "name", "kind": "kind", "is_enabled": "is_enabled"}
    required_roles = {"read": "operator", "write": "admin"}
    throttle_scope = "test"

    @extend_schema(request=shapes.TestChannelSerializer, responses={200: shapes.ChannelTestSerializer})
    @action(detail=True, methods=["post"], throttle_classes=[MinuteThrottle, ScopedThrottle], filter_backends=[])
    def test(self, request: Request, pk: str) -> Response:
        """Send a real message by it now, and say what the other side answered."""
        channel = self.get_object()
        asked = shapes.TestChannelSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        user: Any = request.user
        emails = asked.validated_data.get("emails") or ([user.email] if user.email else [])
        if channel.kind == Channel.Kind.EMAIL and not emails:
            raise ValidationError({"emails": "You have no address of your own: name one."}, code="required")
        audit.record("test", channel, detail=", ".join(emails) if channel.kind == Channel.Kind.EMAIL else "")
        return Response(testing.test_channel(channel, to_emails=tuple(emails), user=user))


class ContactViewSet(SharedViewSet):
    """People and lists of people: by which channels, of what, and when they want to be told."""

    model, queryset = Contact, Contact.objects.none()
    serializer_class = shapes.ContactSerializer
    filterset_class = filters.ContactFilter
    ordering_fields = ["id", "name", "created_at"]
    brief = {"id": "pk", "name": "name", "is_enabled": "is_enabled"}
    # Whose contact it is may change it, whatever their role: see check_may_write.
    required_roles = {"update": "viewer", "partial_update": "viewer"}

    def get_queryset(self) -> Any:
        rows = Contact.objects.visible_to(self.request.user)
        return rows.prefetch_related("channels", "sites", "tags")

    def check_may_write(self, row: Contact) -> None:
        user: Any = self.request.user
        if row.user_id == user.pk and self.action in ("update", "partial_update"):
            return
        if not has_role(user, "operator"):
            raise PermissionDenied("Only operators change the contacts of others.")
        super().check_may_write(row)

    def _must_stay_visible(self, row: Contact) -> None:
        user: Any = self.request.user
        if row.user_id == user.pk and row.tenant_id is None and self.action in ("update", "partial_update"):
            return  # one's own, made by somebody who may
        super()._must_stay_visible(row)


class EscalationPolicyViewSet(SharedViewSet):
    """Who is told first, and who when nobody acknowledges."""

    model, queryset = EscalationPolicy, EscalationPolicy.objects.none()
    serializer_class = shapes.EscalationPolicySerializer
    filterset_class = filters.EscalationPolicyFilter
    ordering_fields = ["id", "name", "rank", "created_at"]
    brief = {"id": "pk", "name": "name", "rank": "rank", "is_enabled": "is_enabled"}

    def get_queryset(self) -> Any:
        return EscalationPolicy.objects.visible_to(self.request.user).prefetch_related("steps__contacts")
