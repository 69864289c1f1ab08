"""Errors of fields become faults of lines."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import ErrorDetail

from inventory.transfer.reading import Fault, Line


def details(error: ValidationError) -> Any:
    """An error of a model as a serializer's."""
    if not hasattr(error, "error_dict"):
        return {"": [ErrorDetail(text, error.code or "invalid") for text in error.messages]}
    return {
        name: [ErrorDetail(text, entry.code or "invalid") for entry in entries for text in entry.messages]
        for name, entries in error.error_dict.items()
    }


def of(line: Line, detail: Any) -> list[Fault]:
    """The faults that an error is to a line."""
    if not isinstance(detail, dict):
        detail = {"": detail}
    return [
        Fault(line.number, name, getattr(entry, "code", "invalid"), _told(entry))
        for name, entries in detail.items()
        for entry in (entries if isinstance(entries, list) else [entries])
    ]


def _told(entry: Any) -> str:
    """The text of an error without the value: in a file with shifted columns the value may be a secret."""
    if getattr(entry, "code", "") == "invalid_choice":
        return "This is none of the values that this column takes."
    return str(entry)
