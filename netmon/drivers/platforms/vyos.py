"""VyOS: FRR below, so its routing is asked through vtysh; facts and configuration through VyOS's own op-mode.

Read in VyOS's sources (vyos-1x), not tried on a device. On an exec channel op-mode words have to go through the wrapper
that VyOS's own programs use. VyOS's own `show ip bgp summary` knows no `json`, vtysh below it does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms import frr
from netmon.drivers.platforms.shapes import Facts
from netmon.drivers.platforms.text import lines, output, words
from netmon.drivers.ssh.answers import Answer

OP_MODE: Final = "/opt/vyatta/bin/vyatta-op-cmd-wrapper"
# Routing: the same lines and parsers as FRR's.
VTYSH_COMMANDS: Final[Mapping[str, str]] = frr.COMMANDS
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "version": (OP_MODE, "show", "version"),
    "running_config": (OP_MODE, "show", "configuration", "commands"),
    "startup_config": ("cat", "/config/config.boot"),
    "commits": (OP_MODE, "show", "system", "commit"),
}
_VERSION_KEYS = {
    "Version": "os_version",
    "Hardware model": "model",
    "Hardware S/N": "serial_number",
}


def facts(version: Answer) -> Facts:
    """`show version` of the op-mode: "Version: VyOS 1.4.0" and more. Raises ProtocolError and NotSupported."""
    found: Facts = {
        "hostname": "",
        "vendor": "VyOS",
        "model": "",
        "os_version": "",
        "serial_number": "",
        "uptime_seconds": None,
    }
    for line in lines(output(version, "show version"))[:100]:
        key, colon, value = line.partition(":")
        if colon and (name := _VERSION_KEYS.get(key.strip())):
            found[name] = words(value, 200)  # type: ignore[literal-required]
    if not found["os_version"]:
        raise ProtocolError("show version: there is no line `Version:`.")
    found["os_version"] = found["os_version"].removeprefix("VyOS ")
    return found


def commands_text(answer: Answer) -> str:
    """`show configuration commands`: lines that start with `set`. Raises ProtocolError and NotSupported."""
    found = [line.rstrip() for line in lines(output(answer, "show configuration commands"))]
    if not any(re.search(r"\Aset [a-z]", line) for line in found):
        raise ProtocolError("show configuration commands: no line starts with `set`.")
    return "\n".join(found).strip("\n") + "\n"
