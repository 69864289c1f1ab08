"""States as colour, shape and word, for the pages of the admin."""

from django.utils.html import format_html
from django.utils.safestring import SafeString


def badge(shape: str, word: object) -> SafeString:
    """`shape` is one of netmon.css's states: up, degraded, down, maintenance, unknown, pending."""
    return format_html('<span class="st {}">{}</span>', shape, word)


def yes(value: object, word: str = "Yes", otherwise: str = "No") -> SafeString:
    return badge("up", word) if value else badge("unknown", otherwise)
