"""What a device's own row says of it: response time, loss, uptime, from whichever check knows best."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from monitoring.models import Check, DeviceState
from monitoring.modules import Collected
from monitoring.services import reboots


def of_run(check: Check, collected: Collected, at: datetime) -> dict[str, Any]:
    """The figures that a good run of an availability check brings."""
    update: dict[str, Any] = {}
    values = dict(collected.readings[0].values) if collected.readings else {}
    if check.module == "icmp":
        update["response_time_ms"] = values.get("rtt_ms")
        update["loss_percent"] = values.get("loss_percent")
    elif check.module == "ssh.host":
        # The host's own uptime; an SNMP agent's is that of the agent.
        update["ssh_response_ms"] = collected.response_ms
        update["host_uptime_seconds"] = values.get("uptime_seconds")
        update["host_booted_at"] = at
    elif check.module == "tcp.port":
        update["tcp_response_ms"] = collected.response_ms
    else:
        update["snmp_response_ms"] = collected.response_ms
        uptime = values.get("uptime_seconds")
        if uptime is not None:
            update["uptime_seconds"] = uptime
            update["booted_at"] = at - timedelta(seconds=uptime)
    return update


def write(updates: Mapping[int, Mapping[str, Any]], devices: Collection[int], now: datetime) -> None:
    """Response times and uptimes. Ping's time goes before SNMP's, SNMP's before SSH's,
    a connection's last; so one figure does not alternate
    between what two ways in say of different things."""
    rows = Check.objects.filter(endpoint__device_id__in=devices, endpoint__is_enabled=True).exclude(
        status=Check.Status.PAUSED
    )
    watched: dict[int, set[str]] = defaultdict(set)
    for device_id, module in rows.values_list("endpoint__device_id", "module"):
        watched[device_id].add(module)
    # SSH tells of a computer's reboots itself, and of the computer's, not of an agent's.
    silent = {device_id for device_id, modules in watched.items() if "ssh.host" in modules}
    states = DeviceState.objects.in_bulk([pk for pk in updates if pk in devices and pk not in silent])
    reboots.tell(states, updates, now)
    for device_id, update in sorted(updates.items()):
        columns, by = dict(update), watched[device_id]
        snmp_response, ssh_response = columns.pop("snmp_response_ms", None), columns.pop("ssh_response_ms", None)
        tcp_response = columns.pop("tcp_response_ms", None)
        uptime, measured_at = columns.pop("host_uptime_seconds", None), columns.pop("host_booted_at", None)
        if "icmp" not in by and snmp_response is not None:
            columns["response_time_ms"] = snmp_response
        if "snmp.system" not in by:
            if "icmp" not in by and ssh_response is not None:
                columns["response_time_ms"] = ssh_response
            if uptime is not None:
                columns["uptime_seconds"], columns["booted_at"] = uptime, measured_at - timedelta(seconds=uptime)
        if tcp_response is not None and not by & {"icmp", "snmp.system", "ssh.host"}:
            columns["response_time_ms"] = tcp_response
        if device_id in devices and columns:
            DeviceState.objects.filter(device_id=device_id).update(**columns)
