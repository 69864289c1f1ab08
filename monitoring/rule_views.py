"""The pages of rules and silences: what raises an alert, tried on stored history before it is kept."""

from collections import Counter
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from inventory.models import Device
from monitoring import alert_silences, alert_story, page_tools
from monitoring.alerting import rehearsal, sources
from monitoring.forms import RuleForm, SilenceForm
from monitoring.models import Alert, AlertRule, Silence
from netmon.audit import services as audit

DAYS = 30
SHOWN_EPISODES = 50


@require_GET
@login_required
def rules(request: HttpRequest) -> HttpResponse:
    user = request.user
    rows = page_tools.rows_of(AlertRule, user)
    text = page_tools.text_of(request, "q")
    if text:
        rows = rows.filter(name_key__contains=text.casefold())
    since = timezone.now() - timedelta(days=DAYS)
    raised = Counter(
        Alert.objects.visible_to(user)
        .filter(started_at__gte=since, fired_at__isnull=False, rule__isnull=False)
        .order_by()
        .values_list("rule_id", flat=True)
    )
    shown: list[dict[str, Any]] = [
        {
            "row": row,
            "scope": page_tools.scope_words(row),
            "what": alert_story.limit_words(row) or _what(row),
            "raised": raised[row.pk],
            "may_change": page_tools.may_change(user, row),
        }
        for row in rows[:500]
    ]
    context = page_tools.context(
        request,
        "alert-rules",
        rows=shown,
        q=text,
        days=DAYS,
        enabled=sum(one["row"].is_enabled for one in shown),
    )
    return render(request, "monitoring/alerts/rules.html", context)


def _what(row: AlertRule) -> str:
    source = sources.SOURCES.get(row.source)
    words = source.label if source else row.source
    return f"{words}: {row.match}" if row.match else words


def _rule(request: HttpRequest, pk: int) -> AlertRule:
    row: AlertRule = get_object_or_404(page_tools.rows_of(AlertRule, request.user), pk=pk)
    return row


