"""OpenAPI: every operation says what it takes and how it fails, as exactly as the product checks it."""

import re
from collections.abc import Iterable
from typing import Any, Literal, cast

from django_filters import filters as kinds
from drf_spectacular.contrib.django_filters import DjangoFilterExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_parameter_type
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from netmon.common.filters import MACFilter
from netmon.common.permissions import SERVICE, area_of
from netmon.common.serializers import StrictMixin

# What Python strips is not what a JSON Schema's \s is; a text of nothing else is blank, and NUL is refused everywhere.
BLANKS = r"\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
TEXT = r"^[^\u0000]*$"
NOT_BLANK = rf"^[^\u0000]*[^\u0000{BLANKS}][^\u0000]*$"

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
BRIEF = OpenApiParameter(
    "brief", OpenApiTypes.BOOL, OpenApiParameter.QUERY, description="A short form of each row; `fields` goes before it."
)
CRUD = {
    "list": "List {plural}",
    "retrieve": "Show one of the {plural}",
    "create": "Make one of the {plural}",
    "update": "Write one of the {plural} anew",
    "partial_update": "Change one of the {plural}",
    "destroy": "Delete one of the {plural}",
}
ACRONYMS = re.compile(r"\b(ip|ssh|api)\b")
FIRST_SENTENCE = re.compile(r"[^.:]+", re.DOTALL)
# The same names mean the same all over the API.
ADDRESS: dict[str, Any] = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
PREFIX = {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$|^[0-9a-fA-F:]{2,39}/[0-9]{1,3}$"}
MAC = {"type": "string", "pattern": r"^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$|^([0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}$"}
SHAPES = {
    "ip": ADDRESS, "address": ADDRESS, "cidr": PREFIX, "allowed_prefixes": PREFIX, "mac": MAC, "mac_address": MAC,
}  # fmt: skip
ID_ONLY = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
BULK = ("bulk", "bulk_update", "bulk_destroy")
COMPARISONS = {"in", "contains", "icontains", "startswith", "gt", "gte", "lt", "lte", "isnull"}


# Reads that say that something is not set up.
TOLD_BY_READS = ("setup_text", "available")


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


def list_of(names: list[str]) -> str:
    """The pattern of some of these words, comma between."""
    words = "|".join(re.escape(name) for name in names)
    return rf"^(?:{words})(?:,(?:{words}))*$"


class ProblemAutoSchema(AutoSchema):
    """drf-spectacular's schema with the problem answers that the exception handler gives."""

    def get_operation_id(self) -> str:
        """A list within an object and one of its entries would have the same."""
        name = str(super().get_operation_id())
        return name.replace("_retrieve", "_version_retrieve") if self.path.endswith("/{version}/") else name

    def get_override_parameters(self) -> list[Any]:
        """The headers that every resource honours."""
        parameters = list(super().get_override_parameters())
        action = getattr(self.view, "action", "")
        if self.method == "POST" and hasattr(self.view, "reservation"):
            parameters.append(IDEMPOTENCY_KEY)
        if hasattr(self.view, "create_one") and action in ("update", "partial_update", "destroy"):
            parameters.append(IF_MATCH)
        if self._is_shaped():
            parameters.append(
                OpenApiParameter(
                    "fields",
                    {"type": "array", "items": {"type": "string", "enum": self._shown_fields()}, "minItems": 1},
                    OpenApiParameter.QUERY,
                    description="Only these fields, comma between.",
                    explode=False,
                    style="form",
                )
            )
            if action == "list":
                parameters.append(BRIEF)
        return parameters

    def get_tags(self) -> list[str]:
        """The part of netmon that the operation belongs to."""
        return [area_of(self.view) or SERVICE]

    def get_summary(self) -> str | None:
        """What the operation does, in a few words."""
        if given := super().get_summary():
            return given
        view: Any = self.view
        action = getattr(view, "action", None) or ""
        words = self.path.removeprefix("/api/v1/").split("/")[0].replace("-", " ")
        if action in CRUD and not hasattr(getattr(type(view), action, None), "mapping"):
            plural = ACRONYMS.sub(lambda match: match[0].upper(), words)
            return CRUD[action].format(plural=plural)
        return FIRST_SENTENCE.match(self.get_description() or words)[0].rstrip(".").replace("\n", " ")  # type: ignore[index]

    def _tells_conflicts(self) -> bool:
        """Whether a read may be refused for the state of things."""
        view: Any = self.view
        return getattr(view, "action", "") in TOLD_BY_READS or (
            getattr(view, "tells_conflicts", False) and "{" in self.path
        )

    def _is_shaped(self) -> bool:
        """Whether `fields` and `brief` may leave fields out of the answer."""
        return getattr(self.view, "action", "") in ("list", "retrieve") and hasattr(self.view, "brief")

    def _shown_fields(self) -> list[str]:
        serializer = self.get_response_serializers()
        serializer = serializer() if isinstance(serializer, type) else serializer
        fields = getattr(serializer, "child", serializer).fields
        return [name for name, field in fields.items() if not field.write_only]

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
            return {200: rows, **({201: rows} if action == "bulk" else {}), **view.bulk_answers}
        return super().get_response_serializers()

    def _get_request_body(self, direction: Literal["request", "response"] = "request") -> dict[str, Any] | None:
        if getattr(self.view, "action", "") not in BULK:
            return cast("dict[str, Any] | None", super()._get_request_body(direction))
        method, self.method = self.method, "POST"  # drf-spectacular gives a DELETE no body
        if method == "PATCH":  # and to a PATCH every field is optional
            self.method = "PATCH"
        body: dict[str, Any] = super()._get_request_body(direction) or {}
        self.method = method
        for content in body.get("content", {}).values():
            content["schema"] = {**content["schema"], "minItems": 1, "maxItems": 1000}
        return {**body, "required": True}

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)
        for found in schema.get("properties", {}).values() if direction == "response" else ():
            if found.get("format") == "email":  # what is shown may be empty
                del found["format"]
        if direction == "request":
            if isinstance(serializer, StrictMixin):
                schema["additionalProperties"] = False
            for name, field in getattr(serializer, "fields", {}).items():
                if name in schema.get("properties", {}):
                    _tighten(schema["properties"][name], field)
        return schema

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction=direction)
        if getattr(self.view, "action", "") in ("bulk", "bulk_update"):
            results, ids = bodies["207"]["content"]["application/json"]["schema"], ID_ONLY
            rows = bodies["200"]["content"]["application/json"]["schema"]
            written = {"anyOf": [rows, {"type": "array", "items": ids}]}
            bodies["200"]["content"]["application/json"]["schema"] = (
                results if "201" in bodies else {"anyOf": [*written["anyOf"], results]}
            )
            if "201" in bodies:
                bodies["201"]["content"]["application/json"]["schema"] = written
        statuses = ["400", "401", "403", "429"]
        names_rows = getattr(self.view, "action", "") in ("bulk_update", "bulk_destroy")
        if "{" in self.path or names_rows or getattr(self.view, "tells_missing", False):
            statuses.append("404")
        if self.method not in ("GET", "HEAD"):
            statuses += ["409", "413", "415"]
        elif self._tells_conflicts():
            statuses.append("409")
        if self.method in ("PUT", "PATCH", "DELETE") and hasattr(self.view, "create_one"):
            statuses.append("412")
        for status in statuses:
            if status not in bodies:
                response = OpenApiResponse(ProblemSerializer, description="Problem")
                body = self._get_response_for_code(response, status, media_types=["application/problem+json"])
                bodies[status] = body
        return bodies


