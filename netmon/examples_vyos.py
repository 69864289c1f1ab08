"""Examples of what the provisioning of machines takes and answers, for the OpenAPI file."""

from typing import Any

LINES = [
    "set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 static-mapping web-1 mac 02:00:5e:10:00:01",
    "set nat destination rule 10000 destination port 32000",
]
UNDO = ["delete nat destination rule 10000"]
DIFF = ["+ nat destination rule 10000: tcp 32000 to 192.168.66.10 port 22"]
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
REQUESTS: dict[str, Any] = {
    "VyosRouterRequest": {
        "endpoint": 12,
        "inbound_interface": "eth0",
        "lan_interface": "eth1",
        "external_address": "203.0.113.1",
        "rule_start": 10000,
        "rule_end": 19999,
    },
    "PatchedVyosRouterRequest": {"confirm_minutes": 5},
    "DhcpPoolRequest": {
        "router": 1,
        "name": "lan",
        "shared_network": "LAN",
        "prefix": 4,
        "subnet_id": 1,
        "range_start": "192.168.66.10",
        "range_end": "192.168.66.99",
        "gateway": "192.168.66.1",
        "name_servers": ["192.168.66.1"],
    },
    "PatchedDhcpPoolRequest": {"is_enabled": False},
    "PortPoolRequest": {"router": 1, "name": "outside", "port_start": 32000, "port_end": 33000},
    "PatchedPortPoolRequest": {"is_enabled": False},
    "QuotaRequest": {"owner": 5, "max_vms": 10, "max_forwards": 50},
    "PatchedQuotaRequest": {"max_vms": 20},
}
_VM = {
    "name": "web-1",
    "vm_name": "web-1",
    "machine_id": "web-1",
    "hostname": "web-1",
    "internal_ip": "192.168.66.10",
    "router_name": "vyos-1",
    "owner_name": "omar",
    "external_ports": {"ssh": 32000, "http": 32001, "https": 32002},
    "nat_rule_base": 10000,
    "state": "active",
    "applied": "applied",
    "metadata": {"project": "shop"},
}
MEANINGS: dict[str, dict[str, Any]] = {
    "VyosRouter": {
        "name": "vyos-1",
        "version_text": "VyOS 1.4.2",
        "version_family": "1.4",
        "inbound_interface": "eth0",
        "lan_interface": "eth1",
        "external_address": "203.0.113.1",
    },
    "PoolFill": {"name": "lan", "size": 90, "given": 12},
    "DhcpPool": {
        "name": "lan",
        "router_name": "vyos-1",
        "shared_network": "LAN",
        "cidr": "192.168.66.0/24",
        "range_start": "192.168.66.10",
        "range_end": "192.168.66.99",
        "gateway": "192.168.66.1",
        "name_servers": ["192.168.66.1"],
        "size": 90,
        "given": 12,
    },
    "PortPool": {"name": "outside", "router_name": "vyos-1", "port_start": 32000, "port_end": 33000, "size": 1001},
    "Quota": {"owner_name": "omar", "max_vms": 10, "used_vms": 3},
    "Vm": _VM,
    "PortsStatus": _VM,
    "PortStatus": {"status": "enabled", "external_port": 32000, "internal_port": 22, "nat_rule_number": 10000},
    "DhcpReservation": {
        "vm_name": "web-1",
        "hostname": "web-1",
        "pool_name": "lan",
        "address": "192.168.66.10",
        "lease_state": "active",
    },
    "PortForward": {
        "vm_name": "web-1",
        "name": "ssh",
        "pool_name": "outside",
        "external_port": 32000,
        "internal_ip": "192.168.66.10",
        "internal_port": 22,
        "rule_number": 10000,
        "source": "192.0.2.0/24",
    },
    "ConfigChange": {
        "router_name": "vyos-1",
        "vm_name": "web-1",
        "lines": LINES,
        "undo": UNDO,
        "diff": DIFF,
        "digest": DIGEST,
        "requested_by": "omar",
        "via": "api",
    },
    "ChangeItem": {"vm_name": "web-1", "status": "applied"},
    "TimelineEntry": {"action": "provision", "user": "omar", "via": "api", "text": "192.168.66.10; ssh 32000"},
}
