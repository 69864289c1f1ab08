"""Devices as CSV or JSON, without secrets, in a form that an import takes."""

import csv
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from inventory.models import Device, Tenant
from inventory.representation import device_rows
from inventory.transfer.reading import escape

COLUMNS = (
    "name", "kind", "status", "tenant", "site", "location", "vendor", "model", "platform", "serial", "hypervisor",
    "tags", "ip", "hostname", "mac", "snmp_version", "snmp_port", "snmp_username", "snmp_auth_protocol",
    "snmp_priv_protocol", "ssh_username", "ssh_port", "ssh_host", "ssh_platform", "rtsp_url", "rtsp_username",
    "snmp_community_set", "snmp_auth_password_set", "snmp_priv_password_set", "ssh_password_set", "rtsp_password_set",
    "created_at", "updated_at",
)  # fmt: skip
BATCH = 500


def named_rows(device_ids: Sequence[int], *, user: Any, names_logins: bool) -> Iterator[dict[str, Any]]:
    """The flat form with names in place of numbers, so that another installation understands it.

    A hypervisor that `user` may not see is left out; None is the command line, which sees all.
    """
    nameable = Device.objects.all() if user is None else Device.objects.visible_to(user)
    tenants = dict(Tenant.objects.values_list("pk", "slug"))
    for start in range(0, len(device_ids), BATCH):
        rows = device_rows(device_ids[start : start + BATCH], names_logins=names_logins)
        hosts = {row["hypervisor"] for row in rows if row["hypervisor"]}
        names = dict(nameable.filter(pk__in=hosts).values_list("pk", "name"))
        for row in rows:
            row.pop("ssh_jump")  # a number, which elsewhere is another endpoint
            row["tenant"] = tenants.get(row["tenant"])
            row["site"] = row.pop("site_name")
            row["hypervisor"] = names.get(row["hypervisor"])
            yield row


class _Line:
    """A file-like object for csv.writer that hands each line on."""

    def write(self, text: str) -> str:
        return text


def csv_lines(device_ids: Sequence[int], *, user: Any, names_logins: bool) -> Iterator[str]:
    """The lines of a CSV file; what a spreadsheet would take for a formula is quoted by an apostrophe."""
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for row in named_rows(device_ids, user=user, names_logins=names_logins):
        yield writer.writerow([_cell(row.get(name)) for name in COLUMNS])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return escape(";".join(value))
    return escape(value.isoformat() if hasattr(value, "isoformat") else str(value))


def json_parts(device_ids: Sequence[int], *, user: Any, names_logins: bool) -> Iterator[bytes]:
    """The parts of a JSON list, one device a line."""
    separator = b"[\n"
    for row in named_rows(device_ids, user=user, names_logins=names_logins):
        yield separator + orjson.dumps(row, option=orjson.OPT_UTC_Z)
        separator = b",\n"
    yield b"[]\n" if separator == b"[\n" else b"\n]\n"


FORMATS = {
    "csv": (csv_lines, "text/csv; charset=utf-8"),
    "json": (json_parts, "application/json"),
}
