"""VyOS routers over their HTTP API: what to send to which version, and what a failure means for the router."""

from netmon.drivers.vyos.client import Commit, Info, VyosClient
from netmon.drivers.vyos.commands import Command
from netmon.drivers.vyos.compare import Comparison, Difference, absence, compare, describe, merged, rooted
from netmon.drivers.vyos.errors import CommitFailed, Locked, OddConfiguration, UnknownOutcome, may_have_applied
from netmon.drivers.vyos.objects import (
    Forward,
    Item,
    Masquerade,
    Opening,
    Range,
    StaticMapping,
    Subnet,
    hairpin,
)
from netmon.drivers.vyos.paths import creation, deletion, network_deletion, switching
from netmon.drivers.vyos.reading import (
    SeenInterface,
    SeenMapping,
    SeenRange,
    SeenRule,
    SeenSubnet,
    read_interfaces,
    read_mappings,
    read_rules,
    read_subnets,
)
from netmon.drivers.vyos.tables import Lease, RuleCount, read_leases, read_statistics
from netmon.drivers.vyos.undo import changed, standing, undoing
from netmon.drivers.vyos.versions import FAMILIES, Version, detect

__all__ = [
    "FAMILIES", "Command", "Commit", "CommitFailed", "Comparison", "Difference", "Forward", "Info", "Item", "Lease",
    "Locked", "Masquerade", "OddConfiguration", "Opening", "Range", "RuleCount", "SeenInterface", "SeenMapping",
    "SeenRange", "SeenRule", "SeenSubnet", "StaticMapping", "Subnet", "UnknownOutcome", "Version", "VyosClient",
    "absence", "changed", "compare", "creation", "deletion", "describe", "detect", "hairpin", "may_have_applied",
    "merged", "network_deletion", "read_interfaces", "read_leases", "read_mappings", "read_rules", "read_statistics",
    "read_subnets", "rooted", "standing", "switching", "undoing",
]  # fmt: skip
