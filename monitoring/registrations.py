"""What monitoring hangs into the registers at start."""

from inventory import followers, panels
from monitoring import admin_actions, modules
from monitoring.modules import config_backup, icmp, snmp_interfaces, snmp_system
from monitoring.services import configs, leaving, memories, scheduling
from netmon.common import schedules


def register_all() -> None:
    modules.register("icmp", "icmp", icmp.collect, is_availability=True)
    modules.register("snmp.system", "snmp", snmp_system.collect, is_availability=True)
    modules.register(
        "snmp.interfaces",
        "snmp",
        snmp_interfaces.collect,
        context=memories.interfaces_context,
        store=memories.remember_interfaces,
    )
    modules.register(
        configs.MODULE,
        "ssh",
        config_backup.collect,
        context=configs.context,
        store=configs.store,
        interval_seconds=86400,
    )
    followers.register(
        "monitoring",
        endpoints_saved=scheduling.ensure_default_checks,
        endpoints_made=scheduling.make_default_checks,
        endpoints_leaving=leaving.endpoints_leaving,
        endpoint_left=leaving.endpoint_left,
        interfaces_leaving=leaving.interfaces_leaving,
        devices_leaving=leaving.devices_leaving,
    )
    panels.register("Configuration", "device-configuration")
    admin_actions.register_all()
    for name, task, every, description in (
        ("Dispatch polls", "dispatch_polls", 5, "Hands the checks that are due to the workers, in shards."),
        ("Seal samples", "seal_samples", 300, "Packs closed hours of samples into chunks and roll-ups."),
        ("Prune samples", "prune_samples", 21600, "Deletes samples older than their retention."),
        ("Purge deleted samples", "purge_deleted_samples", 600, "Frees the space of deleted devices' samples."),
    ):
        schedules.register(name, f"monitoring.tasks.{task}", every_seconds=every, description=description)
