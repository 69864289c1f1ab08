"""What may be asked of machines over HTTP. Values are read by `services/wishes.py`; here stands what is written down
of them for the OpenAPI file, and how a body becomes a wish."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError as ModelValidationError
from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework import serializers

from inventory.models import Tenant
from netmon.common.serializers import VisibleRelatedField
from provisioning.models.texts import MAX_FORWARDED_PORTS
from provisioning.services import ports, wishes

NAME = r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
DIGEST = r"^[0-9a-f]{64}$"


def _optional(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Null and the empty text are no wish."""
    return {"anyOf": [schema, {"type": "null"}, {"type": "string", "maxLength": 0}], **more}


_LABEL = {"type": "string", "pattern": NAME}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_REFERENCE = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
        {"type": "string", "maxLength": 100, "pattern": "^[^\\u0000]*$"},
        {"type": "null"},
    ]
}
_MOMENT = {"type": "string", "format": "date-time"}
_IPV4 = {"type": "string", "format": "ipv4"}
_ADDRESS_END = {"anyOf": [_IPV4, {"type": "integer", "minimum": 0, "maximum": 255}]}
PORT_PROPERTIES: dict[str, Any] = {
    "name": {**_LABEL, "description": "ssh, http and https have their usual port."},
    "internal_port": _optional(_PORT),
    "internal_port_end": _optional(_PORT, description=f"Of a range, of at most {MAX_FORWARDED_PORTS} ports."),
    "external_port": _optional(_PORT, description="Else the lowest free one of the pool."),
    "protocol": _optional({"enum": list(wishes.PROTOCOLS)}),
    "source": _optional(
        {"type": "string", "maxLength": 40}, description="An address, prefix or range; ! before it: all others."
    ),
    "hairpin": _optional({"type": "boolean"}, description="Also for those inside."),
    "expires_at": _optional(_MOMENT),
}
PORT_SCHEMA = {
    "anyOf": [
        {"type": "string", "enum": list(wishes.TEMPLATE)},
        {"type": "object", "required": ["name"], "additionalProperties": False, "properties": PORT_PROPERTIES},
    ]
}
PORTS_SCHEMA = {"type": "array", "items": PORT_SCHEMA, "maxItems": wishes.MAX_PORTS}
NAMES_SCHEMA = {"type": "array", "items": _LABEL, "minItems": 1, "maxItems": wishes.MAX_PORTS}
VM_PROPERTIES: dict[str, Any] = {
    "vm_name": {**_LABEL, "description": "The machine's name, and its host name unless another is given."},
    "mac_address": _optional(
        {"type": "string", "pattern": r"^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$|^([0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}$"},
        description="Else one is made.",
    ),
    "hostname": _optional(_LABEL),
    "router": {**_REFERENCE, "description": "Number or name; needed where there are several."},
    "dhcp_pool": {**_REFERENCE, "description": "Number or name; needed where there are several."},
    "port_pool": {**_REFERENCE, "description": "Number or name; needed where there are several."},
    "ip_address": _optional(_IPV4, description="Else the lowest free one of the pool."),
    "ip_range": _optional(
        {
            "type": "object",
            "required": ["start", "end"],
            "additionalProperties": False,
            "properties": {
                "base": {"description": "How the addresses begin, where start and end are last numbers."},
                "start": _ADDRESS_END,
                "end": _ADDRESS_END,
            },
        },
        description="The address comes from here.",
    ),
    "port_range": _optional(
        {
            "type": "object",
            "required": ["start", "end"],
            "additionalProperties": False,
            "properties": {"start": _PORT, "end": _PORT},
        },
        description="The external ports come from here.",
    ),
    "ports": _optional(PORTS_SCHEMA, description="Without it ssh, http and https; an empty list: none."),
    "expires_at": _optional(_MOMENT, description="Its forwards are switched off then."),
    "metadata": _optional({"type": "object"}, description="What you wish to remember of it; at most 4096 bytes."),
}
_NUMBER_OR_NONE = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 2**63 - 1}, {"type": "null"}]}
DIGEST_SCHEMA = _optional(
    {"type": "string", "pattern": DIGEST},
    description="Of a plan that you saw (`dry_run`): nothing else is sent, 409 `stale_plan` when it would be.",
)
APPROVAL = {"digest": DIGEST_SCHEMA, "confirm": {**DIGEST_SCHEMA, "description": "Another name of `digest`."}}