@require_http_methods(["GET", "POST"])
@login_required
def rule(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """A rule's form; viewers see it closed."""
    user = request.user
    row = _rule(request, pk) if pk else None
    if row is None or request.method == "POST":
        page_tools.need(request, "operator")
    if row is not None and request.method == "POST":
        page_tools.need_change(user, row)
    before = audit.snapshot(row) if row else None
    form = RuleForm(request.POST or None, instance=row, user=user)
    if request.method == "POST" and page_tools.save(form, before):
        messages.success(request, f"The rule {form.instance.name} is kept.")
        return redirect("alert-rules")
    return render(
        request, "monitoring/alerts/rule.html", _form_context(request, form, row), status=page_tools.status_of(form)
    )


def _form_context(request: HttpRequest, form: RuleForm, row: AlertRule | None, **more: Any) -> dict[str, Any]:
    return page_tools.context(
        request,
        "alert-rules",
        form=form,
        row=row,
        when={field.name: keys for field, keys in form.parts()},
        device_names=form.names_of_devices(),
        may_change=page_tools.may_change(request.user, row) if row else True,
        days=DAYS,
        **more,
    )


@require_POST
@login_required
def rehearse(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """What the rule of the form, kept or not, would have raised. Nothing is kept or sent."""
    user = page_tools.need(request, "operator")
    row = _rule(request, pk) if pk else None
    form = RuleForm(request.POST, instance=row, user=user)
    found: dict[str, Any] | None = None
    if form.is_valid():
        ids = list(Device.objects.visible_to(user).values_list("pk", flat=True))
        try:
            result = rehearsal.rehearse(form.instance, days=DAYS, now=timezone.now(), device_ids=ids)
        except rehearsal.TooMuch as error:
            form.add_error(None, str(error))
        else:
            found = _shown(result)
    is_part = bool(request.headers.get("HX-Request"))
    template = "_rehearsal" if is_part else "rule"
    context = _form_context(request, form, row, found=found, is_rehearsed=True)
    status = 200 if is_part else page_tools.status_of(form)  # htmx shows no answer that says 400
    return render(request, f"monitoring/alerts/{template}.html", context, status=status)


def _shown(result: rehearsal.Rehearsal) -> dict[str, Any]:
    latest = result.raised[::-1][:SHOWN_EPISODES]
    names = dict(Device.objects.filter(pk__in={one.device_id for one in latest}).values_list("pk", "name"))
    lines = [
        {
            "device_id": one.device_id,
            "device": names.get(one.device_id, ""),
            "subject": one.subject,
            "at": one.episode.raised_at,
            "seconds": (
                (one.episode.resolved_at - one.episode.raised_at).total_seconds() if one.episode.resolved_at else None
            ),
        }
        for one in latest
    ]
    told = sorted(result.told.items(), key=lambda pair: (-pair[1], pair[0]))
    return {"result": result, "count": len(result.raised), "lines": lines, "told": told}


@require_POST
@login_required
def rule_switch(request: HttpRequest, pk: int) -> HttpResponse:
    user, row = page_tools.need(request, "operator"), _rule(request, pk)
    page_tools.need_change(user, row)
    with transaction.atomic():
        before = audit.snapshot(row)
        row.is_enabled = request.POST.get("on") == "1"
        row.save(update_fields=["is_enabled", "updated_at"])
        audit.record("update", row, before=before, after=audit.snapshot(row))
    messages.success(request, f"{row.name} is switched {'on' if row.is_enabled else 'off'}.")
    return redirect("alert-rules")


@require_POST
@login_required
def rule_delete(request: HttpRequest, pk: int) -> HttpResponse:
    user, row = page_tools.need(request, "operator"), _rule(request, pk)
    page_tools.need_change(user, row)
    if row.template:
        messages.error(request, "A shipped rule would come back: switch it off instead.")
        return redirect("alert-rule", pk=pk)
    with transaction.atomic():
        audit.record("delete", row, before=audit.snapshot(row))
        row.delete()
    messages.success(request, f"The rule {row.name} is deleted.")
    return redirect("alert-rules")


# --- silences


@require_http_methods(["GET", "POST"])
@login_required
def silences(request: HttpRequest) -> HttpResponse:
    """What is silent now, and a form for more."""
    user, now = request.user, timezone.now()
    if request.method == "POST":
        page_tools.need(request, "operator")
    form = SilenceForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        form.instance.created_by = user
        if page_tools.save(form, None):
            messages.success(request, "It is silent now.")
            return redirect("alert-silences")
    rows = page_tools.rows_of(Silence, user).select_related("rule", "created_by", *page_tools.SCOPE_RELATIONS)
    current = list(rows.filter(ends_at__gt=now).order_by("ends_at")[:500])
    over = list(rows.filter(ends_at__lte=now, ends_at__gt=now - timedelta(days=7))[:50])
    prints = [row.fingerprint for row in [*current, *over] if row.fingerprint]
    alerts = {
        alert.fingerprint: alert
        for alert in Alert.objects.visible_to(user)
        .filter(fingerprint__in=prints)
        .select_related("device")
        .order_by("pk")
    }
    context = page_tools.context(
        request,
        "alert-silences",
        rows=[_silence(user, row, alerts) for row in current],
        over=[_silence(user, row, alerts) for row in over],
        form=form,
        device_names=form.names_of_devices(),
    )
    return render(request, "monitoring/alerts/silences.html", context, status=page_tools.status_of(form))


def _silence(user: Any, row: Silence, alerts: dict[str, Alert]) -> dict[str, Any]:
    return {
        "row": row,
        "alert": alerts.get(row.fingerprint),
        "scope": page_tools.scope_words(row),
        "may_change": page_tools.may_change(user, row),
    }


@require_POST
@login_required
def silence_end(request: HttpRequest, pk: int) -> HttpResponse:
    user, now = page_tools.need(request, "operator"), timezone.now()
    row = get_object_or_404(page_tools.rows_of(Silence, user).filter(ends_at__gt=now), pk=pk)
    page_tools.need_change(user, row)
    with transaction.atomic():
        alert_silences.release(row, now)
        if row.starts_at >= now:
            audit.record("delete", row, before=audit.snapshot(row))
            row.delete()
        else:
            before = audit.snapshot(row)
            row.ends_at = now
            row.save(update_fields=["ends_at", "updated_at"])
            audit.record("update", row, before=before, after=audit.snapshot(row))
    messages.success(request, "The silence has ended.")
    return redirect("alert-silences")
