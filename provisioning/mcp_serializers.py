"""What `mcp/` takes and answers: `{context, input}` and `{context, output}`."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from netmon.common.serializers import StrictSerializer
from provisioning.models import ConfigChange
from provisioning.models.texts import LABEL, LABEL_SENTENCE
from provisioning.services.ports import ACTIONS

MAX_WAIT_SECONDS = 30
REFERENCE: dict[str, Any] = {"oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "minLength": 1}]}
PORT: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 65535}
STATUSES = ("planned", "unchanged", *ConfigChange.Status.values)


@extend_schema_field(REFERENCE)
class ReferenceField(serializers.JSONField):
    """A number or a name."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool) or not isinstance(data, (int, str)) or data == "":
            raise serializers.ValidationError("Write a number or a name.")
        return data


class SpanField(serializers.DictField):
    """`{start, end}` or `{base, start, end}`; the service judges what is in it."""


@extend_schema_field(
    {
        "type": "array",
        "maxItems": 50,
        "items": {
            "oneOf": [
                {"type": "string", "enum": ["ssh", "http", "https"]},
                {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string"},
                        "internal_port": PORT,
                        "internal_port_end": PORT,
                        "external_port": PORT,
                        "protocol": {"type": "string", "enum": ["tcp", "udp", "tcp_udp"]},
                        "source": {"type": "string"},
                        "hairpin": {"type": "boolean"},
                        "expires_at": {"type": "string", "format": "date-time"},
                    },
                    "additionalProperties": False,
                },
            ]
        },
    }
)
class PortsField(serializers.ListField):
    """Names of the template, or ports in full."""


class McpContextSerializer(StrictSerializer):
    dry_run = serializers.BooleanField(default=False, help_text="Answer with the plan, and send nothing.")
    confirm = serializers.RegexField(
        r"\A[0-9a-f]{64}\Z",
        default="",
        allow_blank=True,
        help_text="The digest of a plan: exactly that is applied, or nothing (`stale_plan`).",
    )
    wait = serializers.IntegerField(
        default=0,
        min_value=0,
        max_value=MAX_WAIT_SECONDS,
        help_text="Wait so many seconds for the router's answer.",
    )


class McpProvisionInputSerializer(StrictSerializer):
    """A machine that is asked for; what is left out is chosen. The services judge each field once more."""

    vm_name = serializers.CharField(max_length=63, help_text=LABEL_SENTENCE)
    hostname = serializers.CharField(required=False, max_length=63, help_text=LABEL_SENTENCE)
    mac_address = serializers.CharField(required=False, max_length=40)
    router = ReferenceField(required=False, help_text="Number or name; needed where there are several.")
    dhcp_pool = ReferenceField(required=False, help_text="Number or name.")
    port_pool = ReferenceField(required=False, help_text="Number or name.")
    ip_address = serializers.CharField(required=False, max_length=40, help_text="IPv4.")
    ip_range = SpanField(required=False, help_text="`{base, start, end}`: an address in this range.")
    port_range = SpanField(required=False, help_text="`{start, end}`: external ports in this range.")
    ports = PortsField(required=False, help_text="Without them ssh, http and https.")
    expires_at = serializers.DateTimeField(required=False)
    metadata = serializers.DictField(required=False, help_text="Kept with the machine.")


class McpMachineInputSerializer(StrictSerializer):
    vm_name = serializers.RegexField(
        rf"\A{LABEL.pattern}\Z", max_length=63, help_text="Name of the machine, or its number."
    )


class McpPortInputSerializer(McpMachineInputSerializer):
    port = serializers.RegexField(rf"\A{LABEL.pattern}\Z", max_length=63, help_text="Name of a forward, such as ssh.")
    action = serializers.ChoiceField(choices=sorted(ACTIONS))


class McpProvisionSerializer(StrictSerializer):
    context = McpContextSerializer(required=False)  # type: ignore[assignment]
    input = McpProvisionInputSerializer()


class McpDecommissionSerializer(StrictSerializer):
    context = McpContextSerializer(required=False)  # type: ignore[assignment]
    input = McpMachineInputSerializer()


class McpSetPortSerializer(StrictSerializer):
    context = McpContextSerializer(required=False)  # type: ignore[assignment]
    input = McpPortInputSerializer()


class McpStatusSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(
        choices=STATUSES, help_text="planned: nothing was sent; unchanged: nothing has to be; else of the change."
    )


class McpPlanSerializer(serializers.Serializer[Any]):
    lines = serializers.ListField(child=serializers.CharField(), help_text="What is sent: set and delete lines.")
    diff = serializers.ListField(child=serializers.CharField(), help_text="What changes, as a person reads it.")
    remarks = serializers.ListField(child=serializers.CharField(), help_text="What hinders nothing.")
    digest = serializers.CharField(allow_blank=True, help_text="For `confirm`; empty: there is nothing to do.")


class McpOutputSerializer(serializers.Serializer[Any]):
    machine_id = serializers.CharField(help_text="Name of the machine.")
    internal_ip = serializers.CharField(allow_null=True)
    mac_address = serializers.CharField(allow_null=True)
    external_ports = serializers.DictField(child=serializers.IntegerField())
    nat_rule_base = serializers.IntegerField(allow_null=True)
    change = serializers.IntegerField(allow_null=True, help_text="Number of the change; null: nothing is sent.")
    error = serializers.CharField(allow_blank=True, help_text="Why the router did not take it: `code: detail`.")
    plan = McpPlanSerializer(allow_null=True, help_text="Null: the router was not read yet.")


class McpAnswerSerializer(serializers.Serializer[Any]):
    context = McpStatusSerializer()  # type: ignore[assignment]
    output = McpOutputSerializer()
