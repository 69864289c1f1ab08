"""What scans say of the network over time: presence, moves, ports, and what becomes an alert."""

from dataclasses import replace

import pytest

from inventory.models import Device, Interface, IPAddress, Tenant
from monitoring.models import Alert
from scanning.models import ExpectedPort, PresencePeriod, Scan, SeenHost, SeenPort
from scanning.services import expecting
from tests import factories
from tests.unit.scanning.scenes import ended, host, kinds

pytestmark = pytest.mark.django_db
ONE, TWO = "00:16:3e:00:00:01", "00:16:3e:00:00:02"


def test_a_host_is_gone_when_two_looks_miss_it_and_comes_back_as_the_same() -> None:
    ended([host("192.0.2.1"), host("192.0.2.2")])
    first = ended([host("192.0.2.2")], hours=1)
    assert kinds(first) == {} and SeenHost.objects.get(address="192.0.2.1").is_present, "one look may have lost it"
    second = ended([host("192.0.2.2")], hours=2)
    assert "192.0.2.1 answered last on 2026-03-01 12:00 UTC" in kinds(second)["host_gone"]
    third = ended([host("192.0.2.1"), host("192.0.2.2")], hours=3)
    assert set(kinds(third)) == {"host_back"}
    seen = SeenHost.objects.get(address="192.0.2.1")
    periods = list(PresencePeriod.objects.filter(host=seen).order_by("started_at"))
    assert [period.ended_at is None for period in periods] == [False, True]
    assert periods[0].ended_at is not None and periods[0].ended_at.hour == 12, "it was there until it last answered"


def test_what_ended_early_says_nothing_of_silence() -> None:
    ended([host("192.0.2.1", 22)])
    for hours in (1, 2, 3):
        assert kinds(ended([], hours=hours, outcome=Scan.Outcome.CANCELLED)) == {}
    assert SeenHost.objects.get().is_present and SeenPort.objects.get().is_open


def test_what_was_not_looked_at_is_not_missed() -> None:
    ended([host("192.0.2.1", 22, 443)])
    for hours in (1, 2):
        ended([], target="192.0.2.8-15", hours=hours)
        ended([host("192.0.2.1")], ports="80", hours=hours + 0.5)
    assert SeenHost.objects.get().is_present
    assert SeenPort.objects.filter(is_open=True).count() == 2


def test_a_host_that_moves_is_known_by_its_card() -> None:
    ended([host("192.0.2.1", mac=ONE)])
    moved = ended([host("192.0.2.9", mac=ONE)], hours=1)
    assert kinds(moved) == {"host_moved": f"{ONE} moved from 192.0.2.1 to 192.0.2.9"}
    assert SeenHost.objects.get().address == "192.0.2.9"


def test_a_made_up_card_tells_nobody_apart_from_another_address() -> None:
    ended([host("192.0.2.1", mac="02:16:3e:00:00:01", is_random_mac=True)])
    again = ended([host("192.0.2.9", mac="02:16:3e:00:00:01", is_random_mac=True)], hours=1)
    assert set(kinds(again)) == {"new_host"} and SeenHost.objects.count() == 2


def test_a_relay_lends_many_addresses_one_card() -> None:
    scan = ended([host("192.0.2.1", mac=ONE), host("192.0.2.2", mac=ONE), host("192.0.2.3", mac=TWO)])
    assert len(scan.notes["changes"]) == 3
    ended([host("192.0.2.1", mac=ONE), host("192.0.2.2", mac=ONE), host("192.0.2.3", mac=TWO)], hours=1)
    assert SeenHost.objects.count() == 3 and not SeenHost.objects.filter(is_present=False).exists()


def test_other_hardware_at_a_known_address_is_told() -> None:
    ended([host("192.0.2.1", mac=ONE)])
    other = ended([host("192.0.2.1", mac=TWO)], hours=1)
    assert kinds(other) == {"mac_changed": f"192.0.2.1 was {ONE}, and is {TWO} now"}
    assert SeenHost.objects.get(is_present=True).mac_address == TWO


def test_a_card_that_was_not_known_before_is_no_other_host() -> None:
    ended([host("192.0.2.1")])
    assert kinds(ended([host("192.0.2.1", mac=ONE)], hours=1)) == {}
    assert SeenHost.objects.get().mac_address == ONE


def test_an_old_file_does_not_turn_the_clock_back() -> None:
    ended([host("192.0.2.1", 22)], hours=5)
    ended([], hours=1)
    ended([host("192.0.2.1", 80)], hours=2)
    seen = SeenHost.objects.get()
    assert seen.misses == 0 and seen.last_seen_at.hour == 17
    assert list(seen.ports.values_list("port", flat=True)) == [22]


