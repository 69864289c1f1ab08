"""The API's table of contents: one line per resource, all under /api/v1/."""

from django.urls import include, path
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.routers import DefaultRouter
from rest_framework.views import APIView

import inventory.api
import inventory.api_keys
import inventory.host_keys_api
import inventory.policy_api
import inventory.topology_api
import monitoring.alert_api
import monitoring.api
import monitoring.config_api
import monitoring.config_search_api
import monitoring.delivery_api
import monitoring.failure_api
import monitoring.indicator_api
import monitoring.rule_api
import netmon.accounts.api as accounts
import netmon.audit.api
import netmon.jobs.api
import provisioning.api
import provisioning.change_api
import provisioning.mcp_api
import provisioning.router_api
import provisioning.vm_api
import scanning.api
import scanning.host_api
from monitoring.facts_api import DeviceEventViewSet, ExpectedNeighbourViewSet, HostFactsMixin, RoutingFactsMixin
from netmon.common.permissions import SERVICE


class ConfiguredMixin(
    monitoring.api.DeviceReportsMixin,
    monitoring.config_api.DeviceConfigsMixin,
    monitoring.failure_api.DeviceFailureMixin,
    scanning.host_api.DevicePortsMixin,
):
    """What is measured of a device, its configurations, what hangs on it, and what scans found of it."""


class PrefixViewSet(inventory.api.PrefixViewSet, scanning.host_api.PrefixMapMixin):
    """Ranges of addresses, and what is known of each address in them."""


class DeviceViewSet(inventory.api.DeviceViewSet, ConfiguredMixin, HostFactsMixin, RoutingFactsMixin):
    """Every piece of equipment: the inventory's view of it, joined with what monitoring measured."""


class RouterViewSet(inventory.api.RouterViewSet, ConfiguredMixin, HostFactsMixin, RoutingFactsMixin):
    """Devices of kind router."""


class SwitchViewSet(inventory.api.SwitchViewSet, ConfiguredMixin, HostFactsMixin, RoutingFactsMixin):
    """Devices of kind switch."""


class ComputerViewSet(inventory.api.ComputerViewSet, ConfiguredMixin, HostFactsMixin):
    """Devices of kind computer."""


class CameraViewSet(inventory.api.CameraViewSet, ConfiguredMixin):
    """Devices of kind camera."""


class CredentialViewSet(
    inventory.api.CredentialViewSet, inventory.policy_api.CredentialUsesMixin, monitoring.api.CredentialTestMixin
):
    """Secrets are an admin's business; viewers do not even see the list."""


class EndpointViewSet(inventory.api.EndpointViewSet, monitoring.api.EndpointTestMixin):
    """Ways to get at devices."""


router = DefaultRouter(use_regex_path=True)
router.include_root_view = False
router.register("tenants", inventory.api.TenantViewSet, "tenant")
router.register("sites", inventory.api.SiteViewSet, "site")
router.register("prefixes", PrefixViewSet, "prefix")
router.register("interfaces", inventory.api.InterfaceViewSet, "interface")
router.register("ip-addresses", inventory.api.IPAddressViewSet, "ip-address")
router.register("tags", inventory.api.TagViewSet, "tag")
router.register("credentials", CredentialViewSet, "credential")
router.register("ssh-keys", inventory.api_keys.SSHKeyViewSet, "ssh-key")
router.register("endpoints", EndpointViewSet, "endpoint")
router.register("target-rules", inventory.policy_api.TargetRuleViewSet, "target-rule")
router.register("devices", DeviceViewSet, "device")
router.register("routers", RouterViewSet, "router")
router.register("switches", SwitchViewSet, "switch")
router.register("computers", ComputerViewSet, "computer")
router.register("cameras", CameraViewSet, "camera")
router.register("checks", monitoring.api.CheckViewSet, "check")
router.register("series", monitoring.api.SeriesViewSet, "series")
router.register("device-events", DeviceEventViewSet, "device-event")
router.register("expected-neighbours", ExpectedNeighbourViewSet, "expected-neighbour")
router.register("indicators", monitoring.indicator_api.IndicatorViewSet, "indicator")
router.register("dependencies", inventory.topology_api.DependencyViewSet, "dependency")
router.register("alerts", monitoring.alert_api.AlertViewSet, "alert")
router.register("alert-rules", monitoring.rule_api.AlertRuleViewSet, "alert-rule")
router.register("severity-modifiers", monitoring.rule_api.SeverityModifierViewSet, "severity-modifier")
router.register("silences", monitoring.rule_api.SilenceViewSet, "silence")
router.register("maintenance-windows", monitoring.rule_api.MaintenanceWindowViewSet, "maintenance-window")
router.register("channels", monitoring.delivery_api.ChannelViewSet, "channel")
router.register("contacts", monitoring.delivery_api.ContactViewSet, "contact")
router.register("escalation-policies", monitoring.delivery_api.EscalationPolicyViewSet, "escalation-policy")
router.register("notifications", monitoring.alert_api.NotificationViewSet, "notification")
router.register("scans", scanning.api.ScanViewSet, "scan")
router.register("scan-schedules", scanning.host_api.ScanScheduleViewSet, "scan-schedule")
router.register("scan-exclusions", scanning.api.ScanExclusionViewSet, "scan-exclusion")
router.register("discoveries", scanning.host_api.DiscoveryViewSet, "discovery")
router.register("expected-ports", scanning.host_api.ExpectedPortViewSet, "expected-port")
router.register("actions", provisioning.api.ActionViewSet, "action")
router.register("action-runs", provisioning.api.ActionRunViewSet, "action-run")
router.register("vyos-routers", provisioning.router_api.VyosRouterViewSet, "vyos-router")
router.register("dhcp-pools", provisioning.router_api.DhcpPoolViewSet, "dhcp-pool")
router.register("port-pools", provisioning.router_api.PortPoolViewSet, "port-pool")
router.register("quotas", provisioning.router_api.QuotaViewSet, "quota")
router.register("vms", provisioning.vm_api.VmViewSet, "vm")
router.register("dhcp-reservations", provisioning.change_api.DhcpReservationViewSet, "dhcp-reservation")
router.register("port-forwards", provisioning.vm_api.PortForwardViewSet, "port-forward")
router.register("config-changes", provisioning.change_api.ConfigChangeViewSet, "config-change")
router.register("audit-events", netmon.audit.api.AuditEventViewSet, "audit-event")
router.register("jobs", netmon.jobs.api.JobViewSet, "job")
router.register("users", accounts.UserViewSet, "user")
router.register("invites", accounts.InviteViewSet, "invite")
router.register("api-keys", accounts.ApiKeyViewSet, "api-key")


