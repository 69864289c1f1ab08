"""What a poll command prints: plain tables of what was read."""

from collections.abc import Iterable, Sequence
from typing import Any

from inventory.models import Device, Interface
from monitoring import metrics
from monitoring.models import DeviceFact, DeviceState, Series

OK, FAILED, PARTLY, DENIED, TRY_LATER = 0, 1, 3, 5, 75
OPER_STATUS = {1: "up", 2: "down", 3: "testing", 5: "dormant", 6: "not present", 7: "lower layer down"}


def report(device: Device, results: list[dict[str, Any]]) -> dict[str, Any]:
    """A device, what its checks came to, and its present values, in the shape of `probing.probe`."""
    state = DeviceState.objects.filter(device=device).first()
    system = DeviceFact.objects.filter(device=device, kind="system").first()
    readings: dict[str, Any] = {}
    by_interface: dict[int, dict[str, Any]] = {}
    for series in Series.objects.filter(device=device):
        columns = metrics.get(series.metric_set).columns
        values = {column.name: getattr(series, f"v{position}") for position, column in enumerate(columns)}
        if series.interface_id:
            by_interface[series.interface_id] = values
        else:
            readings[f"{series.metric_set}[{series.labels}]" if series.labels else series.metric_set] = values
    interfaces = Interface.objects.filter(device=device, if_index__isnull=False).order_by("if_index")
    return {
        "device": {
            "id": device.pk,
            "name": device.name,
            "kind": device.kind,
            "ip": device.primary_ip.address if device.primary_ip else None,
        },
        "state": state.state if state else DeviceState.State.UNKNOWN,
        "cause": state.cause if state else "",
        "results": results,
        "readings": readings,
        "system": system.data if system else {},
        "interfaces": [
            {
                "name": row.name,
                "if_index": row.if_index,
                "alias": row.if_alias,
                "speed_bps": row.if_speed_bps,
                "admin_status": row.if_admin_status,
                "oper_status": row.if_oper_status,
                "rates": by_interface.get(row.pk),
            }
            for row in interfaces
        ],
    }


def exit_code(results: Sequence[dict[str, Any]]) -> int:
    """The exit code that runs of checks come to."""
    good = [entry for entry in results if entry["ok"]]
    if good:
        return OK if len(good) == len(results) else PARTLY
    if results and not any(entry["ran"] for entry in results):
        return TRY_LATER
    if any(entry["error_code"] == "auth_failed" for entry in results):
        return DENIED
    return FAILED


def together(codes: Iterable[int]) -> int:
    """The exit code of several devices."""
    found = set(codes)
    if len(found) == 1:
        return found.pop()
    return PARTLY if found & {OK, PARTLY} else FAILED


def table(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Aligned columns, two blanks apart; `right` names those aligned to the right."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    on_the_right = set(right)
    return [
        "  ".join(
            cell.rjust(width) if column in on_the_right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def result_rows(results: Sequence[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for entry in results:
        milliseconds = "" if entry["response_time_ms"] is None else f"{entry['response_time_ms']:.1f} ms"
        if entry["ok"]:
            rows.append([entry["module"], "ok", milliseconds, ""])
        elif not entry["ran"]:
            rows.append([entry["module"], "not run", "", "a poll of this check is under way, or time was up"])
        else:
            rows.append([entry["module"], "failed", "", f"{entry['error_code']}: {entry['error_detail']}"])
    return rows


def details(found: dict[str, Any]) -> list[str]:
    """System group, readings and interfaces of one device, as lines."""
    lines: list[str] = []
    system = found["system"]
    facts = [
        [label, str(system[name])]
        for label, name in (("name", "sys_name"), ("what", "sys_descr"), ("where", "sys_location"))
        if system.get(name)
    ]
    for key, values in sorted(found["readings"].items()):
        facts += [[f"{key}.{name}", _number(value)] for name, value in values.items() if value is not None]
    if facts:
        lines += ["", *table(facts)]
    if found["interfaces"]:
        rows = [["interface", "state", "speed", "in", "out", "alias"]]
        for row in found["interfaces"]:
            values = row["rates"] or {}
            rows.append(
                [
                    row["name"] or row.get("descr", ""),
                    "disabled" if row["admin_status"] == 2 else OPER_STATUS.get(row["oper_status"], "unknown"),
                    bits(row["speed_bps"]),
                    bits(values.get("in_bps")),
                    bits(values.get("out_bps")),
                    row["alias"],
                ]
            )
        lines += ["", *table(rows, right=(2, 3, 4))]
    return lines


def bits(value: float | None) -> str:
    """Bits a second for people; "-" for a gap."""
    if value is None:
        return "-"
    for factor, unit in ((1e9, "Gb/s"), (1e6, "Mb/s"), (1e3, "kb/s")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.0f} b/s"


def _number(value: Any) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