def _tighten(schema: dict[str, Any], field: Any) -> None:
    """Says of a text what every text field refuses: null characters, and blanks where blank is refused."""
    if isinstance(field, serializers.ListField | serializers.ManyRelatedField) and not field.allow_empty:
        schema["minItems"] = 1
    if isinstance(field, serializers.ManyRelatedField) and isinstance(
        field.child_relation, serializers.SlugRelatedField
    ):
        schema.get("items", {})["pattern"] = r"^[-a-zA-Z0-9_]{1,50}$"
    if isinstance(field, serializers.ListField):
        field.child.field_name = field.field_name
        _tighten(schema.get("items", {}), field.child)
        return
    if shape := SHAPES.get(field.field_name):
        if getattr(field, "allow_blank", False):
            shape = {"anyOf": [*shape.get("anyOf", [shape]), {"maxLength": 0}]}
        schema |= {key: value for key, value in shape.items() if key != "type"}
        schema.pop("minLength", None)
        return
    is_text = isinstance(field, serializers.CharField) and not {"pattern", "enum", "format", "$ref"} & set(schema)
    if is_text and "string" in schema.get("type", ""):
        schema["pattern"] = NOT_BLANK if field.trim_whitespace and not field.allow_blank else TEXT


class FilterParameters(DjangoFilterExtension):
    """Query parameters as the filters' form fields check them.

    A column has one parameter here, and its description names the further comparisons (`name__in`, `name__contains`):
    written out, they were half of the file, and of the time that a browser needs to show it.
    """

    target_class = "netmon.common.filters.StrictFilterBackend"
    priority = 1

    def resolve_filter_field(
        self, auto_schema: Any, model: Any, filterset_class: Any, field_name: str, filter_field: Any
    ) -> list[Any]:
        if isinstance(filter_field, kinds.BaseRangeFilter | kinds.RangeFilter):
            return list(super().resolve_filter_field(auto_schema, model, filterset_class, field_name, filter_field))
        filters = filterset_class.base_filters
        if _main_name(field_name, filters) != field_name:
            return []
        schema = value_schema(filter_field)
        further = [name for name in filters if name != field_name and _main_name(name, filters) == field_name]
        text = filter_field.extra.get("help_text") or ""
        if further:
            text = f"{text} Also {', '.join(f'`{name}`' for name in further)}.".strip()
        is_csv = isinstance(filter_field, kinds.BaseCSVFilter)
        is_many = isinstance(filter_field, kinds.MultipleChoiceFilter)
        if is_csv and "maxLength" in schema:
            schema["pattern"] = "^[^,]+$"
        if is_csv or is_many:
            schema = {"type": "array", "items": schema, "minItems": 1}
        return [
            build_parameter_type(
                name=field_name,
                location=OpenApiParameter.QUERY,
                schema=schema,
                description=text or None,
                extensions={"x-comparisons": further} if further else None,
                explode=is_many if is_csv or is_many else None,
                style="form" if is_csv or is_many else None,
            )
        ]


