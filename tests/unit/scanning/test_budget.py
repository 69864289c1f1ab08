"""How much one address may be asked within a day."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from inventory.models import Tenant
from scanning import budget, guard, targets
from scanning.models import Scan
from scanning.services import repeating
from tests import scans
from tests.unit.scanning.scenes import prefix

pytestmark = pytest.mark.django_db


def made(spans: list[str], ports: str, *, hours: float = 1, **over: Any) -> Scan:
    at = timezone.now() - timedelta(hours=hours)
    return scans.make_scan(spans=spans, ports=ports, created_at=at, **over)


def spent(target: str, tenant: Tenant | None = None) -> budget.Spent:
    return budget.spent(targets.parse(target).spans, tenant)


def test_the_address_that_got_most_is_found() -> None:
    made(["192.0.2.1-192.0.2.20"], "1-100")
    made(["192.0.2.10-192.0.2.30"], "1-50")
    made(["192.0.2.20"], "22")
    made(["2001:db8::7"], "1-1000")
    assert spent("192.0.2.0/24") == budget.Spent("192.0.2.20", 151)
    assert spent("192.0.2.1-9") == budget.Spent("192.0.2.1", 100)
    assert spent("192.0.2.31") == budget.Spent()
    assert spent("2001:db8::7, 192.0.2.1") == budget.Spent("2001:db8::7", 1000)


def test_only_what_was_sent_today_and_for_this_tenant_counts() -> None:
    tenant = Tenant.objects.create(name="ours", slug="ours")
    made(["192.0.2.1"], "1-10", hours=25)
    made(["192.0.2.1"], "1-20", source="nmap")
    made(["192.0.2.1"], "1-40", outcome="cancelled", started_at=None)
    made(["192.0.2.1"], "", kind="ping")
    assert spent("192.0.2.1") == budget.Spent()
    made(["192.0.2.1"], "1-80", outcome="cancelled")
    made(["192.0.2.1"], "1-160", outcome="", started_at=None, finished_at=None)
    assert spent("192.0.2.1").probes == 240 and spent("192.0.2.1", tenant).probes == 0


def test_a_scan_beyond_it_is_refused_and_says_what_helps(settings: Any) -> None:
    prefix()
    settings.SCAN_HOST_PROBES_DAY = 1000
    made(["192.0.2.7"], "1-600")
    assert guard.plan("ports", "192.0.2.7", "1-400").spent == budget.Spent("192.0.2.7", 600)
    with pytest.raises(ValidationError) as refused:
        guard.plan("network", "192.0.2.0/24", "1-401")
    (text,) = refused.value.message_dict["ports"]
    assert text.startswith(
        "192.0.2.7 got 600 probes within 24 hours, and these are 401 more; at most 1,000 a day (NETMON"
    )
    with pytest.raises(ValidationError, match="Each address would get 1,001; at most 1,000"):
        guard.plan("ports", "192.0.2.8", "1-1001")
    assert guard.plan("ping", "192.0.2.7").hosts == 1
    settings.SCAN_HOST_PROBES_DAY = 0
    assert guard.plan("ports", "192.0.2.7", "all").probes == 65535


def test_a_dry_run_says_what_was_used(api: Any, settings: Any) -> None:
    prefix()
    made(["192.0.2.7"], "1-600")
    asked = {"target": "192.0.2.7", "kind": "ports", "ports": "22", "dry_run": True}
    body = api.post("/api/v1/scans/", asked).json()
    assert (body["host_probes_today"], body["host_probes_limit"]) == (600, settings.SCAN_HOST_PROBES_DAY)
    page = api.post("/scans/plan/", {"target": "192.0.2.7", "kind": "ports", "ports": "22", "profile": "normal"})
    assert "192.0.2.7 got 600 probes within the last 24 hours, of at most 500000." in page.content.decode()


def test_a_schedule_may_be_changed_on_a_day_that_is_used_up_and_says_why_it_did_not_run(settings: Any) -> None:
    prefix()
    row = scans.make_schedule(target="192.0.2.7", kind="ports", ports="1-600")
    settings.SCAN_HOST_PROBES_DAY = 1000
    made(["192.0.2.7"], "1-600")
    row.full_clean()
    assert repeating.start_due() == 0
    row.refresh_from_db()
    assert "at most 1,000 a day" in row.last_error
