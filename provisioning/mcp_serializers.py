"""What `mcp/` takes and answers: `{context, input}` and `{context, output}`."""

import re
from typing import Any

from rest_framework import serializers

from netmon.common.serializers import StrictSerializer
from provisioning import vm_requests as bodies
from provisioning import vm_serializers as shapes

NAME_OR_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")


class McpContextSerializer(StrictSerializer):
    """How it is meant; empty: do it, and answer at once."""

    dry_run = serializers.BooleanField(default=False, help_text="Answer with the plan, and send nothing.")
    wait = serializers.IntegerField(
        default=0, min_value=0, max_value=30, help_text="Wait so many seconds for the router's answer."
    )


class McpMachineSerializer(bodies.ApprovalSerializer):
    """A machine that is there."""

    properties = {
        "vm_name": {
            "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9-]{0,62}$", "description": "Its name, or its number.",
        },
        **bodies.ApprovalSerializer.properties,
    }  # fmt: skip
    needed = ("vm_name",)

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body.pop("vm_name", None)
        if not isinstance(name, str) or not NAME_OR_NUMBER.fullmatch(name):
            self.errors_found["vm_name"] = ["Write the name of a machine, or its number."]
        return {**super().read(body), "vm_name": name}


class McpProvisionSerializer(StrictSerializer):
    context = McpContextSerializer(required=False)  # type: ignore[assignment]
    input = bodies.ProvisionSerializer()


class McpDecommissionSerializer(StrictSerializer):
    context = McpContextSerializer(required=False)  # type: ignore[assignment]
    input = McpMachineSerializer()


class McpStatusSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(
        help_text="queued, unchanged, planned; after `wait` applying, applied, failed, unknown, reverted."
    )


class McpProvisionedSerializer(serializers.Serializer[Any]):
    context = McpStatusSerializer()  # type: ignore[assignment]
    output = shapes.ProvisionedSerializer()


class McpDecommissionedSerializer(serializers.Serializer[Any]):
    context = McpStatusSerializer()  # type: ignore[assignment]
    output = shapes.AskedSerializer()
