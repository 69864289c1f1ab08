"""Which renderer answers."""

from collections.abc import Iterable
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class Negotiation(DefaultContentNegotiation):
    """DRF's own, which takes an empty `format` for none at all: as every empty parameter, it is refused."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> Any:
        if request.query_params.get("format") == "":
            raise ValidationError({"format": "Name a format, or leave it out."})
        return super().select_renderer(request, renderers, format_suffix)
