"""Alerts of provisioning: raised once, brought up to date, over by themselves."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from monitoring.alerting import engine
from monitoring.models import Alert, AlertRule
from provisioning.models import ConfigChange, DhcpPool, DriftItem, VyosRouter
from provisioning.services import capacity, expiry, ports, telling
from tests import factories

pytestmark = pytest.mark.django_db


def advance(minutes: float = 1) -> None:
    engine.advance(timezone.now() + timedelta(minutes=minutes))


def firing(source: str) -> list[Alert]:
    return list(Alert.objects.open().filter(source=source, fired_at__isnull=False).order_by("subject"))


def soon(hours: float = 3) -> Any:
    return (timezone.now() + timedelta(hours=hours)).replace(microsecond=0)


# --- ends -------------------------------------------------------------------------------------------------------------
def test_an_end_is_told_once_to_whom_the_machine_concerns() -> None:
    ends = soon()
    vm = factories.make_vm(expires_at=ends.isoformat())
    assert telling.tell_expiries() == 1 and telling.tell_expiries() == 0
    advance()
    (alert,) = firing("provisioning.expiry")
    assert alert.device_id == vm.device_id and alert.severity == "info"
    assert f"{ends:%Y-%m-%d %H:%M} UTC" in alert.summary and alert.data["vm"] == vm.pk
    assert "Prolong it" in alert.detail


def test_what_ends_later_is_not_told_yet() -> None:
    factories.make_vm(expires_at=soon(30).isoformat())
    assert telling.tell_expiries() == 0 and not Alert.objects.exists()


def test_a_prolonged_machine_is_told_of_no_more() -> None:
    vm = factories.make_vm(expires_at=soon().isoformat())
    telling.tell_expiries()
    advance()
    expiry.set_end(vm, None)
    telling.tell_expiries()
    advance()
    assert not Alert.objects.open().exists() and Alert.objects.count() == 1


def test_another_end_within_the_day_is_told_anew() -> None:
    vm = factories.make_vm(expires_at=soon(3).isoformat())
    telling.tell_expiries()
    advance()
    expiry.set_end(vm, later := soon(5))
    telling.tell_expiries()
    advance()
    (alert,) = firing("provisioning.expiry")
    assert f"{later:%H:%M}" in alert.summary and Alert.objects.count() == 2


def test_it_is_over_when_the_end_has_come() -> None:
    factories.make_vm(expires_at=soon().isoformat())
    telling.tell_expiries()
    advance()
    later = timezone.now() + timedelta(hours=4)
    expiry.mark_due(later)
    assert telling.tell_expiries(later) == 0
    engine.advance(later + timedelta(minutes=1))
    assert not Alert.objects.open().exists()


def test_a_forward_has_an_alert_of_its_own_until_it_is_deleted() -> None:
    ends = soon()
    vm = factories.make_vm(ports=[{"name": "ssh", "internal_port": 22, "expires_at": ends.isoformat()}, "http"])
    assert telling.tell_expiries() == 1
    advance()
    (alert,) = firing("provisioning.expiry")
    assert alert.subject.startswith("forward ssh until") and "32000" in alert.detail
    ports.act(vm, "delete", ["ssh"])
    telling.tell_expiries()
    advance()
    assert not Alert.objects.open().exists()


# --- drift and saving -------------------------------------------------------------------------------------------------
def test_drift_is_one_alert_of_the_router_and_ends_with_it() -> None:
    router = factories.make_vyos_router()
    vm = factories.make_vm(router)
    items = [
        DriftItem.objects.create(
            router=router, kind="missing", vm=vm, label=f"destination rule {n}", words=["It is not there."]
        )
        for n in range(10000, 10007)
    ]
    telling.tell_drift(router, items[:1])
    advance()
    telling.tell_drift(router, items)
    (alert,) = firing("provisioning.drift")
    assert alert.device_id == router.device.pk and alert.severity == "medium"
    assert alert.summary.startswith("7 things differ") and "and 2 more" in alert.detail and str(vm) in alert.detail
    telling.tell_drift(router, [])
    advance()
    assert not Alert.objects.open().exists()


def test_words_of_a_router_cannot_break_the_line() -> None:
    router = factories.make_vyos_router()
    item = DriftItem(router=router, kind="differs", label="rule\x1b[31m\n1", words=["a\u202eb" * 900])
    telling.tell_drift(router, [item])
    alert = Alert.objects.get()
    assert alert.detail.isprintable() and "\u202e" not in alert.detail and len(alert.detail) <= 1000


def test_unsaved_changes_are_told_after_a_while_and_over_when_saved() -> None:
    router = factories.make_vyos_router()
    telling.tell_unsaved(router)  # not known
    assert not Alert.objects.exists()
    router.is_saved = False
    telling.tell_unsaved(router)
    advance(minutes=5)
    assert not firing("provisioning.unsaved")  # a save follows a change by itself
    advance(minutes=20)
    assert len(firing("provisioning.unsaved")) == 1
    router.is_saved = True
    telling.tell_unsaved(router)
    advance()
    assert not Alert.objects.open().exists()


# --- changes ----------------------------------------------------------------------------------------------------------
def ended(router: VyosRouter, status: str, **over: Any) -> ConfigChange:
    return factories.make_change(router, status=status, finished_at=timezone.now(), vm_name="web-1", **over)


def test_an_unknown_outcome_is_graver_than_a_refusal_and_both_end_with_the_next_good_change() -> None:
    router = factories.make_vyos_router()
    waiting = factories.make_change(router, vm_name="web-1")
    telling.tell_change(waiting)
    assert not Alert.objects.exists()
    unknown = ended(router, "unknown", error_code="timeout", error_detail="Nothing came in time.")
    telling.tell_change(unknown)
    telling.tell_change(unknown)
    advance()
    (alert,) = firing("provisioning.change")
    assert alert.severity == "high" and "Nothing came in time." in alert.detail and "web-1" in alert.summary
    telling.tell_change(ended(router, "failed", error_detail="[[nat]] failed"))
    advance()
    (alert,) = firing("provisioning.change")
    assert alert.severity == "medium" and "[[nat]] failed" in alert.detail
    telling.tell_change(ended(router, "applied"))
    advance()
    assert not Alert.objects.open().exists()


def test_of_a_change_of_many_machines_each_is_told_of_by_name() -> None:
    router = factories.make_vyos_router()
    change = factories.make_change(router, status="failed", finished_at=timezone.now())
    for name, status in (("a", "failed"), ("b", "applied")):
        change.items.create(vm_name=name, status=status, error_detail="refused")
    telling.tell_change(change)
    advance()
    assert [alert.subject for alert in firing("provisioning.change")] == ["a failed"]


def test_a_look_around_tells_what_nobody_told(django_assert_max_num_queries: Any) -> None:
    router = factories.make_vyos_router(is_saved=False, compared_at=timezone.now())
    DriftItem.objects.create(router=router, kind="missing", label="destination rule 10000", words=["It is gone."])
    change = ended(router, "unknown", error_detail="Nothing came in time.")
    change.items.create(vm_name="web-1", status="unknown")
    ended(router, "failed", kind="save", error_detail="disk full")
    ConfigChange.objects.filter(kind="save").update(vm_name="")
    for _ in range(2):
        telling.look_around()
        advance(minutes=20)
    subjects = [alert.subject for alert in firing("provisioning.change")]
    assert subjects == ["Save failed", "web-1 unknown"]
    assert len(firing("provisioning.drift")) == len(firing("provisioning.unsaved")) == 1
    # What came after it was well.
    good = ended(router, "applied")
    good.items.create(vm_name="web-1", status="applied")
    ConfigChange.objects.filter(pk=ended(router, "applied", kind="save").pk).update(vm_name="")
    DriftItem.objects.all().delete()
    router.is_saved = True
    router.save()
    for _ in range(2):
        telling.look_around()
        advance()
    assert not Alert.objects.open().exists() and Alert.objects.count() == 4
    with django_assert_max_num_queries(25):
        telling.look_around()


def test_what_failed_long_ago_is_not_told_again() -> None:
    router = factories.make_vyos_router()
    change = ended(router, "failed")
    change.items.create(vm_name="web-1", status="failed")
    ConfigChange.objects.update(finished_at=timezone.now() - timedelta(days=8))
    telling.look_around()
    assert not Alert.objects.exists()


# --- pools ------------------------------------------------------------------------------------------------------------
def test_a_pool_that_is_nearly_full_is_told_and_over_when_it_is_wider() -> None:
    router = factories.make_vyos_router()
    pool = factories.make_dhcp_pool(router, range_end="192.168.66.19", name="lan")
    for n in range(8):
        factories.make_vm(router, ports=["ssh"] if n == 0 else [])
    assert telling.tell_pools() == 0
    factories.make_vm(router, ports=[])
    assert telling.tell_pools() == 1 and telling.tell_pools() == 1
    advance()
    (alert,) = firing("provisioning.pool")
    assert alert.summary == "DHCP pool lan is nearly full: 9 of 10" and alert.device_id == router.device.pk
    factories.make_vm(router, ports=[])
    telling.tell_pools()
    alert.refresh_from_db()
    assert alert.summary == "DHCP pool lan is full: 10 of 10"
    pool.range_end = "192.168.66.99"
    pool.save()
    assert telling.tell_pools() == 0
    advance()
    assert not Alert.objects.open().exists()


def test_a_pool_that_is_switched_off_is_told_of_no_more() -> None:
    pool = factories.make_dhcp_pool(range_end="192.168.66.10")
    factories.make_vm(pool.router, ports=[])
    telling.tell_pools()
    advance()
    assert len(firing("provisioning.pool")) == 1
    DhcpPool.objects.update(is_enabled=False)
    telling.tell_pools()
    advance()
    assert not Alert.objects.open().exists()


def test_a_pool_that_fills_within_a_week_is_told_before_it_is_nearly_full() -> None:
    router = factories.make_vyos_router()
    factories.make_dhcp_pool(router, range_end="192.168.66.29", name="lan")
    start = timezone.now() - timedelta(hours=36)
    for n in range(12):
        factories.make_vm(router, ports=[])
        capacity.measure(start + timedelta(hours=3 * n))
    assert telling.tell_pools() == 1
    advance()
    (alert,) = firing("provisioning.pool")
    assert "12 of 20" in alert.summary and "is full on" in alert.detail


def test_every_source_has_a_rule_from_the_beginning() -> None:
    shipped = set(AlertRule.objects.exclude(template="").values_list("source", flat=True))
    assert {
        one.key for one in (telling.EXPIRY, telling.DRIFT, telling.UNSAVED, telling.CHANGE, telling.POOL)
    } <= shipped
