"""Tools for machines and their ports on VyOS routers: each plans first, and applies what was seen and confirmed."""

import re
from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from netmon.mcp import calls
from netmon.mcp.tools import Entry

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
WAIT_SECONDS = 20  # most routers have answered by then; port_status tells of the rest

Machine = Annotated[str, Field(max_length=63, description="Name of the machine, or its number.")]
Digest = Annotated[
    str | None,
    Field(max_length=64, description="The digest of the plan that was agreed to. Without it nothing is sent."),
]
Reference = Annotated[int | str | None, Field(description="Number or name; needed where there are several.")]
PortNumber = Annotated[int, Field(ge=1, le=65535)]


class Port(BaseModel):
    """A forward from a port of the outside to the machine."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=63, description="Such as ssh or game-1.")]
    internal_port: Annotated[PortNumber, Field(description="Port of the machine.")]
    external_port: Annotated[PortNumber | None, Field(description="Without it the lowest free one.")] = None
    protocol: Annotated[Literal["tcp", "udp", "tcp_udp"], Field(description="tcp_udp is both.")] = "tcp"
    source: Annotated[str, Field(max_length=40, description="Who may come in: an address or prefix.")] = ""


class Plan(TypedDict):
    """What would be sent to the router. `digest` is for `confirm`; empty: there is nothing to do."""

    lines: list[str]
    diff: list[str]
    remarks: list[str]
    digest: str


class Outcome(TypedDict):
    """`status`: planned (nothing was sent), unchanged (nothing has to be), or that of the change: queued, applying,
    applied, failed, unknown, reverted. `plan` is null where the router was not read yet."""

    status: str
    message: str
    machine_id: str
    change: int | None
    error: str
    plan: Plan | None


class Provisioned(Outcome):
    """With what the machine got, or would get."""

    internal_ip: str
    mac_address: str
    external_ports: dict[str, int]


def plan_vm(
    vm_name: Annotated[str, Field(max_length=63, description="Name of the new machine: letters, digits, hyphens.")],
    router: Reference = None,
    ip_address: Annotated[str | None, Field(max_length=40, description="Without it the lowest free one.")] = None,
    mac_address: Annotated[str | None, Field(max_length=40, description="Without it one is made.")] = None,
    hostname: Annotated[str | None, Field(max_length=63, description="Without it the name in small letters.")] = None,
    dhcp_pool: Reference = None,
    port_pool: Reference = None,
    ports: Annotated[
        list[Literal["ssh", "http", "https"] | Port] | None,
        Field(max_length=50, description="Without them ssh, http and https; an empty list: none."),
    ] = None,
    expires_at: Annotated[str | None, Field(max_length=40, description="When its ports are closed, ISO 8601.")] = None,
) -> Provisioned:
    """What provision_vm with the same arguments would do: the lines for the router, their digest. Sends nothing."""
    return _provision(None, locals())


def provision_vm(
    vm_name: Annotated[str, Field(max_length=63, description="Name of the new machine: letters, digits, hyphens.")],
    router: Reference = None,
    ip_address: Annotated[str | None, Field(max_length=40, description="Without it the lowest free one.")] = None,
    mac_address: Annotated[str | None, Field(max_length=40, description="Without it one is made.")] = None,
    hostname: Annotated[str | None, Field(max_length=63, description="Without it the name in small letters.")] = None,
    dhcp_pool: Reference = None,
    port_pool: Reference = None,
    ports: Annotated[
        list[Literal["ssh", "http", "https"] | Port] | None,
        Field(max_length=50, description="Without them ssh, http and https; an empty list: none."),
    ] = None,
    expires_at: Annotated[str | None, Field(max_length=40, description="When its ports are closed, ISO 8601.")] = None,
    confirm: Digest = None,
) -> Provisioned:
    """Give a machine a fixed address and forwarded ports on its router. Without `confirm` it only plans.

    The same call again changes nothing.
    """
    wish = {name: value for name, value in locals().items() if name != "confirm"}
    return _provision(confirm, wish)


def _provision(confirm: str | None, wish: dict[str, Any]) -> Provisioned:
    given = {name: value for name, value in wish.items() if value is not None}
    if "ports" in given:
        given["ports"] = [
            port.model_dump(exclude_none=True) if isinstance(port, Port) else port for port in given["ports"]
        ]
    found = _changed("vms/provision/", confirm, given)
    return {
        **_outcome(found),
        "internal_ip": found["internal_ip"],
        "mac_address": found["mac_address"],
        "external_ports": found["external_ports"],
    }


def decommission_vm(vm_name: Machine, confirm: Digest = None) -> Outcome:
    """Take a machine off its router: its address and forwards go, nobody reaches it any more. Without `confirm` it
    only plans."""
    return _outcome(_changed(f"vms/{_name(vm_name)}/decommission/", confirm, {}))


def set_port(
    vm_name: Machine,
    port: Annotated[str, Field(max_length=63, description="Name of the forward, such as ssh: see port_status.")],
    action: Annotated[
        Literal["enable", "disable", "pause", "delete"], Field(description="A paused port is one to be enabled again.")
    ],
    confirm: Digest = None,
) -> Outcome:
    """Open, close or delete one forwarded port of a machine. Without `confirm` it only plans."""
    # Not ports/{port}/: some names mean something else there.
    path = f"vms/{_name(vm_name)}/ports/template/"
    return _outcome(_changed(path, confirm, {"action": action, "ports": [port]}))


def _changed(path: str, confirm: str | None, given: dict[str, Any]) -> dict[str, Any]:
    # An empty `confirm` is none.
    query = {"wait": WAIT_SECONDS} if confirm else {"dry_run": 1}
    body = {**given, "digest": confirm} if confirm else given
    found: dict[str, Any] = calls.post(path, body, query)
    return found


def _outcome(found: dict[str, Any]) -> Outcome:
    change = found["change"]["id"] if found["change"] else None
    error = ""
    if found["status"] in ("failed", "unknown", "reverted"):
        row = calls.get(f"config-changes/{change}/")
        error = f"{row['error_code']}: {row['error_detail']}"
    plan: Plan | None = None
    if found["lines"] is not None:
        plan = {name: found[name] for name in ("lines", "diff", "remarks", "digest")}  # type: ignore[assignment]
    # A dry run of what is so already.
    is_idle = found["status"] == "planned" and plan is not None and not plan["digest"]
    return {
        "status": "unchanged" if is_idle else found["status"],
        "message": "It is so already: there is nothing to send." if is_idle else found["message"],
        "machine_id": found["machine_id"],
        "change": change,
        "error": error,
        "plan": plan,
    }


def port_status(vm_name: Machine) -> dict[str, Any]:
    """The forwarded ports of a machine: as each is wished (enabled, disabled, expired, not_active), its external port,
    and whether the router has it so."""
    found: dict[str, Any] = calls.get(f"vms/{_name(vm_name)}/ports/status/")
    return found


def diagnose_vm(vm_name: Machine) -> dict[str, Any]:
    """Why a machine is not reached: rule, lease, host, port inside, port outside, and the first step that fails."""
    found: dict[str, Any] = calls.get(f"vms/{_name(vm_name)}/diagnose/")
    return found


def _name(text: str) -> str:
    """As part of a path. Raises ToolError."""
    if not NAME.fullmatch(text):
        raise ToolError("invalid: vm_name: Write letters, digits and hyphens, a letter or digit first.")
    return text


TOOLS = (
    Entry(plan_vm, "Plan a machine"),
    Entry(provision_vm, "Provision a machine", is_read_only=False),
    Entry(decommission_vm, "Decommission a machine", is_read_only=False, is_destructive=True),
    Entry(set_port, "Open or close a port", is_read_only=False, is_destructive=True),
    Entry(port_status, "Show the ports of a machine"),
    Entry(diagnose_vm, "Find out why a machine is not reached"),
)
