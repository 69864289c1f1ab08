"""`/api/schema/`: made once per process, for it takes seconds and says the same to everybody."""

from threading import Lock
from typing import Any

from django.http import HttpResponse
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

_made: dict[str, bytes] = {}
_lock = Lock()


class SchemaView(SpectacularAPIView):
    """The OpenAPI file, as YAML or JSON."""

    def _get_schema_response(self, request: Request) -> Any:
        renderer: Any = request.accepted_renderer
        with _lock:
            if renderer.media_type not in _made:
                generator: Any = self.generator_class(urlconf=self.urlconf)
                _made[renderer.media_type] = renderer.render(
                    generator.get_schema(request=None, public=True), renderer.media_type, {}
                )
        name = f"netmon.{renderer.format}"
        headers = {"Content-Disposition": f'inline; filename="{name}"'}
        return HttpResponse(_made[renderer.media_type], content_type=renderer.media_type, headers=headers)
