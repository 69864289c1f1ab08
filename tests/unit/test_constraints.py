"""Every rule of the models, provoked in the database and in full_clean(), NULLs and accents included."""

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from inventory import keys
from inventory.models import (
    Credential,
    CredentialUse,
    Dependency,
    Device,
    Interface,
    IPAddress,
    KnownServer,
    ManagementEndpoint,
    Prefix,
    Site,
    TargetRule,
    Tenant,
)
from monitoring.models import (
    Alert,
    AlertEvent,
    AlertRule,
    Channel,
    Check,
    ConfigVersion,
    Contact,
    DeclinedCheck,
    DeviceFact,
    DeviceState,
    EscalationPolicy,
    EscalationStep,
    Indicator,
    MaintenanceWindow,
    Notification,
    Outage,
    Series,
    SeverityModifier,
    Silence,
)
from netmon.accounts.models import ApiKey, Invite, LoginThrottle, RecoveryCode, RevokedFamily, Totp, User
from netmon.common.secrets import open_secret
from netmon.jobs.models import Job
from provisioning.models import (
    Action,
    ActionRun,
    ActionSecret,
    ChangeItem,
    ConfigChange,
    DhcpPool,
    DhcpReservation,
    DriftItem,
    PortClaim,
    PortForward,
    PortPool,
    Quota,
    RuleClaim,
    Vm,
    VyosRouter,
)
from tests import factories as make
from tests.alerts import make_alert, make_policy
from tests.people import make_person

pytestmark = pytest.mark.django_db

Rows = Callable[[], tuple[models.Model, models.Model]]


def tenant(**values: Any) -> Tenant:
    return Tenant(**{"name": "T", "slug": "t", **values})


def job(**values: Any) -> Job:
    base = {"kind": "k", "key": "1", "task": "t", "deadline_at": timezone.now() + timedelta(hours=1)}
    return Job(**{**base, **values})


def endpoint() -> ManagementEndpoint:
    return make.make_endpoint(make.make_device())


def api_key(**values: Any) -> ApiKey:
    base = {"name": "k", "prefix": "abcdefgh", "key_hash": "0" * 64, "pepper_id": "0" * 8}
    return ApiKey(**{**base, "expires_at": timezone.now() + timedelta(days=1), **values})


def invite(**values: Any) -> Invite:
    return Invite(**{"token_hash": "0" * 64, "expires_at": timezone.now() + timedelta(days=1), **values})


def ssh_key(name: str, pair: keys.KeyPair) -> Credential:
    columns = {"secret": pair.private, "public_key": pair.public_key, "fingerprint": pair.fingerprint}
    return Credential(name=name, kind="ssh_key", **columns)


def config(**values: Any) -> ConfigVersion:
    now = timezone.now()
    base = {"kind": "running", "number": 1, "platform": "frr", "content": "a", "lines": 1, "size_bytes": 1}
    return ConfigVersion(**{**base, "collected_at": now, "last_seen_at": now, "content_hash": "0" * 64, **values})


def outage(**values: Any) -> Outage:
    return Outage(**{"started_at": timezone.now() - timedelta(hours=1), **values})


def alert(**values: Any) -> Alert:
    base = {"source": "manual", "fingerprint": "0" * 64, "summary": "s", "started_at": timezone.now()}
    return Alert(**{**base, **values})


def alert_event(**values: Any) -> AlertEvent:
    return AlertEvent(**{"alert": make_alert(), "seq": 9, "kind": "comment", **values})


def action(**values: Any) -> Action:
    return Action(**{"name": "Restart", "executable": "restart", **values})


def action_run(**values: Any) -> ActionRun:
    device = values.pop("device", None) or make.make_device()
    own = values.pop("action", None) or make.make_action()
    base = {"device_name": device.name, "executable": own.executable, "run_on": own.run_on, "sha256": "0" * 64}
    return ActionRun(**{"action": own, "device": device, **base, **values})


def indicator(**values: Any) -> Indicator:
    base = {"kind": "smell", "value": "burnt", "source": "omar"}
    return Indicator(**{"device": values.pop("device", None) or make.make_device(), **base, **values})


def rule(**values: Any) -> AlertRule:
    return AlertRule(**{"name": "R", "source": "device.down", **values})


def channel(**values: Any) -> Channel:
    return Channel(**{"name": "C", "kind": "email", **values})


def window(**values: Any) -> MaintenanceWindow:
    now = timezone.now()
    return MaintenanceWindow(**{"name": "W", "starts_at": now, "ends_at": now + timedelta(hours=1), **values})


