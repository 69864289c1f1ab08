"""Pages of lists."""

from typing import Any

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination, LimitOffsetPagination
from rest_framework.request import Request

MAX_OFFSET = 10_000_000


class BoundedLimitOffset(LimitOffsetPagination):
    """`limit` (50, at most 500) and `offset`; a value that is no number in range is refused, not ignored."""

    default_limit = 50
    max_limit = 500

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """`limit` and `offset` with their bounds."""
        limit = _query("limit", f"At most so many results ({self.default_limit}).", 1, self.max_limit)
        return [limit, _query("offset", "Go on after so many results.", 0, MAX_OFFSET)]

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        bounded_int(request, "limit", minimum=1, maximum=self.max_limit)
        bounded_int(request, "offset", minimum=0, maximum=MAX_OFFSET)
        return super().paginate_queryset(queryset, request, view)


class NewestFirst(CursorPagination):
    """Logs, newest first: `cursor` goes on where the last page ended, however much was added meanwhile."""

    ordering = "-id"
    page_size = 50
    max_page_size = 500
    page_size_query_param = "limit"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        bounded_int(request, "limit", minimum=1, maximum=self.max_page_size)
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, OverflowError):
            raise ValidationError(
                {"cursor": "Not a cursor: take it from `next` or `previous`."}, code="invalid_parameter"
            ) from None

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """`limit` with its bounds, and `cursor`."""
        cursor = next(found for found in super().get_schema_operation_parameters(view) if found["name"] == "cursor")
        return [_query("limit", f"At most so many results ({self.page_size}).", 1, self.max_page_size), cursor]

    def decode_cursor(self, request: Request) -> Any:
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            raise ValueError("cursor") from None
        if cursor is not None and cursor.position is not None and not str(cursor.position).isdigit():
            raise ValueError("cursor")
        return cursor


def _query(name: str, text: str, minimum: int, maximum: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return {"name": name, "required": False, "in": "query", "description": text, "schema": schema}


def bounded_int(request: Request, name: str, *, minimum: int, maximum: int, default: int | None = None) -> int | None:
    """A whole number from the query string. Raises ValidationError naming the parameter and its range."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not minimum <= int(text[:19]) <= maximum:
        raise ValidationError({name: f"Write a whole number from {minimum} to {maximum}."}, code="invalid_parameter")
    return int(text)
