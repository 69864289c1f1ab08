"""OpenAPI: every operation says how it fails."""

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers


class ProblemErrorSerializer(serializers.Serializer[Any]):
    location = serializers.CharField(help_text="body or query")
    pointer = serializers.CharField(allow_blank=True, help_text="JSON pointer (RFC 6901) to the field")
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """An error (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    errors = ProblemErrorSerializer(many=True)  # type: ignore[assignment]


class ProblemAutoSchema(AutoSchema):
    """drf-spectacular's schema with the problem answers that the exception handler gives."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction=direction)
        statuses = ["400", "401", "403"]
        if "{" in self.path:
            statuses.append("404")
        if self.method not in ("GET", "HEAD"):
            statuses += ["409", "413", "415", "429"]
        for status in statuses:
            if status not in bodies:
                response = OpenApiResponse(ProblemSerializer, description="Problem")
                body = self._get_response_for_code(response, status, media_types=["application/problem+json"])
                bodies[status] = body
        return bodies
