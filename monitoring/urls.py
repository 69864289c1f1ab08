from django.urls import path, re_path

from monitoring import config_views, ssh_views, views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("monitoring/dashboard", views.overview),
    path("live/", views.overview_live, name="overview-live"),
    path("devices/", views.device_list, name="devices"),
    path("devices/add/", views.device_add, name="device-add"),
    path("devices/<int:pk>/", views.device, name="device"),
    path("devices/<int:pk>/edit/", views.device_edit, name="device-edit"),
    re_path(r"^devices/(?P<pk>\d{1,18})/(?P<tab>interfaces|checks|facts)/\Z", views.device, name="device-tab"),
    path("devices/<int:pk>/live/", views.device_live, name="device-live"),
    re_path(
        r"^devices/(?P<pk>\d{1,18})/(?P<tab>interfaces|checks|facts)/live/\Z", views.device_live, name="device-tab-live"
    ),
    path("configurations/", config_views.configurations, name="configurations"),
    path("devices/<int:pk>/configuration/", config_views.configuration, name="device-configuration"),
    path("devices/<int:pk>/configuration/backup/", config_views.backup, name="device-configuration-backup"),
    path("devices/<int:pk>/routing/", ssh_views.device_routing, name="device-routing"),
    path("devices/<int:pk>/routing/lookup/", ssh_views.ask_lookup, name="device-lookup"),
    path("devices/<int:pk>/routing/lookup/<int:job_id>/", ssh_views.lookup, name="device-lookup-job"),
    path("devices/<int:pk>/ssh-setup/", ssh_views.device_setup, name="device-ssh-setup"),
    path("devices/<int:pk>/chart.json", views.device_chart, name="device-chart"),
    path("health/", views.health, name="health-page"),
]
