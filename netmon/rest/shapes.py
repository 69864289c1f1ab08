"""`fields` and `brief`: smaller answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of an answer is wanted: a brief form, or some of the fields (empty: all)."""

    brief: bool
    fields: tuple[str, ...]

    def prune(self, rows: list[dict[str, Any]], known_fields: Iterable[str] = ()) -> list[dict[str, Any]]:
        """Only the fields asked for. Raises ValidationError for one that is not there.

        `known_fields` is asked where there are no rows.
        """
        if not self.fields:
            return rows
        names = set(rows[0]) if rows else set(known_fields)
        if unknown := [name for name in self.fields if name not in names]:
            known = ", ".join(sorted(names))
            raise ValidationError(
                {"fields": f"{unknown[0][:60]!r} is not a field: use some of {known}."}, code="invalid_parameter"
            )
        return [{name: row[name] for name in self.fields} for row in rows]


def wanted(request: Request, view: Any) -> Wanted:
    """Reads `brief` and `fields`. Raises ValidationError."""
    text = request.query_params.get("fields")
    names = tuple(name.strip() for name in text.split(",")) if text is not None else ()
    return Wanted(flag(request, "brief") and not names, names)


def flag(request: Request, name: str, *, default: bool = False) -> bool:
    """A switch in the query string. Raises ValidationError naming it."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if text.lower() in ("1", "true"):
        return True
    if text.lower() in ("0", "false"):
        return False
    raise ValidationError({name: "Write true or false."}, code="invalid_parameter")
