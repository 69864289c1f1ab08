"""What monitoring hangs into the registers at start."""

from netmon.common import schedules


def register_all() -> None:
    schedules.register(
        "Dispatch polls",
        "monitoring.tasks.dispatch_polls",
        every_seconds=5,
        description="Hands the checks that are due to the workers, in shards.",
    )
