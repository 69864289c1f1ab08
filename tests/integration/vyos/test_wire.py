"""A host on the link that answers ARP and no ping. Root only."""

from collections.abc import Iterator

import pytest

from provisioning.services import wire
from tests.daemons.netns import Lab, lab

pytestmark = [pytest.mark.integration, pytest.mark.asks, pytest.mark.django_db]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def test_who_answers_is_found_and_who_drops_pings_by_his_arp_answer(network: Lab) -> None:
    head, _, last = network.address.rpartition(".")
    empty = f"{head}.{int(last) + 1}"
    network.set_sysctl("net.ipv4.icmp_echo_ignore_all", 1)
    network.set_link("down")
    network.set_link("up")  # the kernel forgets whom it knew there
    try:
        found = wire.answering([network.address, empty])
    finally:
        network.set_sysctl("net.ipv4.icmp_echo_ignore_all", 0)
    assert list(found) == [network.address] and "ARP" in found[network.address]
    assert wire.answering([network.address, empty]) == {network.address: "It answers a ping."}
