"""The browsable API in netmon's look, under the strict Content-Security-Policy."""

from typing import Any

from rest_framework.renderers import BrowsableAPIRenderer


class BrowsableRenderer(BrowsableAPIRenderer):
    template = "rest_framework/netmon.html"

    def get_context(self, data: Any, accepted_media_type: Any, renderer_context: Any) -> dict[str, Any]:
        # The filter form is rendered by the page itself; DRF's modal needs inline script.
        return {**super().get_context(data, accepted_media_type, renderer_context), "code_style": ""}
