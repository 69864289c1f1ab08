"""What happened to a router's sessions between two readings, and which neighbours are missing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from monitoring.models import Check, DeviceEvent, DeviceFact, ExpectedNeighbour
from monitoring.modules import Collected
from netmon.drivers.platforms import changes

Source, Severity = DeviceEvent.Source, DeviceEvent.Severity
# Fact of a check -> part of a `changes.Routing`.
PARTS = {
    "bgp_summary": "bgp",
    "ospf_neighbors": "ospf",
    "ospf6_neighbors": "ospf6",
    "interfaces": "interfaces",
}
DAEMONS = {
    "bgp_summary": Source.BGP, "ospf_neighbors": Source.OSPF, "ospf6_neighbors": Source.OSPF, "bfd": Source.BFD,
    "rip": Source.ROUTING,
}  # fmt: skip
CRITICAL = {"silent_cut", "daemon_stopped"}
BAD = {
    "bgp_down", "bgp_flapped", "bgp_prefixes_dropped", "ospf_gone", "ospf_restarted", "link_down", "link_flapped",
    "neighbour_missing", "neighbour_down", "silent_cut",
}  # fmt: skip
SOURCES = {"bgp": Source.BGP, "ospf": Source.OSPF, "link": Source.INTERFACE}
PROTOCOLS = {"bgp": "bgp_summary", "ospf": "ospf_neighbors", "ospf6": "ospf6_neighbors"}
MAX_EVENTS = 200
# Three hello intervals of OSPF (RFC 2328 appendix C.3 suggests 10 s): a living link has carried a packet by then.
SILENCE_SECONDS = 30.0


def tell(check: Check, collected: Collected) -> None:
    """Write events for what changed since the last run; adds the fact "routing_health".

    In the caller's transaction, before the facts are replaced. A part that either reading lacks tells nothing: not
    asked is not gone.
    """
    device_id = check.endpoint.device_id
    memory = check.memory
    kinds = [*PARTS, *DAEMONS, "routing_health"]
    known = {row.kind: row.data for row in DeviceFact.objects.filter(device=device_id, kind__in=kinds)}
    before, after = _routing(known, memory.get("seconds")), _routing(collected.facts, collected.collected_at)
    at = datetime.fromtimestamp(collected.collected_at, UTC)
    found: list[DeviceEvent] = []
    for event in changes.session_events(before, after):  # type: ignore[arg-type]
        source = SOURCES.get(event["kind"].partition("_")[0], Source.ROUTING)
        found.append(
            _event(
                device_id, at, source, event["kind"], event["key"], event["detail"],
                {"before": event["before"], "after": event["after"]},
            )
        )  # fmt: skip
    found += _daemon_events(device_id, at, known, collected.facts)
    health = _health(check, before, after, memory)
    found += _health_events(device_id, at, known.get("routing_health", {}), health)
    DeviceEvent.objects.bulk_create(found[:MAX_EVENTS])
    collected.facts["routing_health"] = health
    check.memory = {**memory, "seconds": collected.collected_at, "ospf_well": _last_well(memory, after)}


def _daemon_events(
    device_id: int, at: datetime, before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[DeviceEvent]:
    """A daemon that died, or came back: its sessions tell nothing then, for it cannot be asked."""
    found = []
    for kind, source in DAEMONS.items():
        was, now = (facts.get(kind, {}) for facts in (before, after))
        pair = (was.get("presence"), now.get("presence"))
        if pair == ("running", "not_running"):
            found.append(_event(device_id, at, source, "daemon_stopped", kind, str(now.get("reason", "")), {}))
        elif pair == ("not_running", "running"):
            found.append(_event(device_id, at, source, "daemon_back", kind, "It runs again.", {}))
    return found


def _routing(facts: Mapping[str, Any], seconds: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, part in PARTS.items():
        fact = facts.get(kind)
        if isinstance(fact, Mapping) and fact.get("value") is not None:
            found[part] = fact["value"]
    if isinstance(seconds, (int, float)):
        found["seconds"] = seconds
    return found


def expected(device_id: int) -> dict[str, list[str]]:
    """The neighbours that must be there, by protocol."""
    found: dict[str, list[str]] = {}
    rows = ExpectedNeighbour.objects.filter(device=device_id).order_by("protocol", "neighbour")
    for protocol, neighbour in rows.values_list("protocol", "neighbour"):
        found.setdefault(protocol, []).append(neighbour)
    return found


def _health(
    check: Check, before: Mapping[str, Any], after: Mapping[str, Any], memory: Mapping[str, Any]
) -> dict[str, Any]:
    """Who is missing, and which links carry nothing although BGP says Established."""
    neighbours: dict[str, Any] = {}
    for protocol, names in expected(check.endpoint.device_id).items():
        if protocol in after:
            neighbours[protocol] = changes.expected_neighbours(names, after[protocol])
        # A daemon that is dead or gone from the configuration has lost them all; one that was not asked tells nothing.
    cuts: Sequence[Any] = ()
    well = memory.get("ospf_well")
    if "bgp" in after and "ospf" in after and "interfaces" in after and well:
        # Between two readings in a row a quiet link has nothing to say either.
        is_apart = after["seconds"] - before.get("seconds", after["seconds"]) >= SILENCE_SECONDS
        counted = before.get("interfaces", ()) if is_apart else ()
        cuts = changes.silent_cut(after["bgp"], well, after["ospf"], after["interfaces"], counted)
    return {"neighbours": neighbours, "silent_cuts": [dict(cut) for cut in cuts]}


def _last_well(memory: Mapping[str, Any], after: Mapping[str, Any]) -> Any:
    """OSPF as it was when every neighbour was well, which a silent cut is held against: names and links only."""
    ospf = after.get("ospf")
    if ospf is None:
        return memory.get("ospf_well")
    kept = memory.get("ospf_well") or {"neighbors": []}
    well = [one for one in ospf["neighbors"] if one["is_normal"]]
    if len(well) < len(kept["neighbors"]):
        return kept
    slim = [{name: one[name] for name in ("router_id", "interface", "is_normal")} for one in well]
    return {"version": ospf["version"], "total": len(slim), "full": len(slim), "neighbors": slim}


def _health_events(
    device_id: int, at: datetime, before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[DeviceEvent]:
    found = []
    for protocol, now in after["neighbours"].items():
        was = before.get("neighbours", {}).get(protocol, {})
        source = Source.BGP if protocol == "bgp" else Source.OSPF
        for state in ("missing", "down"):
            for name in sorted(set(now[state]) - set(was.get(state, ()))):
                text = f"An expected neighbour is {'not there at all' if state == 'missing' else 'there but not up'}."
                found.append(_event(device_id, at, source, f"neighbour_{state}", name, text, {}))
        gone = set(was.get("missing", ())) | set(was.get("down", ()))
        for name in sorted(gone - set(now["missing"]) - set(now["down"])):
            found.append(_event(device_id, at, source, "neighbour_back", name, "The neighbour is there again.", {}))
    known = {(cut["peer"], cut["interface"]) for cut in before.get("silent_cuts", ())}
    now_cut = {(cut["peer"], cut["interface"]): cut for cut in after["silent_cuts"]}
    for key in sorted(now_cut.keys() - known):
        cut = now_cut[key]
        text = f"BGP to {cut['peer']} says Established over {cut['interface']}. {' '.join(cut['reasons'])}"
        found.append(_event(device_id, at, Source.ROUTING, "silent_cut", cut["interface"], text, dict(cut)))
    for _, interface in sorted(known - now_cut.keys()):
        found.append(_event(device_id, at, Source.ROUTING, "silent_cut_over", interface, "Traffic is back.", {}))
    return found


def _event(
    device_id: int, at: datetime, source: str, kind: str, subject: str, detail: str, data: dict[str, Any]
) -> DeviceEvent:
    severity = Severity.CRITICAL if kind in CRITICAL else Severity.WARNING if kind in BAD else Severity.INFO
    return DeviceEvent(
        device_id=device_id, at=at, source=source, kind=kind, severity=severity, subject=subject[:255],
        detail=detail[:500], data=data,
    )  # fmt: skip
