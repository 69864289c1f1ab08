"""The demonstration's scans: living data that hold against what the services would have written."""

import pytest

from inventory.models import Device, Prefix
from netmon import demo, demo_scans
from scanning.models import ExpectedPort, Scan, ScanExclusion, ScanSchedule, SeenHost
from tests import people

pytestmark = pytest.mark.django_db


def test_scans_have_changes_and_discoveries_wait(cast: people.Cast, settings: pytest.FixtureRequest) -> None:
    settings.ALLOW_LOOPBACK = True  # type: ignore[attr-defined]
    demo.furnish(10, 1161)
    demo_scans.populate()
    assert Scan.objects.count() == 4
    assert all(scan.notes["changes_total"] for scan in Scan.objects.order_by("pk")[:3])
    waiting = SeenHost.objects.discoveries().filter(review="new")
    assert {"127.20.0.41", "127.20.0.42", "127.20.0.58"} <= set(waiting.values_list("address", flat=True))
    assert SeenHost.objects.get(address="127.20.0.41").kind_guess == Device.Kind.CAMERA
    assert SeenHost.objects.get(address="127.20.0.57").review == "ignored"
    assert not SeenHost.objects.get(address="127.20.0.58").is_present  # two looks in a row missed it
    for model in (ScanSchedule, ScanExclusion):
        assert model.objects.count() == 1
    ScanSchedule.objects.get().full_clean()
    assert ExpectedPort.objects.count() == 1


def test_a_second_start_changes_nothing(cast: people.Cast) -> None:
    demo.furnish(3, 1161)
    demo_scans.populate()
    ScanSchedule.objects.all().delete()
    Prefix.objects.all().delete()
    demo_scans.populate()
    assert not ScanSchedule.objects.exists()
    assert Scan.objects.count() == 4
