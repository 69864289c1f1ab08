"""A drill: what would happen if these devices failed now, and who would hear of it. Nothing is touched or sent."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from inventory.models import Device
from monitoring.alerting import rulebook, silences, situation
from monitoring.models.alerts import Alert
from monitoring.models.rules import Severity
from monitoring.notifying.directory import Directory, not_before


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody who would be told: at which step, how long after, and what would hold it back ("", quiet, digest)."""

    step: int
    after_seconds: int
    contact: str
    channel: str
    held: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Fault:
    """What would become of one device: firing, unreachable or maintenance; who would be told by which rule."""

    device_id: int
    device: str
    state: str
    severity: str
    rule: str
    told: tuple[Told, ...]
    why_silent: str = ""


@dataclass(frozen=True, slots=True)
class Drill:
    faults: tuple[Fault, ...]
    behind: tuple[tuple[int, str, str], ...]  # id, name, kind of what would be cut off
    tenants: tuple[str, ...]


def drill(device_ids: Collection[int], now: datetime) -> Drill:
    """If these devices failed now."""
    failed = set(device_ids)
    graph = situation.load_graph()
    covered = situation.covered(now, graph)
    reached = graph.reached(failed | situation.blocking(covered, graph))
    cut = graph.behind(failed) - failed
    devices = {row.pk: row for row in Device.objects.filter(pk__in=failed | cut).select_related("tenant")}
    book, directory, shut = rulebook.load(), Directory.load(), silences.Shut.load(now)
    places = rulebook.places_of(devices, with_tags=True)
    faults = []
    for pk in sorted(failed & set(devices), key=lambda one: devices[one].name_key):
        state = "firing"
        if pk in covered:
            state = "maintenance"
        elif pk in graph.nodes and pk not in reached:
            state = "unreachable"
        faults.append(_fault(devices[pk], state, book, directory, shut, places[pk], now))
    behind = sorted(((pk, devices[pk].name, devices[pk].kind) for pk in cut if pk in devices), key=lambda one: one[1])
    tenants = sorted({str(row.tenant) for row in devices.values() if row.tenant is not None})
    return Drill(tuple(faults), tuple(behind), tuple(tenants))


def _fault(
    device: Device,
    state: str,
    book: rulebook.Rulebook,
    directory: Directory,
    shut: silences.Shut,
    place: rulebook.Place,
    now: datetime,
) -> Fault:
    rules = [rule for rule in book.by_source.get("device.down", ()) if rule.scope.holds(place)]
    if not rules:
        return Fault(device.pk, device.name, state, "", "", (), "No rule is about this device being down.")
    rule = max(rules, key=lambda one: Severity(one.severity).rank)
    severity = book.severity(rule, place)
    told: list[Told] = []
    alert = Alert(rule_id=rule.pk, device=device, severity=severity, fingerprint="")
    if state == "firing" and not shut.holds(alert, place):
        policy = directory.policy_for(rule.policy_id, place)
        for number in range(max(1, len(policy.steps))):
            after = policy.steps[number].after if policy.steps else None
            at = now if after is None else now + after
            for to in directory.recipients(policy, number, severity, place):
                due, held = not_before(to.contact, severity, at)
                seconds = int(after.total_seconds()) if after is not None else 0
                told.append(Told(number + 1, seconds, to.contact.name, to.channel.name, held, due))
    why = ""
    if state != "firing":
        why = "It is in maintenance." if state == "maintenance" else "It follows from another fault."
    elif shut.holds(alert, place):
        why = "It is silenced."
    elif not told:
        why = "Nobody is told of this severity at this place: see contacts and policies."
    return Fault(device.pk, device.name, state, severity, rule.name, tuple(told), why)
