"""What the pages of scans show."""

from typing import Any

import pytest
from django.utils import timezone

from scanning.models import (
    ExpectedPort,
    Scan,
    ScanExclusion,
    ScanSchedule,
    SeenHost,
)
from scanning.services.results import FoundHost, FoundPort
from tests import factories
from tests.unit.scanning import scenes
from tests.unit.scanning.scenes import EVIL


@pytest.fixture
def made(db: None) -> dict[str, Any]:
    """A prefix, a device, two scans of it: a web server appears, and a host nobody knows with hostile texts."""
    prefix = scenes.prefix()
    device = factories.make_flat(name="core", ip="192.0.2.1")
    older = scenes.ended([scenes.host("192.0.2.1", 22)])
    evil = FoundHost(
        address="192.0.2.9", method="icmp", hostname=EVIL, vendor=EVIL, mac_address="02:00:00:00:00:09",
        is_random_mac=True, notes={"is_whole": True, "accuracy": EVIL},
        ports=[FoundPort(port=80, service=EVIL[:32], banner=EVIL, certificate={"subject": EVIL, "issuer": EVIL})],
    )  # fmt: skip
    newer = scenes.ended([scenes.host("192.0.2.1", 22, 443), evil], hours=1, reason=EVIL)
    Scan.objects.filter(pk=newer.pk).update(finished_at=timezone.now())
    return {
        "prefix": prefix,
        "device": device,
        "older": older,
        "newer": newer,
        "host": SeenHost.objects.get(address="192.0.2.9"),
        "known": SeenHost.objects.get(address="192.0.2.1"),
        "schedule": ScanSchedule.objects.create(name=f"nightly {EVIL}", target="192.0.2.0/28", last_error=EVIL),
        "exclusion": ScanExclusion.objects.create(cidr="192.0.2.128/25", note=EVIL),
        "expected": ExpectedPort.objects.create(device=device, port=22, note=EVIL),
    }
