from django.urls import path

from provisioning import change_pages, provision_pages, views, vm_pages

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
    path("vms/", vm_pages.machines, name="machines"),
    path("vms/provision/", provision_pages.provision, name="machine-provision"),
    path("vms/<int:pk>/", vm_pages.machine, name="machine"),
    path("vms/<int:pk>/ports/", vm_pages.act, name="machine-ports"),
    path("vms/<int:pk>/ports/add/", provision_pages.add_ports, name="machine-ports-add"),
    path("vms/<int:pk>/end/", vm_pages.end, name="machine-end"),
    path("vms/<int:pk>/diagnose/", vm_pages.diagnose, name="machine-diagnose"),
    path("vms/<int:pk>/decommission/", vm_pages.decommission, name="machine-decommission"),
    path("changes/", change_pages.change_list, name="changes"),
    path("changes/<int:pk>/", change_pages.change, name="change"),
    path("changes/<int:pk>/retry/", change_pages.retry, name="change-retry"),
]
