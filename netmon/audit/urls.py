from django.urls import path

from netmon.audit import views

urlpatterns = [path("audit/", views.audit_page, name="audit")]