def _main_name(name: str, filters: Iterable[str]) -> str:
    """Of the filters of one column the one that speaks for all: the plain one, or for a moment `__gte`."""
    column = name.rpartition("__")[0]
    if column and name.rpartition("__")[2] in COMPARISONS:
        return next((main for main in (column, f"{column}__gte") if main in filters), name)
    return name


def value_schema(filter_field: Any) -> dict[str, Any]:
    """The JSON Schema of one value of a filter."""
    extra = filter_field.extra
    if isinstance(filter_field, MACFilter):
        return dict(MAC)
    if isinstance(filter_field, kinds.BooleanFilter):
        return {"type": "boolean"}
    if isinstance(filter_field, kinds.NumberFilter):
        schema: dict[str, Any] = {"type": "integer" if extra.get("decimal_places") == 0 else "number"}
        bounds = (("minimum", "min_value"), ("maximum", "max_value"))
        return schema | {key: extra[name] for key, name in bounds if extra.get(name) is not None}
    if isinstance(filter_field, kinds.IsoDateTimeFilter):
        return {"type": "string", "format": "date-time"}
    if isinstance(filter_field, kinds.ChoiceFilter | kinds.MultipleChoiceFilter):
        choices = extra.get("choices") or []
        return {"type": "string", "enum": [str(value) for value, _ in choices]}
    return {"type": "string", "minLength": 1, **({"maxLength": extra["max_length"]} if extra.get("max_length") else {})}
