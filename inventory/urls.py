from django.urls import path, re_path

from inventory import views

urlpatterns = [
    path("import/", views.import_devices, name="import"),
    re_path(r"^import/(?P<pk>\d{1,18})/confirm/\Z", views.import_confirm, name="import-confirm"),
    re_path(r"^devices/(?P<pk>\d{1,18})/history/\Z", views.device_history, name="device-history"),
]
