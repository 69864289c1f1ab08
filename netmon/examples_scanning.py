"""Examples of what scanning takes and answers, for the OpenAPI file."""

from typing import Any

REQUESTS: dict[str, Any] = {
    "StartScanRequest": {"target": "192.0.2.0/24", "kind": "network", "ports": "web,ssh", "reason": "agreed with Ada"},
    "PingRequest": {"target": "192.0.2.7"},
    "AdoptDiscoveryRequest": {"name": "cam-yard", "kind": "camera", "tcp_ports": [554]},
    "IdentifyRequest": {"port": 161},
    "IgnoreRequest": {"reason": "a visitor's telephone"},
    "BaselineRequest": {"device": 7},
    "ScanScheduleRequest": {
        "name": "Office, nightly",
        "kind": "network",
        "target": "192.0.2.0/24",
        "ports": "common",
        "every_minutes": 1440,
        "window_start": "01:00",
        "window_end": "05:00",
        "time_zone": "Europe/Paris",
    },
    "PatchedScanScheduleRequest": {"is_enabled": False},
    "ScanExclusionRequest": {"cidr": "192.0.2.64/28", "note": "the lift's controllers"},
    "PatchedScanExclusionRequest": {"note": "the lift's controllers, until they are replaced"},
    "ExpectedPortRequest": {"device": 7, "port": 443, "state": "open", "note": "the shop"},
    "PatchedExpectedPortRequest": {"state": "closed"},
}
MEANINGS: dict[str, dict[str, Any]] = {
    "Scan": {"target": "192.0.2.0/24", "ports": "22,80,443", "status": "running", "reason": "agreed with Ada"},
    "ScanProgress": {"hosts_done": 200, "hosts_total": 254, "percent": 61, "eta_seconds": 4.5},
    "Plan": {
        "targets": ["192.0.2.1-192.0.2.254"],
        "hosts": 254,
        "ports": "22,80,443",
        "probes": 762,
        "profile": "normal",
        "estimated_seconds": 2.1,
    },
    "Excluded": {"range": "192.0.2.64-192.0.2.79", "reason": "the lift's controllers"},
    "Pinged": {"target": "192.0.2.7", "address": "192.0.2.7", "is_up": True, "method": "icmp", "rtt_ms": 0.8},
    "ScanHost": {"address": "192.0.2.7", "hostname": "cam-yard.example.com", "method": "icmp", "closed": "1-21,23-79"},
    "OpenPort": {"protocol": "tcp", "port": 22, "service": "ssh", "banner": "SSH-2.0-OpenSSH_9.2p1"},
    "SeenPort": {"protocol": "tcp", "port": 554, "service": "rtsp", "banner": ""},
    "HostChange": {"address": "192.0.2.9", "change": "appeared", "is_confirmed": True},
    "PortChange": {"address": "192.0.2.7", "port": 8443, "service": "https-alt", "change": "opened"},
    "TopPort": {"protocol": "tcp", "port": 22, "hosts": 31},
    "Discovery": {"address": "192.0.2.9", "kind_guess": "camera", "evidence": ["It streams video (RTSP): port 554"]},
    "Proposal": {"protocol": "rtsp", "port": 554, "needs": "a stream's address"},
    "AdoptedDiscovery": {"device": 7, "url": "/api/v1/devices/7/"},
    "ScanSchedule": {"name": "Office, nightly", "target": "192.0.2.0/24", "time_zone": "Europe/Paris"},
    "ScanExclusion": {"cidr": "192.0.2.64/28", "note": "the lift's controllers"},
    "PrefixMap": {"cidr": "192.0.2.0/24", "counts": {"used": 40, "found": 3, "free": 211}},
    "Cell": {"address": "192.0.2.9", "state": "found", "name": "cam-yard.example.com"},
}
