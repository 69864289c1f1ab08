"""What may be scanned, and by whom."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connections

from inventory.models import TargetRule, Tenant
from netmon.common.errors import AlreadyRunning, NetmonError
from scanning import guard
from scanning.models import ScanExclusion
from scanning.services import starting
from tests import factories, people
from tests.unit.scanning.scenes import prefix

pytestmark = pytest.mark.django_db


def refusal(target: str, kind: str = "ping", ports: str = "", **options: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        guard.plan(kind, target, ports, **options)
    return {name: " ".join(texts) for name, texts in refused.value.message_dict.items()}


def test_a_prefix_of_the_inventory_may_be_scanned_and_nothing_else() -> None:
    assert "192.0.2.1-192.0.2.254 is not in the networks that netmon knows" in refusal("192.0.2.0/24")["target"]
    prefix("192.0.2.0/25")
    assert "192.0.2.128-192.0.2.254 is not in" in refusal("192.0.2.0/24")["target"]
    prefix("192.0.2.128/25")
    assert guard.plan("ping", "192.0.2.0/24").hosts == 254


def test_the_address_of_a_device_and_an_allow_rule_may_be_scanned() -> None:
    factories.make_flat(name="core-1", ip="198.51.100.7")
    assert guard.plan("ports", "198.51.100.7").hosts == 1
    TargetRule.objects.create(cidr="203.0.113.0/24", action="allow")
    TargetRule.objects.create(cidr="198.51.100.7/32", action="allow")
    assert guard.plan("ping", "203.0.113.0/24").hosts == 254


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("127.0.0.1", "Loopback"),
        ("169.254.169.254", "metadata"),
        ("169.254.1.0/24", "Link-local"),
        ("fe80::1", "Link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("240.0.0.0/24", "class E"),
        ("100.100.100.200", "metadata"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("126.255.255.250-127.0.0.3", "Loopback"),
        ("100.100.100.0/24", "metadata"),
    ],
)
def test_what_the_target_policy_refuses_is_refused_whatever_the_inventory_says(
    target: str, says: str, settings: Any
) -> None:
    settings.ALLOW_LOOPBACK = False
    for cidr in ("0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"):
        prefix(cidr)
    assert says in refusal(target)["target"]


def test_a_rule_that_refuses_one_address_refuses_the_range_and_names_it() -> None:
    prefix()
    TargetRule.objects.create(cidr="192.0.2.77/32", action="refuse", note="the lift")
    assert refusal("192.0.2.0/24")["target"].startswith("192.0.2.77 is not scanned")
    assert guard.plan("ping", "192.0.2.0/26").hosts == 62


def test_exclusions_are_left_out_and_told() -> None:
    prefix()
    ScanExclusion.objects.create(cidr="192.0.2.64/28", note="the lift's controllers")
    planned = guard.plan("network", "192.0.2.0/24", "web")
    assert planned.hosts == 254 - 16
    assert planned.as_dict()["excluded"] == [{"range": "192.0.2.64-192.0.2.79", "reason": "the lift's controllers"}]
    assert "the lift's controllers" in refusal("192.0.2.70")["target"]


def test_a_tenants_scan_keeps_to_its_networks_and_heeds_its_exclusions(cast: people.Cast) -> None:
    ours, theirs = (Tenant.objects.create(name=name, slug=name) for name in ("ours", "theirs"))
    prefix("192.0.2.0/25", ours)
    prefix("192.0.2.128/25", theirs)
    ScanExclusion.objects.create(cidr="192.0.2.8/29", tenant=theirs)
    assert guard.plan("ping", "192.0.2.0/25", tenant=ours).hosts == 126
    assert "not in the networks of ours" in refusal("192.0.2.200", tenant=ours)["target"]
    ours.members.add(cast.omar)
    omar = type(cast.omar).objects.get(pk=cast.omar.pk)
    assert starting.tenant_for(omar, None) == ours
    with pytest.raises(ValidationError, match="one of your tenants"):
        starting.tenant_for(omar, theirs)
    theirs.members.add(omar)
    omar = type(cast.omar).objects.get(pk=cast.omar.pk)
    with pytest.raises(ValidationError, match="for which of your tenants"):
        starting.tenant_for(omar, None)
    assert guard.plan("ping", "192.0.2.0/24").hosts == 254 - 8, "a scan of no tenant heeds every exclusion"


@pytest.mark.parametrize(
    ("kind", "target", "ports", "field", "says"),
    [
        ("ping", "192.0.2.0/24", "22", "ports", "asks no ports"),
        ("ports", "192.0.2.0/24", "22", "target", "of one host"),
        ("ports", "192.0.2.7", "0", "ports", "1 to 65535"),
        ("network", "10.0.0.0/8", "", "target", "16,777,214 addresses; at most 4,096"),
        ("ping", "2001:db8::/64", "", "target", "cannot be swept"),
        ("network", "192.0.2.0/24", "all", "ports", "16,645,890 probes"),
        ("ping", "device:999999", "", "target", "no such device"),
        ("ping", "prefix:999999", "", "target", "no such prefix"),
    ],
)
def test_too_much_or_not_fitting_is_refused_by_field(
    kind: str, target: str, ports: str, field: str, says: str, settings: Any
) -> None:
    settings.SCAN_MAX_PROBES = 16_000_000
    prefix()
    prefix("10.0.0.0/8")
    prefix("2001:db8::/32")
    assert says in refusal(target, kind, ports)[field]


def test_a_bare_address_of_a_network_scan_is_its_24() -> None:
    prefix()
    assert [str(span) for span in guard.plan("network", "192.0.2.7").spans] == ["192.0.2.1-192.0.2.254"]
    assert [str(span) for span in guard.plan("ping", "192.0.2.7").spans] == ["192.0.2.7"]


def test_devices_and_prefixes_are_named_by_number_and_seen_by_who_may(cast: people.Cast) -> None:
    device = factories.make_flat(name="core-1", ip="192.0.2.7")
    row = prefix("192.0.2.0/28")
    planned = guard.plan("ports", f"device:{device.pk}", "22")
    assert planned.device == device and str(planned.spans[0]) == "192.0.2.7"
    assert guard.plan("ping", f"prefix:{row.pk}").hosts == 14
    tenant = Tenant.objects.create(name="other", slug="other")
    tenant.members.add(cast.vera)
    vera = type(cast.vera).objects.get(pk=cast.vera.pk)
    assert "no such device" in refusal(f"device:{device.pk}", tenant=tenant, user=vera)["target"]
    assert "no such prefix" in refusal(f"prefix:{row.pk}", tenant=tenant, user=vera)["target"]
    bare = factories.make_device(name="bare")
    assert "has no address" in refusal(f"device:{bare.pk}")["target"]


def test_a_name_that_does_not_resolve_is_told() -> None:
    with pytest.raises(NetmonError, match="does not resolve"):
        guard.plan("ping", "no-such-host.invalid")


def test_rules_are_asked_again_when_the_scan_runs(cast: people.Cast) -> None:
    row = prefix()
    planned = guard.plan("ping", "192.0.2.0/28")
    scan = starting.start(planned, target="192.0.2.0/28", user=cast.omar)
    ScanExclusion.objects.create(cidr="192.0.2.8/29")
    assert guard.targets.count(guard.recheck(scan, planned.spans)) == 7
    row.delete()
    with pytest.raises(guard.ScanRefused, match="not in the networks"):
        guard.recheck(scan, planned.spans)


def test_a_tenants_scan_does_not_tell_of_another_tenants_prefix() -> None:
    ours, theirs = (Tenant.objects.create(name=name, slug=name) for name in ("ours", "theirs"))
    row = prefix("198.51.100.0/24", theirs)
    assert refusal(f"prefix:{row.pk}", tenant=ours) == {"target": f"prefix:{row.pk}: there is no such prefix."}


def test_many_devices_far_from_each_other_may_be_scanned_together() -> None:
    made = [factories.make_flat(name=f"far-{n}", ip=f"198.51.100.{n}") for n in range(1, 100, 4)]
    assert guard.plan("ping", ",".join(f"device:{device.pk}" for device in made)).hosts == 25


def test_a_scan_under_way_of_another_tenant_is_not_named() -> None:
    ours, theirs = (Tenant.objects.create(name=name, slug=name) for name in ("ours", "theirs"))
    prefix("192.0.2.0/24", ours)
    prefix("192.0.2.0/24", theirs)
    starting.start(guard.plan("ping", "192.0.2.0/28", tenant=theirs), target="192.0.2.0/28")
    planned = guard.plan("ping", "192.0.2.7", tenant=ours)
    with pytest.raises(AlreadyRunning, match=r"^Another scan of 192\.0\.2\.7 is under way") as refused:
        starting.start(planned, target="192.0.2.7")
    assert not refused.value.data


@pytest.mark.django_db(transaction=True)
def test_of_two_scans_that_overlap_and_are_asked_for_at_once_one_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    prefix()
    plans = [guard.plan("ping", target) for target in ("192.0.2.0/28", "192.0.2.0/27")]
    both_looked = threading.Barrier(2, timeout=1)
    start_job = starting.jobs.start

    def start_job_together(**options: Any) -> Any:
        with suppress(threading.BrokenBarrierError):  # the other one is held off until this one has ended
            both_looked.wait()
        return start_job(**options)

    monkeypatch.setattr(starting.jobs, "start", start_job_together)

    def start(planned: guard.Plan) -> str:
        try:
            return starting.start(planned, target="x", is_sent=False).status
        except AlreadyRunning:
            return "refused"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(start, plans)) == ["queued", "refused"]