class BodySerializer(serializers.Serializer[Any]):
    """A body that is read by hand: `read` takes what is there, and `properties` says it to the OpenAPI file."""

    properties: dict[str, Any] = {}
    needed: tuple[str, ...] = ()

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError({"non_field_errors": ["Write an object."]}, code="invalid")
        self.errors_found: dict[str, list[Any]] = {}
        body = dict(data)
        for name in [name for name in body if name not in self.properties]:
            known = ", ".join(self.properties)
            detail = serializers.ErrorDetail(f"Unknown field. Known are: {known}.", "unknown_field")
            self.errors_found[str(name)[:60]] = [detail]
            del body[name]
        found = self.read(body)
        if self.errors_found:
            raise serializers.ValidationError(self.errors_found)
        return found

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def tried(self, name: str, reading: Callable[[], Any]) -> Any:
        """What `reading` gives, or None, with its errors kept: under their own names, or under `name`."""
        try:
            return reading()
        except ModelValidationError as error:
            errors = serializers.as_serializer_error(error)
        except serializers.ValidationError as error:
            errors = {name: error.detail}  # type: ignore[dict-item]
        for field, texts in errors.items():
            self.errors_found.setdefault(name if field == "non_field_errors" else field, texts)
        return None

    def digest_of(self, body: dict[str, Any]) -> str:
        """`digest`, or `confirm`, which is the same under the name that it has for programs that ask twice."""
        given = {name: body.pop(name, None) or "" for name in APPROVAL}
        for name, text in given.items():
            if text and not (isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")):
                self.errors_found[name] = ["Write the digest of the plan as it was shown: 64 hexadecimal digits."]
        if given["digest"] and given["confirm"] and given["digest"] != given["confirm"]:
            self.errors_found["confirm"] = ["This is not the digest: write one of them."]
        return str(given["digest"] or given["confirm"])

    def related(self, body: dict[str, Any], name: str, rows: Any) -> Any:
        """A row that the person may see, by its number; None where nothing is asked for."""
        value = body.pop(name, None)
        if value is None:
            return None
        field = VisibleRelatedField(queryset=rows)
        field.bind(name, self)
        if isinstance(value, bool) or not isinstance(value, int):
            self.errors_found[name] = ["Write a number, without quotes."]
            return None
        return self.tried(name, lambda: field.run_validation(value))


class VmBodySerializer(BodySerializer):
    """A machine that is asked for."""

    properties = VM_PROPERTIES
    needed = ("vm_name",)

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"wish": self.tried("vm_name", lambda: wishes.read_vm(body))}


class ProvisionSerializer(VmBodySerializer):
    """A machine that is asked for: with its name, the rest is chosen."""

    properties = {
        **VM_PROPERTIES,
        "owner": {**_NUMBER_OR_NONE, "description": "Whose it is; else yours."},
        "tenant": {**_NUMBER_OR_NONE, "description": "Whose name and quota count; else the router's."},
        **APPROVAL,
    }

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        own = {
            "digest": self.digest_of(body),
            "owner": self.related(body, "owner", get_user_model()._default_manager.all()),
            "tenant": self.related(body, "tenant", Tenant.objects.all()),
        }
        return {**own, **super().read(body)}


class ApprovalSerializer(BodySerializer):
    """Nothing, or the digest of the plan that was seen."""

    properties = APPROVAL

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"digest": self.digest_of(body)}


TEMPLATE_ACTIONS = ("create", *ports.ACTIONS)


