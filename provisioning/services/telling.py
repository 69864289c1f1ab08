"""What the provisioning of machines tells people, as alerts: for whoever is on duty and did not make the change.

Each function looks at something as it is now and says so to the rules; the same look again changes nothing, and what is
well again resolves by itself. Alerts hang on the router's device where the router is to be looked at, on the machine's
own where its owner is to decide.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from monitoring.alerting import observing, rulebook, sources, templates, wording
from monitoring.alerting.sources import Observation, Source
from monitoring.models import Alert
from provisioning.models import ChangeItem, ConfigChange, DriftItem, PortForward, Vm, VyosRouter
from provisioning.services import capacity, expiry

NEARLY_FULL = 0.9
SOON_FULL = timedelta(days=7)
MOST_NAMED = 5
REMEMBERED = timedelta(days=7)

EXPIRY = Source(
    key="provisioning.expiry",
    label="A machine or forward ends soon",
    matches="vm, forward",
    help="Within 24 hours; over when it was prolonged or has ended.",
)
DRIFT = Source(
    key="provisioning.drift",
    label="A router differs from what netmon means it to be",
    help="Somebody changed it elsewhere, or a change was lost; over when a comparison finds nothing.",
)
UNSAVED = Source(
    key="provisioning.unsaved",
    label="A router's changes are not saved",
    help="They run, and are lost when the router reboots; over when they are saved.",
)
CHANGE = Source(
    key="provisioning.change",
    label="A change of a router went wrong",
    matches="unknown, failed",
    help="Unknown: netmon could not find out whether the router took it. Over when a later change of the same machine "
    "is applied.",
)
POOL = Source(
    key="provisioning.pool",
    label="A pool of a router is nearly full",
    matches="dhcp, ports, rules",
    help="At 90 percent, or full within 7 days as it has been filling.",
)


def register() -> None:
    """Make the sources known, and the rules that netmon ships for them."""
    for source in (EXPIRY, DRIFT, UNSAVED, CHANGE, POOL):
        sources.register(source)
    for key, name, severity, more in (
        ("provisioning.expiry", "Machine or forward ends soon", "info", {"note": "Prolong it, or let it end."}),
        (
            "provisioning.drift",
            "Router differs from netmon",
            "medium",
            {"note": "Compare at the router's page; heal or adopt each difference. Machines may be unreachable."},
        ),
        (
            "provisioning.unsaved",
            "Router not saved",
            "medium",
            {"for_seconds": 900, "note": "Save it before anybody reboots it: what is not saved is lost then."},
        ),
        (
            "provisioning.change_unknown",
            "Nobody knows whether a router took a change",
            "high",
            {
                "source": CHANGE.key,
                "match": "unknown",
                "note": "Read the router (Compare): what it has decides. Do not send the change again before that.",
            },
        ),
        (
            "provisioning.change_failed",
            "A router refused a change",
            "medium",
            {
                "source": CHANGE.key,
                "match": "failed",
                "note": "Nothing was applied. The router's reason is in the details; correct it and try again.",
            },
        ),
        (
            "provisioning.pool",
            "Pool nearly full",
            "medium",
            {"note": "Release machines or forwards that nobody needs, or an admin widens the pool."},
        ),
    ):
        templates.register(key, **{"name": name, "severity": severity, "source": key, **more})


def tell_expiries(now: datetime | None = None) -> int:
    """Tell of what ends within 24 hours and was not told of, and close what was prolonged or is over.

    Returns of how many machines and forwards was newly told. What a notice marks and what it tells go together.
    """
    now = now or timezone.now()
    with transaction.atomic():
        notices = expiry.notices(now)
        looks = [_expiry_look(notice.vm, notice.forward, notice.expires_at, now, is_bad=True) for notice in notices]
        told = {(look.device_id, look.subject) for look in looks}
        open_ones = Alert.objects.open().filter(source=EXPIRY.key, device__isnull=False)
        ends = _ends(open_ones, now)
        for device_id, subject, data in open_ones.values_list("device_id", "subject", "data"):
            if (device_id, subject) not in told and (device_id, subject) not in ends:
                looks.append(
                    Observation(
                        source=EXPIRY.key,
                        at=now,
                        device_id=device_id,
                        subject=subject,
                        match=str(data.get("kind", "")),
                        is_bad=False,
                    )
                )
        _observe(looks)
    return len(notices)


def _expiry_subject(forward: PortForward | None, ends: datetime) -> str:
    """With the end in it: another end is another alert, so that people read the time that holds."""
    what = f"forward {forward.name}" if forward is not None else "machine"
    return f"{what} until {ends:%Y-%m-%d %H:%M} UTC"


def _expiry_look(vm: Vm, forward: PortForward | None, ends: datetime, now: datetime, *, is_bad: bool) -> Observation:
    what = f"The forward {forward.name} of {vm}" if forward is not None else f"The machine {vm}"
    then = (
        f"Its port {forward.external_port} is closed then; the number stays its own."
        if forward is not None
        else "Its forwards are closed then; address and ports stay its own until somebody decommissions it."
    )
    return Observation(
        source=EXPIRY.key,
        at=now,
        device_id=vm.device_id,
        subject=_expiry_subject(forward, ends),
        match="forward" if forward is not None else "vm",
        is_bad=is_bad,
        summary=f"{what} ends at {ends:%Y-%m-%d %H:%M} UTC",
        detail=f"{then} Prolong it, or let it end.",
        data={"kind": "forward" if forward is not None else "vm", "vm": vm.pk, "ends": ends.isoformat()}
        | ({"forward": forward.pk} if forward is not None else {}),
    )


def _ends(alerts: Any, now: datetime) -> set[tuple[int | None, str]]:
    """Device and subject of what still ends as it was told."""
    devices = list(alerts.values_list("device_id", flat=True))
    soon = {"expires_at__gt": now, "expires_at__lte": now + expiry.NOTICE}
    found: set[tuple[int | None, str]] = set()
    for vm in Vm.objects.filter(device__in=devices, state="active", **soon):
        if vm.expires_at is not None:
            found.add((vm.device_id, _expiry_subject(None, vm.expires_at)))
    for forward in PortForward.objects.filter(vm__device__in=devices, desired="enabled", **soon).select_related("vm"):
        if forward.expires_at is not None:
            found.add((forward.vm.device_id, _expiry_subject(forward, forward.expires_at)))
    return found


def tell_drift(router: VyosRouter, items: Iterable[DriftItem], now: datetime | None = None) -> None:
    """What a comparison found: one alert for a router, whatever the number of differences."""
    _tell([_drift_look(router, list(items), now or timezone.now())])


def _drift_look(router: VyosRouter, items: Sequence[DriftItem], now: datetime) -> Observation:
    named = "; ".join(f"{item.label}: {' '.join(str(word) for word in item.words[:2])}" for item in items[:MOST_NAMED])
    more = f"; and {len(items) - MOST_NAMED} more" if len(items) > MOST_NAMED else ""
    machines = sorted({str(item.vm) for item in items if item.vm_id})
    about = f" Machines: {', '.join(machines[:MOST_NAMED])}." if machines else ""
    what = "1 thing differs" if len(items) == 1 else f"{len(items)} things differ"
    return Observation(
        source=DRIFT.key,
        at=now,
        device_id=router.device.pk,
        is_bad=bool(items),
        summary=f"{what} at the router from what netmon means it to be",
        detail=f"{named}{more}.{about}",
        data={"router": router.pk, "items": len(items)},
    )


def tell_unsaved(router: VyosRouter, now: datetime | None = None) -> None:
    """Whether what the router runs survives a reboot; nothing is said while that is not known."""
    _tell([_unsaved_look(router, now or timezone.now())])


def _unsaved_look(router: VyosRouter, now: datetime) -> Observation:
    return Observation(
        source=UNSAVED.key,
        at=now,
        device_id=router.device.pk,
        is_bad=None if router.is_saved is None else not router.is_saved,
        summary="The router's changes are not saved",
        detail="They run now and are lost when the router reboots: save it at its page before anybody does that.",
        data={"router": router.pk},
    )


def tell_change(change: ConfigChange, now: datetime | None = None) -> None:
    """How a change ended, for each machine in it; nothing is said of one that waits or is under way."""
    router = change.router
    if router is None or change.status in ConfigChange.ACTIVE:
        return
    parts = list(change.items.all()) or [_as_part(change)]
    _tell([look for part in parts for look in _change_looks(change, router, part, now or timezone.now())])


def _change_looks(change: ConfigChange, router: VyosRouter, part: ChangeItem, now: datetime) -> Sequence[Observation]:
    what = _what(change, part.vm_name)
    status = part.status if part.status in ("failed", "unknown", "applied", "reverted") else change.status
    words = {
        "unknown": f"Nobody knows whether the router took a change of {what}",
        "failed": f"The router did not take a change of {what}",
    }
    then = {
        "unknown": "Compare the router before anything else: the change may be there, in part never.",
        "failed": "Nothing of it was applied; correct it and try again, or give it up.",
    }
    why = part.error_detail or change.error_detail or change.error_code or "No reason was given."
    return [
        Observation(
            source=CHANGE.key,
            at=now,
            device_id=router.device.pk,
            subject=f"{what} {bad}",
            match=bad,
            is_bad=status == bad,
            summary=words[bad],
            detail=f"Change {change.pk} ({change.get_kind_display()}): {wording.clean(why, 600)} {then[bad]}",
            data={"change": change.pk, "router": router.pk, "kind": change.kind},
        )
        for bad in ("unknown", "failed")
    ]


def look_around(now: datetime | None = None) -> None:
    """Tell of everything as the rows have it: how changes ended, what is not saved, what differs.

    Whoever ends a change or compares a router may tell at once; who died before he could is made up for here.
    """
    now = now or timezone.now()
    looks = _latest_changes(now)
    routers = VyosRouter.objects.select_related("endpoint__device").prefetch_related("drift_items__vm__device")
    for router in routers:
        looks.append(_unsaved_look(router, now))
        if router.compared_at is not None:
            looks.append(_drift_look(router, list(router.drift_items.all()), now))
    _tell(looks)


def _latest_changes(now: datetime) -> list[Observation]:
    """Of each machine, and of each kind of change without machines, what came of the last one; where that was bad
    lately, or is an alert that is open."""
    told = Alert.objects.open().filter(source=CHANGE.key, device__isnull=False).values_list("device_id", "subject")
    wanted = {(device_id, subject.rpartition(" ")[0]) for device_id, subject in told}
    bad = {"status__in": ("failed", "unknown")}
    lately = now - REMEMBERED
    device = "router__endpoint__device"
    parts = ChangeItem.objects.filter(**bad, change__finished_at__gte=lately, change__router__isnull=False)
    wanted |= set(parts.values_list(f"change__{device}", "vm_name"))
    whole = ConfigChange.objects.filter(**bad, finished_at__gte=lately, router__isnull=False, items=None)
    wanted |= {(row.router.device.pk, _what(row, "")) for row in whole.select_related(device) if row.router}
    names = {name for _, name in wanted}
    last: dict[tuple[int, str], tuple[ConfigChange, ChangeItem]] = {}
    ended = {"change__finished_at__isnull": False, "change__router__isnull": False}
    items = ChangeItem.objects.filter(vm_name__in=names, **ended).select_related(f"change__{device}")
    for item in items.order_by("change__finished_at", "pk"):
        if item.change.router is not None:
            last[item.change.router.device.pk, item.vm_name] = (item.change, item)
    for change in (
        ConfigChange.objects.filter(
            finished_at__isnull=False, finished_at__gte=lately, router__isnull=False, items=None
        )
        .select_related(device)
        .order_by("finished_at", "pk")
    ):
        if change.router is not None:
            last[change.router.device.pk, _what(change, "")] = (change, _as_part(change))
    return [
        look
        for place, (change, part) in last.items()
        if place in wanted and change.router is not None and change.status not in ConfigChange.ACTIVE
        for look in _change_looks(change, change.router, part, now)
    ]


def _as_part(change: ConfigChange) -> ChangeItem:
    return ChangeItem(change=change, vm_name=change.vm_name, status=change.status, error_detail=change.error_detail)


def _what(change: ConfigChange, name: str) -> str:
    return name or change.vm_name or change.get_kind_display()


def tell_pools(now: datetime | None = None) -> int:
    """Which pools are nearly full or will be within a week. Returns how many."""
    now = now or timezone.now()
    looks = []
    told: set[tuple[int, str]] = set()
    for one in capacity.outlooks(VyosRouter.objects.select_related("endpoint__device__tenant"), now):
        look = _pool_look(one, now)
        looks.append(look)
        told.add((look.device_id or 0, look.subject))
    # Of pools that are gone or switched off nobody else would ever say that it is over.
    rows = Alert.objects.open().filter(source=POOL.key, device__isnull=False).values_list("device_id", "subject")
    for device_id, subject in rows:
        if (device_id or 0, subject) not in told:
            looks.append(
                Observation(source=POOL.key, at=now, device_id=device_id, subject=subject, match="", is_bad=False)
            )
    _tell(looks)
    return sum(look.is_bad is True for look in looks)


def _pool_look(one: capacity.Outlook, now: datetime) -> Observation:
    held = one.fill
    is_soon = one.full_at is not None and one.full_at <= now + SOON_FULL
    forecast = ""
    if one.full_at is not None and held.free:
        forecast = f" As it has been filling, it is full on {one.full_at:%Y-%m-%d}."
    return Observation(
        source=POOL.key,
        at=now,
        device_id=one.router.device.pk,
        subject=f"{held.kind} {held.pk}",
        match=held.kind,
        is_bad=held.share >= NEARLY_FULL or is_soon,
        summary=f"{held.words} {'is full' if not held.free else 'is nearly full'}: {held.used} of {held.size}",
        detail=f"{held.free} are free.{forecast} Release what nobody needs, or widen it.",
        data={"router": one.router.pk, "kind": held.kind, "pool": held.pk, "used": held.used, "size": held.size},
    )


def _tell(looks: Sequence[Observation]) -> None:
    """Looks; where an alert is open already, its words are brought up to date."""
    with transaction.atomic():
        _observe(looks)
        for look in looks:
            if look.is_bad:
                rows = Alert.objects.open().filter(source=look.source, device=look.device_id, subject=look.subject)
                rows.update(
                    summary=wording.clean(look.summary, 300), detail=wording.clean(look.detail, 1000), data=look.data
                )


def _observe(looks: Sequence[Observation]) -> None:
    book = rulebook.load()
    observing.observe([look for look in looks if book.by_source.get(look.source)])
