from django.urls import path, re_path

from inventory import views, views_host_keys, views_keys

urlpatterns = [
    path("import/", views.import_devices, name="import"),
    re_path(r"^import/(?P<pk>\d{1,18})/confirm/\Z", views.import_confirm, name="import-confirm"),
    re_path(r"^devices/(?P<pk>\d{1,18})/history/\Z", views.device_history, name="device-history"),
    re_path(r"^devices/(?P<pk>\d{1,18})/host-keys/\Z", views_host_keys.device_host_keys, name="device-host-keys"),
    re_path(
        r"^devices/(?P<pk>\d{1,18})/host-keys/(?P<key>\d{1,18})/(?P<decision>approve|revoke)/\Z",
        views_host_keys.host_key_decide,
        name="host-key-decide",
    ),
    re_path(
        r"^devices/(?P<pk>\d{1,18})/host-keys/enter/(?P<endpoint>\d{1,18})/\Z",
        views_host_keys.host_key_enter,
        name="host-key-enter",
    ),
    re_path(r"^endpoints/(?P<pk>\d{1,18})/setup/\Z", views_host_keys.endpoint_setup, name="ssh-setup"),
    path("host-keys/import/", views_host_keys.known_hosts_import, name="known-hosts-import"),
    path("host-keys/", views_host_keys.waiting_host_keys, name="host-keys"),
    path("credentials/", views_keys.credentials, name="credentials"),
    path("keys/ssh/", views_keys.ssh_key_list, name="ssh-keys"),
    re_path(r"^keys/ssh/(?P<pk>\d{1,18})/public/\Z", views_keys.ssh_key_public, name="ssh-key-file"),
    re_path(r"^keys/ssh/(?P<pk>\d{1,18})/delete/\Z", views_keys.ssh_key_delete, name="ssh-key-delete"),
]
