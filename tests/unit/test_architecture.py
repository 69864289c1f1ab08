"""The rules of the house that a tool can check."""

import ast
import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.apps import apps
from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import GenericViewSet

from inventory import followers
from monitoring import metrics, modules
from netmon import api as root
from netmon.common import queue, schedules
from netmon.common.permissions import RolePermission
from netmon.common.querysets import VisibleQuerySet
from netmon.common.serializers import ValidatedModelSerializer

REPOSITORY = Path(__file__).resolve().parents[2]
APPS = ("inventory", "monitoring", "scanning", "provisioning", "pgwatch")
CODE = [*APPS, "netmon"]
VIEWSETS = [viewset for _, viewset, _ in root.router.registry]


def sources() -> list[Path]:
    return [path for name in CODE for path in (REPOSITORY / name).rglob("*.py") if "migrations" not in path.parts]


def test_imports_go_one_way() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_package_is_empty_so_that_drivers_import_alone() -> None:
    assert (REPOSITORY / "netmon/__init__.py").read_text() == ""
    code = (
        "import sys, netmon.drivers.snmp, netmon.drivers.icmp, netmon.drivers.ssh;"
        "import netmon.drivers.http, netmon.drivers.smtp, netmon.drivers.vyos;"
        "print([m for m in sys.modules if m.startswith(('django', 'celery'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("viewset", VIEWSETS, ids=lambda viewset: viewset.__name__)
def test_every_list_starts_from_what_the_person_may_see(viewset: type[GenericViewSet]) -> None:
    tree_of_classes = [cls for cls in viewset.__mro__ if "get_queryset" in vars(cls)]
    source = Path(sys.modules[tree_of_classes[0].__module__].__file__ or "").read_text()
    tree = ast.parse(source)
    (body,) = [
        ast.unparse(function)
        for cls in ast.walk(tree)
        if isinstance(cls, ast.ClassDef) and cls.name == tree_of_classes[0].__name__
        for function in cls.body
        if isinstance(function, ast.FunctionDef) and function.name == "get_queryset"
    ]
    assert "visible_to(self.request.user)" in body
    assert RolePermission in viewset.permission_classes


def test_every_model_serializer_runs_the_models_rules() -> None:
    for viewset in VIEWSETS:
        serializer = viewset.serializer_class
        writes = {"create", "update", "partial_update"} & set(dir(viewset))
        if issubclass(serializer, ModelSerializer) and writes:
            assert issubclass(serializer, ValidatedModelSerializer), serializer


def test_every_model_knows_who_may_see_its_rows() -> None:
    hidden = {
        "SampleRow",
        "SampleChunk",
        "DeletedSeries",
        "Heartbeat",
        "KnownServer",
    }  # shown through their series, or to nobody
    for label in (*APPS, "jobs", "accounts"):
        for model in apps.get_app_config(label).get_models():
            if model.__name__ not in hidden:
                assert isinstance(model._default_manager.all(), VisibleQuerySet), model


def test_every_task_that_is_sent_by_name_exists_and_every_schedule_has_its_task() -> None:
    current_app.loader.import_default_modules()
    registered = set(current_app.tasks)
    sent = {value for name, value in vars(queue).items() if name.isupper() and isinstance(value, str)}
    assert sent and sent <= registered, sent - registered
    assert {schedule.task for schedule in schedules.SCHEDULES.values()} <= registered


def test_only_the_queue_sends_tasks() -> None:
    for path in sources():
        text = path.read_text()
        if path.name != "queue.py":
            assert "send_task(" not in text and ".delay(" not in text and "apply_async(" not in text, path


def test_credentials_are_opened_in_one_place_only() -> None:
    allowed = {"inventory/targets.py", "inventory/models/access.py", "inventory/flat.py", "inventory/serializers.py"}
    allowed |= {"inventory/admin.py"}  # these three only ask whether a secret is set, or write one
    allowed |= {"inventory/ssh_keys.py"}  # reads a private key once, when it is put in
    for path in sources():
        name = str(path.relative_to(REPOSITORY))
        if name not in allowed:
            assert not re.search(r"credential\.(priv_)?secret\b", path.read_text()), path
    openers = {
        "inventory/targets.py",
        "inventory/models/access.py",
        "inventory/ssh_keys.py",
        "netmon/common/secrets.py",
    }
    # Rows of their own: payloads of jobs, kept answers, second factors.
    openers |= {"netmon/rest/bulk.py", "netmon/rest/idempotency.py", "inventory/transfer/importing.py"}
    openers |= {"netmon/accounts/services/totp.py"}
    openers |= {"monitoring/services/configs.py"}  # configurations hold the secrets of devices
    openers |= {"monitoring/notifying/configs.py"}  # and channels theirs
    for path in sources():
        if str(path.relative_to(REPOSITORY)) not in openers:
            assert "open_secret(" not in path.read_text(), path
    for name in ("inventory/serializers.py", "inventory/admin.py", "inventory/flat.py"):
        for match in re.finditer(r".*credential\.(?:priv_)?secret\b.*", (REPOSITORY / name).read_text()):
            assert re.search(r"bool\(|if credential|and not|getattr", match[0]), match[0]


def test_catch_alls_stand_only_where_they_are_named() -> None:
    allowed = {"monitoring/runner.py", "monitoring/notifying/outbox.py", "netmon/jobs/services.py"}
    allowed |= {"provisioning/services/applying.py"}  # one change must not keep a router's queue waiting for ever
    for path in sources():
        if re.search(r"except Exception|except BaseException|except:", path.read_text()):
            assert str(path.relative_to(REPOSITORY)) in allowed, path


def test_no_shell_no_unverified_tls_no_marked_markup() -> None:
    for path in sources():
        assert not re.search(r"shell=True|os\.system\(|verify=False|mark_safe|AutoAddPolicy", path.read_text()), path


def test_code_asks_for_endpoints_never_for_kind_outside_the_inventory() -> None:
    for path in sources():
        if path.relative_to(REPOSITORY).parts[0] in ("inventory", "netmon"):
            continue
        assert not re.search(r"device\.kind\s*(==|!=|in)\b", path.read_text()), path


def test_every_app_uses_the_same_file_names() -> None:
    common = {
        "__init__", "models", "services", "querysets", "tasks", "serializers", "filters", "api", "views", "urls",
        "admin", "apps",
    }  # fmt: skip
    own = {
        "inventory": {
            "targets", "panels", "flat", "followers", "keys", "representation", "policy", "transfer", "search",
            "ssh_keys", "api_keys", "serializers_keys", "serializers_answers",
            "host_keys", "host_keys_api", "views_host_keys", "ssh_setup", "ssh_setup_vendors", "ssh_setup_api",
            "topology", "topology_api",
            "policy_api", "scopes", "uses", "ways", "known_hosts", "device_actions", "forms", "views_keys",
            "vyos_options", "sightings",
        },
        "monitoring": {
            "metrics", "runner", "lanes", "rates", "reports", "retention", "registrations", "parameters",
            "availability", "device_views", "facts_api", "ssh_pages", "ssh_views", "config_search_api",
            "pages", "device_pages", "charts", "navigation", "presentation", "graphics", "forms", "admin_actions",
            "config_api", "config_views", "config_pages", "config_serializers",
            "shared_api", "alert_api", "alert_filters", "alert_serializers", "rule_api", "rule_serializers",
            "delivery_api", "delivery_serializers", "failure_api", "alert_admin", "channel_admin",
            "alert_pages", "alert_story", "alert_views", "rule_views", "delivery_views", "delivery_forms",
            "maintenance_pages", "maintenance_views", "maintenance_forms", "topology_pages", "topology_views",
            "page_tools", "severity_views", "alert_silences", "indicator_api", "indicator_views", "indicator_forms",
            "remedies",
        },
        "scanning": {
            "guard", "guessing", "host_api", "host_serializers", "nmap_xml", "ports", "registrations", "schedules",
            "targets", "pages", "forms", "searching", "discovery_views", "network_views", "port_views",
            "schedule_views", "budget", "visibility",
        },
        "provisioning": {
            "action_parameters", "action_forms", "redaction", "registrations",
            "admin_vyos", "change_api", "fill", "mcp_api", "mcp_serializers", "router_api", "router_serializers",
            "router_pages", "router_views", "vm_pages", "vm_forms", "provision_pages", "change_pages",
            "timeline", "vm_api", "vm_filters",
            "vm_serializers", "vm_answers", "vm_requests",
            "vyos_items", "planning", "obstacles",
        },
    }  # fmt: skip
    for app in APPS:
        names = {path.stem for path in (REPOSITORY / app).glob("*.py")}
        assert names <= common | own.get(app, set()), names - common - own.get(app, set())


def test_registers_refuse_a_second_owner() -> None:
    schedule = next(iter(schedules.SCHEDULES))
    with pytest.raises(ValueError, match="twice"):
        schedules.register(schedule, "x", every_seconds=1, description="")
    with pytest.raises(ValueError, match="twice"):
        followers.register(
            "monitoring",
            endpoints_saved=print,
            endpoints_made=print,
            endpoints_leaving=print,
            endpoint_left=print,
            interfaces_leaving=print,
            devices_leaving=print,
        )
    with pytest.raises(ValueError):
        metrics.register(dataclasses.replace(metrics.get("icmp"), label="Another"))
    with pytest.raises(ValueError):
        modules.register("icmp", "icmp", modules.get("snmp.system").collect)


def test_no_secret_shows_in_a_target() -> None:
    from netmon.drivers.targets import Secret, SnmpTarget

    target = SnmpTarget(address="127.0.0.1", community=Secret("hush-hush"))
    assert "hush-hush" not in f"{target!r} {target} {target.community}"


def test_modules_stay_readable() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in sources()}
    assert not [path for path, lines in lengths.items() if lines > (600 if path.stem == "models" else 450)]


def test_a_page_and_a_route_of_the_api_share_no_name() -> None:
    """`reverse` finds the last that was registered: a button of a page would call the API."""
    from django.urls import get_resolver

    places: dict[str, set[bool]] = {}

    def walk(patterns: list[Any], prefix: str = "", space: str = "") -> None:
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns, path, f"{space}{pattern.namespace}:" if pattern.namespace else space)
            elif pattern.name:
                places.setdefault(f"{space}{pattern.name}", set()).add(path.startswith("api/"))

    walk(get_resolver().url_patterns)
    assert [name for name, kinds in places.items() if len(kinds) > 1] == []
