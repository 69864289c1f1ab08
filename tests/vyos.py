"""A VyOS router of a test: the simulated one, its rows, and the worker that works off its queue at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from inventory.services import create_device
from netmon.lab.vyos import Router, Server
from netmon.lab.vyos.certificates import Certificate
from provisioning.models import ConfigChange, DhcpPool, PortPool, Vm, VyosRouter
from provisioning.services import changes, requests, wishes
from tests import factories
from tests.vyos_trees import VERSIONS

__all__ = ["VERSIONS", "Site", "site_of"]
_numbers = itertools.count(1)


@dataclass
class Site:
    """A router with its pools: `lab` is the simulated one, `row` what netmon knows of it."""

    lab: Router
    server: Server
    row: VyosRouter
    pool: DhcpPool
    ports: PortPool
    foreign: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        return self.lab.version

    def provision(self, name: str, **fields: Any) -> requests.Asked:
        return requests.provision(wishes.read_vm({"vm_name": name, "router": self.row.pk, **fields}), via="test")

    def work(self) -> None:
        """What the worker does."""
        changes.run(self.row.pk)

    def vm(self, name: str) -> Vm:
        return Vm.objects.get(router=self.row, hostname=name)

    def change(self) -> ConfigChange:
        found = ConfigChange.objects.filter(router=self.row).order_by("-pk").first()
        assert found is not None
        return found

    def rules(self) -> dict[str, Any]:
        return dict(self.lab.running.get("nat", {}).get("destination", {}).get("rule", {}))

    def mappings(self) -> dict[str, Any]:
        networks = self.lab.running.get("service", {}).get("dhcp-server", {}).get("shared-network-name", {})
        subnet = networks.get("LAN", {}).get("subnet", {}).get("192.168.66.0/24", {})
        return dict(subnet.get("static-mapping", {}))


@contextmanager
def site_of(
    version: str = "1.5-2026-02", *, with_range: bool = True, certificate: Certificate | None = None, **router: Any
) -> Iterator[Site]:
    """A router that serves 192.168.66.0/24, of which netmon gives .10 to .199 and the ports 32000 to 33000."""
    over = {name: router.pop(name) for name in list(router) if name in ROUTER_COLUMNS}
    lab = Router(version, **router)
    if with_range:
        base = "set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24"
        number = [f"{base} subnet-id 1"] if version.startswith("1.5") else []
        lab.edit(*number, f"{base} range 0 start 192.168.66.200", f"{base} range 0 stop 192.168.66.250")
        lab.save()
        lab.counts.clear()
    with Server(lab, host=f"127.66.0.{next(_numbers) % 250 + 1}", certificate=certificate) as server:
        row = _row(lab, server, over)
        pool = factories.make_dhcp_pool(row, range_end="192.168.66.199", subnet_id=1)
        yield Site(lab, server, row, pool, factories.make_port_pool(row))


ROUTER_COLUMNS = (
    "lan_interface", "external_address", "confirm_minutes", "allow_firewall_rule", "firewall_rule_number", "tenant",
    "firewall_ruleset", "inbound_interface", "rule_start", "rule_end",
)  # fmt: skip


def _row(lab: Router, server: Server, over: dict[str, Any]) -> VyosRouter:
    tenant = over.pop("tenant", None)
    device = create_device(
        fields={"name": f"vyos-{server.port}", "kind": "router", "ip": server.host, "tenant": tenant}
    )
    key = factories.make_credential(kind="api_key", secret=lab.key)
    endpoint = factories.make_endpoint(
        device,
        protocol="vyos",
        credential=key,
        port=server.port,
        options={"certificate_sha256": server.fingerprint, "deadline_seconds": 10, "read_timeout_seconds": 5},
    )
    return VyosRouter.objects.create(endpoint=endpoint, **{"inbound_interface": "eth0", **over})
