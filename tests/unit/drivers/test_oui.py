"""Vendors of MAC addresses."""

import pytest

from netmon.drivers.oui import is_randomised, vendor_of


@pytest.mark.parametrize("form", ["00:00:0c:12:34:56", "00-00-0C-12-34-56", "0000.0c12.3456", "00000C123456"])
def test_every_usual_form_is_read(form):
    assert vendor_of(form) == "Cisco Systems, Inc"


def test_the_longest_prefix_counts():
    # MA-S: 36 bits of a block that belongs to the registry itself
    assert vendor_of("8C:1F:64:00:90:00") != vendor_of("8C:1F:64:F7:40:00") != ""


@pytest.mark.parametrize(
    ("mac", "randomised"),
    [
        ("02:00:00:00:00:01", True),
        ("da:a1:19:00:00:01", True),
        ("00:00:0c:00:00:01", False),
        ("33:33:00:00:00:01", False),  # a multicast group, and nobody's card
        ("", False),
        ("no mac", False),
    ],
)
def test_made_up_addresses_are_known(mac, randomised):
    assert is_randomised(mac) is randomised
    if randomised or not mac or " " in mac:
        assert vendor_of(mac) == ""


def test_an_unknown_prefix_has_no_vendor():
    assert vendor_of("00:00:0c:12:34") == vendor_of("fc:ff:ff:ff:ff:ff") == ""
