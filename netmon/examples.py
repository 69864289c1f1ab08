"""Examples for the OpenAPI file: what people try first, and what an answer looks like.

A whole body stands in REQUESTS, by the component that describes it; answers are put together from FIELDS, where one
name means the same all over the API, and from MEANINGS, where it does not. Addresses and names are those kept for
documentation (RFC 5737, RFC 3849, RFC 2606). `tests/contract/test_examples.py` holds every one against its schema.
"""

from typing import Any

from netmon import examples_mcp, examples_provisioning, examples_scanning, examples_vyos

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGzKnbCq4BA1nGYnC0uz7gXOmPv5dXKKPMdQqTWQZbDm netmon@example.net"
MOMENT = "2026-11-21T22:04:05Z"

REQUESTS: dict[str, dict[str, Any]] = {
    "AcknowledgeAllRequest": {"filters": {"severity": ["info", "low"]}, "comment": "known, see ticket 4711"},
    "AlertChoiceRequest": {"severity": ["info", "low"]},
    "AlertCommentRequest": {"comment": "I am on my way"},
    "AlertDrillRequest": {"devices": [7]},
    "AlertRuleRequest": {
        "name": "Uplink nearly full",
        "source": "metric",
        "metric": "if.counters.utilisation_percent",
        "interface_pattern": "eth*",
        "comparator": "gt",
        "raise_value": 90,
        "clear_value": 80,
        "for_seconds": 900,
        "severity": "high",
        "note": "Ask the provider for more.",
    },
    "ChannelRequest": {
        "name": "Duty mail",
        "kind": "email",
        "config": {"host": "smtp.example.com", "security": "starttls", "from_address": "netmon@example.com"},
    },
    "ContactRequest": {"name": "Duty", "emails": ["noc@example.com"], "channels": [], "min_severity": "high"},
    "DependencyRequest": {"device": 7, "parent": 3, "note": "the only way"},
    "EscalationPolicyRequest": {
        "name": "Core",
        "kind": "router",
        "steps": [{"after_seconds": 0, "contacts": [1]}, {"after_seconds": 900, "contacts": [2]}],
    },
    "MaintenanceWindowRequest": {
        "name": "Updates",
        "site": 2,
        "starts_at": "2026-12-05T22:00:00Z",
        "ends_at": "2026-12-06T02:00:00Z",
        "time_zone": "Europe/Paris",
        "recurrence": "weekly",
        "weekdays": "6",
    },
    "RaisedAlertRequest": {"summary": "Water in the server room", "severity": "critical"},
    "RehearseRequest": {"days": 30},
    "RemarkRequest": {"text": "The provider works on it."},
    "SeverityModifierRequest": {"name": "Core routers", "delta": 1, "kind": "router"},
    "SilenceAlertRequest": {"minutes": 60, "reason": "known"},
    "SilenceRequest": {"site": 2, "ends_at": "2026-12-06T02:00:00Z", "reason": "power works"},
    "StepRequest": {"after_seconds": 900, "contacts": [2]},
    "TestChannelRequest": {"emails": ["noc@example.com"]},
    "UnsavedRuleRequest": {"source": "device.down", "for_seconds": 60, "severity": "critical", "days": 30},
    "PatchedAlertRuleRequest": {"is_enabled": False},
    "PatchedChannelRequest": {"min_severity": "high"},
    "PatchedContactRequest": {"quiet_from": "22:00", "quiet_to": "06:00"},
    "PatchedDependencyRequest": {"is_confirmed": True},
    "PatchedEscalationPolicyRequest": {"steps": [{"after_seconds": 0, "contacts": [1, 2]}]},
    "PatchedMaintenanceWindowRequest": {"reason": "one more hour"},
    "PatchedSeverityModifierRequest": {"delta": 2},
    "PatchedSilenceRequest": {"ends_at": "2026-12-06T04:00:00Z"},
    "CheckRequest": {"endpoint": 12, "module": "snmp.interfaces", "interval_seconds": 60, "retries": 2},
    "CheckTargetRequest": {"address": "192.0.2.1", "port": 161},
    "CodeRequest": {"code": "492039"},
    "CredentialRequest": {
        "name": "core, read only",
        "kind": "snmp_usm",
        "username": "netmon",
        "auth_protocol": "SHA-256",
        "secret": "a passphrase of your own",
        "priv_protocol": "AES",
        "priv_secret": "another passphrase",
        "allowed_prefixes": ["192.0.2.0/24"],
    },
    "DeviceRequest": {
        "name": "core-r1",
        "kind": "router",
        "ip": "192.0.2.1",
        "location": "rack B07, unit 12",
        "vendor": "FRRouting",
        "tags": [],
        "snmp_version": "2c",
        "snmp_community": "a community of your own",
        "ssh_username": "netmon",
        "ssh_password": "a password of your own",
    },
    "DisableTotpRequest": {"code": "492039", "password": "your password"},
    "EndpointRequest": {"device": 7, "protocol": "snmp", "port": 161, "credential": 3, "options": {"version": "2c"}},
    "EnteredHostKeyRequest": {
        "line": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDwiQfGYT39iMiC7a4/tH6w8dJJKzdqa6eY9pWcLtlmn root@core-r1"
    },
    "AdoptRequest": {"device": 7},
    "EnrolTotpRequest": {"password": "your password"},
    "ExpectedNeighbourRequest": {"device": 7, "protocol": "bgp", "neighbour": "192.0.2.2", "note": "transit"},
    "IndicatorRequest": {
        "device": 7,
        "kind": "smell",
        "value": "disk smells burnt",
        "severity": "critical",
        "source": "ticket system",
        "note": "ticket 4711",
        "external_id": "4711",
    },
    "GenerateKeyRequest": {"name": "netmon 2026", "type": "ed25519", "username": "netmon"},
    "IPAddressRequest": {"address": "192.0.2.1", "prefix_length": 24, "dns_name": "core-r1.example.net"},
    "ImportKeyRequest": {
        "name": "from the old system",
        "private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\n...\n-----END OPENSSH PRIVATE KEY-----\n",
        "username": "netmon",
    },
    "ImportKnownHostsRequest": {
        "text": "192.0.2.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDwiQfGYT39iMiC7a4/tH6w8dJJKzdqa6eY9pWcLtlmn\n",
        "dry_run": True,
    },
    "InterfaceRequest": {"device": 7, "name": "eth0", "if_alias": "uplink to r2", "mac_address": "02:00:5e:10:00:01"},
    "LookupRequest": {"prefix": "198.51.100.0/24"},
    "LoginRequest": {"username": "vera", "password": "your password"},
    "LogoutRequest": {"refresh": "eyJhbGciOiJIUzI1NiIs..."},
    "MadeApiKeyRequest": {"name": "backup script", "scopes": ["read"], "allowed_networks": ["192.0.2.0/24"]},
    "NewInviteRequest": {"role": "viewer", "email": "vera@example.org", "expires_hours": 72},
    "NewSSHKeyRequest": {"name": "netmon 2026", "type": "ed25519", "username": "netmon"},
    "PasswordRequest": {"current_password": "your password", "new_password": "correct horse battery staple"},
    "PrefixRequest": {"cidr": "192.0.2.0/24", "description": "servers", "tags": []},
    "RefreshRequest": {"refresh": "eyJhbGciOiJIUzI1NiIs..."},
    "SiteRequest": {"name": "Lyon 1", "tags": []},
    "TagRequest": {"name": "Core", "slug": "core", "description": "what everything hangs on"},
    "TargetRuleRequest": {"cidr": "198.51.100.0/24", "action": "refuse", "note": "a customer's own network"},
    "TenantRequest": {"name": "Example GmbH", "slug": "example"},
    "TestAtRequest": {"device": 7},
    "UserRequest": {"username": "omar", "role": "operator", "password": "correct horse battery staple"},
    "VerifyRequest": {"token": "eyJhbGciOiJIUzI1NiIs..."},
    "PatchedCheckRequest": {"interval_seconds": 30},
    "PatchedCredentialRequest": {"secret": "the new passphrase"},
    "PatchedDeviceRequest": {"location": "rack B08, unit 3", "status": "active"},
    "PatchedEndpointRequest": {"is_enabled": False},
    "PatchedExpectedNeighbourRequest": {"note": "transit, second line"},
    "PatchedIPAddressRequest": {"dns_name": "core-r1.example.net"},
    "PatchedIndicatorRequest": {"severity": "warning"},
    "PatchedInterfaceRequest": {"if_alias": "uplink to r3"},
    "PatchedMeRequest": {"email": "vera@example.org"},
    "PatchedPrefixRequest": {"description": "servers and printers"},
    "PatchedSSHKeyRequest": {"name": "netmon 2027"},
    "PatchedSiteRequest": {"name": "Lyon 2"},
    "PatchedTagRequest": {"description": "what everything hangs on"},
    "PatchedTargetRuleRequest": {"note": "until the merger"},
    "PatchedTenantRequest": {"name": "Example AG"},
    "PatchedUserRequest": {"role": "operator"},
}

