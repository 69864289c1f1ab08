"""What happened to a router's sessions between two readings, and which neighbours are missing."""

from collections.abc import Mapping
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
# What of an older reading is needed to tell a change, and the name of its list where it is not one itself.
NEEDED = {
    "bgp_summary": (
        ("address", "family", "vrf", "description", "state", "is_established", "changed_epoch", "prefixes_received",
         "connections_established", "connections_dropped"),
        "peers",
    ),
    "ospf_neighbors": (("router_id", "interface", "vrf", "state", "is_normal", "uptime_seconds"), "neighbors"),
    "ospf6_neighbors": (("router_id", "interface", "vrf", "state", "is_normal", "uptime_seconds"), "neighbors"),
    "interfaces": (("name", "oper_status", "link_downs"), ""),
}  # fmt: skip
MAX_BASE = 2000
# A daemon that is dead or gone from the configuration has lost all its neighbours.
LOST = ("not_running", "not_configured")
SURE = ("running", *LOST)
PROTOCOLS = {"bgp": "bgp_summary", "ospf": "ospf_neighbors", "ospf6": "ospf6_neighbors"}
MAX_EVENTS = 200
# Three hello intervals of OSPF (RFC 2328 appendix C.3 suggests 10 s): a living link has carried a packet by then.
SILENCE_SECONDS = 30.0
# An adjacency gone for longer was given up by somebody: BGP's own hold time ends a cut much sooner.
WELL_SECONDS = 3600.0


def tell(check: Check, collected: Collected) -> None:
    """Write events for what changed since the last run; adds the fact "routing_health".

    In the caller's transaction, before the facts are replaced. Each part is held against its last reading that told
    something, however long ago: one answer that was not understood is no change. A part not asked tells nothing.
    """
    device_id, memory, facts = check.endpoint.device_id, check.memory, collected.facts
    seconds, at = collected.collected_at, datetime.fromtimestamp(collected.collected_at, UTC)
    kinds = [*PARTS, *DAEMONS, "routing_health"]
    rows = DeviceFact.objects.filter(device=device_id, kind__in=kinds)
    known = {row.kind: (row.data, row.collected_at.timestamp()) for row in rows}
    base = _base(known, memory)
    before = {PARTS[kind]: one["value"] for kind, one in base.items()}
    after = {part: facts[kind]["value"] for kind, part in PARTS.items() if _has_value(facts.get(kind))}
    found = _session_events(device_id, at, base, after, seconds)
    presences = _presences(known, memory)
    found += _daemon_events(device_id, at, presences, facts)
    well = _well(memory, after, seconds)
    counted = memory.get("counted")
    passed = seconds - counted["seconds"] if counted else None
    is_apart = passed is not None and passed >= SILENCE_SECONDS
    was = known["routing_health"][0] if "routing_health" in known else {}
    health = {
        "neighbours": _neighbours(expected(device_id), facts, was),
        "silent_cuts": _cuts(was, before, after, facts, well, counted, is_apart=is_apart),
    }
    found += _health_events(device_id, at, was, health, after)
    DeviceEvent.objects.bulk_create(found[:MAX_EVENTS])
    facts["routing_health"] = health
    if "interfaces" in after and (passed is None or passed < 0 or is_apart):
        links = _links(well)
        packets = {one["name"]: one["in_packets"] for one in after["interfaces"] if one["name"] in links}
        counted = {"seconds": seconds, "packets": packets}
    # What is about to be replaced by an answer without a value; all else stays in the facts.
    kept = {
        kind: _slim(kind, one)
        for kind, one in base.items()
        if not _has_value(facts.get(kind, known.get(kind, ({},))[0]))
    }
    check.memory = {
        **memory,
        "base": {kind: one for kind, one in kept.items() if one is not None},
        "presences": presences | {kind: facts[kind]["presence"] for kind in DAEMONS if _is_sure(facts.get(kind))},
        "ospf_well": well,
        "counted": counted,
    }


def _has_value(fact: Any) -> bool:
    return isinstance(fact, Mapping) and fact.get("value") is not None


def _is_sure(fact: Any) -> bool:
    return isinstance(fact, Mapping) and fact.get("presence") in SURE


