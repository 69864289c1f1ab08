"""OpenAPI: every operation says how it fails."""

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Sent again with the same key within 24 hours, the request is answered as before and not done twice.",
    pattern=r"^[\x21-\x7e]{1,255}$",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The ETag that you read: 412 when somebody changed the object since.",
)
FIELDS = OpenApiParameter(
    "fields", OpenApiTypes.STR, OpenApiParameter.QUERY, description="Only these fields, comma between."
)
BRIEF = OpenApiParameter("brief", OpenApiTypes.BOOL, OpenApiParameter.QUERY, description="A short form of each row.")


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

    def get_override_parameters(self) -> list[Any]:
        """The headers that every resource honours."""
        parameters = list(super().get_override_parameters())
        action = getattr(self.view, "action", "")
        if self.method == "POST" and hasattr(self.view, "reservation"):
            parameters.append(IDEMPOTENCY_KEY)
        if hasattr(self.view, "create_one") and action in ("update", "partial_update", "destroy"):
            parameters.append(IF_MATCH)
        if action in ("list", "retrieve") and hasattr(self.view, "brief"):
            parameters.append(FIELDS)
            if action == "list":
                parameters.append(BRIEF)
        return parameters

    def get_request_serializer(self) -> Any:
        view: Any = self.view
        if getattr(view, "action", "") == "bulk" and self.method == "POST":
            return type(self._get_serializer())(many=True, context=view.get_serializer_context())
        return super().get_request_serializer()

    def get_response_serializers(self) -> Any:
        view: Any = self.view
        action = getattr(view, "action", "")
        if action in ("bulk", "bulk_update"):
            rows = type(self._get_serializer())(many=True, context=view.get_serializer_context())
            return {201 if action == "bulk" else 200: rows, **view.bulk_answers}
        return super().get_response_serializers()

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction=direction)
        statuses = ["400", "401", "403"]
        if "{" in self.path:
            statuses.append("404")
        if self.method not in ("GET", "HEAD"):
            statuses += ["409", "413", "415", "429"]
        if self.method in ("PUT", "PATCH", "DELETE") and hasattr(self.view, "create_one"):
            statuses.append("412")
        for status in statuses:
            if status not in bodies:
                response = OpenApiResponse(ProblemSerializer, description="Problem")
                body = self._get_response_for_code(response, status, media_types=["application/problem+json"])
                bodies[status] = body
        return bodies