class TemplateSerializer(BodySerializer):
    """What is done to all ports of a machine, or to the named ones."""

    properties = {
        "action": {"type": "string", "enum": list(TEMPLATE_ACTIONS)},
        "ports": _optional(
            {"anyOf": [PORTS_SCHEMA, NAMES_SCHEMA]},
            description="To create: ports, else ssh, http and https. Otherwise names, else all.",
        ),
        **APPROVAL,
    }
    needed = ("action",)
    actions: tuple[str, ...] = TEMPLATE_ACTIONS

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        digest, action, value = self.digest_of(body), body.get("action"), body.get("ports")
        found: Any = None
        if action not in self.actions:
            self.errors_found["action"] = [f"Write one of {', '.join(self.actions)}."]
        elif value is not None and value != "":
            reading = wishes.read_ports if action == "create" else wishes.read_names
            found = self.tried("ports", lambda: reading(value))
        return {"digest": digest, "action": action, "ports": found}


class OnePortSerializer(TemplateSerializer):
    """What is done to one port."""

    properties = {"action": {"type": "string", "enum": list(ports.ACTIONS)}, **APPROVAL}
    actions = tuple(ports.ACTIONS)


class ExpirySerializer(BodySerializer):
    """Another end of a machine, or of the named ports; null: none."""

    properties = {
        "expires_at": {"anyOf": [_MOMENT, {"type": "null"}]},
        "ports": _optional(NAMES_SCHEMA, description="Else the machine as a whole."),
        **APPROVAL,
    }
    needed = ("expires_at",)

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        digest, names = self.digest_of(body), body.get("ports")
        if "expires_at" not in body:
            self.errors_found["expires_at"] = ["Write a time, or null for no end."]
        value = body.get("expires_at")
        return {
            "digest": digest,
            "expires_at": None if value is None else self.tried("expires_at", lambda: wishes.read_moment(value)),
            "ports": None if names in (None, "") else self.tried("ports", lambda: wishes.read_names(names)),
        }


class NewForwardSerializer(BodySerializer):
    """A port that is to lead to a machine."""

    properties = {
        "vm": {**_REFERENCE, "description": "The machine: its number or name."},
        **PORT_PROPERTIES,
        **APPROVAL,
    }
    needed = ("vm", "name")

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        digest, vm = self.digest_of(body), body.pop("vm", None)
        if isinstance(vm, bool) or not isinstance(vm, (int, str)) or vm == "":
            self.errors_found["vm"] = ["Write the number or the name of a machine."]
        return {"digest": digest, "vm": str(vm), "wish": self.tried("name", lambda: wishes.read_port(body))}


class AmendForwardSerializer(BodySerializer):
    """What of a forward can be changed. Another source or port is another forward: delete it, and make one."""

    properties = {
        "desired": {"type": "string", "pattern": "^(enabled|disabled)$"},
        "expires_at": {"anyOf": [_MOMENT, {"type": "null"}]},
        **APPROVAL,
    }

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        digest = self.digest_of(body)
        if len(body) != 1 and not self.errors_found:
            self.errors_found["non_field_errors"] = [
                "Change either desired or expires_at: each is a change of its own."
            ]
        found: dict[str, Any] = {"digest": digest, **body}
        if "desired" in body and body["desired"] not in ("enabled", "disabled"):
            self.errors_found["desired"] = ["Write enabled or disabled."]
        if body.get("expires_at") is not None:
            found["expires_at"] = self.tried("expires_at", lambda: wishes.read_moment(body["expires_at"]))
        return found


class BodySchema(OpenApiSerializerExtension):
    """The schema that a body says of itself."""

    target_class = BodySerializer
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        text = (type(self.target).__doc__ or "").strip()
        schema = {
            "type": "object",
            "description": text,
            "properties": dict(self.target.properties),
            "additionalProperties": False,
        }
        needed = list(self.target.needed)
        is_partial = getattr(auto_schema, "method", "") == "PATCH"
        return schema if is_partial or not needed else {**schema, "required": needed}
