"""schemathesis against the product in this process: every operation of the OpenAPI file, with good and bad requests.

Nothing is random (`deterministic`), nothing leaves the process (WSGI), and nothing stays: each request is rolled back.
"""

import copy
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import schemathesis
from django.core.cache import cache as throttles
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from inventory.models import Device, Prefix, Tag
from netmon.accounts.services import invites, keys
from netmon.audit import services as audit
from netmon.audit.models import AuditEvent
from netmon.common.permissions import SCOPES
from netmon.jobs import services as jobs
from tests import alerts, factories, machines, people, scans
from tests.contract.openapi import document

PROMISES = json.loads((Path(__file__).parent / "api_contract.json").read_text(encoding="utf-8"))
RESOURCES = sorted({operation.split("/")[3] for operation in PROMISES})
DEVICES = ("devices", "routers", "switches", "computers", "cameras")
# The classes of these differ from routers/ in one word, the kind: valid requests are tried, not every wrong one again.
TWINS = ("switches", "computers", "cameras")
PROBES = 3  # cases of an operation that are also sent without a key and with a wrong one
# `make fuzz` tries every wrong form of every parameter too, as both roles; the suite has the time for neither.
IS_THOROUGH = bool(os.environ.get("NETMON_TEST_FUZZ"))
ROLES = ("ada", "omar") if IS_THOROUGH else ("ada",)

# The twins take the same bodies through the same classes: one of them speaks for all.
TRIED_DEVICES = DEVICES if IS_THOROUGH else ("devices", "routers", "computers")

# Valid by its shape, yet refused for what is stored, for a secret, or for arithmetic that no schema can do.
STATE_CODES = {
    "does_not_exist", "not_found", "wrong_password", "wrong_code", "bound_admin", "address_refused", "invalid_prefix",
    "invalid_address", "invalid_key", "unsupported_key", "weak_key", "passphrase_missing", "passphrase_wrong",
    "invalid_secret", "password_too_short", "password_too_common", "password_entirely_numeric",
    "password_too_similar", "unreadable", "import_refused", "null_characters", "null_characters_not_allowed", "in_use",
    "admins_only", "unique", "conflict", "invalid_target", "invalid_ports", "foreign_network", "target_refused",
    "invalid_file", "too_large",
}  # fmt: skip
# By resource, the fields with rules that no schema can say: an address lies within its interface's network, a secret
# fits its kind, a key its passphrase, an expiry the future ... "" is the object as a whole.
RULED_CODES = {"invalid", "required", "overflow"}
_DEVICE = {
    "name", "kind", "ip", "site", "hypervisor", "snmp_version", "snmp_community", "snmp_username",
    "snmp_auth_protocol", "snmp_auth_password", "snmp_priv_protocol", "snmp_priv_password", "ssh_username",
    "ssh_password", "ssh_key", "ssh_host", "rtsp_url", "rtsp_username", "rtsp_password", "file",
}  # fmt: skip
RULED_FIELDS = {
    **dict.fromkeys(("devices", "routers", "switches", "computers", "cameras"), _DEVICE),
    "alert-rules": {
        "",
        "source",
        "metric",
        "match",
        "interface_pattern",
        "raise_value",
        "clear_value",
        "for_seconds",
        "for_checks",
        "site",
        "device",
        "tag",
        "days",
    },
    "alerts": {"tenant"},
    "api-keys": {"expires_at", "role", "allowed_networks", "scopes"},
    "channels": {"config", "kind", "emails"},
    "checks": {"module"},
    "contacts": {"", "emails", "time_zone", "tags"},
    "dependencies": {"", "parent", "device"},
    "escalation-policies": {"steps"},
    "maintenance-windows": {"", "starts_at", "ends_at", "until", "time_zone", "weekdays"},
    "severity-modifiers": {""},
    "silences": {"", "alert", "starts_at", "ends_at"},
    "credentials": {"", "secret", "priv_secret", "username", "auth_protocol", "priv_protocol", "public_key", "tenant"},
    "endpoints": {"", "device", "protocol", "port", "options", "credential"},
    "expected-neighbours": {"neighbour"},
    "indicators": {"device", "kind", "value", "observed_at", "expires_at", ""},
    "interfaces": {"device"},
    "ip-addresses": {"", "address", "interface", "prefix_length"},
    "prefixes": {"site"},
    "actions": {"", "parameters", "executable", "device", "arguments", "sha256", "tenant", "remedies", "remedy_source"},
    "discoveries": {"", "ip", "name", "site", "location", "tcp_ports", "device"},
    "expected-ports": {"device", "port"},
    "ping": {"target", "tenant"},
    "scan-exclusions": {"cidr", "tenant"},
    "scan-schedules": {"", "target", "ports", "time_zone", "window_start", "window_end", "name", "tenant"},
    "scans": {"target", "ports", "tenant", "with", "file"},
    "ssh-keys": {"", "type", "file", "bits", "comment", "passphrase", "private_key"},
    "mcp": {"input"},
    "tags": {"slug"},
    "users": {"username", "email", "role", "tenants"},
    "vyos-routers": {
        "",
        "endpoint",
        "inbound_interface",
        "lan_interface",
        "external_address",
        "firewall_ruleset",
        "rule_start",
        "firewall_rule_number",
        "items",
    },
    "dhcp-pools": {
        "",
        "name",
        "shared_network",
        "router",
        "prefix",
        "subnet_id",
        "range_start",
        "range_end",
        "gateway",
        "name_servers",
    },
    "port-pools": {"", "name", "router", "port_start", "external_address"},
    "quotas": {""},
    "vms": {
        "",
        "vm_name",
        "mac_address",
        "hostname",
        "router",
        "dhcp_pool",
        "port_pool",
        "ip_address",
        "ip_range",
        "port_range",
        "ports",
        "expires_at",
        "metadata",
        "digest",
        "confirm",
        "owner",
        "tenant",
    },
    "port-forwards": {
        "",
        "vm",
        "name",
        "internal_port",
        "internal_port_end",
        "external_port",
        "source",
        "expires_at",
        "digest",
        "confirm",
    },
}
# Periods have two ends, a cursor is the server's own word, columns depend on the series, addresses on no regex.
RULED_PARAMETERS = {
    "/from",
    "/to",
    "/step",
    "/cursor",
    "/columns",
    "/interface",
    "/mac",
    "/ip",
    "/ip__in",
    "/contains",
    "/prefix",
    "/with",
}