def silence(**values: Any) -> Silence:
    return Silence(**{"kind": "vm", "ends_at": timezone.now() + timedelta(hours=1), **values})


def step(**values: Any) -> EscalationStep:
    return EscalationStep(**{"policy": make_policy(), "number": 0, **values})


def message(**values: Any) -> Notification:
    return Notification(**{"kind": "test", "dedupe_key": "0" * 64, **values})


def dependency(**values: Any) -> Dependency:
    return Dependency(**{"device": make.make_device(), "parent": make.make_device(), **values})


def of_one_device(**values: Any) -> Dependency:
    device = make.make_device()
    return dependency(device=device, parent=device)


def vyos_router(**values: Any) -> VyosRouter:
    row = make.make_endpoint(make.make_device(), protocol="vyos")
    return VyosRouter(**{"endpoint": row, "inbound_interface": "eth0", **values})


def dhcp_pool(**values: Any) -> DhcpPool:
    prefix, _ = Prefix.objects.get_or_create(cidr="192.168.66.0/24", site=None)
    base = {"name": "lan", "shared_network": "LAN", "range_start": "192.168.66.9", "range_end": "192.168.66.10"}
    return DhcpPool(
        **{"router": values.pop("router", None) or make.make_vyos_router(), "prefix": prefix, **base, **values}
    )


def port_pool(**values: Any) -> PortPool:
    return PortPool(**{"router": values.pop("router", None) or make.make_vyos_router(), "name": "outside", **values})


def vm(**values: Any) -> Vm:
    router = values.pop("router", None) or make.make_vyos_router()
    return Vm(**{"device": make.make_device(kind="vm"), "router": router, "hostname": "web", **values})


def kept(row: Any) -> Any:
    row.save()
    return row


def reservation(**values: Any) -> DhcpReservation:
    pool = values.pop("pool", None) or make.make_dhcp_pool()
    own = values.pop("vm", None) or kept(vm(router=pool.router, hostname=f"h{Vm.objects.count()}"))
    base = {"mac_address": "02:00:00:00:00:01", "address": "192.168.66.10"}
    return DhcpReservation(**{"router": pool.router, "pool": pool, "vm": own, **base, **values})


def forward(**values: Any) -> PortForward:
    own = values.pop("vm", None) or kept(vm())
    pool = values.pop("pool", None) or make.make_port_pool(own.router)
    base = {"name": "ssh", "external_port": 32000, "internal_port": 22, "rule_number": 10000}
    base = {**base, **values}
    base.setdefault("external_port_end", base["external_port"])
    base.setdefault("internal_port_end", base["internal_port"])
    return PortForward(vm=own, pool=pool, **base)


def port_claim(**values: Any) -> PortClaim:
    own = values.pop("forward", None) or kept(forward())
    return PortClaim(**{"forward": own, "pool": own.pool, "protocol": "tcp", "port": 32000, **values})


def rule_claim(**values: Any) -> RuleClaim:
    own = values.pop("forward", None) or kept(forward())
    base = {"router": own.vm.router, "chain": "destination", "number": 10000, "purpose": "forward", "forward": own}
    return RuleClaim(**{**base, **values})


def of_router(router: VyosRouter, **values: Any) -> RuleClaim:
    return RuleClaim(**{"router": router, "chain": "firewall", "number": 100, "purpose": "opening", **values})


def change(**values: Any) -> ConfigChange:
    router = values.pop("router", None) or make.make_vyos_router()
    return ConfigChange(**{"router": router, "router_name": "r", "kind": "ports", **values})


