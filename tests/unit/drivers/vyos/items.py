"""A VM and what it stands on, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netmon.drivers.targets import Secret, VyosTarget
from netmon.drivers.vyos import Forward, Masquerade, Opening, Range, StaticMapping, Subnet, VyosClient, hairpin
from netmon.lab.vyos import Router, Server
from netmon.lab.vyos.certificates import make_certificate

KEY = 'Zx9-very"secret\\<indeed>&'
CERTIFICATE = make_certificate()

SUBNET = Subnet(
    network="LAN",
    prefix="192.168.66.0/24",
    subnet_id=1,
    default_router="192.168.66.1",
    name_servers=("192.168.66.1", "192.168.66.2"),
    lease_seconds=7200,
    ranges=(Range(start="192.168.66.200", stop="192.168.66.250"),),
    excluded=("192.168.66.201",),
)
MAPPING = StaticMapping(
    network="LAN",
    prefix="192.168.66.0/24",
    name="netmon-7-web",
    mac_address="02:00:00:aa:bb:cc",
    address="192.168.66.10",
)
SSH = Forward(
    rule=10000, interface="eth0", address="192.168.66.10", ports="32000", to_ports="22", description="netmon:7 web ssh"
)
DNS = Forward(
    rule=10001, interface="eth0", address="192.168.66.10", protocol="tcp_udp", ports="53,853",
    description="netmon:8 web dns", source="198.51.100.0/24", log=True,
)  # fmt: skip
MEDIA = Forward(
    rule=10002, interface="eth0", address="192.168.66.10", protocol="udp", ports="40000-40100", to_ports="50000-50100",
    disabled=True, source="!203.0.113.7", outside="203.0.113.2",
)  # fmt: skip
GRE = Forward(rule=10003, interface="eth1.20", address="192.168.66.10", protocol="all")
INSIDE = hairpin(SSH, rule=12000, interface="eth1", outside="203.0.113.2")
MASQUERADE = Masquerade(rule=12000, interface="eth1", prefix="192.168.66.0/24", description="netmon hairpin")
OPENING = Opening(rule=100, description="netmon forwards", ruleset="WAN-IN", prefix="192.168.66.0/24")
ITEMS = (SUBNET, MAPPING, SSH, DNS, MEDIA, GRE, INSIDE, MASQUERADE, OPENING)


def target(server: Server, **overrides: object) -> VyosTarget:
    fields: dict[str, object] = {"ca_pem": server.ca_pem, "key": Secret(server.router.key)}
    return VyosTarget(address=server.host, port=server.port, **{**fields, **overrides})  # type: ignore[arg-type]


@contextmanager
def router(version: str = "1.5-2026-02", **settings: object) -> Iterator[tuple[Router, Server, VyosClient]]:
    """A simulated router, its server, and a client of it."""
    served = {name: settings.pop(name) for name in ("drip_seconds", "huge_bytes", "certificate") if name in settings}
    machine = Router(version, key=KEY, **settings)  # type: ignore[arg-type]
    with Server(machine, **{"certificate": CERTIFICATE, **served}) as server:  # type: ignore[arg-type]
        yield machine, server, VyosClient(target(server))
