"""What the templates of netmon share."""

from datetime import datetime
from typing import Any, Literal

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from inventory import host_keys
from monitoring import alert_pages, graphics, navigation, presentation, ssh_pages
from netmon.common.permissions import has_role, rank

register = template.Library()


Number = float | Literal[""] | None  # a template hands over "" where a row is missing: that is no value


@register.filter
def duration(seconds: Number) -> str:
    return presentation.duration(None if seconds == "" else seconds)


@register.filter
def percent(value: Number) -> str:
    return presentation.percent(None if value == "" else value)


@register.filter
def decimals(value: Number, unit: str = "") -> str:
    return presentation.decimals(None if value == "" else value, unit)


register.filter("state_word", presentation.state_word)
register.filter("state_class", presentation.state_class)
register.simple_tag(graphics.sparkline, name="sparkline")
register.simple_tag(graphics.load_bar, name="load_bar")


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    return format_html(
        '<svg class="i{}" aria-hidden="true"><use href="{}#{}"/></svg>',
        f" {css}" if css else "",
        static("vendor/tabler-icons/icons.svg"),
        name,
    )


@register.simple_tag
def state(value: str, css: str = "") -> SafeString:
    """A state as colour, shape and word."""
    return format_html(
        '<span class="st {}{}">{}</span>',
        presentation.state_class(value),
        f" {css}" if css else "",
        presentation.state_word(value),
    )


@register.simple_tag
def severity(value: str, css: str = "") -> SafeString:
    """How grave, as colour, shape and word."""
    known = value if value in presentation.SEVERITY_WORDS else "info"
    return format_html('<span class="st sev {}{}">{}</span>', known, f" {css}" if css else "", known.capitalize())


@register.filter
def bits(value: float | None) -> str:
    return presentation.si(value, "bit/s")


@register.simple_tag
def figure(value: float | None, unit: str) -> SafeString:
    """A big number with a small unit."""
    number, prefixed = presentation.split_si(value, unit)
    return format_html("{}<small> {}</small>", number, prefixed) if prefixed else format_html("{}", number)


@register.filter
def size(value: float | None) -> str:
    """Bytes in words."""
    return ssh_pages.size(value)


@register.filter
def ago(moment: datetime | Literal[""] | None) -> str:
    return presentation.age(moment or None, timezone.now())


@register.filter
def since(moment: datetime | Literal[""] | None) -> str:
    """How long this has lasted."""
    return presentation.DASH if not moment else presentation.duration((timezone.now() - moment).total_seconds())


@register.filter
def clock(moment: datetime | Literal[""] | None) -> str:
    """A full point in time in the time zone of the site, which is written out beside it."""
    if not moment:
        return presentation.DASH
    local = timezone.localtime(moment)
    return f"{local.day} {local:%b %Y, %H:%M}"


@register.filter
def initials(user: Any) -> str:
    words = (user.get_full_name() or user.get_username()).split()
    return "".join(word[0] for word in words[:2]).upper() if len(words) > 1 else words[0][:2].upper() if words else "?"


@register.filter
def role_word(user: Any) -> str:
    return {1: "Viewer", 2: "Operator", 3: "Admin"}.get(rank(user), "No role")


@register.filter
def may(user: Any, role: str) -> bool:
    return has_role(user, role)


@register.simple_tag
def time_zone() -> str:
    return settings.TIME_ZONE


@register.simple_tag(takes_context=True)
def open_alerts(context: dict[str, Any]) -> int:
    """How many alerts people are told of; looked up once a page."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or not getattr(user, "is_authenticated", False):
        return 0
    if not hasattr(request, "open_alerts"):
        request.open_alerts = alert_pages.open_count(user)
    return int(request.open_alerts)


@register.inclusion_tag("_navigation.html", takes_context=True, name="navigation")
def side_navigation(context: dict[str, Any]) -> dict[str, Any]:
    user = getattr(context.get("request"), "user", None) or context.get("user")
    if not getattr(user, "is_authenticated", False):
        return {"user": None, "version": settings.VERSION}
    return {
        "user": user,
        "section": context.get("section", ""),
        "open_alerts": open_alerts(context),
        "kind": context.get("kind_group", ""),
        "groups": navigation.groups(user),
        "poller": navigation.poller(),
        "waiting_keys": host_keys.waiting(user).count() if has_role(user, "admin") else 0,
        "version": settings.VERSION,
    }


@register.filter
def time_of_day(moment: datetime | Literal[""] | None) -> str:
    """With the date only where it is not today: a live page must not age between two answers."""
    if not moment:
        return "never"
    local, today = timezone.localtime(moment), timezone.localdate()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local.day} {local:%b, %H:%M}"
