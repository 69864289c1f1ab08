"""What scanning hangs into the registers at start."""

from inventory import panels, search, sightings
from netmon.common import schedules
from scanning import searching
from scanning.services import sightings as seen
from scanning.services import telling


def register_all() -> None:
    telling.register()
    sightings.register("scanning", seen.look)
    search.register("discoveries", "Discoveries", searching.discoveries)
    panels.register("Ports", "device-ports")
    for name, task, every, description in (
        ("Start due scans", "start_due_scans", 30, "Starts the scans whose schedule says so, ends what lost its job."),
        ("Forget old scans", "prune_scans", 3600, "Drops scans that ended more than NETMON_SCANS_DAYS ago."),
    ):
        schedules.register(name, f"scanning.tasks.{task}", every_seconds=every, description=description)
