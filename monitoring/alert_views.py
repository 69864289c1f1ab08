"""The pages of alerts, and what people do with them. Thin: who may, then one service, then back to where they were."""

import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import parse_etags
from django.views.decorators.http import require_GET, require_POST

from inventory.models import Device
from monitoring import alert_pages, alert_silences, alert_story, page_tools, remedies
from monitoring.alerting import actions
from monitoring.models import Alert, Notification
from monitoring.notifying import outbox
from monitoring.presentation import count
from netmon.audit import services as audit
from netmon.common.errors import Conflict
from netmon.common.permissions import rank

AT_ONCE = 500
DID = {"acknowledge": "acknowledged", "silence": "silenced", "resolve": "resolved"}


@require_GET
@login_required
def alerts(request: HttpRequest) -> HttpResponse:
    """The list; asked by htmx, only its rows, and nothing at all while they are as they were."""
    filters = alert_pages.filters_of(request.GET)
    is_part = bool(request.headers.get("HX-Request"))
    etag = f'W/"alerts-{alert_pages.version(request.user)}-{rank(request.user)}"'
    if is_part and etag in parse_etags(request.headers.get("If-None-Match", "")):
        response: HttpResponse = HttpResponseNotModified()
    else:
        values = {
            "view": alert_pages.alert_list(request.user, filters),
            "filters": filters,
            "query": request.GET.urlencode(),
            "may_act": rank(request.user) >= 2,
        }
        if not is_part:
            values |= {
                "choices": alert_pages.choices(request.user),
                "severities": [(name, name.capitalize()) for name in reversed(alert_pages.SEVERITIES)],
                "states": alert_pages.STATES,
                "periods": alert_pages.PERIODS,
            }
        template = "_rows" if is_part else "list"
        context = page_tools.context(request, "alerts", **values)
        response = render(request, f"monitoring/alerts/{template}.html", context)
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "HX-Request, Cookie"
    return response


def _alert(request: HttpRequest, pk: int) -> Alert:
    found = alert_story.load(request.user, pk)
    if found is None:
        raise Http404
    return found


@require_GET
@login_required
def alert(request: HttpRequest, pk: int) -> HttpResponse:
    """One alert; asked by htmx, what of it lives."""
    found = _alert(request, pk)
    is_part = bool(request.headers.get("HX-Request"))
    minute = int(timezone.now().timestamp() // 60)
    sent = found.notifications.order_by("-pk").values_list("pk", "status", "attempt")[:50]
    mail = zlib.crc32(repr(list(sent)).encode())
    quiet = alert_silences.mark()
    etag = f'W/"{found.version}-{found.seq}-{mail:x}-{quiet}-{minute}-{rank(request.user)}"'
    if is_part and etag in parse_etags(request.headers.get("If-None-Match", "")):
        response: HttpResponse = HttpResponseNotModified()
    else:
        values = {
            "alert": found,
            "view": alert_story.story(request.user, found),
            "cause": Alert.objects.visible_to(request.user).select_related("device").filter(pk=found.cause_id).first(),
            "may_act": rank(request.user) >= 2,
            "remedies": [] if is_part or found.resolved_at else list(remedies.of(found, request.user)),
            "zone": settings.TIME_ZONE,
        }
        template = "_detail" if is_part else "detail"
        context = page_tools.context(request, "alerts", **values)
        response = render(request, f"monitoring/alerts/{template}.html", context)
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "HX-Request, Cookie"
    return response


@require_GET
@login_required
def chart(request: HttpRequest, pk: int) -> JsonResponse:
    try:
        data = alert_story.chart(_alert(request, pk))
    except LookupError as error:
        raise Http404(str(error)) from None
    response = JsonResponse(data)
    response["Cache-Control"] = "private, no-cache"
    return response


# --- what people do


def _minutes(request: HttpRequest) -> int:
    """How long a silence lasts: minutes, or until a time of the site's zone. Raises Conflict for what cannot be."""
    until = request.POST.get("until", "").strip()
    if request.POST.get("minutes") == "until" and until:
        try:
            moment = datetime.fromisoformat(until[:16]).replace(tzinfo=ZoneInfo(settings.TIME_ZONE))
        except ValueError:
            raise Conflict("Write the end of the silence as a date and a time.") from None
        minutes = int((moment.astimezone(UTC) - timezone.now()) / timedelta(minutes=1)) + 1
        if minutes < 1:
            raise Conflict("The end of the silence has passed already.")
    else:
        minutes = page_tools.number(request.POST.get("minutes", ""), 60) or 60
    if minutes > actions.LONGEST_SILENCE_MINUTES:
        raise Conflict("A silence lasts at most 30 days.")
    return minutes


def _acknowledge(rows: Iterable[Alert], request: HttpRequest, text: str) -> int:
    done = actions.acknowledge(rows, user=request.user, comment=text)
    _record("acknowledge", done, text)
    return len(done)


def _one_by_one(act: Callable[[Alert], Any], rows: Iterable[Alert]) -> list[Alert]:
    done = []
    for row in rows:
        try:
            act(row)
        except Conflict:
            continue
        done.append(row)
    return done


def _silence(rows: Iterable[Alert], request: HttpRequest, text: str) -> int:
    minutes = _minutes(request)
    user = request.user
    done = _one_by_one(lambda row: actions.silence(row, minutes=minutes, user=user, reason=text), rows)
    _record("silence", done, f"{minutes} min. {text}".strip())
    return len(done)


def _resolve(rows: Iterable[Alert], request: HttpRequest, text: str) -> int:
    done = _one_by_one(lambda row: actions.resolve(row, user=request.user, comment=text), rows)
    _record("resolve", done, text)
    return len(done)


def _record(action: str, rows: Iterable[Alert], text: str) -> None:
    for row in rows:
        audit.record(action, row, detail=text)


VERBS: dict[str, Callable[[Iterable[Alert], HttpRequest, str], int]] = {
    "acknowledge": _acknowledge,
    "silence": _silence,
    "resolve": _resolve,
}


@require_POST
@login_required
def bulk(request: HttpRequest) -> HttpResponse:
    """One verb for every chosen alert."""
    user = page_tools.need(request, "operator")
    verb = VERBS.get(request.POST.get("do", ""))
    ids = page_tools.numbers(request.POST.getlist("alert")[:AT_ONCE])
    rows = list(Alert.objects.visible_to(user).open().filter(pk__in=ids).select_related("device", "rule", "tenant"))
    text = request.POST.get("comment", "").replace("\x00", "").strip()[:1000]
    if verb is None or not rows:
        messages.error(request, "Choose at least one open alert.")
    else:
        try:
            with transaction.atomic():
                done = verb(rows, request, text)
        except Conflict as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, f"{count(done, 'alert')} {DID[request.POST['do']]}.")
    return redirect(page_tools.back(request, reverse("alerts")))


