"""The browsable API in netmon's look, under the strict Content-Security-Policy."""

from typing import Any

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
        # The filter form is rendered by the page itself; DRF's modal needs inline script.
        return {**super().get_context(data, accepted_media_type, renderer_context), "code_style": ""}
