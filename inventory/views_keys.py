"""Pages of credentials: which there are, where they are used, and SSH keys made, taken in and handed out."""

import re
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.db.models import Max, Prefetch, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from inventory import keys, ssh_keys
from inventory.forms import GenerateKeyForm, ImportKeyForm
from inventory.models import Credential, CredentialUse, Device, ManagementEndpoint
from netmon.common.errors import NetmonError
from netmon.common.permissions import has_role

PER_PAGE = 50
NAMED = 5


def _need(request: HttpRequest, role: str) -> Any:
    if not has_role(request.user, role):
        raise PermissionDenied
    return request.user


def _used_by(user: Any) -> Any:
    """The endpoints that log in with a credential, of devices the person may see."""
    rows = ManagementEndpoint.objects.filter(device__in=Device.objects.visible_to(user)).select_related("device")
    return Prefetch("endpoints", queryset=rows.order_by("device__name_key", "protocol"), to_attr="users")


def _rows(user: Any) -> Any:
    return Credential.objects.visible_to(user).select_related("tenant", "device").prefetch_related(_used_by(user))


@require_GET
@login_required
def credentials(request: HttpRequest) -> HttpResponse:
    """Which credentials there are, where they are used and when they last worked; secrets are nowhere on it."""
    user = _need(request, "operator")
    kind, text = request.GET.get("kind", ""), request.GET.get("q", "").replace("\x00", "").strip()[:100]
    rows = _rows(user).order_by("name")
    if kind in Credential.Kind.values:
        rows = rows.filter(kind=kind)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(username__icontains=text) | Q(fingerprint__icontains=text))
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page", "")[:6])
    # Counted over what the person may see: a shared credential works elsewhere too.
    uses = CredentialUse.objects.visible_to(user).filter(credential__in=[row.pk for row in page])
    last = {
        pk: (used, ok)
        for pk, used, ok in uses.order_by()
        .values("credential")
        .annotate(used=Max("last_used_at"), ok=Max("last_ok_at"))
        .values_list("credential", "used", "ok")
    }
    context = {
        "rows": [(row, row.users[:NAMED], len(row.users) - NAMED, *last.get(row.pk, (None, None))) for row in page],
        "paging": page,
        "kinds": Credential.Kind.choices,
        "filters": {"kind": kind, "q": text},
        "section": "credentials",
    }
    return render(request, "inventory/credentials.html", context)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@login_required
def ssh_key_list(request: HttpRequest) -> HttpResponse:
    """The keys; an admin makes and takes in more."""
    user, asked = _need(request, "operator"), request.POST.get("form", "")
    if request.method == "POST":
        _need(request, "admin")
    generate = GenerateKeyForm(request.POST if asked == "generate" else None, prefix="g")
    given = ImportKeyForm(
        request.POST if asked == "import" else None, request.FILES if asked == "import" else None, prefix="i"
    )
    form = generate if asked == "generate" else given
    if asked in ("generate", "import") and form.is_valid():
        make: Any = ssh_keys.generate_key if asked == "generate" else ssh_keys.import_key
        try:
            key = make(**form.cleaned_data)
        except ValidationError as error:
            form.take(error)
        except IntegrityError:  # somebody was faster with the same name or key
            form.add_error("name", "This name or this key has just been taken: look at the list.")
        else:
            messages.success(request, f"The key {key.name} is kept. Its public line belongs on the devices.")
            return redirect("ssh-keys")
    rows = _rows(user).filter(kind=Credential.Kind.SSH_KEY).order_by("name")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page", "")[:6])
    context = {
        "rows": [
            (key, keys.warnings_of(key.key_type, key.key_bits), key.users[:NAMED], len(key.users)) for key in page
        ],
        "paging": page,
        "generate": generate,
        "given": given,
        "asked": asked,
        "section": "ssh-keys",
    }
    return render(request, "inventory/ssh_keys.html", context, status=400 if asked and form.errors else 200)


def _key(request: HttpRequest, user: Any, pk: int) -> Credential:
    rows = Credential.objects.visible_to(user).filter(kind=Credential.Kind.SSH_KEY)
    key: Credential = get_object_or_404(rows, pk=pk)
    return key


@require_GET
@login_required
def ssh_key_public(request: HttpRequest, pk: int) -> HttpResponse:
    """The public part as a file, for authorized_keys."""
    key = _key(request, _need(request, "operator"), pk)
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", key.name).strip("._") or f"key-{key.pk}"
    headers = {"Content-Disposition": f'attachment; filename="{name}.pub"'}
    return HttpResponse(ssh_keys.public_file(key), content_type="text/plain; charset=utf-8", headers=headers)


@require_POST
@login_required
def ssh_key_delete(request: HttpRequest, pk: int) -> HttpResponse:
    key = _key(request, _need(request, "admin"), pk)
    try:
        ssh_keys.delete_key(key)
    except NetmonError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, f"The key {key.name} is deleted.")
    return redirect("ssh-keys")
