"""A device as the flat form shows it, read without making row objects: the same for a list, one device and an export.

Three statements whatever the number of devices; row objects and serializer fields cost six times as much.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import F
from django.db.models.functions import Length

from inventory.models import Credential, Device, ManagementEndpoint

COLUMNS = {
    "id": "pk",
    "name": "name",
    "kind": "kind",
    "status": "status",
    "hostname": "primary_ip__dns_name",
    "ip": "primary_ip__address",
    "mac": "primary_ip__interface__mac_address",
    "tenant": "tenant_id",
    "site": "site_id",
    "site_name": "site__name",
    "location": "location",
    "vendor": "vendor",
    "model": "model",
    "platform": "platform",
    "serial": "serial",
    "hypervisor": "hypervisor_id",
}
TIMES = {"created_at": "created_at", "updated_at": "updated_at"}
NO_ACCESS: dict[str, Any] = {
    "snmp_version": None,
    "snmp_port": None,
    "snmp_community_set": False,
    "snmp_username": None,
    "snmp_auth_protocol": None,
    "snmp_auth_password_set": False,
    "snmp_priv_protocol": None,
    "snmp_priv_password_set": False,
    "ssh_username": None,
    "ssh_password_set": False,
    "ssh_key": None,
    "ssh_port": None,
    "ssh_host": None,
    "ssh_platform": None,
    "ssh_jump": None,
    "rtsp_url": None,
    "rtsp_username": None,
    "rtsp_password_set": False,
}
BATCH = 500  # SQLite takes a bounded number of parameters


def device_rows(device_ids: Sequence[int], *, names_logins: bool) -> list[dict[str, Any]]:
    """The flat form of these devices, in this order; of secrets only whether they are set.

    Without `names_logins` the names of logins are left out: viewers do not see them.
    """
    rows: dict[int, dict[str, Any]] = {}
    for start in range(0, len(device_ids), BATCH):
        batch = list(device_ids[start : start + BATCH])
        access, tags = _access(batch, names_logins), _tags(batch)
        paths = [*COLUMNS.values(), *TIMES.values()]
        for values in Device.objects.filter(pk__in=batch).values_list(*paths):
            row = dict(zip(COLUMNS, values, strict=False))
            row["hostname"] = row["hostname"] or ""
            row["mac"] = row["mac"] or None
            row["tags"] = tags.get(row["id"], [])
            row |= access.get(row["id"], NO_ACCESS)
            if row["rtsp_url"]:
                host = f"[{row['ip']}]" if ":" in (row["ip"] or "") else row["ip"]
                row["rtsp_url"] = f"rtsp://{host}{row['rtsp_url']}" if host else None
            row["created_at"], row["updated_at"] = values[-2:]
            rows[row["id"]] = row
    return [rows[pk] for pk in device_ids if pk in rows]


def _tags(device_ids: list[int]) -> dict[int, list[str]]:
    links = Device.tags.through.objects.filter(device_id__in=device_ids).order_by("tag__name_key")
    found: dict[int, list[str]] = {}
    for device_id, slug in links.values_list("device_id", "tag__slug"):
        found.setdefault(device_id, []).append(slug)
    return found


def _access(device_ids: list[int], names_logins: bool) -> dict[int, dict[str, Any]]:
    endpoints = (
        ManagementEndpoint.objects.filter(device_id__in=device_ids, protocol__in=("snmp", "ssh", "rtsp"))
        .annotate(
            kind=F("credential__kind"),
            username=F("credential__username"),
            auth_protocol=F("credential__auth_protocol"),
            priv_protocol=F("credential__priv_protocol"),
            secret_length=Length("credential__secret"),  # how long its ciphertext is: nothing is decrypted here
            priv_secret_length=Length("credential__priv_secret"),
        )
        .order_by("pk")
    )
    found: dict[int, dict[str, Any]] = {}
    seen: set[tuple[int, str]] = set()
    for values in endpoints.values_list(
        "device_id", "protocol", "port", "options", "credential_id", "kind", "username", "auth_protocol",
        "priv_protocol", "secret_length", "priv_secret_length",
    ):  # fmt: skip
        device_id, protocol = values[:2]
        if (device_id, protocol) not in seen:  # the flat form shows the first one made
            seen.add((device_id, protocol))
            row = found.setdefault(device_id, dict(NO_ACCESS))
            row |= SHOWN[protocol](*values[2:])
            if not names_logins:
                row |= dict.fromkeys(("snmp_username", "ssh_username", "ssh_key", "rtsp_username"))
    return found


def _snmp(
    port: int | None, options: Any, credential: int | None, kind: str | None, username: str | None,
    auth_protocol: str | None, priv_protocol: str | None, secret: int | None, priv_secret: int | None,
) -> dict[str, Any]:  # fmt: skip
    is_v3 = kind == Credential.Kind.SNMP_USM
    return {
        "snmp_version": options.get("version", "2c"),
        "snmp_port": port or ManagementEndpoint.DEFAULT_PORTS["snmp"],
        "snmp_community_set": bool(secret) and not is_v3,
        "snmp_username": (username or None) if is_v3 else None,
        "snmp_auth_protocol": (auth_protocol or None) if is_v3 else None,
        "snmp_auth_password_set": bool(secret) and is_v3,
        "snmp_priv_protocol": (priv_protocol or None) if is_v3 else None,
        "snmp_priv_password_set": bool(priv_secret) and is_v3,
    }


def _ssh(
    port: int | None, options: Any, credential: int | None, kind: str | None, username: str | None,
    auth_protocol: str | None, priv_protocol: str | None, secret: int | None, priv_secret: int | None,
) -> dict[str, Any]:  # fmt: skip
    is_key = kind == Credential.Kind.SSH_KEY
    return {
        "ssh_username": username or None,
        "ssh_password_set": bool(secret) and not is_key,
        "ssh_key": credential if is_key else None,
        "ssh_port": port or ManagementEndpoint.DEFAULT_PORTS["ssh"],
        "ssh_host": options.get("host"),
        "ssh_platform": None if options.get("platform") == "auto" else options.get("platform"),
        "ssh_jump": options.get("jump"),
    }


def _rtsp(
    port: int | None, options: Any, credential: int | None, kind: str | None, username: str | None,
    auth_protocol: str | None, priv_protocol: str | None, secret: int | None, priv_secret: int | None,
) -> dict[str, Any]:  # fmt: skip
    return {
        # What follows the host: without user and password, which an address in a list would show to everybody.
        "rtsp_url": f"{f':{port}' if port else ''}{options.get('path') or '/'}",
        "rtsp_username": username or None,
        "rtsp_password_set": bool(secret),
    }


SHOWN = {"snmp": _snmp, "ssh": _ssh, "rtsp": _rtsp}


def recorded(device: Device) -> dict[str, Any]:
    """What the record of writes keeps of a device beyond its own columns."""
    return recorded_many([device.pk])[device.pk]


def recorded_many(device_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The same of many devices, by number."""
    kept: Iterable[str] = ("hostname", "ip", "mac", "tags", *NO_ACCESS)
    changes: dict[int, list[Any]] = {pk: [] for pk in device_ids}
    own = Credential.objects.exclude(secret_changed_at=None).order_by("secret_changed_at")
    for start in range(0, len(device_ids), BATCH):
        rows = own.filter(device__in=device_ids[start : start + BATCH])
        for device_id, changed_at in rows.values_list("device_id", "secret_changed_at"):
            changes[device_id].append(changed_at)
    return {
        row["id"]: {**{name: row[name] for name in kept}, "secrets_changed_at": changes[row["id"]]}
        for row in device_rows(device_ids, names_logins=True)
    }
