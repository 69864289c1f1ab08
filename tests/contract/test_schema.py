"""Every operation of the OpenAPI file, tried by schemathesis with valid and invalid requests against the product."""

import functools
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.pytest._test_builder import build_operation_test

from monitoring.services import polling
from netmon.accounts.services import keys
from netmon.jobs import services as jobs
from netmon.rest import bulk
from tests import factories, people
from tests.stack import is_production

import logging

logging.disable(logging.CRITICAL)
pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "25"))
OUT = os.environ.get("SCHEMA_OUT", "")
ONLY = os.environ.get("SCHEMA_ONLY", "")

CONFIG = {
    "generation": {"max-examples": EXAMPLES, "deterministic": True, "no-shrink": True},
    "checks": {
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "412", "429", "5xx"]
        },
        "negative_data_rejection": {
            "expected-statuses": ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "429", "5xx"]
        },
    },
    "operations": [
        {
            "include-name": "GET /api/v1/health/",
            "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "4xx", "503"]}},
        }
    ],
    "phases": {"stateful": {"enabled": False}},
}


@functools.cache
def contract() -> Any:
    from drf_spectacular.settings import spectacular_settings

    text = json.dumps(SchemaGenerator(api_version=None).get_schema(request=None, public=True))
    schema = schemathesis.openapi.from_dict(json.loads(text), config=SchemathesisConfig.from_dict(CONFIG))
    schema.app = get_wsgi_application()
    schema.location = "/api/schema/"
    return schema


@pytest.fixture
def world(cast: people.Cast, monkeypatch: Any) -> dict[str, int]:
    from django.core.signals import request_started, request_finished
    from django.db import close_old_connections

    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    monkeypatch.setattr(jobs, "wait", lambda job, seconds: job)
    device = factories.make_flat()
    tenant = factories.make_tenant()
    from inventory.models import Tag, Prefix

    site = factories.make_site(tenant=tenant)
    check = device.endpoints.first().checks.first()
    from netmon.accounts.services import invites

    ids = {
        "devices": device.pk,
        "routers": device.pk,
        "tenants": tenant.pk,
        "sites": site.pk,
        "switches": factories.make_flat(kind="switch").pk,
        "computers": factories.make_flat(kind="computer").pk,
        "interfaces": device.primary_ip.interface_id,
        "ip-addresses": device.primary_ip_id,
        "tags": Tag.objects.create(name="core", slug="core").pk,
        "prefixes": Prefix.objects.create(cidr="10.0.0.0/24", site=site).pk,
        "credentials": factories.make_credential().pk,
        "ssh-keys": factories.make_ssh_key().pk,
        "endpoints": device.endpoints.first().pk,
        "checks": check.pk,
        "series": factories.make_series(device).pk,
        "users": people.make_person("thea", "viewer").pk,
        "invites": invites.make(by=cast.ada, role="viewer", email="", tenants=[], hours=5)[0].pk,
    }
    from netmon.audit.models import AuditEvent
    from netmon.audit import services as audit

    audit.record("update", device, user=cast.ada, before={}, after={"name": "x"})
    ids["audit-events"] = AuditEvent.objects.first().pk
    ids["jobs"] = polling.poll_now(device, user=cast.omar).pk
    return ids


STATE = {
    "wrong_password",
    "wrong_code",
    "does_not_exist",
    "not_found",
    "null_characters",
    "null_characters_not_allowed",
    "null",
    "address_refused",
    "invalid_prefix",
    "bound_admin",
    "invalid_key",
    "unsupported_key",
    "weak_key",
    "passphrase_missing",
    "passphrase_wrong",
    "invalid_secret",
    "password_too_short",
    "password_too_common",
    "password_entirely_numeric",
    "password_too_similar",
    "unreadable",
}
import re

RULED = re.compile(
    r"(/\d+)?(/(expires_at|module|slug|snmp_\w+|ssh_\w+|hostname|ip|hypervisor|options|port|credential|secret|priv_secret|username|auth_protocol|priv_protocol|public_key|kind|tenant|site|device|protocol|bits|comment|passphrase|private_key|file|allowed_prefixes|name))?"
)


def excused(case, response):
    from schemathesis.specs.openapi.checks import positive_data_acceptance, negative_data_rejection

    try:
        body = json.loads(response.content)
    except ValueError:
        return []
    if response.status_code == 400:
        codes = {e["code"] for e in body.get("errors", [])} or {body["code"]}
        if codes <= STATE or all(
            (e["code"] in ("invalid", "required") and RULED.fullmatch(e["pointer"])) or e["code"] in STATE
            for e in body["errors"]
        ):
            return [positive_data_acceptance]
    if case.path.endswith("/bulk/"):
        if response.status_code == 202:
            return [negative_data_rejection]
        if isinstance(body, dict) and any(r["errors"] for r in body.get("results", [])):
            return [negative_data_rejection]
    return []


def run(operation, headers, world, log):
    area = operation.path.removeprefix("/api/v1/").split("/")[0]

    def attempt(case: Any) -> None:
        part = case.meta.components.get(ParameterLocation.PATH) if case.meta else None
        if part is not None and part.mode.is_positive and "id" in case.path_parameters and area in world:
            case.path_parameters["id"] = world[area]
        cache.clear()
        if case.headers and "If-Match" in case.headers:
            case.headers["If-Match"] = "*"
        try:
            with transaction.atomic():
                response = case.call(headers=headers)
                case.validate_response(
                    response,
                    headers=headers,
                    transport_kwargs={"headers": dict(headers)},
                    excluded_checks=excused(case, response),
                )
                transaction.set_rollback(True)
        except BaseException as e:
            if type(e).__name__ in ("FailureGroup",):
                for f in e.exceptions:
                    log.setdefault(
                        (
                            operation.label,
                            type(f).__name__,
                        ),
                        [],
                    ).append((str(f), str(e)))
            else:
                raise

    test = build_operation_test(
        config=contract().config, operation=operation, test_func=attempt, given_kwargs={}, feedback=NO_FEEDBACK
    )
    started = time.time()
    try:
        test()
    except BaseException as e:
        import traceback

        log.setdefault((operation.label, type(e).__name__), []).append((str(e)[:1500], traceback.format_exc()))
    return time.time() - started


@pytest.mark.parametrize("who", os.environ.get("SCHEMA_WHO", "ada,omar").split(","))
def test_all(who, world, cast):
    import re
    from netmon.common.permissions import SCOPES

    user = getattr(cast, who)
    key, text = keys.make(user=user, name="schema", scopes=SCOPES)
    log, times = {}, {}
    for op in sorted([r.ok() for r in contract().get_all_operations()], key=lambda op: len(op.query)):
        if not re.search(ONLY, op.label):
            continue
        times[op.label] = run(op, {"X-API-Key": text}, world, log)
        print(f"{times[op.label]:6.1f} {op.label}", flush=True)
        with open(f"/tmp/schema-work/{OUT}{who}.json", "w") as f:
            json.dump([[*k, v] for k, v in log.items()], f)
    with open(f"/tmp/schema-work/{OUT}{who}.txt", "w") as f:
        for (label, kind), entries in log.items():
            f.write(f"\n######## {label} {kind} x{len(entries)}\n{entries[0][0]}\n{entries[0][1]}\n")
    with open(f"/tmp/schema-work/{OUT}{who}.json", "w") as f:
        json.dump([[*k, v] for k, v in log.items()], f)
    print("TOTAL", sum(times.values()), {k: len(v) for k, v in log.items()})
    assert not log
