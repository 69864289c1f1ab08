"""What provisioning hangs into the registers at start."""

from inventory import panels
from monitoring import remedies
from netmon.common import schedules
from provisioning.services import live, scripts, telling
from provisioning.services import remedies as proposals


def register_all() -> None:
    panels.register("Actions", "device-actions", role="operator", is_for=lambda device: scripts.is_on())
    remedies.register("actions", proposals.of_alert)
    telling.register()
    for name, task, every, description in (
        (
            "Settle actions",
            "settle_actions",
            60,
            "Ends runs of actions whose worker was lost, or that nobody approved.",
        ),
        (
            "Settle changes of routers",
            "sweep_changes",
            60,
            "Takes up changes of VyOS routers that were not sent, whose worker was lost, or that are due again.",
        ),
        (
            "Compare routers",
            "compare_routers",
            600,
            "Reads VyOS routers, and tells where they differ from what netmon means them to be.",
        ),
        (
            "Expire forwards and machines",
            "expire_forwards",
            60,
            "Switches off forwards, and those of machines, whose time is over.",
        ),
        (
            "Refresh live truth of VyOS routers",
            "refresh_live",
            live.EVERY_SECONDS,
            "Asks the routers that have machines for their leases and for the hits of each forward.",
        ),
        (
            "Tell of routers",
            "tell_of_routers",
            60,
            "Alerts of changes that failed or that nobody knows of, of what is not saved, and of drift.",
        ),
        ("Notices of expiry", "tell_expiries", 600, "Tells of machines and forwards that end within 24 hours."),
        ("Measure pools", "measure_pools", 3600, "Notes how full pools are, and tells of those that will be full."),
        ("Forget old actions", "prune_actions", 3600, "Drops runs that ended more than NETMON_ACTIONS_DAYS ago."),
    ):
        schedules.register(name, f"provisioning.tasks.{task}", every_seconds=every, description=description)
