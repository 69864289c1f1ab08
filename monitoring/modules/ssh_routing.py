"""What a router thinks of the network: BGP, OSPF, BFD, RIP, interfaces and the routing table, over SSH.

Metric sets "routing" and "bgp.peer"; facts "bgp_summary", "ospf_neighbors", "ospf6_neighbors", "bfd", "rip",
"interfaces", "routes_summary", "routing_table", "daemons". Each is a `Reading`: `presence` tells a protocol that is not
configured from a daemon that is not running and from one that did not answer. The table is asked for only after its
size is known (see `frr_routes.ROUTE_LIMIT`). The clock of a vendor's device is the fact and the set "ntp"; where there
is a shell it comes with the host's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from monitoring.modules import Collected
from monitoring.modules import Reading as Sample
from monitoring.modules.ssh_host import label, ntp_readings
from monitoring.modules.ssh_sessions import borrow, borrow_shell, identified, is_shell
from netmon.drivers.errors import DriverError, NotSupported, ProtocolError
from netmon.drivers.platforms import changes, frr, frr_routes, frr_routing, links, vendors
from netmon.drivers.platforms.shapes import Presence, Reading
from netmon.drivers.ssh.answers import Answer
from netmon.drivers.ssh.script import Vtysh
from netmon.drivers.ssh.session import SshSession
from netmon.drivers.targets import SshTarget

FAMILIES: tuple[tuple[Literal["ipv4", "ipv6"], str], ...] = (("ipv4", "route_summary"), ("ipv6", "route_summary6"))
ASKED = (
    "daemons", "route_summary", "route_summary6", "bgp", "bgp_neighbors", "ospf", "ospf6", "interfaces", "bfd", "rip",
    "rip_status",
)  # fmt: skip
MAX_PEER_SERIES = 200
# Kept with a fact: more would be a table that nobody reads.
MAX_RAW = 262_144


def collect(target: SshTarget, context: Mapping[str, Any]) -> Collected:
    """What `context` may hold: `platform`, `habits`, `route_limit` (candidates of both families together), `expected`:
    the neighbours that must be there, by protocol (bgp, ospf, ospf6).

    Raises DriverError; NotSupported when the device has no routing daemon at all.
    """
    target = identified(target, str(context.get("platform") or ""))
    platform = target.platform
    found = _Found(platform)
    meta: dict[str, Any]
    started = time.monotonic()
    if is_shell(platform):
        with borrow_shell(target) as shell:
            response_ms = _since(started)
            for question in ("bgp", "ospf", "interfaces", "routes", "ntp"):
                found.ask_vendor(lambda line: shell.run([line])[line], question)
            meta = {"platform": platform, "shown_keys": shell.shown_keys}
    else:
        with borrow(target, context.get("habits")) as session:
            response_ms = _since(started)
            found.ask_frr(session, int(context.get("route_limit") or frr_routes.ROUTE_LIMIT))
            meta = {
                "platform": platform,
                "shown_keys": session.shown_keys,
                "habits": {"mode": session.habits.mode, "batches_vtysh": session.habits.batches_vtysh},
            }
    if (reason := found.why_nothing()) is not None:
        raise reason
    return Collected(
        collected_at=time.time(),
        monotonic_at=time.monotonic(),
        response_ms=response_ms,
        readings=found.samples(response_ms, context.get("expected") or {}),
        facts={**found.facts(), "ssh_meta": meta},
        raw={kind: text[:MAX_RAW] for kind, text in found.raw.items()},
        whole_sets=found.whole_sets(),
    )


def _since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 3)


class _Found:
    """What was read so far, by the name of its fact."""

    def __init__(self, platform: str) -> None:
        self.platform = platform
        self.readings: dict[str, Reading[Any]] = {}
        self.raw: dict[str, str] = {}

    def ask_frr(self, session: SshSession, route_limit: int) -> None:
        lines = {name: frr.COMMANDS[name] for name in ASKED}
        answers = session.run({"vtysh": Vtysh(tuple(lines.values())), "counters": frr.COUNTERS})
        by_name = {name: answers[line] for name, line in lines.items()}
        by_name |= self._default_vrf(session, by_name)
        self._read("daemons", by_name["daemons"], lambda: frr.daemons(by_name["daemons"]))
        bgp = by_name["bgp"]
        self._read("bgp_summary", bgp, lambda: frr_routing.bgp_summary(bgp, by_name["bgp_neighbors"]))
        self._read("ospf_neighbors", by_name["ospf"], lambda: frr_routing.ospf_neighbors(by_name["ospf"], 2))
        self._read("ospf6_neighbors", by_name["ospf6"], lambda: frr_routing.ospf_neighbors(by_name["ospf6"], 3))
        self._read("bfd", by_name["bfd"], lambda: frr_routing.bfd_peers(by_name["bfd"]))
        self._read("rip", by_name["rip"], lambda: frr_routing.rip(by_name["rip"], by_name["rip_status"]))
        self._read("interfaces", by_name["interfaces"], lambda: _interfaces(by_name["interfaces"], answers["counters"]))
        self._read_routes(session, by_name, route_limit)

    @staticmethod
    def _default_vrf(session: SshSession, by_name: Mapping[str, Answer]) -> dict[str, Answer]:
        """The answers of a router that does not know `vrf all`, asked without it."""
        refused = {
            name: line
            for name, line in frr.COMMANDS_DEFAULT_VRF.items()
            if (fault := _fault(by_name[name])) is not None and fault.presence is Presence.NOT_INSTALLED
        }
        has_vtysh = _fault(by_name["daemons"]) is None
        if not refused or not has_vtysh:
            return {}
        again = session.run({"vtysh": Vtysh(tuple(refused.values()))})
        return {name: again[line] for name, line in refused.items()}

    def _read_routes(self, session: SshSession, by_name: Mapping[str, Answer], limit: int) -> None:
        """Both tables, where their sizes allow it; of a big one its small protocols."""
        summaries: dict[str, Any] = {}
        lines: dict[str, list[str]] = {}
        for family, name in FAMILIES:
            reading = self._safely(lambda name=name, family=family: frr_routes.route_summary(by_name[name], family))  # type: ignore[misc]
            if reading.value is None:
                self.readings.setdefault("routes_summary", reading)
                continue
            summaries[family] = reading.value
            lines[family] = frr_routes.table_commands(reading.value, limit)
            if frr_routes.wants_table(reading.value, limit):
                limit -= reading.value["total"]
        if not summaries:
            return
        self.readings["routes_summary"] = Reading(Presence.RUNNING, value=summaries)
        wanted = tuple(line for family in lines.values() for line in family)
        answers = session.run({"vtysh": Vtysh(wanted)}) if wanted else {}
        routes: list[dict[str, Any]] = []
        whole = True
        for family, _ in FAMILIES:
            for line in lines.get(family, ()):
                table = self._safely(
                    lambda line=line, family=family: frr_routes.routes(answers[line], family)  # type: ignore[misc]
                )
                if table.value is None:
                    whole = False
                    continue
                whole = whole and not table.value["is_truncated"]
                routes += [{"family": family, **route} for route in table.value["routes"]]
        is_partial = not whole or any(
            not frr_routes.wants_table(summaries[family], frr_routes.ROUTE_LIMIT) for family in summaries
        )
        self.readings["routing_table"] = Reading(
            Presence.RUNNING,
            value={"is_partial": is_partial, "routes": routes},
            reason="The table is too big: only its small protocols are here; ask for a prefix." if is_partial else "",
        )

    def ask_vendor(self, ask: Callable[[str], Answer], question: Any) -> None:
        kinds = {"bgp": "bgp_summary", "ospf": "ospf_neighbors", "routes": "routing_table"}
        kind = kinds.get(question, question)
        try:
            asks = vendors.asks(self.platform, question)
        except NotSupported as error:
            self.readings[kind] = Reading(Presence.UNKNOWN, reason=error.detail)
            return
        for one in asks:
            answer = ask(one.line)
            reading = self._safely(lambda one=one, answer=answer: vendors.read(self.platform, question, one, answer))  # type: ignore[misc]
            self.readings[kind], self.raw[kind] = reading, answer.stdout
            if reading.presence is not Presence.NOT_PARSED:
                break
        if kind == "routing_table" and reading.value is not None:
            value = {"is_partial": reading.value["is_truncated"], "routes": [
                {"family": reading.value["family"], **route} for route in reading.value["routes"]
            ]}  # fmt: skip
            self.readings[kind] = Reading(reading.presence, value=value, reason=reading.reason)

    def _read(self, kind: str, answer: Answer, read: Callable[[], Reading[Any]]) -> None:
        self.readings[kind], self.raw[kind] = self._safely(read), answer.stdout

    @staticmethod
    def _safely(read: Callable[[], Reading[Any]]) -> Reading[Any]:
        """A part that is not understood costs itself only."""
        try:
            return read()
        except (ProtocolError, NotSupported) as error:
            return Reading(Presence.NOT_PARSED, reason=error.detail)

    def facts(self) -> dict[str, dict[str, Any]]:
        """As they are kept: readings, but of the clock its status alone, as hosts give it."""
        kept = {kind: reading.as_dict() for kind, reading in self.readings.items() if kind != "ntp"}
        return kept | ({"ntp": dict(self._value("ntp"))} if self._value("ntp") else {})

    def why_nothing(self) -> DriverError | None:
        """The error of a device none of whose daemons could be asked; None where something was learnt."""
        parts = [reading for kind, reading in self.readings.items() if kind not in ("ntp", "interfaces")]
        if any(reading.presence in (Presence.RUNNING, Presence.NOT_CONFIGURED) for reading in parts):
            return None
        if any(reading.presence is Presence.NOT_RUNNING for reading in parts):
            return None  # that a daemon is dead is an answer
        worst = parts[0] if parts else Reading(Presence.UNKNOWN)
        if worst.presence in (Presence.UNKNOWN, Presence.NOT_PARSED):
            return ProtocolError(worst.reason or "Nothing of the device's answer was understood.")
        return NotSupported(worst.reason or "The device has no routing daemon that can be asked.")

    def _missing(self, expected: Mapping[str, Any]) -> int | None:
        """How many expected neighbours are not there or not up; None where nobody expects any."""
        kinds = {"bgp": "bgp_summary", "ospf": "ospf_neighbors", "ospf6": "ospf6_neighbors"}
        total = None
        for protocol, names in expected.items():
            reading = self.readings.get(kinds.get(protocol, ""))
            if reading is None:
                continue
            if reading.value is None:
                if reading.presence in (Presence.NOT_RUNNING, Presence.NOT_CONFIGURED):  # it has none of them
                    total = (total or 0) + len(names)
                continue
            now = changes.expected_neighbours(names, reading.value)
            total = (total or 0) + len(now["missing"]) + len(now["down"])
        return total

    def samples(self, response_ms: float, expected: Mapping[str, Any]) -> list[Sample]:
        bgp, ospf, bfd = (self._value(kind) for kind in ("bgp_summary", "ospf_neighbors", "bfd"))
        summary = self._value("routes_summary") or {}
        values: dict[str, float | None] = {"response_ms": response_ms, "missing_neighbours": self._missing(expected)}
        for family in ("ipv4", "ipv6"):
            if family in summary:
                values[f"routes_{family}"] = summary[family]["total"]
        if bgp is not None:
            values |= {"bgp_peers": bgp["peers_total"], "bgp_established": bgp["peers_established"]}
        if ospf is not None:
            values |= {"ospf_neighbours": ospf["total"], "ospf_full": ospf["full"]}
        if bfd is not None:
            values["bfd_up"] = sum(peer["is_up"] for peer in bfd)
        found = [Sample(set="routing", values=values)]
        for peer in (bgp["peers"] if bgp else ())[:MAX_PEER_SERIES]:
            name = f"{peer['address']}%{peer['vrf']}" if peer["vrf"] not in ("", "default") else peer["address"]
            found.append(
                Sample(
                    set="bgp.peer",
                    labels={"peer": label(name), "family": label(peer["family"])},
                    values={
                        "is_established": float(peer["is_established"]),
                        "prefixes_received": peer["prefixes_received"],
                        "prefixes_sent": peer["prefixes_sent"],
                        "uptime_seconds": peer["uptime_seconds"],
                    },
                )
            )
        if (ntp := self._value("ntp")) is not None:
            found += ntp_readings(ntp)
        return found

    def whole_sets(self) -> frozenset[str]:
        """BGP's peers are all there, or there is none: a daemon that is dead, or not configured, has no peer."""
        presence = self.readings.get("bgp_summary", Reading(Presence.UNKNOWN)).presence
        is_told = presence in (Presence.RUNNING, Presence.NOT_CONFIGURED, Presence.NOT_RUNNING)
        return frozenset({"bgp.peer"} if is_told else ())

    def _value(self, kind: str) -> Any:
        reading = self.readings.get(kind)
        return reading.value if reading is not None and reading.presence is Presence.RUNNING else None


def _fault(answer: Answer) -> Reading[Any] | None:
    try:
        return frr.fault(answer)
    except ProtocolError as error:
        return Reading(Presence.NOT_PARSED, reason=error.detail)


def _interfaces(answer: Answer, counters: Answer) -> Reading[Any]:
    counted = links.interfaces_from_proc(counters) if counters.status == 0 else None
    return frr.interfaces(answer, counted)
