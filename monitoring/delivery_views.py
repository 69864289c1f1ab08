"""The pages of people and ways: channels, contacts, escalation policies, and the log of what was sent."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from monitoring import alert_story, page_tools
from monitoring.delivery_forms import KIND_HELP, ChannelForm, ContactForm, PolicyForm
from monitoring.models import Channel, Contact, EscalationPolicy, Notification
from monitoring.notifying import configs, testing
from netmon.audit import services as audit

FAILING = 3


def _delete(request: HttpRequest, row: Any, leads_to: str) -> HttpResponse:
    with transaction.atomic():
        audit.record("delete", row, before=audit.snapshot(row))
        row.delete()
    messages.success(request, f"{row} is deleted.")
    return redirect(leads_to)


# --- channels


@require_GET
@login_required
def channels(request: HttpRequest) -> HttpResponse:
    user = page_tools.need(request, "operator")
    rows = Channel.objects.visible_to(user).select_related("tenant").annotate(people=Count("contacts", distinct=True))
    waiting = Q(notifications__status__in=Notification.OPEN)
    rows = rows.annotate(waiting=Count("notifications", filter=waiting, distinct=True))
    shown = [
        {"row": row, "health": _health(row), "may_change": page_tools.may_change(user, row, "admin")} for row in rows
    ]
    context = page_tools.context(request, "alert-channels", rows=shown, kinds=_kinds())
    return render(request, "monitoring/alerts/channels.html", context)


def _kinds() -> list[tuple[str, str, str]]:
    return [(kind, str(label), KIND_HELP.get(kind, "")) for kind, label in Channel.Kind.choices]


def _health(row: Channel) -> tuple[str, str]:
    """Shape and word."""
    if not row.is_enabled:
        return "pending", "Switched off"
    if row.dead_in_a_row >= FAILING:
        return "down", "Delivers nothing"
    failed_last = row.last_error_at and (row.last_sent_at is None or row.last_error_at > row.last_sent_at)
    if failed_last:
        return "degraded", "Failed last"
    return ("up", "Delivers") if row.last_sent_at else ("pending", "Not used yet")


def _channel(user: Any, pk: int, *, to_change: bool = True) -> Channel:
    row: Channel = get_object_or_404(Channel.objects.visible_to(user), pk=pk)
    if to_change:
        page_tools.need_change(user, row, "admin")
    return row


@never_cache
@sensitive_post_parameters()
@sensitive_variables()
@require_http_methods(["GET", "POST"])
@login_required
def channel(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The form of a channel. What a webhook is signed with is shown once, when it was made."""
    user = page_tools.need(request, "admin")
    row = _channel(user, pk) if pk else None
    kind = row.kind if row else request.GET.get("kind", "email")
    if kind not in configs.FIELDS:
        raise Http404
    before, made = (audit.snapshot(row) if row else None), ""
    form = ChannelForm(request.POST or None, instance=row, user=user, kind=kind)
    if request.method == "POST" and page_tools.save(form, before):
        messages.success(request, f"The channel {form.instance.name} is kept. Try it with a test.")
        if not form.made_secret:
            return redirect("alert-channel", pk=form.instance.pk)
        # Shown in this answer and kept nowhere in clear.
        row, made = form.instance, form.made_secret
        form = ChannelForm(None, instance=row, user=user, kind=kind)
    context = page_tools.context(
        request,
        "alert-channels",
        form=form,
        row=row,
        kind=kind,
        kind_word=dict(Channel.Kind.choices)[kind],
        health=_health(row) if row else None,
        made=made,
    )
    return render(request, "monitoring/alerts/channel.html", context, status=page_tools.status_of(form))


