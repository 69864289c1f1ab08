"""What OPTIONS answers."""

from typing import Any

from rest_framework.metadata import SimpleMetadata
from rest_framework.request import Request


class FieldMetadata(SimpleMetadata):
    """DRF's, which takes for granted that a generic view has a serializer."""

    def determine_metadata(self, request: Request, view: Any) -> Any:
        if hasattr(view, "get_serializer") and view.get_serializer_class is not None and not _has_serializer(view):
            return {
                "name": view.get_view_name(),
                "description": view.get_view_description(),
                "renders": [renderer.media_type for renderer in view.renderer_classes],
                "parses": [parser.media_type for parser in view.parser_classes],
            }
        return super().determine_metadata(request, view)


def _has_serializer(view: Any) -> bool:
    return view.serializer_class is not None