def _base(known: Mapping[str, tuple[Any, float]], memory: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By fact: the last `value` there was, and its time in `seconds`."""
    found: dict[str, dict[str, Any]] = {}
    for kind in PARTS:
        fact, seconds = known.get(kind, (None, 0.0))
        if _has_value(fact):
            found[kind] = {"value": fact["value"], "seconds": seconds}
        elif kind in memory.get("base", {}):
            found[kind] = memory["base"][kind]
    return found


def _slim(kind: str, base: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `changes.session_events` looks at in an older reading. None of one too big to be kept twice."""
    value = base["value"]
    names, within = NEEDED[kind]
    entries = value[within] if within else value
    if len(entries) > MAX_BASE:
        return None
    slim = [{name: one[name] for name in names} for one in entries]
    return {"value": {within: slim} if within else slim, "seconds": base["seconds"]}


def _presences(known: Mapping[str, tuple[Any, float]], memory: Mapping[str, Any]) -> dict[str, str]:
    """The last presence of each daemon that was beyond doubt."""
    return {**memory.get("presences", {})} | {
        kind: known[kind][0]["presence"] for kind in DAEMONS if kind in known and _is_sure(known[kind][0])
    }


def _session_events(
    device_id: int, at: datetime, base: Mapping[str, Any], after: Mapping[str, Any], seconds: float
) -> list[DeviceEvent]:
    found = []
    # Part by part, for their older readings may be of different times.
    for kind, part in PARTS.items():
        if kind not in base or part not in after:
            continue
        was = {part: base[kind]["value"], "seconds": base[kind]["seconds"]}
        for event in changes.session_events(was, {part: after[part], "seconds": seconds}):  # type: ignore[arg-type, misc]
            source = SOURCES.get(event["kind"].partition("_")[0], Source.ROUTING)
            data = {"before": event["before"], "after": event["after"]}
            found.append(_event(device_id, at, source, event["kind"], event["key"], event["detail"], data))
    return found


def _daemon_events(
    device_id: int, at: datetime, presences: Mapping[str, str], after: Mapping[str, Any]
) -> list[DeviceEvent]:
    """A daemon that died, or came back: its sessions tell nothing then, for it cannot be asked."""
    found = []
    for kind, source in DAEMONS.items():
        now = after.get(kind, {})
        pair = (presences.get(kind), now.get("presence"))
        if pair == ("running", "not_running"):
            found.append(_event(device_id, at, source, "daemon_stopped", kind, str(now.get("reason", "")), {}))
        elif pair == ("not_running", "running"):
            found.append(_event(device_id, at, source, "daemon_back", kind, "It runs again.", {}))
    return found


def expected(device_id: int) -> dict[str, list[str]]:
    """The neighbours that must be there, by protocol."""
    found: dict[str, list[str]] = {}
    rows = ExpectedNeighbour.objects.filter(device=device_id).order_by("protocol", "neighbour")
    for protocol, neighbour in rows.values_list("protocol", "neighbour"):
        found.setdefault(protocol, []).append(neighbour)
    return found


def _neighbours(wanted: Mapping[str, list[str]], facts: Mapping[str, Any], was: Mapping[str, Any]) -> dict[str, Any]:
    """Who is missing, by protocol; of one that gave no answer what was known before."""
    found: dict[str, Any] = {}
    for protocol, names in wanted.items():
        fact = facts.get(PROTOCOLS.get(protocol, ""))
        if isinstance(fact, Mapping) and _has_value(fact):
            found[protocol] = changes.expected_neighbours(names, fact["value"])
        elif isinstance(fact, Mapping) and fact.get("presence") in LOST:
            nobody: Any = {"peers": []}
            found[protocol] = changes.expected_neighbours(names, nobody)
        elif protocol in was.get("neighbours", {}):
            found[protocol] = was["neighbours"][protocol]
    return found


def _cuts(
    was: Mapping[str, Any],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    facts: Mapping[str, Any],
    well: Any,
    counted: Mapping[str, Any] | None,
    *,
    is_apart: bool,
) -> list[dict[str, Any]]:
    """Links that carry nothing although BGP says Established, with those known before where nothing new is learnt."""
    known = [dict(cut) for cut in was.get("silent_cuts", ())]
    if not {"bgp", "ospf", "interfaces"} <= after.keys():
        is_lost = any(facts.get(kind, {}).get("presence") in LOST for kind in ("bgp_summary", "ospf_neighbors"))
        return [] if is_lost else known
    packets = counted["packets"] if counted else {}
    # Between two readings in a row a quiet link has nothing to say either.
    older: Any = [{"name": name, "in_packets": count} for name, count in packets.items()] if is_apart else ()
    found = [dict(cut) for cut in changes.silent_cut(after["bgp"], well, after["ospf"], after["interfaces"], older)]
    if is_apart:
        return found
    told = {(cut["peer"], cut["interface"]) for cut in found}
    up = {one["name"]: one["in_packets"] for one in after["interfaces"] if one["oper_status"] == "up"}
    established = {peer["address"] for peer in after["bgp"]["peers"] if peer["is_established"]}
    returned = _links(after["ospf"]) - _links(before.get("ospf"))
    for cut in known:
        peer, name = cut["peer"], cut["interface"]
        is_silent = name in up and name in _links(well) - returned and packets.get(name) in (None, up[name])
        if (peer, name) not in told and peer in established and is_silent:
            found.append(cut)
    return found


def _links(ospf: Mapping[str, Any] | None) -> set[str]:
    """The links with a neighbour that is well."""
    return {one["interface"] for one in ospf["neighbors"] if one["is_normal"]} if ospf else set()


def _well(memory: Mapping[str, Any], after: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The adjacencies a silent cut is held against: those that were well within the last hour, on links that are up.

    `last_well` is when; without an end a link that is on purpose without OSPF would be cut for ever.
    """
    kept = (memory.get("ospf_well") or {}).get("neighbors", ())
    found = {(one["router_id"], one["interface"]): {"last_well": seconds, **one} for one in kept}
    for one in after.get("ospf", {}).get("neighbors", ()):
        if one["is_normal"]:
            key = (one["router_id"], one["interface"])
            found[key] = {"router_id": key[0], "interface": key[1], "is_normal": True, "last_well": seconds}
    well = [one for one in found.values() if seconds - one["last_well"] <= WELL_SECONDS]
    if "interfaces" in after:
        up = {one["name"] for one in after["interfaces"] if one["oper_status"] != "down"}
        well = [one for one in well if one["interface"] in up]
    return {"neighbors": well}


def _health_events(
    device_id: int, at: datetime, before: Mapping[str, Any], after: Mapping[str, Any], parts: Mapping[str, Any]
) -> list[DeviceEvent]:
    """Neighbours and cuts that came or went; `parts` is what this reading told."""
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
    for peer, interface in sorted(known - now_cut.keys()):
        text = _why_over(peer, interface, parts)
        found.append(_event(device_id, at, Source.ROUTING, "silent_cut_over", interface, text, {"peer": peer}))
    return found


def _why_over(peer: str, interface: str, parts: Mapping[str, Any]) -> str:
    """What is true of a link that is no silent cut any more: that traffic is back is one way of several."""
    if not {"bgp", "ospf", "interfaces"} <= parts.keys():
        return "A routing daemon stopped or lost its configuration: whether traffic is back, nobody can say."
    if not any(one["address"] == peer and one["is_established"] for one in parts["bgp"]["peers"]):
        return f"BGP to {peer} is not Established any more either: the link may still be cut, but no longer silently."
    if not any(one["name"] == interface and one["oper_status"] == "up" for one in parts["interfaces"]):
        return "The interface is no longer up: the link is cut, but no longer silently."
    if interface not in _links(parts["ospf"]):
        return "OSPF has been without a neighbour there for so long that it is no longer expected; BGP is Established."
    return "Traffic is back."


def _event(
    device_id: int, at: datetime, source: str, kind: str, subject: str, detail: str, data: dict[str, Any]
) -> DeviceEvent:
    severity = Severity.CRITICAL if kind in CRITICAL else Severity.WARNING if kind in BAD else Severity.INFO
    return DeviceEvent(
        device_id=device_id, at=at, source=source, kind=kind, severity=severity, subject=subject[:255],
        detail=detail[:500], data=data,
    )  # fmt: skip