def test_ports_open_at_once_and_close_after_two_looks() -> None:
    first = ended([host("192.0.2.1", 22)])
    assert set(kinds(first)) == {"new_host"}, "the ports of a host that is new are not news of their own"
    opened = ended([host("192.0.2.1", 22, 443)], hours=1)
    assert kinds(opened) == {"new_port": "tcp/443 https"}
    assert kinds(ended([host("192.0.2.1", 22)], hours=2)) == {}
    assert kinds(ended([host("192.0.2.1", 22)], hours=3)) == {"port_gone": "tcp/443 https"}
    assert kinds(ended([host("192.0.2.1", 22, 443)], hours=4)) == {"port_back": "tcp/443 https"}


def test_a_flap_of_a_port_is_nothing() -> None:
    for hours in range(6):
        scan = ended([host("192.0.2.1", 22, *([443] if hours % 2 == 0 else []))], hours=hours)
        assert set(kinds(scan)) <= {"new_host"}


def test_a_device_is_met_by_its_address_or_its_card() -> None:
    device = factories.make_flat(name="core-1", ip="192.0.2.1")
    other = factories.make_device(name="core-2")
    Interface.objects.create(device=other, name="eth0", mac_address=TWO)
    ended([host("192.0.2.1"), host("192.0.2.2", mac=TWO), host("192.0.2.3")])
    met = dict(SeenHost.objects.values_list("address", "device"))
    assert met == {"192.0.2.1": device.pk, "192.0.2.2": other.pk, "192.0.2.3": None}
    assert set(SeenHost.objects.discoveries().values_list("address", flat=True)) == {"192.0.2.3"}


def open_alerts() -> set[str]:
    return set(Alert.objects.open().values_list("summary", flat=True))


def test_changes_are_alerts_and_end_with_their_counterpart() -> None:
    device = factories.make_flat(name="core-1", ip="192.0.2.1")
    ended([host("192.0.2.1", 22)])
    assert open_alerts() == set()
    ended([host("192.0.2.1", 22, 443), host("192.0.2.2")], hours=1)
    assert {"New open port tcp/443 https", "New host 192.0.2.2"} <= open_alerts()
    assert Alert.objects.get(summary__startswith="New open port").device == device
    assert Alert.objects.get(summary="New host 192.0.2.2").device is None
    for hours in (2, 3):
        ended([host("192.0.2.1", 22)], hours=hours)
    alert = Alert.objects.filter(summary__startswith="New open port", is_bad=True).first()
    assert alert is None, "the port is closed again: it is over"


def test_new_hosts_are_alerts_only_where_somebody_looked_before() -> None:
    ended([host("192.0.2.1"), host("192.0.2.2")], target="192.0.2.0-127")
    assert open_alerts() == set(), "the first look at a network finds all of it"
    known = factories.make_flat(name="core-1", ip="192.0.2.4")
    up = [host("192.0.2.1"), host("192.0.2.2"), host("192.0.2.3"), host("192.0.2.4"), host("192.0.2.200")]
    scan = ended(up, target="192.0.2.0/24", hours=1)
    assert open_alerts() == {"New host 192.0.2.3"}
    assert {change["address"] for change in scan.notes["changes"]} == {"192.0.2.3", "192.0.2.4", "192.0.2.200"}
    assert SeenHost.objects.get(address="192.0.2.4").device == known


def test_a_baseline_is_held_against_what_is_open() -> None:
    device = factories.make_flat(name="shop", ip="192.0.2.1")
    ended([host("192.0.2.1", 22, 443)])
    rows = expecting.take_as_baseline(device)
    assert [row.port for row in rows] == [22, 443]
    ended([host("192.0.2.1", 22, 80)], hours=1)
    baseline = Alert.objects.open().filter(source="scan.baseline")
    assert set(baseline.values_list("summary", flat=True)) == {
        "tcp/80 http is open on 192.0.2.1",
        "tcp/443 https is not open on 192.0.2.1",
    }
    ExpectedPort.objects.create(device=device, port=80)
    ended([host("192.0.2.1", 22, 80, 443)], hours=2)
    assert not baseline.filter(is_bad=True).exists(), "as expected"
    ExpectedPort.objects.filter(device=device, port=443).update(state="closed")
    ended([host("192.0.2.1", 22, 80, 443)], hours=3)
    assert baseline.get(is_bad=True).summary == "tcp/443 https is open on 192.0.2.1"
    ExpectedPort.objects.filter(device=device).delete()
    ended([host("192.0.2.1", 22, 80, 443)], hours=4)
    assert not baseline.filter(is_bad=True).exists(), "nothing is expected any more"


