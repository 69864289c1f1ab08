"""The configuration paths of each version, and nowhere else: an item becomes the exact lines of its family.

`paths_of` gives the paths that state an item, `root_of` the node it lives under. Everything follows from the two:
creating sets all of them, deleting removes the root, comparing is a difference of sets.

1.3 and 1.4 name the MAC leaf `mac-address` and put options straight under a subnet (dhcp-server component 8); 1.5 (Kea,
component 9 and later) has `mac`, `option`, `subnet-id`, and takes a mapping's name for a host name. From 1.4 on the
interface of a NAT rule is a node with a `name`, and the firewall can match what was rewritten.
"""

from __future__ import annotations

from typing import assert_never

from netmon.drivers.vyos.commands import Command, deletes, sets
from netmon.drivers.vyos.objects import Forward, Item, Masquerade, Opening, StaticMapping, Subnet

Path = tuple[str, ...]

DHCP: Path = ("service", "dhcp-server")
DESTINATION: Path = ("nat", "destination")
SOURCE: Path = ("nat", "source")
DISABLE = "disable"


def creation(item: Item, family: str) -> list[Command]:
    """The commands that state `item`; sent again they change nothing. ValueError where the family cannot have it."""
    return sets(paths_of(item, family))


def deletion(item: Item, family: str) -> list[Command]:
    """The commands that remove `item` with all that is under it.

    A subnet goes with its mappings; the last mapping of a subnet without a range goes only together with the subnet.
    """
    return deletes([root_of(item, family)])


def switching(item: StaticMapping | Forward, family: str, *, disabled: bool) -> list[Command]:
    """The one command that pauses an item or lets it go on."""
    path = (*root_of(item, family), DISABLE)
    return sets([path]) if disabled else deletes([path])


def network_deletion(network: str) -> list[Command]:
    """The command that removes a shared network with all its subnets."""
    return deletes([(*DHCP, "shared-network-name", network)])


def subnet_path(network: str, prefix: str) -> Path:
    """Where a subnet lives, in every family."""
    return (*DHCP, "shared-network-name", network, "subnet", prefix)


def mac_leaf(family: str) -> str:
    """The leaf of a mapping's MAC address."""
    return "mac" if _is_kea(family) else "mac-address"


def option_path(family: str) -> Path:
    """What stands between a subnet and its options."""
    return ("option",) if _is_kea(family) else ()


def root_of(item: Item, family: str) -> Path:
    """The node that an item is, without its settings."""
    _check(family)
    match item:
        case Subnet():
            return subnet_path(item.network, item.prefix)
        case StaticMapping():
            return (*subnet_path(item.network, item.prefix), "static-mapping", item.name)
        case Forward():
            return (*DESTINATION, "rule", str(item.rule))
        case Masquerade():
            return (*SOURCE, "rule", str(item.rule))
        case Opening():
            if family == "1.3":
                if not item.ruleset or not item.prefix:
                    raise ValueError("ruleset: 1.3 needs it, and the prefix that is opened; give both")
                return ("firewall", "name", item.ruleset, "rule", str(item.rule))
            return ("firewall", "ipv4", "forward", "filter", "rule", str(item.rule))
        case _:
            assert_never(item)


def paths_of(item: Item, family: str) -> list[Path]:
    """All paths that state `item`, in the order in which a person would type them."""
    root = root_of(item, family)
    match item:
        case Subnet():
            below = _subnet(item, family)
        case StaticMapping():
            below = _mapping(item, family)
        case Forward():
            below = _forward(item, family)
        case Masquerade():
            below = _masquerade(item, family)
        case Opening():
            below = _opening(item, family)
        case _:
            assert_never(item)
    return [(*root, *path) for path in below]


def managed_by(item: Item, family: str) -> list[Path]:
    """The parts of the configuration in which nothing but `item` may stand.

    A rule or a mapping is ours as a whole. Of a subnet only what the item speaks about is: mappings, and options that
    somebody else has set, are not; without ranges in the item its whole dynamic part is somebody else's.
    """
    root = root_of(item, family)
    if not isinstance(item, Subnet):
        return [root]
    option = option_path(family)
    parts: list[Path] = [("range",), ("exclude",)] if item.ranges or item.excluded else []
    if _is_kea(family):
        parts.append(("subnet-id",))
    if item.default_router:
        parts.append((*option, "default-router"))
    if item.name_servers:
        parts.append((*option, "name-server"))
    if item.lease_seconds is not None:
        parts.append(("lease",))
    return [(*root, *part) for part in parts]


def _subnet(item: Subnet, family: str) -> list[Path]:
    option = option_path(family)
    paths: list[Path] = []
    if _is_kea(family):
        if item.subnet_id is None:
            raise ValueError("subnet_id: missing; 1.5 needs one for each subnet")
        paths.append(("subnet-id", str(item.subnet_id)))
    if item.default_router:
        paths.append((*option, "default-router", item.default_router))
    paths += [(*option, "name-server", server) for server in item.name_servers]
    if item.lease_seconds is not None:
        paths.append(("lease", str(item.lease_seconds)))
    for entry in item.ranges:
        paths += [("range", entry.name, "start", entry.start), ("range", entry.name, "stop", entry.stop)]
    return paths + [("exclude", address) for address in item.excluded]


def _mapping(item: StaticMapping, family: str) -> list[Path]:
    if _is_kea(family) and "_" in item.name:
        raise ValueError("name: 1.5 takes it for a host name, which has no underscore; rename it")
    paths: list[Path] = [(mac_leaf(family), item.mac_address), ("ip-address", item.address)]
    return [*paths, (DISABLE,)] if item.disabled else paths


def _forward(item: Forward, family: str) -> list[Path]:
    if item.source_group and family == "1.3":
        raise ValueError("source_group: 1.3 has no groups in NAT rules; give addresses")
    paths: list[Path] = []
    if item.description:
        paths.append(("description", item.description))
    # Always with an interface, though newer versions do without: such a rule rewrites what comes from inside, too.
    paths.append((*_interface("inbound-interface", family), item.interface))
    paths.append(("protocol", item.protocol))
    if item.outside:
        paths.append(("destination", "address", item.outside))
    if item.ports:
        paths.append(("destination", "port", item.ports))
    if item.source:
        paths.append(("source", "address", item.source))
    if item.source_group:
        paths.append(("source", "group", "address-group", item.source_group))
    paths.append(("translation", "address", item.address))
    if item.to_ports:
        paths.append(("translation", "port", item.to_ports))
    if item.log:
        paths.append(("log",))
    if item.disabled:
        paths.append((DISABLE,))
    return paths


def _masquerade(item: Masquerade, family: str) -> list[Path]:
    paths: list[Path] = [("description", item.description)] if item.description else []
    return [
        *paths,
        (*_interface("outbound-interface", family), item.interface),
        ("source", "address", item.prefix),
        ("destination", "address", item.prefix),
        ("translation", "address", "masquerade"),
    ]


def _opening(item: Opening, family: str) -> list[Path]:
    paths: list[Path] = [("action", "accept")]
    if item.description:
        paths.append(("description", item.description))
    if family == "1.3":
        return [*paths, ("destination", "address", item.prefix), ("state", "new", "enable")]
    return [*paths, ("connection-status", "nat", "destination"), ("state", "new")]


def _interface(node: str, family: str) -> Path:
    return (node,) if family == "1.3" else (node, "name")


def _is_kea(family: str) -> bool:
    _check(family)
    return family == "1.5"


def _check(family: str) -> None:
    if family not in ("1.3", "1.4", "1.5"):
        raise ValueError(f"family: {family!r} is unknown; give 1.3, 1.4 or 1.5")