class RootView(APIView):
    """Where everything is."""

    area = SERVICE

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        names = {prefix: f"{basename}-list" for prefix, _, basename in router.registry}
        names |= {
            "auth/me": "auth-me",
            "monitoring/overview": "monitoring-overview",
            "health": "health",
            "search": "search",
            "config-search": "config-search",
            "ping": "ping",
        }
        return Response({prefix: reverse(name, request=request) for prefix, name in names.items()})


urlpatterns = [
    path("", RootView.as_view(), name="api-root"),
    path("auth/token/", accounts.LoginView.as_view(), name="auth-token"),
    path("auth/token/refresh/", accounts.RefreshView.as_view(), name="auth-token-refresh"),
    path("auth/token/verify/", accounts.VerifyView.as_view(), name="auth-token-verify"),
    path("auth/logout/", accounts.LogoutView.as_view(), name="auth-logout"),
    path("auth/me/", accounts.MeView.as_view(), name="auth-me"),
    path("search/", inventory.api.SearchView.as_view(), name="search"),
    path("host-keys/import/", inventory.host_keys_api.ImportKnownHostsView.as_view(), name="host-keys-import"),
    path("auth/logout-everywhere/", accounts.LogoutEverywhereView.as_view(), name="auth-logout-everywhere"),
    path("auth/password/", accounts.PasswordView.as_view(), name="auth-password"),
    path("auth/totp/", accounts.TotpView.as_view(), name="auth-totp"),
    path("auth/totp/enrol/", accounts.TotpEnrolView.as_view(), name="auth-totp-enrol"),
    path("auth/totp/confirm/", accounts.TotpConfirmView.as_view(), name="auth-totp-confirm"),
    path("auth/totp/disable/", accounts.TotpDisableView.as_view(), name="auth-totp-disable"),
    path("auth/totp/recovery-codes/", accounts.RecoveryCodesView.as_view(), name="auth-totp-recovery-codes"),
    path("monitoring/overview/", monitoring.api.OverviewView.as_view(), name="monitoring-overview"),
    path("alert-drill/", monitoring.failure_api.AlertDrillView.as_view(), name="alert-drill"),
    path("config-search/", monitoring.config_search_api.ConfigSearchView.as_view(), name="config-search"),
    path("drift/", provisioning.change_api.DriftView.as_view(), name="drift"),
    path("ports/status/", provisioning.vm_api.PortsStatusView.as_view(), name="ports-status"),
    path("mcp/provision/", provisioning.mcp_api.ProvisionView.as_view(), name="mcp-provision"),
    path("mcp/decommission/", provisioning.mcp_api.DecommissionView.as_view(), name="mcp-decommission"),
    path("ping/", scanning.api.PingView.as_view(), name="ping"),
    path("health/", monitoring.api.HealthView.as_view(), name="health"),
    path("", include(router.urls)),
]
