"""A row of a router whose API is a simulated router on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from inventory.models import Credential, Device, ManagementEndpoint
from netmon.lab.vyos import Router, Server
from provisioning.models import Vm, VyosRouter
from tests import factories


@contextmanager
def connected(version: str = "1.4", **over: Any) -> Iterator[tuple[VyosRouter, Router]]:
    """The row and the simulated router that answers for it."""
    lab = Router(version)
    with Server(lab) as server:
        router = factories.make_vyos_router(**{"external_address": "127.67.0.1", **over})
        wan = factories.make_interface(router.device, name="eth0")
        address = factories.make_address(wan, address=server.host)
        Device.objects.filter(pk=router.device.pk).update(primary_ip=address)
        ManagementEndpoint.objects.filter(pk=router.endpoint_id).update(
            port=server.port, options={"ca_pem": server.ca_pem}
        )
        key = Credential.objects.get(pk=router.endpoint.credential_id)
        key.secret = lab.key
        key.save()
        yield VyosRouter.objects.select_related("endpoint__device", "endpoint__credential").get(pk=router.pk), lab


def put(lab: Router, vm: Vm, *, mac_leaf: str = "mac-address") -> None:
    """What a change would have put on the router for a machine, as VyOS 1.4 wants it."""
    held = vm.reservation
    mapping = f"service dhcp-server shared-network-name LAN subnet {held.pool.prefix.cidr} static-mapping {vm.hostname}"
    lines = [f"set {mapping} {mac_leaf} {held.mac_address}", f"set {mapping} ip-address {held.address}"]
    for forward in vm.forwards.all():
        rule = f"set nat destination rule {forward.rule_number}"
        lines += [
            f"{rule} description netmon", f"{rule} inbound-interface name eth0", f"{rule} protocol {forward.protocol}",
            f"{rule} destination port {forward.external_port}", f"{rule} translation address {held.address}",
            f"{rule} translation port {forward.internal_port}",
        ]  # fmt: skip
    lab.edit(*lines)