CONFIG = {
    "generation": {"deterministic": True, "no-shrink": True, "max-examples": 12},
    "phases": {"stateful": {"enabled": False}},
    "checks": {
        # 412: an If-Match goes before the body. 413: a body may be too long before it is wrong.
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "412", "429", "5xx"]
        },
        "negative_data_rejection": {
            "expected-statuses": ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "429", "5xx"]
        },
    },
    "operations": [
        # 503 is its word for "no worker runs", which is so in a test.
        {
            "include-name": "GET /api/v1/health/",
            "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "4xx", "503"]}},
        }
    ],
}


@cache
def loaded(coverage: bool) -> Any:
    """The schema, with or without every wrong form of every parameter and body."""
    config = copy.deepcopy(CONFIG)
    config["phases"]["coverage"] = {"enabled": coverage}  # type: ignore[index]
    schema = schemathesis.openapi.from_dict(copy.deepcopy(document()), config=SchemathesisConfig.from_dict(config))
    schema.app = get_wsgi_application()
    schema.location = "/api/schema/"
    return schema


def make_world(cast: people.Cast) -> dict[str, int]:
    """A row of everything: the number that stands for {id} under each resource."""
    tenant = factories.make_tenant()
    site = factories.make_site(tenant=tenant)
    device = factories.make_flat()
    for kind in ("cpu", "memory", "bgp_summary", "routing_table", "ntp"):
        factories.make_fact(device, kind, {"presence": "running", "reason": "", "value": None})
    endpoint = device.endpoints.order_by("pk").first()
    for text in (factories.CONFIG, f"{factories.CONFIG}ip route 192.0.2.0/24 blackhole\n"):
        version = factories.make_config(device, text, startup=factories.CONFIG)
    audit.record("update", device, user=cast.ada, before={"name": "old"}, after={"name": device.name})
    job, _ = jobs.start(kind="device.poll", key="x", task="none", user=cast.omar, deadline_seconds=60)
    invite, _ = invites.make(by=cast.ada, role="viewer", email="", tenants=[], hours=5)
    return {
        "tenants": tenant.pk,
        "sites": site.pk,
        "devices": device.pk,
        "routers": device.pk,
        "switches": factories.make_flat(kind="switch").pk,
        "computers": factories.make_flat(kind="computer").pk,
        "cameras": factories.make_flat(kind="camera").pk,
        "interfaces": device.primary_ip.interface_id,
        "ip-addresses": device.primary_ip_id,
        "tags": Tag.objects.create(name="core", slug="core").pk,
        "prefixes": Prefix.objects.create(cidr="10.0.0.0/24", site=site).pk,
        "credentials": factories.make_credential().pk,
        "ssh-keys": factories.make_ssh_key().pk,
        "endpoints": factories.make_ssh_endpoint().pk,
        "checks": endpoint.checks.order_by("pk").first().pk,
        "series": factories.make_series(device).pk,
        "device-events": factories.make_event(device).pk,
        "indicators": factories.make_indicator(device).pk,
        "expected-neighbours": factories.make_neighbour(device).pk,
        "users": people.make_person("thea", "viewer").pk,
        "invites": invite.pk,
        "api-keys": keys.make(user=cast.ada, name="spare", scopes=["read"])[0].pk,
        "audit-events": AuditEvent.objects.order_by("pk").first().pk,
        "jobs": job.pk,
        "versions": version.pk,
        "actions": factories.make_action().pk,
        "action-runs": factories.make_run(device).pk,
        "scans": scans.make_scan().pk,
        "discoveries": scans.make_seen().pk,
        "scan-schedules": scans.make_schedule().pk,
        "scan-exclusions": scans.make_exclusion().pk,
        "expected-ports": scans.make_expected(device).pk,
        **_alerting(device),
        **{name: row.pk for name, row in machines.make_estate().items()},
    }


