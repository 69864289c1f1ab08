"""The end of a scan: counted, compared with what was known, told."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from netmon.common import locks
from scanning.models import OpenPort, Scan, SeenHost
from scanning.services import seeing, telling

CHANGES_KEPT = 500


@transaction.atomic
def end(
    scan: Scan, outcome: str, *, notes: dict[str, Any] | None = None, error_code: str = "", error_detail: str = ""
) -> bool:
    """End an active scan, once: False when it has ended meanwhile. What an unfinished one found counts, too.

    `notes` replace those that the scan has.
    """
    locks.hold(SeenHost, scan.tenant_id or 0)  # a file may come in meanwhile, with the same hosts
    finished = scan.finished_at or timezone.now()
    rows = Scan.objects.filter(pk=scan.pk, outcome="")
    hosts_up = scan.hosts.filter(is_up=True).count()
    open_ports = OpenPort.objects.filter(host__scan=scan).count()
    if not rows.update(
        outcome=outcome,
        error_code=error_code,
        error_detail=error_detail[:1000],
        finished_at=finished,
        hosts_up=hosts_up,
        open_ports=open_ports,
        eta_seconds=None,
        checkpoint={},
    ):
        return False
    scan.refresh_from_db()
    if notes is not None:
        scan.notes = notes
    changes = seeing.look_back(scan, is_whole=outcome == Scan.Outcome.SUCCEEDED)
    telling.tell(scan, changes, finished)
    shown = [change.as_dict() for change in changes[:CHANGES_KEPT]]
    scan.notes = {**scan.notes, "changes": shown, "changes_total": len(changes)}
    scan.save(update_fields=["notes"])
    return True