def test_without_a_scan_there_is_no_baseline_to_take() -> None:
    with pytest.raises(expecting.NothingKnown, match="scan it first"):
        expecting.take_as_baseline(factories.make_flat(name="shop", ip="192.0.2.1"))


def test_a_certificate_that_ends_soon_is_told() -> None:
    factories.make_flat(name="shop", ip="192.0.2.1")
    found = host("192.0.2.1", 443)
    ports = [replace(found.ports[0], certificate={"subject": "shop", "not_after": "2026-03-10T00:00:00+00:00"})]
    ended([replace(found, ports=ports)])
    assert "Certificate of 192.0.2.1:443 expires on 2026-03-10" in open_alerts()


def test_a_scan_ends_once() -> None:
    from scanning.services import ending

    scan = ended([host("192.0.2.1")])
    assert not ending.end(scan, Scan.Outcome.FAILED)
    scan.refresh_from_db()
    assert scan.status == "succeeded"


def test_a_thousand_hosts_cost_a_few_statements(django_assert_max_num_queries: object) -> None:
    hosts = [host(f"198.51.{100 + number // 250}.{1 + number % 250}", 22, 80) for number in range(1000)]
    ended(hosts, target="198.51.100.0/24,198.51.101.0/24,198.51.102.0/24,198.51.103.0/24")
    with django_assert_max_num_queries(200):  # type: ignore[operator]
        ended(hosts, target="198.51.100.0/24,198.51.101.0/24,198.51.102.0/24,198.51.103.0/24", hours=1)


def test_a_device_is_judged_by_all_of_its_addresses_together() -> None:
    device = factories.make_flat(name="router", ip="192.0.2.1")
    two = device.interfaces.create(name="eth1")
    IPAddress.objects.create(address="192.0.2.2", interface=two)
    ExpectedPort.objects.create(device=device, port=22)
    for hours in range(3):
        ended([host("192.0.2.1", 22), host("192.0.2.2")], hours=hours)
    assert not Alert.objects.filter(source="scan.baseline", is_bad=True).exists(), "its SSH listens on one of them"
    for hours in (3, 4):
        ended([host("192.0.2.1"), host("192.0.2.2")], hours=hours)
    alert = Alert.objects.open().get(source="scan.baseline")
    assert alert.summary == "tcp/22 ssh is not open on 192.0.2.1, 192.0.2.2"


def test_of_two_certificates_at_one_port_the_first_to_end_is_told() -> None:
    device = factories.make_flat(name="router", ip="192.0.2.1")
    IPAddress.objects.create(address="192.0.2.2", interface=device.interfaces.create(name="eth1"))
    found = []
    for address, until in (("192.0.2.1", "2026-03-10"), ("192.0.2.2", "2027-03-10")):
        one = host(address, 443)
        ports = [replace(one.ports[0], certificate={"not_after": f"{until}T00:00:00+00:00"})]
        found.append(replace(one, ports=ports))
    ended(found)
    assert "Certificate of 192.0.2.1:443 expires on 2026-03-10" in open_alerts()


def test_a_scan_that_was_cancelled_does_not_call_a_port_closed_that_it_did_not_ask() -> None:
    device = factories.make_flat(name="shop", ip="192.0.2.1")
    ExpectedPort.objects.create(device=device, port=443)
    for hours in range(3):
        unasked = replace(host("192.0.2.1"), notes={})
        ended([unasked], hours=hours, outcome=Scan.Outcome.CANCELLED)
    assert not Alert.objects.filter(source="scan.baseline", is_bad=True).exists()


def test_a_host_whose_device_was_deleted_waits_for_review_again() -> None:
    device = factories.make_flat(name="core-1", ip="192.0.2.1")
    ended([host("192.0.2.1")])
    device.delete()
    ended([host("192.0.2.1")], hours=1)
    assert SeenHost.objects.get().review == "new"


def test_a_device_that_went_to_another_tenant_is_not_this_networks_any_more() -> None:
    ours, theirs = (Tenant.objects.create(name=name, slug=name) for name in ("ours", "theirs"))
    device = factories.make_flat(name="core-1", ip="192.0.2.1", tenant=ours)
    ended([host("192.0.2.1", 22)], tenant=ours)
    Device.objects.filter(pk=device.pk).update(tenant=theirs)
    ended([host("192.0.2.1", 22, 443)], hours=1, tenant=ours)
    seen = SeenHost.objects.get()
    assert (seen.device, seen.review) == (None, "new")
    assert Alert.objects.get(summary__startswith="New open port").device is None, "it is told to whose network it is"
