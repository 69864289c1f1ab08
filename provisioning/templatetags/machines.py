"""What the templates of machines share."""

from collections.abc import Iterable

from django import template

register = template.Library()
LOOKS = {"+": "added", "-": "removed"}


@register.filter
def marked(lines: Iterable[str] | None) -> list[tuple[str, str, str]]:
    """Lines of a difference: how they look, their sign, and the rest."""
    return [(LOOKS.get(line[:1], ""), line[:1] if line[:1] in LOOKS else " ", line[1:].strip()) for line in lines or ()]
