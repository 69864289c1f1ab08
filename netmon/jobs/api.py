"""`jobs/`: what people started."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from netmon.audit import services as audit
from netmon.jobs import services
from netmon.jobs.filters import JobFilter
from netmon.jobs.models import Job
from netmon.jobs.serializers import JobSerializer


class JobViewSet(ReadOnlyModelViewSet[Job]):
    queryset = Job.objects.none()
    serializer_class = JobSerializer
    lookup_value_regex = r"\d{1,18}"
    filterset_class = JobFilter
    ordering_fields = ["id", "created_at"]

    def get_queryset(self) -> Any:
        return Job.objects.visible_to(self.request.user).select_related("requested_by")

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Ask a job to stop."""
        job = services.cancel(self.get_object())
        audit.record("cancel", job)
        return Response(self.get_serializer(job).data)
