"""Unique rules that hold on both databases, NULLs included."""

from django.db.models import Q, UniqueConstraint


def unique(name: str, fields: list[str], *, nullable: str | None = None, message: str) -> list[UniqueConstraint]:
    """A unique rule; with `nullable`, the pair of rules that also catches rows where that column is NULL.

    Both databases hold NULLs for distinct, so a plain rule lets two tenant-less twins pass.
    """
    common = {"violation_error_code": "unique", "violation_error_message": message}
    if nullable is None:
        # A condition that always holds makes full_clean() report this rule with our code and message.
        return [UniqueConstraint(fields=fields, name=name, **common)]
    others = [field for field in fields if field != nullable]
    return [
        UniqueConstraint(fields=fields, name=name, condition=Q(**{f"{nullable}__isnull": False}), **common),
        UniqueConstraint(fields=others, name=f"{name}_null", condition=Q(**{f"{nullable}__isnull": True}), **common),
    ]
