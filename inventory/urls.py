from django.urls import path, re_path

from inventory import views, views_keys

urlpatterns = [
    path("import/", views.import_devices, name="import"),
    re_path(r"^import/(?P<pk>\d{1,18})/confirm/\Z", views.import_confirm, name="import-confirm"),
    re_path(r"^devices/(?P<pk>\d{1,18})/history/\Z", views.device_history, name="device-history"),
    path("credentials/", views_keys.credentials, name="credentials"),
    path("keys/ssh/", views_keys.ssh_key_list, name="ssh-keys"),
    re_path(r"^keys/ssh/(?P<pk>\d{1,18})/public/\Z", views_keys.ssh_key_public, name="ssh-key-public"),
    re_path(r"^keys/ssh/(?P<pk>\d{1,18})/delete/\Z", views_keys.ssh_key_delete, name="ssh-key-delete"),
]
