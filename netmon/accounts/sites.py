"""The admin site, for admins only."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from netmon.common.permissions import has_role


class Autocomplete(AutocompleteJsonView):
    """A part of something says of what: every device has an eth0."""

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        parent = getattr(obj, "audit_parent", lambda: None)()
        found = super().serialize_result(obj, to_field_name)
        return {**found, "text": f"{parent} · {obj}"} if parent is not None else found


class NetmonAdminSite(AdminSite):
    site_header = site_title = "netmon admin"
    index_title = "Everything that netmon keeps"

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return Autocomplete.as_view(admin_site=self)(request)

    def has_permission(self, request: HttpRequest) -> bool:
        return has_role(request.user, "admin")

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """netmon's own page: the one door with lock-out and second factor."""
        if request.user.is_authenticated:
            return render(request, "403.html", status=403)
        target = request.GET.get("next") or reverse("admin:index")
        return redirect(f"{reverse('login')}?{urlencode({'next': target})}")
