"""What the templates of scans share."""

from typing import Any

from django import template

from scanning import pages
from scanning.models import SeenHost

register = template.Library()
register.filter("certificate", pages.certificate_words)


@register.simple_tag
def waiting_discoveries(user: Any) -> int:
    """How many hosts wait for the review of whoever looks."""
    return SeenHost.objects.visible_to(user).waiting().count()
