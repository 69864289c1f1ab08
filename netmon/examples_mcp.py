"""Examples of the plain calls beside the MCP door, for the OpenAPI file."""

from typing import Any

REQUESTS: dict[str, Any] = {
    "McpContextRequest": {"wait": 20},
    "McpMachineRequest": {"vm_name": "web-1"},
    "McpProvisionRequest": {"context": {"wait": 20}, "input": {"vm_name": "web-1", "ports": ["ssh", "https"]}},
    "McpDecommissionRequest": {"context": {"dry_run": True}, "input": {"vm_name": "web-1"}},
}
MEANINGS: dict[str, dict[str, Any]] = {"McpStatus": {"status": "queued"}}