@require_POST
@login_required
def channel_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send one message by the real way, now, and show what the other side said."""
    user = page_tools.need(request, "admin")
    row = _channel(user, pk)
    to = [user.email] if user.email else []
    result = testing.test_channel(row, to_emails=to, user=user)
    audit.record("test", row, detail=str(result["code"]))
    said = f"{result['code'] or 'no code'}, {float(result['seconds']):.2f} s. {result['detail']}".strip()
    if result["ok"]:
        messages.success(request, f"The test message went out: {said}")
    else:
        messages.error(request, f"The test message did not go out: {said}")
    return redirect("alert-channel", pk=pk)


@require_POST
@login_required
def channel_delete(request: HttpRequest, pk: int) -> HttpResponse:
    return _delete(request, _channel(page_tools.need(request, "admin"), pk), "alert-channels")


# --- contacts


@require_GET
@login_required
def contacts(request: HttpRequest) -> HttpResponse:
    user = request.user
    rows = Contact.objects.visible_to(user).select_related("tenant", "user").prefetch_related("channels", "sites")
    shown = [{"row": row, "may_change": page_tools.may_change(user, row)} for row in rows[:500]]
    return render(request, "monitoring/alerts/contacts.html", page_tools.context(request, "alert-contacts", rows=shown))


@require_http_methods(["GET", "POST"])
@login_required
def contact(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    user = page_tools.need(request, "operator")
    row = get_object_or_404(Contact.objects.visible_to(user), pk=pk) if pk else None
    if row is not None:
        page_tools.need_change(user, row)
    before = audit.snapshot(row) if row else None
    form = ContactForm(request.POST or None, instance=row or Contact(time_zone=settings.TIME_ZONE), user=user)
    if request.method == "POST" and page_tools.save(form, before):
        messages.success(request, f"The contact {form.instance.name} is kept.")
        return redirect("alert-contacts")
    context = page_tools.context(request, "alert-contacts", form=form, row=row)
    return render(request, "monitoring/alerts/contact.html", context, status=page_tools.status_of(form))


@require_POST
@login_required
def contact_delete(request: HttpRequest, pk: int) -> HttpResponse:
    user = page_tools.need(request, "operator")
    row = get_object_or_404(Contact.objects.visible_to(user), pk=pk)
    page_tools.need_change(user, row)
    return _delete(request, row, "alert-contacts")


@require_http_methods(["GET", "POST"])
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """How one is told oneself: everybody's own contact, made when it is first kept."""
    user: Any = request.user
    row = Contact.objects.filter(user=user).order_by("pk").first()
    before = audit.snapshot(row) if row else None
    blank = Contact(
        user=user, name=_free_name(user), emails=[user.email] if user.email else [], time_zone=settings.TIME_ZONE
    )
    form = ContactForm(request.POST or None, instance=row or blank, user=user, is_own=True)
    if request.method == "POST" and page_tools.save(form, before):
        messages.success(request, "Kept. This is how netmon tells you.")
        return redirect("alert-profile")
    context = {"form": form, "row": row, "person": user, "section": "account"}
    return render(request, "monitoring/alerts/profile.html", context, status=page_tools.status_of(form))


def _free_name(user: Any) -> str:
    name = user.get_username()[:90]
    taken = Contact.objects.filter(tenant=None, name_key=name.casefold()).exclude(user=user).exists()
    return f"{name} ({user.pk})" if taken else name


# --- policies


@require_GET
@login_required
def policies(request: HttpRequest) -> HttpResponse:
    user = request.user
    rows = page_tools.rows_of(EscalationPolicy, user).prefetch_related("steps__contacts")
    shown = [
        {
            "row": row,
            "scope": page_tools.scope_words(row),
            "steps": [
                (step.after_seconds, [one.name for one in step.contacts.all()])
                for step in sorted(row.steps.all(), key=lambda step: step.number)
            ],
            "may_change": page_tools.may_change(user, row),
        }
        for row in rows[:500]
    ]
    return render(request, "monitoring/alerts/policies.html", page_tools.context(request, "alert-policies", rows=shown))


@require_http_methods(["GET", "POST"])
@login_required
def policy(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    user = page_tools.need(request, "operator")
    row = get_object_or_404(page_tools.rows_of(EscalationPolicy, user), pk=pk) if pk else None
    if row is not None:
        page_tools.need_change(user, row)
    before = audit.snapshot(row) if row else None
    form = PolicyForm(request.POST or None, instance=row, user=user)
    if request.method == "POST" and page_tools.save(form, before):
        messages.success(request, f"The policy {form.instance.name} is kept.")
        return redirect("alert-policies")
    context = page_tools.context(request, "alert-policies", form=form, row=row, device_names=form.names_of_devices())
    return render(request, "monitoring/alerts/policy.html", context, status=page_tools.status_of(form))


@require_POST
@login_required
def policy_delete(request: HttpRequest, pk: int) -> HttpResponse:
    user = page_tools.need(request, "operator")
    row = get_object_or_404(page_tools.rows_of(EscalationPolicy, user), pk=pk)
    page_tools.need_change(user, row)
    return _delete(request, row, "alert-policies")


# --- the log


@require_GET
@login_required
def delivery_log(request: HttpRequest) -> HttpResponse:
    """Every message, newest first."""
    user = request.user
    rows = Notification.objects.visible_to(user).select_related("alert__device", "channel", "contact")
    filters = {name: page_tools.text_of(request, name) for name in ("status", "kind", "channel", "q", "days")}
    if filters["status"] in Notification.Status.values:
        rows = rows.filter(status=filters["status"])
    if filters["kind"] in Notification.Kind.values:
        rows = rows.filter(kind=filters["kind"])
    if (chosen := page_tools.number(filters["channel"])) is not None:
        rows = rows.filter(channel=chosen)
    if filters["q"]:
        rows = rows.filter(Q(to__icontains=filters["q"]) | Q(alert__summary__icontains=filters["q"]))
    days = page_tools.number(filters["days"]) or 7
    rows = rows.filter(created_at__gte=timezone.now() - timedelta(days=min(days, 366)))
    page = page_tools.paged(request, rows.order_by("-created_at", "-pk"), 100)
    context = page_tools.context(
        request,
        "alert-log",
        rows=alert_story.deliveries(list(page)),
        paging=page,
        filters=filters,
        days=days,
        periods=(1, 7, 30, 90),
        statuses=Notification.Status.choices,
        kinds=Notification.Kind.choices,
        channels=Channel.objects.visible_to(user)[:200],
        kept=page_tools.kept(request),
        may_act=page_tools.has_role(user, "operator"),
    )
    return render(request, "monitoring/alerts/log.html", context)
