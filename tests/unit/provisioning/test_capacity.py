"""How full pools are, measured by the hour, and when they will be."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inventory.models import IPAddress
from monitoring.models import Series
from provisioning.models import PortPool, Quota, VyosRouter
from provisioning.services import capacity
from tests import factories, people

pytestmark = pytest.mark.django_db


@pytest.fixture
def router() -> VyosRouter:
    return factories.make_vyos_router()


def test_a_dhcp_pool_counts_what_it_may_give_and_what_others_hold(router: VyosRouter) -> None:
    pool = factories.make_dhcp_pool(router, range_start="192.168.66.1", range_end="192.168.66.20", name="lan")
    held = capacity.fill(pool)
    assert (held.used, held.free, held.size, held.share) == (0, 19, 19, 0.0)  # the gateway is never given
    factories.make_vm(router)
    IPAddress.objects.create(address="192.168.66.15")
    assert (capacity.fill(pool).used, capacity.fill(pool).free) == (2, 17)


def test_a_port_pool_counts_the_protocol_that_has_more(router: VyosRouter) -> None:
    pool = factories.make_port_pool(router, port_start=32000, port_end=32009)
    wishes = [
        {"name": "a", "internal_port": 1000, "internal_port_end": 1003},
        {"name": "b", "internal_port": 53, "protocol": "udp"},
        {"name": "c", "internal_port": 80, "protocol": "tcp_udp"},
    ]
    factories.make_vm(router, ports=wishes)
    held = capacity.fill(pool)
    assert (held.used, held.free, held.size) == (5, 5, 10)
    rules = capacity.fill(router)
    assert (rules.kind, rules.used, rules.size) == ("rules", 3, 10000)


def test_a_quota_tells_its_limits(router: VyosRouter) -> None:
    user = people.make_person("omar", "operator")
    tenant = factories.make_tenant(name="Blue")
    own = factories.make_vyos_router(tenant=tenant)
    factories.make_vm(own, ports=["ssh", "http"], user=user)
    quota = Quota.objects.create(tenant=tenant, max_vms=4)
    (vms,) = capacity.fill_of_quota(quota)
    assert (vms.kind, vms.used, vms.size, vms.share) == ("vms", 1, 4, 0.25)
    quota.max_forwards = 2
    assert [one.share for one in capacity.fill_of_quota(quota)] == [0.25, 1.0]


def test_what_is_measured_once_an_hour_becomes_a_forecast(router: VyosRouter) -> None:
    pool = factories.make_dhcp_pool(router, range_end="192.168.66.49")
    now = timezone.now()
    start = now - timedelta(hours=24)
    assert capacity.full_at(pool, now) is None
    for n in range(13):
        factories.make_vm(router, ports=[])
        capacity.measure(start + timedelta(hours=2 * n))
    # 12 in a day, 27 are left
    at = capacity.full_at(pool, now)
    assert at is not None and timedelta(days=1.8) < at - now < timedelta(days=2.8)
    assert capacity.full_at(router.port_pools.get(), now) is None  # nothing of it is given


def test_a_pool_that_does_not_fill_has_no_end(router: VyosRouter) -> None:
    pool = factories.make_dhcp_pool(router)
    factories.make_vm(router, ports=[])
    now = timezone.now()
    for n in range(20):
        capacity.measure(now - timedelta(hours=20 - n))
    assert capacity.full_at(pool, now) is None


def test_a_full_pool_is_full_now_whatever_was_measured(router: VyosRouter) -> None:
    pool = factories.make_dhcp_pool(router, range_end="192.168.66.10")
    factories.make_vm(router, ports=[])
    now = timezone.now()
    capacity.measure(now)
    assert capacity.full_at(pool, now) == now
    assert {one.full_at for one in capacity.outlooks([router], now) if one.fill.kind == "dhcp"} == {now}


def test_to_measure_twice_in_an_hour_is_one_value_and_gone_pools_leave(router: VyosRouter) -> None:
    factories.make_port_pool(router)
    assert capacity.measure() == 2 and capacity.measure() == 2
    assert Series.objects.filter(metric_set="provisioning.pool").count() == 2
    row = Series.objects.get(labels__startswith="kind=rules")
    assert (row.device_id, row.v0, row.v1) == (router.device.pk, 0, 10000)
    PortPool.objects.all().delete()
    assert capacity.measure() == 1 and Series.objects.filter(metric_set="provisioning.pool").count() == 1


def test_the_outlooks_of_many_routers_take_a_bounded_number_of_queries(
    django_assert_max_num_queries: object,
) -> None:
    routers = [factories.make_vyos_router() for _ in range(3)]
    for one in routers:
        factories.make_dhcp_pool(one, cidr="192.168.66.0/24")
        factories.make_port_pool(one)
    capacity.measure()
    with django_assert_max_num_queries(60):  # type: ignore[operator]
        assert len(capacity.outlooks(VyosRouter.objects.all())) == 9
