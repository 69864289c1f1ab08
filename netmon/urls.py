"""Every address of the site."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views import defaults
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView

from netmon.common import documents, exception_handler
from netmon.common.schema_view import SchemaView

urlpatterns = [
    path("", include("netmon.accounts.urls")),
    path("", include("netmon.audit.urls")),
    path("", include("netmon.jobs.urls")),
    path("", include("inventory.urls")),
    path("", include("monitoring.urls")),
    path("", include("scanning.urls")),
    path("", include("provisioning.urls")),
    path("", include("netmon.mcp.urls")),
    path("api/v1/", include("netmon.api")),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    path("api/redoc/", SpectacularRedocView.as_view(url_name="schema"), name="api-redoc"),
    path("api-auth/", include("netmon.accounts.urls_browsable")),
    path("docs/errors", documents.errors, name="docs-errors"),
    path("admin/", admin.site.urls),
    re_path(r"^api/", exception_handler.api_not_found),
]


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    if exception_handler.is_api(request):
        return exception_handler.api_not_found(request)
    return defaults.page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    if exception_handler.is_mcp(request):
        return exception_handler.mcp_server_error(request)
    if exception_handler.is_api(request):
        return exception_handler.api_server_error(request)
    return defaults.server_error(request)


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    if exception_handler.is_mcp(request):
        return exception_handler.mcp_bad_request(request, exception)
    if exception_handler.is_api(request):
        return exception_handler.api_bad_request(request)
    return defaults.bad_request(request, exception)
