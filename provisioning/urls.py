from django.urls import path

from provisioning import views

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
]
