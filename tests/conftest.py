"""Shared by all tests: cheap passwords, people, and the databases that every test may touch."""

import gc
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from rest_framework.test import APIClient

from tests import databases, people
from tests.stack import is_production


@pytest.fixture(scope="session", autouse=True)
def _quick_settings() -> None:
    """Cheap passwords, and static files under their plain names: nothing is collected for a test."""
    from django.conf import settings

    settings.SCAN_REVERSE_DNS = False  # the name servers are somebody else's
    settings.API_PER_MINUTE = {"reads": 0, "writes": 0}  # a walk over all routes is more than a person asks
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="session", autouse=True)
def _plain_static_files() -> None:
    """Hashed names need collectstatic first."""
    from django.conf import settings

    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> None:
    """A copy for each xdist worker: pytest-django would migrate in each. It goes with the run's directory or server."""
    with django_db_blocker.unblock():
        databases.use_copy()


@pytest.fixture(autouse=True)
def _rules_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled rules outlive the transaction of a test, and the next one's rows may look the same."""
    from monitoring.alerting import rulebook

    monkeypatch.setattr(rulebook, "_kept", None)


@pytest.fixture(autouse=True)
def _asks_nobody_outside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before an address is given it is pinged, and the pools of tests lie in networks that may be somebody's."""
    if request.node.get_closest_marker("asks") is None:
        monkeypatch.setattr(django_settings, "VYOS_PING", False)


@pytest.fixture
def _clean_cache(db: Any) -> Iterator[None]:
    cache.clear()  # throttles and lock-outs of other tests
    yield


@pytest.fixture
def cast(db: Any) -> people.Cast:
    """vera (viewer), omar (operator), ada (admin)."""
    return people.make_cast()


@pytest.fixture
def api(cast: people.Cast, _clean_cache: None) -> APIClient:
    """A client logged in as the operator."""
    return people.client_for(cast.omar)


# These wait for real daemons most of their time. Begun first, others fill the waiting; begun last, nothing does.
LONG = ("tests/integration/product/", "tests/browser/", "tests/contract/test_schema", "tests/integration/")


# Drivers, key files, documents and the shape of the code know neither database nor broker; how a page looks and what a
# command prints do not depend on them: tried once, on the embedded stack. The main path and the crashes of a whole
# product are tried on both.
WITHOUT_STACK = (
    "tests/browser/test_main_path.py",
    "tests/browser/test_alert_pages.py",
    "tests/browser/test_api_pages.py",
    "tests/browser/test_config_pages.py",
    "tests/browser/test_facts_pages.py",
    "tests/browser/test_inventory_pages.py",
    "tests/browser/test_pages.py",
    "tests/browser/test_people_pages.py",
    "tests/browser/test_ssh_pages.py",
    "tests/unit/drivers/",
    # What alerts come to is decided in Python. The claims and locks below it are tried on both: outbox, duties, faults.
    "tests/unit/monitoring/alerting/test_engine.py",
    "tests/unit/monitoring/alerting/test_graph.py",
    "tests/unit/monitoring/alerting/test_machine.py",
    "tests/unit/monitoring/alerting/test_rehearsal.py",
    "tests/unit/monitoring/alerting/test_windows.py",
    # Who may do what, and which addresses are contacted: walks over all routes and tables of cases, decided in Python.
    "tests/unit/test_matrix.py",
    "tests/unit/test_peer_mistakes.py",
    "tests/unit/accounts/test_keys.py::test_a_foreign_scope_opens_no_route",
    "tests/unit/accounts/test_keys.py::test_an_expired_revoked_foreign_or_left_behind_key_opens_no_route",
    "tests/unit/inventory/test_policy.py",
    "tests/unit/inventory/test_secret_tricks.py",
    "tests/unit/monitoring/test_pages.py",
    "tests/unit/monitoring/test_alert_pages.py",
    "tests/unit/monitoring/test_poll_command.py",
    "tests/unit/netmon/test_admin.py",
    "tests/unit/inventory/test_keys.py",
    "tests/unit/netmon/test_deployment.py",
    "tests/unit/netmon/test_documents.py",
    "tests/unit/netmon/test_environment_script.py",
    "tests/unit/netmon/test_vendor.py",
    "tests/unit/test_architecture.py",
    "tests/contract/test_drivers.py",
    "tests/integration/channels/test_http.py",
    "tests/integration/channels/test_smtp.py",
    "tests/integration/icmp/",
    "tests/integration/scan_lab/",
    "tests/integration/snmp_fleet/",
    "tests/integration/snmpd/",
    "tests/integration/sshd/test_faults.py",
    "tests/integration/sshd/test_restricted.py",
    "tests/integration/sshd/test_session.py",
    "tests/integration/sshd/test_shell.py",
    "tests/integration/lab/test_lab_parsers.py",
    "tests/integration/lab/test_ssh_hosts.py",
    "tests/integration/product/test_commands.py",
)


# A request that reaches a column is tried where columns are strict: PostgreSQL refuses a NUL character, a number that
# does not fit, a text that is too long. `make fuzz` tries it on either.
ON_PRODUCTION = ("tests/contract/test_schema.py", "tests/contract/test_schema_devices.py")


def pytest_collection_finish() -> None:
    """What is imported by now stays: the collector need not walk 300,000 objects again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tried_elsewhere = WITHOUT_STACK if is_production() else () if os.environ.get("NETMON_TEST_FUZZ") else ON_PRODUCTION
    again = [item for item in items if item.nodeid.startswith(tried_elsewhere)] if tried_elsewhere else []
    items[:] = [item for item in items if item not in set(again)]
    config.hook.pytest_deselected(items=again)
    items.sort(key=lambda item: next((n for n, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG)))
    for item in items:
        marker = item.get_closest_marker("django_db")
        if marker is not None and "databases" not in marker.kwargs:
            marker.kwargs["databases"] = "__all__"
