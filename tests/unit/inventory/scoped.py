"""What tests of scopes have in common."""

from typing import Any

from inventory.models import Device, ManagementEndpoint, TargetRule
from tests import factories as make

EVIL = "10.66.6.6"


def pointer(answer: Any) -> str:
    assert answer.status_code == 400, (answer.status_code, answer.content)
    return str(answer.json()["errors"][0]["pointer"])


def shared_at(device: Device, **over: Any) -> ManagementEndpoint:
    """A shared community at the device's SNMP endpoint."""
    endpoint = device.endpoints.get(protocol="snmp")
    old, endpoint.credential = endpoint.credential, make.make_credential(secret="shared", **over)
    endpoint.save()
    assert old is not None
    old.delete()
    return endpoint


def confined(cidr: str = "10.20.0.0/16") -> Any:
    tenant = make.make_tenant()
    TargetRule.objects.create(cidr=cidr, action="allow", tenant=tenant)
    return tenant
