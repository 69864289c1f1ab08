from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from netmon.common.permissions import has_role
from netmon.jobs.models import Job


class JobSerializer(serializers.ModelSerializer[Job]):
    progress = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="requested_by.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Job
        fields = [
            "id", "kind", "key", "status", "progress", "result", "error", "cancel_requested", "created_by",
            "created_at", "started_at", "finished_at", "deadline_at",
        ]  # fmt: skip
        read_only_fields = fields

    def to_representation(self, job: Job) -> dict[str, Any]:
        shown = super().to_representation(job)
        user = getattr(self.context.get("request"), "user", None)
        if user is not None and job.requested_by_id != user.pk and not has_role(user, "admin"):
            shown["result"] = None  # it may quote what somebody wrote into a file
        return shown

    @extend_schema_field({"type": "object", "properties": {"done": {"type": "integer"}, "total": {"type": "integer"}}})
    def get_progress(self, job: Job) -> dict[str, int]:
        return {"done": job.progress_done, "total": job.progress_total}

    @extend_schema_field({"type": "object", "nullable": True})
    def get_error(self, job: Job) -> dict[str, Any] | None:
        return {"code": job.error_code, "detail": job.error_detail} if job.error_code else None


class JobReferenceSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    status = serializers.CharField()
    url = serializers.CharField()


class JobStartedSerializer(serializers.Serializer[Any]):
    """The answer to a run that goes on in the background."""

    job = JobReferenceSerializer()
