"""Endpoints of the protocol tcp: a port of the device, and the places outside at which it is offered."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from inventory import targets
from inventory.models import ManagementEndpoint
from inventory.policy import TargetRefused
from netmon.common.errors import NoEndpoint
from netmon.drivers.targets import TcpTarget
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint(settings: Any) -> ManagementEndpoint:
    settings.ALLOW_LOOPBACK = True
    device = factories.make_flat(ip="127.50.0.1")
    return ManagementEndpoint(device=device, protocol="tcp", port=22)


def test_a_port_becomes_a_target(endpoint: ManagementEndpoint) -> None:
    endpoint.options = {"timeout_seconds": 1, "outside": "127.60.0.1:32000, [::1]:22"}
    endpoint.full_clean()
    assert targets.target_of(endpoint) == TcpTarget(address="127.50.0.1", port=22, timeout_seconds=1.0)
    assert targets.outside_target(endpoint) == TcpTarget(
        address="127.60.0.1", port=32000, beside=(("::1", 22),), label=22, timeout_seconds=1.0
    )


@pytest.mark.parametrize(
    "outside", ["router.example:22", "127.60.0.1", "127.60.0.1:0", "127.60.0.1:٣", ", ".join(["127.0.0.1:1"] * 9), 7]
)
def test_what_is_no_place_is_refused_by_name(endpoint: ManagementEndpoint, outside: Any) -> None:
    endpoint.options = {"outside": outside}
    with pytest.raises(ValidationError) as caught:
        endpoint.full_clean()
    assert caught.value.message_dict["options"][0].startswith("outside: ")


def test_a_place_that_the_policy_refuses_is_neither_kept_nor_asked(endpoint: ManagementEndpoint) -> None:
    endpoint.options = {"outside": "169.254.169.254:80"}
    with pytest.raises(ValidationError, match="metadata"):
        endpoint.full_clean()
    endpoint.save()  # past the model
    with pytest.raises(TargetRefused, match="metadata"):
        targets.outside_target(endpoint)


def test_without_a_place_there_is_nothing_to_ask(endpoint: ManagementEndpoint) -> None:
    with pytest.raises(NoEndpoint, match="outside: empty"):
        targets.outside_target(endpoint)
