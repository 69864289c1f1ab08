"""A routed network on one machine: three FRR routers and a host in network namespaces. Root only.

          AS 65001 (iBGP over loopbacks)
    s1 --- r1 ------------- r2            r1, r2 --- eBGP --- r3 (AS 65003)
           OSPFv2 and OSPFv3, area 0, on all links between routers; RIP on r1-r2

Each node has sshd and chronyd too, and is reached from the machine over a management link. A namespace of its own, the
wires, joins the links: cutting one there takes the carrier away as an unplugged cable does, or loses all packets
silently. Nodes end with the test process, whatever way it ends.
"""

from __future__ import annotations

from tests.daemons.lab.network import RoutedLab, is_permitted, routed_lab
from tests.daemons.lab.node import Node

__all__ = ["Node", "RoutedLab", "is_permitted", "routed_lab"]
