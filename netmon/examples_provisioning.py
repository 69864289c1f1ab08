"""Examples of what provisioning takes and answers, for the OpenAPI file."""

from typing import Any

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
REQUESTS: dict[str, Any] = {
    "ActionRequest": {
        "name": "Check the certificate",
        "executable": "tls_check",
        "parameters": [{"name": "port", "kind": "integer", "minimum": 1, "maximum": 65535, "default": 443}],
        "kind": "server",
        "timeout_seconds": 30,
    },
    "PatchedActionRequest": {"is_risky": True, "confirmation": "The service stops for a minute."},
    "RunActionRequest": {"device": 7, "arguments": {"port": 8443}, "confirm": True},
    "ApproveScriptRequest": {"sha256": SHA256},
    "DecisionRequest": {"decision": "agreed by telephone"},
}
MEANINGS: dict[str, dict[str, Any]] = {
    "Action": {"name": "Check the certificate", "executable": "tls_check", "approved_sha256": SHA256, "kind": "server"},
    "AvailableAction": {"name": "Check the certificate", "script": "approved"},
    "ScriptState": {"state": "approved", "sha256": SHA256, "detail": ""},
    "ActionPlan": {"argv": ["tls_check", "192.0.2.7", "--port=8443"], "sha256": SHA256, "run_on": "local"},
    "ActionRun": {"status": "succeeded", "exit_code": 0, "sha256": SHA256, "argv": ["tls_check", "192.0.2.7"]},
    "ActionOutput": {"status": "running", "output": "192.0.2.7:443 TLSv1.3\n", "offset": 0, "next_offset": 23},
}
