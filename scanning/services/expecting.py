"""The baseline of a device: the ports that it is expected to have open."""

from django.db import transaction

from inventory.models import Device
from netmon.audit import services as audit
from netmon.common.errors import NotConfigured
from scanning.models import ExpectedPort, SeenPort

MAX_PORTS = 200


class NothingKnown(NotConfigured):
    """No scan has looked at the device's ports yet."""

    code = "nothing_known"


@transaction.atomic
def take_as_baseline(device: Device) -> list[ExpectedPort]:
    """What is open at the device now is what is expected of it; ports expected closed stay, unless they are open.

    Raises NothingKnown.
    """
    ports = SeenPort.objects.filter(host__device=device, is_open=True, host__ports_looked_at__isnull=False)
    found = dict(ports.order_by("port").values_list("port", "service"))
    if not found:
        raise NothingKnown(f"No scan has found an open port of {device.name}: scan it first.")
    if len(found) > MAX_PORTS:
        raise NothingKnown(f"{len(found)} ports are open: a baseline has at most {MAX_PORTS}. Look at it first.")
    ExpectedPort.objects.filter(device=device, state=ExpectedPort.State.OPEN).delete()
    ExpectedPort.objects.filter(device=device, port__in=found).delete()
    rows = ExpectedPort.objects.bulk_create(
        [ExpectedPort(device=device, port=port, note=service[:200]) for port, service in found.items()]
    )
    audit.record("baseline", device, detail=f"ports {', '.join(map(str, found))}")
    return rows