# name of the constraint: a first row (saved) and a second that the rule refuses
TWINS: dict[str, Rows] = {
    "change_item_once": lambda: (
        lambda one, vm: (ChangeItem(change=one, vm=vm, vm_name="a"), ChangeItem(change=one, vm=vm, vm_name="b"))
    )(kept(change()), make.make_vm()),
    "drift_item_once": lambda: (
        lambda router: (
            DriftItem(router=router, label="rule 1", kind="missing"),
            DriftItem(router=router, label="rule 1", kind="differs"),
        )
    )(make.make_vyos_router()),
    "tenant_name": lambda: (tenant(name="Évry"), tenant(name=" ÉVRY ", slug="u")),
    "site_name": lambda: (lambda t: (Site(name="A", tenant=t), Site(name="a", tenant=t)))(make.make_tenant()),
    "site_name_null": lambda: (Site(name="Zürich"), Site(name="ZÜRICH")),
    "prefix_cidr": lambda: (lambda s: (Prefix(cidr="10.0.0.0/24", site=s), Prefix(cidr="10.0.0.0/24", site=s)))(
        make.make_site()
    ),
    "prefix_cidr_null": lambda: (Prefix(cidr="2001:db8::/32"), Prefix(cidr="2001:0DB8::/32")),
    "target_rule_cidr": lambda: (
        lambda t: (
            TargetRule(cidr="10.0.0.0/24", action="allow", tenant=t),
            TargetRule(cidr="10.0.0.0/24", action="refuse", tenant=t),
        )
    )(make.make_tenant()),
    "target_rule_cidr_null": lambda: (
        TargetRule(cidr="2001:db8::/32", action="allow"),
        TargetRule(cidr="2001:0DB8::/32", action="refuse"),
    ),
    "credential_use_once": lambda: (
        lambda e, c, at: (
            CredentialUse(endpoint=e, credential=c, first_used_at=at, last_used_at=at),
            CredentialUse(endpoint=e, credential=c, first_used_at=at, last_used_at=at),
        )
    )(endpoint(), make.make_credential(), timezone.now()),
    "known_server_once": lambda: (
        KnownServer(place="10.0.0.1 port 22", device_number=1),
        KnownServer(place="10.0.0.1 port 22", device_number=1),
    ),
    "device_name": lambda: (lambda t: (Device(name="r", tenant=t), Device(name="R", tenant=t)))(make.make_tenant()),
    "device_name_null": lambda: (Device(name="Straße"), Device(name="STRASSE")),
    "interface_name": lambda: (lambda d: (Interface(device=d, name="e"), Interface(device=d, name="e")))(
        make.make_device()
    ),
    "interface_if_index": lambda: (
        lambda d: (Interface(device=d, name="a", if_index=1), Interface(device=d, name="b", if_index=1))
    )(make.make_device()),
    "ip_address": lambda: (
        lambda t: (IPAddress(address="10.0.0.1", tenant=t), IPAddress(address="10.0.0.1", tenant=t))
    )(make.make_tenant()),
    "ip_address_null": lambda: (IPAddress(address="10.0.0.1"), IPAddress(address="::ffff:10.0.0.1")),
    "endpoint_port": lambda: (
        lambda d: (
            ManagementEndpoint(device=d, protocol="tcp", port=80),
            ManagementEndpoint(device=d, protocol="tcp", port=80),
        )
    )(make.make_device()),
    "endpoint_port_null": lambda: (
        lambda d: (ManagementEndpoint(device=d, protocol="icmp"), ManagementEndpoint(device=d, protocol="icmp"))
    )(make.make_device()),
    "check_module": lambda: (lambda e: (Check(endpoint=e, module="icmp"), Check(endpoint=e, module="icmp")))(
        endpoint()
    ),
    "device_fact_kind": lambda: (
        lambda d: (
            DeviceFact(device=d, kind="system", collected_at=timezone.now()),
            DeviceFact(device=d, kind="system", collected_at=timezone.now()),
        )
    )(make.make_device()),
    "indicator_external_id": lambda: (
        lambda d: (indicator(device=d, external_id="7"), indicator(device=d, external_id="7", value="not at all"))
    )(make.make_device()),
    "config_version_number": lambda: (lambda d: (config(device=d), config(device=d, content="b")))(make.make_device()),
    "series_identity": lambda: (
        lambda i: (
            Series(device=i.device, interface=i, metric_set="if.counters"),
            Series(device=i.device, interface=i, metric_set="if.counters"),
        )
    )(make.make_interface(make.make_device())),
    "series_identity_null": lambda: (
        lambda d: (Series(device=d, metric_set="icmp"), Series(device=d, metric_set="icmp"))
    )(make.make_device()),
    "outage_one_open": lambda: (lambda d: (outage(device=d), outage(device=d)))(make.make_device()),
    "job_one_active": lambda: (job(), job(status="running")),
    "api_key_name": lambda: (lambda u: (api_key(user=u), api_key(user=u, prefix="ijklmnop")))(
        make_person("u", "viewer")
    ),
    "api_key prefix": lambda: (lambda u: (api_key(user=u), api_key(user=u, name="other")))(make_person("u", "viewer")),
    "recovery_code_once": lambda: (
        lambda u: (RecoveryCode(user=u, code_hash="1"), RecoveryCode(user=u, code_hash="1"))
    )(make_person("u", "viewer")),
    "login_throttle_key": lambda: (
        LoginThrottle(scope="pair", key="192.0.2.1 a"),
        LoginThrottle(scope="pair", key="192.0.2.1 a"),
    ),
    "invite token": lambda: (invite(), invite()),
    "totp user": lambda: (lambda u: (Totp(user=u, secret="s"), Totp(user=u, secret="t")))(make_person("u", "viewer")),
    "user username": lambda: (User(username="a", password="x"), User(username="a", password="x")),
    "credential_fingerprint": lambda: (lambda pair: (ssh_key("one", pair), ssh_key("two", pair)))(
        keys.generate(type="ed25519")
    ),
    "declined_check_once": lambda: (
        lambda e: (DeclinedCheck(endpoint=e, module="icmp"), DeclinedCheck(endpoint=e, module="icmp"))
    )(endpoint()),
    "dependency_once": lambda: (
        lambda a, b: (dependency(device=a, parent=b), dependency(device=a, parent=b, source="gateway"))
    )(make.make_device(), make.make_device()),
    "alert_rule_name": lambda: (lambda t: (rule(tenant=t), rule(name="r", tenant=t)))(make.make_tenant()),
    "alert_rule_name_null": lambda: (rule(name="Übel"), rule(name="ÜBEL")),
    "alert_rule_template": lambda: (rule(template="x"), rule(name="other", template="x")),
    "channel_name": lambda: (lambda t: (channel(tenant=t), channel(name="c", tenant=t)))(make.make_tenant()),
    "channel_name_null": lambda: (channel(name="Été"), channel(name="ÉTÉ")),
    "contact_name": lambda: (lambda t: (Contact(name="N", tenant=t), Contact(name="n", tenant=t)))(make.make_tenant()),
    "contact_name_null": lambda: (Contact(name="Noël"), Contact(name="NOËL")),
    "escalation_policy_name": lambda: (
        lambda t: (EscalationPolicy(name="P", tenant=t), EscalationPolicy(name="p", tenant=t))
    )(make.make_tenant()),
    "escalation_policy_name_null": lambda: (EscalationPolicy(name="Straße"), EscalationPolicy(name="STRASSE")),
    "escalation_step_number": lambda: (lambda p: (step(policy=p), step(policy=p, after_seconds=60)))(make_policy()),
    "alert_open_once": lambda: (alert(), alert(state="firing")),
    "alert_event_seq": lambda: (lambda a: (alert_event(alert=a), alert_event(alert=a, kind="reminded")))(make_alert()),
    "notification dedupe_key": lambda: (message(), message(kind="firing")),
    "action_name_null": lambda: (action(name="Neustart"), action(name="NEUSTART")),
    "action_name": lambda: (lambda t: (action(name="Übel", tenant=t), action(name="übel", tenant=t)))(
        make.make_tenant()
    ),
    "action_secret_once": lambda: (
        lambda a, c: (ActionSecret(action=a, credential=c), ActionSecret(action=a, credential=c))
    )(make.make_action(), make.make_credential()),
    "action_run_one_active": lambda: (
        lambda a, d: (
            action_run(action=a, device=d, status="running"),
            action_run(action=a, device=d, status="waiting"),
        )
    )(make.make_action(), make.make_device()),
    "vyos_router endpoint": lambda: (lambda r: (r, VyosRouter(endpoint=r.endpoint, inbound_interface="eth1")))(
        vyos_router()
    ),
    "dhcp_pool_name": lambda: (lambda r: (dhcp_pool(router=r), dhcp_pool(router=r, name="LAN")))(
        make.make_vyos_router()
    ),
    "port_pool_name": lambda: (
        lambda r: (port_pool(router=r), port_pool(router=r, name="OUTSIDE", port_start=40000, port_end=41000))
    )(make.make_vyos_router()),
    "quota owner": lambda: (lambda u: (Quota(owner=u, max_vms=1), Quota(owner=u, max_vms=2)))(
        make_person("renter", "viewer")
    ),
    "quota tenant": lambda: (lambda t: (Quota(tenant=t, max_vms=1), Quota(tenant=t, max_forwards=2)))(
        make.make_tenant()
    ),
    "vm device": lambda: (lambda d: (vm(device=d), vm(device=d, hostname="other")))(make.make_device(kind="vm")),
    "vm_hostname": lambda: (lambda r: (vm(router=r), vm(router=r)))(make.make_vyos_router()),
    "dhcp_reservation vm": lambda: (
        lambda p, one: (one, reservation(pool=p, vm=one.vm, mac_address="02:00:00:00:00:02", address="192.168.66.11"))
    )(*(lambda p: (p, reservation(pool=p)))(make.make_dhcp_pool())),
    "dhcp_reservation_mac": lambda: (
        lambda r: (
            reservation(pool=make.make_dhcp_pool(r), mac_address="02-00-00-00-00-AA"),
            reservation(pool=make.make_dhcp_pool(r), mac_address="0200.0000.00aa", address="192.168.66.11"),
        )
    )(make.make_vyos_router()),
    "dhcp_reservation_address": lambda: (
        lambda r: (
            reservation(pool=make.make_dhcp_pool(r)),
            reservation(pool=make.make_dhcp_pool(r), mac_address="02:00:00:00:00:02"),
        )
    )(make.make_vyos_router()),
    "port_forward_name": lambda: (lambda v: (forward(vm=v), forward(vm=v, external_port=32001)))(kept(vm())),
    "port_claim_once": lambda: (lambda f: (port_claim(forward=f), port_claim(forward=f)))(kept(forward())),
    "rule_claim_once": lambda: (lambda f: (rule_claim(forward=f), rule_claim(forward=f, purpose="hairpin")))(
        kept(forward())
    ),
    "rule_claim_of_forward": lambda: (lambda f: (rule_claim(forward=f), rule_claim(forward=f, number=10001)))(
        kept(forward())
    ),
    "rule_claim_of_lan": lambda: (
        lambda p: tuple(
            of_router(p.router, chain="source", number=n, purpose="masquerade", dhcp_pool=p) for n in (1, 2)
        )
    )(make.make_dhcp_pool()),
    "rule_claim_one_opening": lambda: (lambda r: (of_router(r), of_router(r, number=101)))(make.make_vyos_router()),
    "config_change_one_applying": lambda: (
        lambda r: (change(router=r, status="applying"), change(router=r, status="applying"))
    )(make.make_vyos_router()),
    "credential name": lambda: (
        Credential(name="c", kind="snmp_community", secret="s"),
        Credential(name="c", kind="snmp_community", secret="t"),
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_the_database_refuses_a_twin(name: str) -> None:
    first, second = TWINS[name]()
    first.save()
    with pytest.raises(IntegrityError), transaction.atomic():
        second.save()


@pytest.mark.parametrize("name", TWINS)
def test_full_clean_refuses_a_twin_with_a_message(name: str) -> None:
    first, second = TWINS[name]()
    first.save()
    with pytest.raises(ValidationError):
        second.full_clean()


# The canonical text of addresses and prefixes is made by save(); nothing creates them in bulk.
@pytest.mark.parametrize(
    "name", [name for name in TWINS if not name.startswith(("prefix", "ip_address", "target_rule"))]
)
def test_bulk_create_does_not_walk_past_it(name: str) -> None:
    first, second = TWINS[name]()
    with pytest.raises(IntegrityError), transaction.atomic():
        type(first)._default_manager.bulk_create([first, second])


def test_what_is_not_a_twin_is_accepted() -> None:
    one, two = make.make_tenant(), make.make_tenant()
    for owner in (None, one, two):
        make.make_device(name="core", tenant=owner)
        make.make_address(address="10.0.0.1", tenant=owner)
        make.make_site(name="hq", tenant=owner)
    device = make.make_device()
    make.make_interface(device, if_index=None)
    make.make_interface(device, if_index=None)
    make.make_outage(device, timezone.now() - timedelta(hours=2), 5)
    make.make_outage(device, timezone.now() - timedelta(hours=1), None)
    owner = make_person("owner", "viewer")
    api_key(user=owner, revoked_at=timezone.now()).save()
    api_key(user=owner, prefix="ijklmnop").save()
    job(status="succeeded").save()
    job(status="failed").save()
    job().save()


# name: a row that breaks a check rule
BROKEN: dict[str, Callable[[], models.Model]] = {
    "dependency_not_itself": of_one_device,
    "dependency_source_known": lambda: dependency(source="dreamt"),
    "device_state_excuse_known": lambda: DeviceState(device=make.make_device(), excuse="holiday"),
    "alert_rule_comparator_known": lambda: rule(comparator="~="),
    "alert_rule_severity_known": lambda: rule(severity="fatal"),
    "alert_rule_kind_known": lambda: rule(kind="toaster"),
    "severity_modifier_kind_known": lambda: SeverityModifier(name="m", kind="toaster"),
    "severity_modifier_delta_range none": lambda: SeverityModifier(name="m", delta=0),
    "severity_modifier_delta_range far": lambda: SeverityModifier(name="m", delta=5),
    "silence_kind_known": lambda: silence(kind="toaster"),
    "silence_order": lambda: silence(ends_at=timezone.now() - timedelta(hours=1)),
    "maintenance_window_kind_known": lambda: window(kind="toaster"),
    "maintenance_window_order": lambda: window(ends_at=timezone.now() - timedelta(hours=1)),
    "maintenance_window_recurrence_known": lambda: window(recurrence="yearly"),
    "maintenance_window_list_or_device": lambda: window(is_listed=True, device=make.make_device()),
    "alert_state_known": lambda: alert(state="sleeping"),
    "alert_severity_known": lambda: alert(severity="fatal"),
    "alert_resolved_has_its_time open": lambda: alert(resolved_at=timezone.now() + timedelta(hours=1)),
    "alert_resolved_has_its_time over": lambda: alert(state="resolved"),
    "alert_order": lambda: alert(state="resolved", resolved_at=timezone.now() - timedelta(hours=1)),
    "alert_event_severity_known": lambda: alert_event(severity="fatal"),
    "channel_kind_known": lambda: channel(kind="pigeon"),
    "channel_min_severity_known": lambda: channel(min_severity="fatal"),
    "contact_quiet_both": lambda: Contact(name="x", quiet_from=time(22)),
    "contact_digest_known": lambda: Contact(name="x", digest="yearly"),
    "contact_summary_hour_range": lambda: Contact(name="x", summary_hour=24),
    "contact_min_severity_known": lambda: Contact(name="x", min_severity="fatal"),
    "contact_quiet_min_severity_known": lambda: Contact(name="x", quiet_min_severity="fatal"),
    "contact_repeat_min_severity_known": lambda: Contact(name="x", repeat_min_severity="fatal"),
    "escalation_policy_kind_known": lambda: EscalationPolicy(name="x", kind="toaster"),
    "escalation_step_number_range": lambda: step(number=5),
    "notification_status_known": lambda: message(status="lost"),
    "notification_sent_has_its_time": lambda: message(status="sent"),
    "notification_severity_known": lambda: message(severity="fatal"),
    "target_rule_action_known": lambda: TargetRule(cidr="10.0.0.0/24", action="maybe"),
    "tenant_host_key_policy_known": lambda: Tenant(name="x", slug="x", host_key_policy="never"),
    "device_kind_known": lambda: Device(name="x", kind="toaster"),
    "device_status_known": lambda: Device(name="x", status="lost"),
    "device_only_vm_has_hypervisor": lambda: Device(name="x", kind="router", hypervisor=make.make_device()),
    "ip_address_prefix_length": lambda: IPAddress(address="2001:db8::1", prefix_length=129),
    "credential_kind_known": lambda: Credential(name="x", kind="magic", secret="s"),
    "credential_ssh_key_has_public_key": lambda: Credential(name="x", kind="ssh_key", secret="s"),
    "credential_priv_needs_auth": lambda: Credential(
        name="x", kind="snmp_usm", username="u", priv_protocol="AES", priv_secret="12345678"
    ),
    "endpoint_port_range low": lambda: ManagementEndpoint(device=make.make_device(), protocol="tcp", port=0),
    "endpoint_port_range high": lambda: ManagementEndpoint(device=make.make_device(), protocol="tcp", port=65536),
    "endpoint_tcp_has_port": lambda: ManagementEndpoint(device=make.make_device(), protocol="tcp"),
    "endpoint_protocol_known": lambda: ManagementEndpoint(device=make.make_device(), protocol="gopher"),
    "check_status_known": lambda: Check(endpoint=endpoint(), module="icmp", status="odd"),
    "check_interval_range": lambda: Check(endpoint=endpoint(), module="icmp", interval_seconds=4),
    "check_retries_range low": lambda: Check(endpoint=endpoint(), module="icmp", retries=0),
    "check_retries_range high": lambda: Check(endpoint=endpoint(), module="icmp", retries=6),
    "device_state_known": lambda: DeviceState(device=make.make_device(), state="odd"),
    "config_version_kind_known": lambda: config(device=make.make_device(), kind="other"),
    "config_version_number_positive": lambda: config(device=make.make_device(), number=0),
    "config_version_seen_in_order": lambda: config(
        device=make.make_device(), last_seen_at=timezone.now() - timedelta(hours=1)
    ),
    "indicator_severity_known": lambda: indicator(severity="fatal"),
    "indicator_kind_free": lambda: indicator(kind="cleared"),
    "indicator_is_said by nobody": lambda: indicator(source=""),
    "indicator_is_said nothing": lambda: indicator(value=""),
    "indicator_order": lambda: indicator(expires_at=timezone.now() - timedelta(hours=1)),
    "action_executable_bare path": lambda: action(executable="a/b"),
    "action_executable_bare hidden": lambda: action(executable=".hidden"),
    "action_executable_bare option": lambda: action(executable="-rf"),
    "action_executable_bare nothing": lambda: action(executable=""),
    "action_run_on_known": lambda: action(run_on="moon"),
    "action_role_known": lambda: action(role="viewer"),
    "action_limits time": lambda: action(timeout_seconds=0),
    "action_limits output": lambda: action(output_limit_bytes=0),
    "action_limits parallel": lambda: action(parallel_limit=0),
    "action_kind_known": lambda: action(kind="toaster"),
    "action_run_status_known": lambda: action_run(status="odd"),
    "action_run_second_person": lambda: (lambda one: action_run(requested_by=one, approved_by=one))(
        make_person("one", "admin")
    ),
    "vyos_router_rules reversed": lambda: vyos_router(rule_start=20, rule_end=19),
    "vyos_router_rules zero": lambda: vyos_router(rule_start=0),
    "vyos_router_rules far": lambda: vyos_router(rule_end=1_000_000),
    "vyos_router_firewall_rule none": lambda: vyos_router(allow_firewall_rule=True),
    "vyos_router_firewall_rule zero": lambda: vyos_router(firewall_rule_number=0),
    "vyos_router_family_known": lambda: vyos_router(version_family="1.2"),
    "vyos_router_confirm_minutes none": lambda: vyos_router(confirm_minutes=0),
    "vyos_router_confirm_minutes long": lambda: vyos_router(confirm_minutes=61),
    "vyos_router_claim_whole": lambda: vyos_router(claimed_until=timezone.now()),
    "dhcp_pool_order": lambda: dhcp_pool(range_start="192.168.66.10", range_end="192.168.66.9"),
    "dhcp_pool_subnet_id": lambda: dhcp_pool(subnet_id=4_294_967_295),
    "port_pool_order reversed": lambda: port_pool(port_start=33001),
    "port_pool_order zero": lambda: port_pool(port_start=0),
    "port_pool_order far": lambda: port_pool(port_end=65536),
    "quota_of_one nobody": lambda: Quota(max_vms=1),
    "quota_of_one both": lambda: Quota(max_vms=1, tenant=make.make_tenant(), owner=make_person("both", "viewer")),
    "quota_limits_something": lambda: Quota(tenant=make.make_tenant()),
    "vm_state_known": lambda: vm(state="odd"),
    "vm_told_of_its_end": lambda: vm(expiry_told_at=timezone.now()),
    "dhcp_reservation_desired_known": lambda: reservation(desired="odd"),
    "dhcp_reservation_applied_known": lambda: reservation(applied="odd"),
    "port_forward_protocol_known": lambda: forward(protocol="sctp"),
    "port_forward_external zero": lambda: forward(external_port=0),
    "port_forward_external far": lambda: forward(external_port=65536),
    "port_forward_external reversed": lambda: forward(
        external_port=20, external_port_end=19, internal_port=20, internal_port_end=19
    ),
    "port_forward_internal zero": lambda: forward(internal_port=0),
    "port_forward_internal far": lambda: forward(internal_port=65536),
    "port_forward_as_many": lambda: forward(external_port_end=32005),
    "port_forward_rule_range zero": lambda: forward(rule_number=0),
    "port_forward_rule_range far": lambda: forward(rule_number=1_000_000),
    "port_forward_desired_known": lambda: forward(desired="odd"),
    "port_forward_why_known": lambda: forward(desired="disabled", why_disabled="odd"),
    "port_forward_why_only_disabled": lambda: forward(why_disabled="paused"),
    "port_forward_applied_known": lambda: forward(applied="odd"),
    "port_forward_told_of_its_end": lambda: forward(expiry_told_at=timezone.now()),
    "port_claim_protocol_known": lambda: port_claim(protocol="all"),
    "port_claim_port_range": lambda: port_claim(port=0),
    "rule_claim_range": lambda: rule_claim(number=0),
    "rule_claim_purpose_fits chain": lambda: rule_claim(chain="source"),
    "rule_claim_purpose_fits nobody": lambda: rule_claim(forward=kept(forward()), purpose="masquerade"),
    "rule_claim_purpose_fits opening": lambda: of_router(make.make_vyos_router(), chain="destination"),
    "config_change_kind_known": lambda: change(kind="odd"),
    "config_change_status_known": lambda: change(status="odd", finished_at=timezone.now()),
    "config_change_end open": lambda: change(finished_at=timezone.now()),
    "config_change_end over": lambda: change(status="applied"),
    "config_change_saved_after_applied": lambda: change(status="failed", finished_at=timezone.now(), is_saved=True),
    "change_item_status_known": lambda: ChangeItem(change=kept(change()), vm_name="vm", status="odd"),
    "drift_item_kind_known": lambda: DriftItem(router=make.make_vyos_router(), label="rule 1", kind="odd"),
    "outage_order": lambda: outage(device=make.make_device(), ended_at=timezone.now() - timedelta(hours=2)),
    "outage_kind_known": lambda: outage(device=make.make_device(), kind="odd"),
    "job_status_known": lambda: job(status="odd"),
    "job_progress_within_total": lambda: job(progress_done=2, progress_total=1),
    "api_key_role_known": lambda: api_key(user=make_person("u", "viewer"), role="root"),
    "invite_role_known": lambda: invite(role="root"),
    "login_throttle_scope_known": lambda: LoginThrottle(scope="world", key="k"),
    "user_role_known": lambda: User(username="x", password="x", role="root"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_database_refuses_a_broken_row(name: str) -> None:
    row = BROKEN[name]()
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


@pytest.mark.parametrize("name", BROKEN)
def test_full_clean_refuses_a_broken_row(name: str) -> None:
    with pytest.raises(ValidationError):
        BROKEN[name]().full_clean()


def test_a_machine_is_not_its_own_hypervisor() -> None:
    machine = make.make_device(kind="vm")
    machine.hypervisor = machine
    with pytest.raises(IntegrityError), transaction.atomic():
        machine.save()
    with pytest.raises(ValidationError):
        machine.full_clean()


def test_every_constraint_is_provoked_here() -> None:
    provoked = {name.split()[0] for name in (*TWINS, *BROKEN)} | {"device_not_own_hypervisor", "heartbeat_process"}
    declared = {
        constraint.name
        for model in (Tenant, Site, Prefix, Device, Interface, IPAddress, Credential, ManagementEndpoint, Check,
                      DeviceState, Outage, DeviceFact, Series, Job, User,
                      ApiKey, Invite, LoginThrottle, RecoveryCode, RevokedFamily, Totp, TargetRule, CredentialUse,
                      KnownServer, Dependency, Alert, AlertEvent, AlertRule, SeverityModifier, Silence,
                      MaintenanceWindow, Channel, Contact, EscalationPolicy, EscalationStep, Notification,
                      DeclinedCheck, Indicator, Action, ActionSecret, ActionRun, VyosRouter, DhcpPool, PortPool,
                      Quota, Vm, DhcpReservation, PortForward, PortClaim, RuleClaim, ConfigChange,
                      ChangeItem, DriftItem)
        for constraint in model._meta.constraints
    }  # fmt: skip
    assert declared <= provoked, declared - provoked


def test_addresses_sort_by_number_and_lie_in_their_prefix() -> None:
    from netmon.common.addresses import parse_prefix

    for text in ("10.0.0.10", "10.0.0.2", "10.0.1.1", "2001:db8::1", "9.255.255.255"):
        make.make_address(address=text)
    order = list(IPAddress.objects.order_by("address_key").values_list("address", flat=True))
    assert order == ["9.255.255.255", "10.0.0.2", "10.0.0.10", "10.0.1.1", "2001:db8::1"]
    inside = IPAddress.objects.inside(parse_prefix("10.0.0.0/24")).values_list("address", flat=True)
    assert list(inside) == ["10.0.0.2", "10.0.0.10"]


def test_a_secret_is_ciphertext_in_the_database_and_found_by_no_lookup() -> None:
    from django.core.exceptions import FieldError
    from django.db import connection

    make.make_credential(name="c", secret="plain-text-secret")
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM inventory_credential")
        stored = str(cursor.fetchone()[0])
    assert "plain-text-secret" not in stored and stored.startswith("v1:")
    assert open_secret(Credential.objects.get(name="c"), "secret") == "plain-text-secret"
    with pytest.raises(FieldError):
        Credential.objects.filter(secret="plain-text-secret").exists()


@pytest.mark.parametrize("value", [0, 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_64_bit_counter_is_exact(value: int) -> None:
    from netmon.common.fields import Counter64Field

    field = Counter64Field()
    stored = field.get_prep_value(value)
    assert -(2**63) <= stored < 2**63
    assert field.from_db_value(stored, None, None) == value
