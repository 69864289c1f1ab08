"""What provisioning hangs into the registers at start."""

from inventory import panels
from monitoring import remedies
from netmon.common import schedules
from provisioning.services import remedies as proposals
from provisioning.services import scripts


def register_all() -> None:
    panels.register("Actions", "device-actions", role="operator", is_for=lambda device: scripts.is_on())
    remedies.register("actions", proposals.of_alert)
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
            "Expire forwards and machines",
            "expire_forwards",
            60,
            "Switches off forwards, and those of machines, whose time is over.",
        ),
        ("Forget old actions", "prune_actions", 3600, "Drops runs that ended more than NETMON_ACTIONS_DAYS ago."),
    ):
        schedules.register(name, f"provisioning.tasks.{task}", every_seconds=every, description=description)
