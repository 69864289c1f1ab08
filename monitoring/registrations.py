"""What monitoring hangs into the registers at start."""

from inventory import followers, panels, search, sightings
from inventory.targets import outside_target
from monitoring import admin_actions, modules, notifiers
from monitoring.alerting import searching, templates
from monitoring.modules import config_backup, icmp, snmp_interfaces, snmp_system, ssh_host, ssh_routing, tcp_port
from monitoring.notifiers import apprise, email, slack, webhook
from monitoring.services import configs, leaving, memories, scheduling, ssh_results
from monitoring.services import sightings as seen
from netmon.common import schedules


def register_all() -> None:
    modules.register("icmp", "icmp", icmp.collect, is_availability=True)
    modules.register(tcp_port.INSIDE, "tcp", tcp_port.collect, is_availability=True)
    modules.register(
        tcp_port.OUTSIDE,
        "tcp",
        tcp_port.collect_outside,
        target=outside_target,
        is_default=lambda endpoint: bool(endpoint.options.get("outside")),
    )
    modules.register("snmp.system", "snmp", snmp_system.collect, is_availability=True)
    modules.register(
        "snmp.interfaces",
        "snmp",
        snmp_interfaces.collect,
        context=memories.interfaces_context,
        store=memories.remember_interfaces,
    )
    modules.register(
        "ssh.host",
        "ssh",
        ssh_host.collect,
        context=ssh_results.host_context,
        store=ssh_results.store_host,
        note=ssh_results.note_host_key,
        is_availability=True,
        guards_login=True,
        is_of_device=True,
    )
    modules.register(
        "ssh.routing",
        "ssh",
        ssh_routing.collect,
        context=ssh_results.routing_context,
        store=ssh_results.store_routing,
        note=ssh_results.note_host_key,
        interval_seconds=300,
        is_default=lambda endpoint: endpoint.device.is_network,
        guards_login=True,
        is_of_device=True,
    )
    modules.register(
        configs.MODULE,
        "ssh",
        config_backup.collect,
        context=configs.context,
        store=configs.store,
        note=configs.note,
        interval_seconds=86400,
        is_default=lambda endpoint: endpoint.device.is_network,
        guards_login=True,
        is_of_device=True,
    )
    templates.register_all()
    search.register("alerts", "Alerts", searching.alerts)
    sightings.register("monitoring", seen.look)
    for kind, send in (
        ("email", email.send),
        ("slack", slack.send),
        ("webhook", webhook.send),
        ("apprise", apprise.send),
    ):
        notifiers.register(kind, send)
    followers.register(
        "monitoring",
        endpoints_saved=scheduling.ensure_default_checks,
        endpoints_made=scheduling.make_default_checks,
        endpoints_leaving=leaving.endpoints_leaving,
        endpoint_left=leaving.endpoint_left,
        interfaces_leaving=leaving.interfaces_leaving,
        devices_leaving=leaving.devices_leaving,
    )
    panels.register("Alerts", "device-alerts")
    panels.register("Configuration", "device-configuration")
    admin_actions.register_all()
    panels.register("Routing", "device-routing", is_for=lambda device: device.is_network)
    for name, task, every, description in (
        ("Dispatch polls", "dispatch_polls", 5, "Hands the checks that are due to the workers, in shards."),
        ("Advance alerts", "advance_alerts", 5, "Confirms, escalates and resolves alerts whose time has come."),
        ("Deliver messages", "deliver_messages", 5, "Sends what waits in the outbox, and tries again what failed."),
        ("Retire alerts", "retire_alerts", 60, "Ends alerts of what is no longer watched."),
        ("Look at expiries", "look_at_expiries", 3600, "What ends within two weeks becomes an alert."),
        ("Send summaries", "send_summaries", 300, "Plans the daily summaries whose hour has come."),
        ("Send heartbeat", "send_heartbeat", 60, "Tells an outside watcher that netmon lives, where one is set."),
        ("Seal samples", "seal_samples", 300, "Packs closed hours of samples into chunks and roll-ups."),
        ("Prune samples", "prune_samples", 21600, "Deletes samples older than their retention."),
        ("Purge deleted samples", "purge_deleted_samples", 600, "Frees the space of deleted devices' samples."),
    ):
        schedules.register(name, f"monitoring.tasks.{task}", every_seconds=every, description=description)
