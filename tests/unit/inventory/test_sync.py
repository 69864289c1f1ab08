"""Interfaces as devices report them."""

from dataclasses import dataclass

import pytest

from inventory.services import sync_interfaces
from tests import factories

pytestmark = pytest.mark.django_db


@dataclass
class Seen:
    key: str
    if_index: int
    descr: str = ""
    alias: str = ""
    if_type: int | None = 6
    mac_address: str | None = None
    speed_bps: int | None = 10**9
    mtu: int | None = 1500
    admin_status: int = 1
    oper_status: int = 1


def test_numbers_that_no_column_holds_are_none_and_the_batch_is_kept() -> None:
    device = factories.make_device()
    odd = Seen("odd", 2**31, if_type=2**31, speed_bps=2**63, mtu=2**64, admin_status=2**15, oper_status=-1)
    for _ in range(2):
        rows = sync_interfaces(device, [Seen("good", 1), odd])
        for row in rows.values():
            row.refresh_from_db()
        assert (rows["good"].if_index, rows["good"].if_speed_bps, rows["good"].mtu) == (1, 10**9, 1500)
        row = rows["odd"]
        assert {row.if_index, row.if_type, row.if_speed_bps, row.mtu, row.if_admin_status, row.if_oper_status} == {None}


def test_the_largest_numbers_that_columns_hold_are_kept() -> None:
    largest = Seen("a", 2**31 - 1, if_type=2**31 - 1, speed_bps=2**63 - 1, mtu=2**63 - 1)
    row = sync_interfaces(factories.make_device(), [largest])["a"]
    row.refresh_from_db()
    assert (row.if_index, row.if_type, row.if_speed_bps, row.mtu) == (2**31 - 1, 2**31 - 1, 2**63 - 1, 2**63 - 1)