FIELDS: dict[str, Any] = {
    "access": "eyJhbGciOiJIUzI1NiIs...",
    "address": "192.0.2.1",
    "allowed_networks": ["192.0.2.0/24"],
    "allowed_prefixes": ["192.0.2.0/24"],
    "cidr": "192.0.2.0/24",
    "code": "492039",
    "comment": "netmon@example.net",
    "created_by": "ada",
    "device_name": "core-r1",
    "dns_name": "core-r1.example.net",
    "email": "vera@example.org",
    "fingerprint": "SHA256:cxMGaFTbWw9vg4lyVnNyLQvFXwWqLGBQYIbYlBLTCmM",
    "hostname": "core-r1.example.net",
    "if_alias": "uplink to r2",
    "interface_name": "eth0",
    "interval_seconds": 60,
    "ip": "192.0.2.1",
    "location": "rack B07, unit 12",
    "mac": "02:00:5e:10:00:01",
    "mac_address": "02:00:5e:10:00:01",
    "metric_set": "if.counters",
    "module": "snmp.interfaces",
    "object_name": "core-r1",
    "object_type": "inventory.device",
    "otpauth_uri": "otpauth://totp/netmon:vera?secret=JBSWY3DPEHPK3PXP&issuer=netmon",
    "public_key": KEY,
    "request_id": "0193a9d6c0de4f5b8d1e2f3a4b5c6d7e",
    "recovery_codes": ["k3wz-9m2p", "t7qa-4hfd"],
    "refresh": "eyJhbGciOiJIUzI1NiIs...",
    "site_name": "Lyon 1",
    "slug": "core",
    "snmp_username": "netmon",
    "ssh_username": "netmon",
    "tags": ["core"],
    "units": {"in_octets": "bit/s"},
    "username": "vera",
    "vendor": "FRRouting",
    "via": "session",
}