def _alerting(device: Device) -> dict[str, int]:
    alert = alerts.make_alert(device)
    channel = alerts.make_channel()
    contact = alerts.make_contact(channel)
    return {
        "alerts": alert.pk,
        "alert-rules": alerts.make_rule().pk,
        "severity-modifiers": alerts.make_modifier().pk,
        "silences": alerts.make_silence().pk,
        "maintenance-windows": alerts.make_window(kind="camera").pk,
        "channels": channel.pk,
        "contacts": contact.pk,
        "escalation-policies": alerts.make_policy(contact).pk,
        "notifications": alerts.make_notification(alert, channel=channel, contact=contact).pk,
        "dependencies": alerts.make_dependency(factories.make_device(), device).pk,
    }


@contextmanager
def in_this_transaction() -> Iterator[None]:
    """A request must not close the connection that holds the test's transaction; logs of 5000 refusals help nobody."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        request_started.connect(close_old_connections)
        request_finished.connect(close_old_connections)


def excused(case: Any, response: Any) -> list[Any]:
    """Checks that this answer need not pass, by what it says itself."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return []
    if response.status_code == 400:
        if body["code"] == "import_refused":  # to a schema a file of lines is a text
            return [positive_data_acceptance]
        errors = body["errors"] or [{"code": body["code"], "location": "body", "pointer": ""}]
        return [positive_data_acceptance] if all(_is_of_state(case.path, error) for error in errors) else []
    if _is_trimmed(case.body):
        return [negative_data_rejection]  # what is too long with its blanks may fit without
    is_person = case.method == "PUT" and case.path == "/api/v1/users/{id}/"
    if is_person and isinstance(case.body, dict) and "password" not in case.body:
        return [negative_data_rejection]  # needed to make somebody, kept when it is left out of a change
    if case.path.endswith("/bulk/"):
        # A job checks its items later; without atomic, and in a dry run, the result of each item has its errors.
        results = body.get("results", []) if isinstance(body, dict) else []
        if response.status_code == 202 or any(entry["errors"] for entry in results):
            return [negative_data_rejection]
    return []


def _is_trimmed(body: Any) -> bool:
    texts = [value for value in body.values() if isinstance(value, str)] if isinstance(body, dict) else []
    return any(text != text.strip() for text in texts)


def _is_of_state(path: str, error: dict[str, str]) -> bool:
    if error["code"] in STATE_CODES:
        return True
    if error["location"] == "query":
        return error["pointer"] in RULED_PARAMETERS
    field = re.sub(r"^/\d+", "", error["pointer"]).lstrip("/").partition("/")[0]
    return error["code"] in RULED_CODES and field in RULED_FIELDS.get(path.split("/")[3], set())


def try_resource(resource: str, who: str, cast: people.Cast) -> list[str]:
    """The failures of all operations under a resource, one text for each kind."""
    schema = loaded(IS_THOROUGH and resource not in TWINS)
    world = make_world(cast)
    number = world.get(resource)
    _, key = keys.make(user=getattr(cast, who), name="contract", scopes=SCOPES)
    headers = {"X-API-Key": key}
    failures: dict[tuple[str, str], str] = {}
    tried: Counter[str] = Counter()

    def attempt(case: Any) -> None:
        path = case.meta.components.get(ParameterLocation.PATH)
        if path is not None and path.mode.is_positive and "id" in case.path_parameters and number is not None:
            case.path_parameters["id"] = number
        if path is not None and path.mode.is_positive and "name" in case.path_parameters and number is not None:
            case.path_parameters["name"] = str(number)
        if path is not None and path.mode.is_positive and "version" in case.path_parameters:
            case.path_parameters["version"] = world["versions"]
        if case.headers and "If-Match" in case.headers:
            case.headers["If-Match"] = "*"  # or no change would get past it
        throttles.clear()
        tried[case.operation.label] += 1
        # The body does not matter to those: two requests more with each of a hundred cases would tell nothing new.
        probed = [ignored_auth] if tried[case.operation.label] > PROBES else []
        with transaction.atomic():
            response = case.call(headers=headers)
            try:
                case.validate_response(
                    response,
                    headers=headers,
                    transport_kwargs={"headers": headers},
                    excluded_checks=[*excused(case, response), *probed],
                )
            except FailureGroup as group:
                for failure in group.exceptions:
                    failures.setdefault((case.operation.label, type(failure).__name__), f"{failure}\n{group}")
            transaction.set_rollback(True)

    with in_this_transaction():
        for result in schema.get_all_operations():
            operation = result.ok()
            if operation.path.split("/")[3] == resource:
                build_operation_test(
                    config=schema.config,
                    operation=operation,
                    test_func=attempt,
                    given_kwargs={},
                    feedback=NO_FEEDBACK,
                )()
    return [f"{label}: {kind}\n{text}" for (label, kind), text in failures.items()]
