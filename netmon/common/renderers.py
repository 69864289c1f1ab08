"""The browsable API in netmon's look, under the strict Content-Security-Policy."""

from dataclasses import dataclass
from typing import Any

import django_filters
import orjson
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer


class FastJSONRenderer(BaseRenderer):
    """JSON as DRF writes it (times end in Z), by orjson."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        # The browsable API asks for indented JSON in the context, a person in the Accept header.
        wants_lines = (renderer_context or {}).get("indent") or "indent=" in (accepted_media_type or "")
        indent = orjson.OPT_INDENT_2 if wants_lines else 0
        return orjson.dumps(data, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS | indent)


class BrowsableRenderer(BrowsableAPIRenderer):
    template = "rest_framework/netmon.html"

    def get_context(self, data: Any, accepted_media_type: Any, renderer_context: Any) -> dict[str, Any]:
        context = super().get_context(data, accepted_media_type, renderer_context)
        return {**context, "code_style": "", **filter_form(renderer_context["view"], renderer_context["request"])}

    def get_filter_form(self, data: Any, view: Any, request: Any) -> None:
        """None: the page draws the form by itself, since DRF's modal needs inline script."""


@dataclass(frozen=True, slots=True)
class FilterBox:
    """One input of the filter form; `choices` makes a list of it."""

    name: str
    kind: str
    values: list[str]
    choices: list[tuple[str, str]]
    hint: str


def filter_form(view: Any, request: Any) -> dict[str, list[FilterBox]]:
    """The filters of a list: those by the value itself first, and what compares, which is folded away."""
    if request.method != "GET" or getattr(view, "action", "") != "list":
        return {}
    filters = getattr(getattr(view, "filterset_class", None), "base_filters", {})
    boxes = [_box(name, found, request) for name, found in filters.items()]
    boxes.sort(key=lambda box: (box.name != "q", "__" in box.name))
    if ordering := getattr(view, "ordering_fields", None):
        choices = [
            (f"{sign}{name}", f"{name}{text}") for name in ordering for sign, text in (("", ""), ("-", ", down"))
        ]
        boxes.append(FilterBox("ordering", "list", request.query_params.getlist("ordering"), choices, ""))
    return {
        "filters": [box for box in boxes if "__" not in box.name],
        "more_filters": [box for box in boxes if "__" in box.name],
    }


def _box(name: str, found: Any, request: Any) -> FilterBox:
    kind, choices = "text", []
    if isinstance(found, django_filters.BooleanFilter):
        kind, choices = "list", [("true", "yes"), ("false", "no")]
    elif "choices" in found.extra and not isinstance(found, django_filters.BaseCSVFilter):
        kind, choices = "list", [(str(value), str(text)) for value, text in found.extra["choices"]]
    elif isinstance(found, django_filters.IsoDateTimeFilter):
        kind = "time"
    return FilterBox(name, kind, request.query_params.getlist(name), choices, found.extra.get("help_text") or "")