MEANINGS: dict[str, dict[str, Any]] = {
    "Alert": {
        "summary": "core-r1 does not answer",
        "source": "device.down",
        "rule_name": "Device down",
        "detail": "timeout",
        "comment": "I am on my way",
        "acknowledged_by": "omar",
        "data": {"behind": 12},
    },
    "AlertEvent": {"text": "Every way to ask it fails.", "user": "omar"},
    "AlertRule": {"name": "Uplink nearly full", "source": "metric", "metric": "if.counters.utilisation_percent"},
    "Notification": {"to": "Duty by Duty mail", "last_code": "250"},
    "DeliveryTry": {"code": "250"},
    "Channel": {"name": "Duty mail", "shown": "netmon@example.com by smtp.example.com:587"},
    "ChannelTest": {"code": "250", "detail": "Accepted."},
    "Contact": {"name": "Duty", "emails": ["noc@example.com"]},
    "EscalationPolicy": {"name": "Core"},
    "MaintenanceWindow": {"name": "Updates", "weekdays": "6", "time_zone": "Europe/Paris"},
    "SeverityModifier": {"name": "Core routers", "delta": 1},
    "Silence": {"reason": "power works", "fingerprint": "3f" * 32},
    "Dependency": {"device_name": "core-r1", "parent_name": "edge-r1", "note": "the only way"},
    "Told": {"contact": "Duty", "channel": "Duty mail"},
    "Device": {"name": "core-r1"},
    "DeviceBrief": {"name": "core-r1"},
    "DeviceRead": {"name": "core-r1"},
    "KeyDevice": {"name": "core-r1"},
    "Setup": {
        "platform": "linux",
        "username": "netmon",
        "script": "#!/bin/sh\n# A read-only account for netmon. Run it as root; it may be run again.\nset -eu\n...\n",
        "notes": ["No sudo is needed."],
        "is_tried": True,
    },
    "Tenant": {"name": "Example GmbH", "slug": "example"},
    "NamedTenant": {"name": "Example GmbH"},
    "Site": {"name": "Lyon 1"},
    "Tag": {"name": "Core"},
    "Credential": {"name": "core, read only"},
    "SSHKey": {"name": "netmon 2026"},
    "Interface": {"name": "eth0"},
    "ApiKey": {"name": "backup script"},
    "MadeApiKey": {"name": "backup script", "key": "nm_3fa9c1d2_shown-this-once"},
    "Problem": {
        "type": "/docs/errors#invalid",
        "title": "Bad Request",
        "status": 400,
        "detail": "ip: This is not an IPv4 or IPv6 address.",
        "code": "invalid",
    },
    "ProblemError": {
        "location": "body",
        "pointer": "/ip",
        "code": "invalid",
        "detail": "This is not an IPv4 or IPv6 address.",
    },
    "ConfigVersion": {"platform": "frr", "summary": "1 line added in `router bgp 65001`.", "changed_by": "ada"},
    "ConfigText": {"text": "hostname core-r1\npassword <masked:1f8a07c2>\n"},
    "ConfigHunk": {"before_start": 9, "after_start": 9, "section": "router bgp 65001"},
    "ConfigRow": {
        "kind": "changed",
        "before_number": 11,
        "after_number": 11,
        "before": " neighbor 192.0.2.2 remote-as 65002",
        "after": " neighbor 192.0.2.2 remote-as 65003",
        "before_spans": [[30, 35]],
        "after_spans": [[30, 35]],
    },
    "ConfigDiff": {"summary": "1 line changed in `router bgp 65001`."},
    "BackedUp": {"summary": "1 line added in `router bgp 65001`.", "changed_by": "ada"},
    "CollectedFact": {"kind": "uptime", "data": {"uptime_seconds": 90061.5, "boot_time": MOMENT}},
    "DeviceEvent": {
        "source": "bgp",
        "kind": "bgp_down",
        "severity": "warning",
        "subject": "192.0.2.2 ipv4_unicast",
        "detail": "The session with 192.0.2.2 fell.",
    },
    "Indicator": {"kind": "smell", "value": "disk smells burnt", "source": "ticket system", "external_id": "4711"},
    "ExpectedNeighbour": {"protocol": "bgp", "neighbour": "192.0.2.2", "note": "transit"},
    "ImportFault": {"code": "invalid_choice", "column": "kind", "detail": "Give one of router, switch, computer ..."},
}


for more in (examples_scanning, examples_provisioning, examples_vyos, examples_mcp):
    REQUESTS |= more.REQUESTS
    MEANINGS |= more.MEANINGS


def add(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's hook: examples for every request body and for the fields of every answer."""
    schemas = result["components"]["schemas"]
    for name, schema in schemas.items():
        if name in REQUESTS:
            schema["examples"] = [REQUESTS[name]]
        elif name.endswith("ChangeRequest"):
            schema["examples"] = [{"id": 7, **REQUESTS[f"Patched{name.removesuffix('ChangeRequest')}Request"]}]
        elif not name.endswith("Request"):
            _fill(schema.get("properties", {}), FIELDS | MEANINGS.get(name.removesuffix("Part"), {}))
    return result


def _fill(properties: dict[str, dict[str, Any]], values: dict[str, Any]) -> None:
    for field, schema in properties.items():
        if field in values and "$ref" not in schema:
            schema["examples"] = [values[field]]
        elif schema.get("format") == "date-time":
            schema["examples"] = [MOMENT]