@require_POST
@login_required
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """What is done from the page of one alert."""
    user = page_tools.need(request, "operator")
    found = _alert(request, pk)
    text = request.POST.get("comment", "").replace("\x00", "").strip()[:1000]
    try:
        with transaction.atomic():
            said = _act(found, verb, request, user, text)
    except Conflict as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, said)
    return redirect(page_tools.back(request, reverse("alert", args=[pk])))


def _act(found: Alert, verb: str, request: HttpRequest, user: Any, text: str) -> str:
    if verb == "acknowledge":
        if not _acknowledge([found], request, text):
            raise Conflict("This alert is resolved already.")
        return "Acknowledged: no reminder and no further step."
    if verb == "unacknowledge":
        actions.unacknowledge(found, user=user)
        _record(verb, [found], text)
        return "No longer acknowledged: reminders begin anew."
    if verb == "silence":
        minutes = _minutes(request)
        actions.silence(found, minutes=minutes, user=user, reason=text)
        _record(verb, [found], f"{minutes} min. {text}".strip())
        return f"Silent for {count(minutes, 'minute') if minutes < 120 else f'{minutes // 60} hours'}."
    if verb == "unsilence":
        actions.silence(found, minutes=0, user=user)
        _record(verb, [found], text)
        return "No longer silent."
    if verb == "resolve":
        actions.resolve(found, user=user, comment=text)
        _record(verb, [found], text)
        return "Resolved. While its fault is still seen it opens anew."
    if not text:
        raise Conflict("Write the comment first.")
    actions.comment(found, text=text, user=user)
    _record("comment", [found], text)
    return "The comment is kept."


@require_POST
@login_required
def resend(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a message again."""
    user = page_tools.need(request, "operator")
    row = get_object_or_404(Notification.objects.visible_to(user).select_related("alert", "channel", "contact"), pk=pk)
    if row.status not in ("sent", "dead", "superseded") or row.channel is None:
        messages.error(request, "This message still waits, or its channel is gone.")
    else:
        with transaction.atomic():
            again = outbox.resend(row)
            audit.record("resend", row.alert, detail=again.to)
        messages.success(request, f"On its way again to {again.to}.")
    default = reverse("alert", args=[row.alert_id]) if row.alert_id else reverse("alert-log")
    return redirect(page_tools.back(request, default))


@require_GET
@login_required
def device_alerts(request: HttpRequest, pk: int) -> HttpResponse:
    """The tab of a device: what is open, and what was."""
    device = get_object_or_404(Device.objects.visible_to(request.user), pk=pk)
    opened, over = alert_pages.of_device(device)
    context = {"device": device, "opened": opened, "over": over, "section": "devices"}
    template = "_device" if request.headers.get("HX-Request") else "device"
    response = render(request, f"monitoring/alerts/{template}.html", context)
    response["Vary"] = "HX-Request, Cookie"
    return response
