"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("netmon.accounts.urls")),
    path("", include("monitoring.urls")),
    path("admin/", admin.site.urls),
]
