"""Tools that look: devices, alerts, measurements, scans."""

from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from netmon.mcp import calls
from netmon.mcp.tools import Entry, Limit, Number, Offset, Rows, fitting, page

DEVICE_FIELDS = "id,name,kind,status,ip,mac,hostname,site_name,tenant,location,vendor,model,platform,tags"
ALERT_FIELDS = (
    "id,state,severity,summary,detail,source,rule_name,device,device_name,interface_name,subject,value,started_at,"
    "state_since,resolved_at,acknowledged_at,acknowledged_by,comment,is_silenced,cause"
)
SCAN_FIELDS = (
    "id,kind,target,ports,profile,status,progress,hosts_up,open_ports,tenant,device,device_name,reason,error_code,"
    "error_detail,created_at,started_at,finished_at"
)
HOST_FIELDS = ("address", "is_up", "rtt_ms", "hostname", "mac_address", "vendor", "device", "device_name", "open_ports")

DeviceName = Annotated[int | str, Field(description="A device: its number (id) or its exact name.")]


class Measured(TypedDict):
    """What was measured of a device, newest first; `left_out` of what the API gave had no room."""

    device: dict[str, Any]
    metrics: list[dict[str, Any]]
    left_out: int


class Scans(TypedDict):
    """One scan and what it found, or the last scans without their hosts."""

    scans: list[dict[str, Any]]
    hosts: list[dict[str, Any]]
    hosts_left_out: int
    next_offset: int | None


def list_devices(
    q: Annotated[str | None, Field(max_length=100, description="Part of name, place, vendor, serial, address.")] = None,
    kind: Annotated[
        Literal["router", "switch", "firewall", "server", "computer", "camera", "vm", "other"] | None,
        Field(description="Of this kind only."),
    ] = None,
    status: Annotated[
        Literal["planned", "active", "offline", "retired"] | None,
        Field(description="What people said of it; whether it answers is told by device_metrics and list_alerts."),
    ] = None,
    ip: Annotated[str | None, Field(max_length=60, description="With this address, or within this prefix.")] = None,
    site: Annotated[Number | None, Field(description="Number of its site.")] = None,
    tenant: Annotated[Number | None, Field(description="Number of its tenant.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Rows:
    """The devices of the inventory, by name, in a short form."""
    query = {
        "q": q or None,
        "kind": kind,
        "status": status,
        "ip__in" if ip and "/" in ip else "ip": ip or None,
        "site": site,
        "tenant": tenant,
        "fields": DEVICE_FIELDS,
        "limit": limit,
        "offset": offset,
    }
    return page(calls.get("devices/", query), offset)


def get_device(device: DeviceName) -> dict[str, Any]:
    """All that the inventory says of one device. Secrets are never shown, only whether they are set."""
    found: dict[str, Any] = calls.get(f"devices/{device_id(device)}/")
    return found


def device_id(device: int | str) -> int:
    """The number of a device. Raises ToolError when there is none of this name, or more than one."""
    if isinstance(device, int) or (device.isascii() and device.isdigit() and len(device) <= 18):
        return int(device)
    found = calls.get("devices/", {"name": device, "fields": "id,name,tenant", "limit": 5})
    if found["count"] == 0:
        raise ToolError(f"not_found: No device has the name {device[:80]!r}: look for it with list_devices.")
    if found["count"] > 1:
        ids = ", ".join(str(row["id"]) for row in found["results"])
        raise ToolError(f"ambiguous: {found['count']} devices have this name, among them {ids}: give the number.")
    return int(found["results"][0]["id"])


def list_alerts(
    is_open: Annotated[bool | None, Field(description="Open ones, or false: those that are over. Null: both.")] = True,
    severity: Annotated[
        list[Literal["info", "low", "medium", "high", "critical"]] | None, Field(description="Of these severities.")
    ] = None,
    state: Annotated[
        list[Literal["pending", "firing", "flapping", "unreachable", "maintenance", "blind", "resolved"]] | None,
        Field(description="In these states."),
    ] = None,
    device: Annotated[int | str | None, Field(description="At this device: its number or exact name.")] = None,
    acknowledged: Annotated[bool | None, Field(description="Whether somebody looks after it.")] = None,
    since: Annotated[str | None, Field(max_length=40, description="Begun at this moment or later, ISO 8601.")] = None,
    q: Annotated[str | None, Field(max_length=100, description="Words of its summary, detail or device.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Rows:
    """Alerts, newest first: what is wrong in the network, or was."""
    query = {
        "open": None if is_open is None else str(is_open).lower(),
        "severity": severity,
        "state": state,
        "device": None if device is None else device_id(device),
        "acknowledged": None if acknowledged is None else str(acknowledged).lower(),
        "since": since or None,
        "q": q or None,
        "ordering": "-started_at",
        "fields": ALERT_FIELDS,
        "limit": limit,
        "offset": offset,
    }
    return page(calls.get("alerts/", query), offset)


def device_metrics(
    device: DeviceName,
    hours: Annotated[float, Field(gt=0, le=8784, description="Of the last so many hours.")] = 24,
    metric: Annotated[
        str | None, Field(max_length=200, description="Metric sets, comma between, such as if.counters,icmp.")
    ] = None,
    step: Annotated[str | None, Field(max_length=10, description="Means over 5m or 1h, not every value.")] = None,
    limit: Limit = 20,
) -> Measured:
    """What was measured of a device, newest first: whether it answers, times, load, traffic of its interfaces."""
    query = {"hours": f"{hours:g}", "metric": metric or None, "step": step or None, "limit": limit}
    found = calls.get(f"devices/{device_id(device)}/metrics/", query)
    rows = fitting(found["metrics"])
    return {"device": found["device"], "metrics": rows, "left_out": len(found["metrics"]) - len(rows)}


def scan_status(
    scan: Annotated[Number | None, Field(description="Number of a scan; without it the last ones are listed.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Scans:
    """How far a scan is and what it has found by now: hosts with their open ports. Without a number: the last scans."""
    if scan is None:
        found = calls.get("scans/", {"ordering": "-id", "limit": limit, "offset": offset, "fields": SCAN_FIELDS})
        rows = page(found, offset)
        return {"scans": rows["results"], "hosts": [], "hosts_left_out": 0, "next_offset": rows["next_offset"]}
    one = calls.get(f"scans/{scan}/", {"fields": SCAN_FIELDS})
    hosts = calls.get(f"scans/{scan}/hosts/", {"limit": limit, "offset": offset})
    hosts["results"] = [{name: row[name] for name in HOST_FIELDS} for row in hosts["results"]]
    rows = page(hosts, offset)
    return {
        "scans": [one],
        "hosts": rows["results"],
        "hosts_left_out": rows["left_out"],
        "next_offset": rows["next_offset"],
    }


TOOLS = (
    Entry(list_devices, "List devices"),
    Entry(get_device, "Show a device"),
    Entry(list_alerts, "List alerts"),
    Entry(device_metrics, "Show measurements of a device"),
    Entry(scan_status, "Show scans and what they found"),
)
