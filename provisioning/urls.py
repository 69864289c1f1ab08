from django.urls import path

from provisioning import router_views, views

urlpatterns = [
    path("actions/", views.action_list, name="actions"),
    path("actions/add/", views.action, name="action-add"),
    path("actions/runs/", views.run_list, name="action-runs"),
    path("actions/runs/<int:pk>/", views.outcome, name="action-outcome"),
    path("actions/runs/<int:pk>/stop/", views.stop, name="action-stop"),
    path("actions/runs/<int:pk>/decide/", views.decide, name="action-decide"),
    path("actions/waiting/", views.waiting, name="actions-waiting"),
    path("actions/<int:pk>/", views.action, name="action-edit"),
    path("actions/<int:pk>/approve/", views.approve_script, name="action-script-approve"),
    path("actions/<int:pk>/delete/", views.action_delete, name="action-delete"),
    path("actions/<int:pk>/start/", views.start, name="action-start"),
    path("devices/<int:pk>/actions/", views.device_actions, name="device-actions"),
    path("vyos/", router_views.router_list, name="vyos-routers"),
    path("vyos/pools/", router_views.pools, name="vyos-pools"),
    path("vyos/<int:pk>/", router_views.router, name="vyos-router"),
    path("vyos/<int:pk>/read/", router_views.read, name="vyos-read"),
    path("vyos/<int:pk>/drift/", router_views.drift_page, name="vyos-drift"),
    path("vyos/<int:pk>/drift/compare/", router_views.compare, name="vyos-compare"),
    path("vyos/<int:pk>/drift/reconcile/", router_views.reconcile, name="vyos-reconcile"),
    path("vyos/<int:pk>/import/", router_views.take_over, name="vyos-import"),
]
