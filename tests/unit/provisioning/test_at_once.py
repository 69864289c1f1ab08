"""Fifty who want a machine at the same moment, from two processes, where there is room for forty."""

import pytest

from provisioning.models import DhcpReservation, PortClaim, RuleClaim, Vm
from tests import factories
from tests.daemons.provisioner import results_of, start

pytestmark = pytest.mark.django_db(transaction=True)


def test_forty_get_what_nobody_else_has_and_ten_are_told_why_not() -> None:
    router = factories.make_vyos_router()
    factories.make_dhcp_pool(router, range_start="192.168.66.10", range_end="192.168.66.49")
    factories.make_port_pool(router)
    results = results_of([start(router.pk, prefix, 25) for prefix in ("one", "two")])
    given = [result for result in results if isinstance(result, list)]
    assert len(results) == 50 and len(given) == 40
    assert [result for result in results if not isinstance(result, list)] == ["pool_exhausted"] * 10
    assert sorted(address for address, _, _ in given) == sorted(f"192.168.66.{n}" for n in range(10, 50))
    assert sorted(port for _, port, _ in given) == list(range(32000, 32040))
    assert sorted(rule for _, _, rule in given) == list(range(10000, 10040))
    for model in (Vm, DhcpReservation, PortClaim, RuleClaim):
        assert model._default_manager.count() == 40
