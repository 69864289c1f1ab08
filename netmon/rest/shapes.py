"""`fields` and `brief`: smaller answers."""

from dataclasses import dataclass
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of an answer is wanted: a brief form, or some of the fields (empty: all)."""

    brief: bool
    fields: tuple[str, ...]

    def prune(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Only the fields asked for. Raises ValidationError for one that is not there."""
        if not self.fields or not rows:
            return rows
        if unknown := [name for name in self.fields if name not in rows[0]]:
            known = ", ".join(sorted(rows[0]))
            raise ValidationError(
                {"fields": f"{unknown[0][:60]!r} is not a field: use some of {known}."}, code="invalid_parameter"
            )
        return [{name: row[name] for name in self.fields} for row in rows]


def wanted(request: Request, view: Any) -> Wanted:
    """Reads `brief` and `fields`. Raises ValidationError."""
    names = [name.strip() for name in request.query_params.get("fields", "").split(",")]
    return Wanted(flag(request, "brief"), tuple(name for name in names if name))


def flag(request: Request, name: str, *, default: bool = False) -> bool:
    """A switch in the query string. Raises ValidationError naming it."""
    text = request.query_params.get(name, "")
    if text == "":
        return default
    if text.lower() in ("1", "true"):
        return True
    if text.lower() in ("0", "false"):
        return False
    raise ValidationError({name: "Write true or false."}, code="invalid_parameter")
