"""The rules netmon ships, on from the beginning. Seeded once: what an operator changes or switches off stays so."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, router

from monitoring.models.rules import AlertRule

HOUR, DAY = 3600, 86400
TEMPLATES: dict[str, dict[str, Any]] = {}


def register(key: str, **columns: Any) -> None:
    """Declare a shipped rule; `columns` are those of AlertRule. Raises ValueError when the key has an owner."""
    if key in TEMPLATES:
        raise ValueError(f"alert template {key!r} is registered twice")
    TEMPLATES[key] = columns


def seed(using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """Create the shipped rules that are missing. Quiet while the table is not there yet (a partial migrate)."""
    if using != router.db_for_write(AlertRule):
        return
    columns = _columns(using)
    if not {field.column for field in AlertRule._meta.local_fields} <= columns:
        return
    known = set(AlertRule.objects.exclude(template="").values_list("template", flat=True))
    names = set(AlertRule.objects.filter(tenant=None).values_list("name_key", flat=True))
    for key, values in TEMPLATES.items():
        if key in known:
            continue
        row = AlertRule(template=key, **values)
        if row.name.casefold() in names:  # somebody had the idea first
            row.name = f"{row.name} (shipped)"
        row.save()


def _columns(using: str) -> set[str]:
    connection = connections[using]
    table = AlertRule._meta.db_table
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return set()
        return {column.name for column in connection.introspection.get_table_description(cursor, table)}


def metric(key: str, name: str, metric: str, comparator: str, limit: float, **more: Any) -> None:
    register(key, name=name, source="metric", metric=metric, comparator=comparator, raise_value=limit, **more)


def event(key: str, name: str, match: str, **more: Any) -> None:
    register(key, name=name, source="event", match=match, **more)


def register_all() -> None:
    """Monitoring's own; other apps register theirs beside their sources."""
    register(
        "device.down",
        name="Device down",
        source="device.down",
        severity="critical",
        for_seconds=60,
        note="Every way to ask it fails. Look at its power, its link, and what it is reached through.",
    )
    register(
        "snmp.silent",
        name="SNMP silent though the device answers",
        source="check.down",
        match="snmp.*",
        severity="medium",
        for_seconds=120,
        note="The agent stopped, the community or user changed, or an access list refuses this poller.",
    )
    register(
        "ssh.silent",
        name="SSH fails though the device answers",
        source="check.down",
        match="ssh.*",
        severity="medium",
        for_seconds=120,
    )
    register(
        "port.closed",
        name="Port closed though the device answers",
        source="check.down",
        match="tcp.*",
        severity="medium",
        for_seconds=120,
        note="tcp.port is asked at the device, tcp.outside where a forward offers it: when only the second fails, look "
        "at the forward and the router's firewall, else at the service.",
    )
    register(
        "backup.failed",
        name="Configuration backup failed",
        source="check.down",
        match="config.backup",
        severity="medium",
        note="The last backup stays; nothing newer is kept until this works again.",
    )
    register(
        "interface.down",
        name="Interface down",
        source="interface.down",
        severity="high",
        for_checks=2,
        note="Admin up and was up: a cable, a transceiver or the other side.",
    )
    metric(
        "if.utilisation",
        "Interface nearly full",
        "if.counters.utilisation_percent",
        "gt",
        90,
        clear_value=80,
        for_seconds=900,
        severity="medium",
    )
    metric(
        "if.errors",
        "Interface errors",
        "if.counters.errors_per_second",
        "gt",
        1,
        clear_value=0.1,
        for_seconds=300,
        severity="medium",
        note="A damaged cable, a duplex mismatch or a dying transceiver.",
    )
    metric(
        "if.discards",
        "Interface discards",
        "if.counters.discards_per_second",
        "gt",
        10,
        clear_value=1,
        for_seconds=600,
        severity="low",
    )
    event("device.rebooted", "Rebooted", "rebooted", severity="medium", clear_seconds=HOUR)
    event(
        "routing.neighbour",
        "Routing neighbour lost",
        "bgp_down, ospf_gone, neighbour_missing",
        severity="high",
        note="It is over when the neighbour is back.",
    )
    event("routing.daemon", "Routing daemon stopped", "daemon_stopped", severity="critical")
    event("routing.silent_cut", "Established but no traffic", "silent_cut", severity="critical")
    event(
        "routing.flapped", "Routing session flapped", "bgp_flapped, ospf_restarted", severity="low", clear_seconds=HOUR
    )
    event("host.unit", "Unit failed", "unit_failed", severity="medium")
    event(
        "ssh.key_changed",
        "SSH host key changed",
        "key_changed",
        severity="critical",
        clear_seconds=DAY,
        note="Nothing was sent to the server. Compare the fingerprints before anybody approves the new key.",
    )
    event(
        "indicator.critical",
        "Critical indicator",
        "critical_indicator",
        severity="critical",
        note="Somebody, or another system, observed it. It is over when the indicator is deleted or expires.",
    )
    metric(
        "ntp.lost",
        "Clock not synchronised",
        "ntp.is_synchronised",
        "lt",
        1,
        for_seconds=900,
        severity="medium",
    )
    metric(
        "host.disk",
        "Disk nearly full",
        "host.disk.used_percent",
        "gt",
        90,
        clear_value=85,
        for_checks=2,
        severity="high",
    )
    metric(
        "host.disk_forecast",
        "Disk full within three days",
        "host.disk.days_until_full",
        "lt",
        3,
        clear_value=5,
        for_seconds=1800,
        severity="medium",
    )
    metric(
        "host.inodes",
        "Inodes nearly used up",
        "host.disk.inodes_used_percent",
        "gt",
        90,
        clear_value=85,
        for_checks=2,
        severity="high",
    )
    metric("host.cpu", "CPU busy", "host.cpu_percent", "gt", 95, clear_value=85, for_seconds=900, severity="medium")
    metric(
        "host.memory",
        "Memory short",
        "host.memory_used_percent",
        "gt",
        95,
        clear_value=90,
        for_seconds=600,
        severity="medium",
    )
    metric(
        "host.swap", "Swap in use", "host.swap_used_percent", "gt", 80, clear_value=60, for_seconds=900, severity="low"
    )
    metric("icmp.loss", "Packets lost", "icmp.loss_percent", "gt", 20, clear_value=5, for_checks=3, severity="medium")
    register(
        "poller.blind",
        name="Poller blind",
        source="poller.blind",
        severity="critical",
        note="Nothing is said of devices until it sees again.",
    )
    register("poller.behind", name="Polling is behind", source="poller.behind", severity="high", for_seconds=120)
    register("channel.failing", name="Channel delivers nothing", source="channel.failing", severity="high")
    register("expiry", name="Expires soon", source="expiry", severity="medium")
