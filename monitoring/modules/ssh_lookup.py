"""One prefix or address asked of a router's own table, for tables too big to be read whole: no check of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from monitoring.modules import Collected
from monitoring.modules.ssh_sessions import borrow, identified, is_shell
from netmon.drivers.errors import NotSupported
from netmon.drivers.platforms import frr_routes
from netmon.drivers.platforms.shapes import Presence
from netmon.drivers.ssh.script import Vtysh
from netmon.drivers.targets import SshTarget

# One prefix has a handful of candidates; more is a fault, or a device that lies.
MAX_ROUTES = 256


def collect(target: SshTarget, context: Mapping[str, Any]) -> Collected:
    """The fact "lookup", a `Reading` of a route table; `context` holds `prefix`, and perhaps `platform` and `habits`.

    Raises ValueError for what is no prefix, NotSupported where no vtysh answers, ProtocolError, and as the driver does.
    """
    line, family = frr_routes.prefix_command(str(context["prefix"]))
    target = identified(target, str(context.get("platform") or ""))
    if is_shell(target.platform):
        raise NotSupported("One prefix can be asked of FRR and VyOS only: of this device the whole table is read.")
    started = time.monotonic()
    with borrow(target, context.get("habits")) as session:
        response_ms = round((time.monotonic() - started) * 1000, 3)
        answer = session.run({"vtysh": Vtysh((line,))})[line]
        meta = {"platform": target.platform, "shown_keys": session.shown_keys}
    reading = frr_routes.routes(answer, family, MAX_ROUTES)
    if reading.presence in (Presence.NOT_INSTALLED, Presence.NOT_PERMITTED):
        raise NotSupported(reason_of(reading.reason))
    return Collected(
        collected_at=time.time(),
        monotonic_at=time.monotonic(),
        response_ms=response_ms,
        facts={"lookup": reading.as_dict(), "ssh_meta": meta},
    )


def reason_of(reason: str) -> str:
    """Why nobody may ask, with the remedy for accounts that were set up before lookups were asked."""
    return f"{reason or 'The device refused the command.'} An account with an older allowlist needs the set-up anew."
