"""`audit-events/`: who did what."""

from typing import Any

from rest_framework.viewsets import ReadOnlyModelViewSet

from netmon.audit.filters import AuditEventFilter
from netmon.audit.models import AuditEvent
from netmon.audit.serializers import AuditEventSerializer
from netmon.common.pagination import NewestFirst


class AuditEventViewSet(ReadOnlyModelViewSet[AuditEvent]):
    """The record, newest first. For admins."""

    queryset = AuditEvent.objects.none()
    serializer_class = AuditEventSerializer
    filterset_class = AuditEventFilter
    pagination_class = NewestFirst
    ordering_fields: list[str] = []
    lookup_value_regex = r"\d{1,18}"
    required_roles = {"read": "admin", "write": "admin"}

    def get_queryset(self) -> Any:
        return AuditEvent.objects.visible_to(self.request.user)
