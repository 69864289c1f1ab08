"""Vendor devices through their interactive shell: what is asked, and how its answer is read.

JSON first where the system has it (EOS, NX-OS, Junos), else ntc-templates (TextFSM). An answer that no template
understands is NOT_PARSED with its reason, never an empty table. The forms follow the vendors' documentation and the
templates; no such device was at hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from netmon.drivers.errors import NotSupported, ProtocolError
from netmon.drivers.platforms import vendor_json, vendor_rows
from netmon.drivers.platforms.clock import ntpd_status
from netmon.drivers.platforms.shapes import Presence, Reading
from netmon.drivers.platforms.text import clean, lines, load_json, words
from netmon.drivers.platforms.vendor_ntp import ntp_text
from netmon.drivers.ssh.answers import Answer

Question = Literal["facts", "interfaces", "bgp", "ospf", "routes", "ntp", "running_config", "startup_config"]
Form = Literal["json", "template", "ntp", "ntpq", "raw"]
# No table of a shell is larger, and templates try each line against all their rules.
MAX_TEXT: Final = 4 << 20
MAX_TEXT_LINE: Final = 1000


class Ask(NamedTuple):
    """A line to send, the form of its answer, and the template's name for it where that is another line."""

    line: str
    form: Form = "template"
    template: str = ""


def _raw(running: str, startup: str) -> dict[Question, tuple[Ask, ...]]:
    return {"running_config": (Ask(running, "raw"),), "startup_config": (Ask(startup, "raw"),) if startup else ()}


_IOS: Final[Mapping[Question, tuple[Ask, ...]]] = {
    "facts": (Ask("show version"),),
    "interfaces": (Ask("show interfaces"),),
    "bgp": (Ask("show ip bgp summary"),),
    "ospf": (Ask("show ip ospf neighbor"),),
    "routes": (Ask("show ip route"),),
    "ntp": (Ask("show ntp status", "ntp"),),
    **_raw("show running-config", "show startup-config"),
}
_HUAWEI: Final[Mapping[Question, tuple[Ask, ...]]] = {
    "facts": (Ask("display version"),),
    "interfaces": (Ask("display interface"),),
    "bgp": (Ask("display bgp peer"),),
    "ospf": (),
    "routes": (Ask("display ip routing-table verbose"),),
    "ntp": (Ask("display ntp-service status", "ntp"), Ask("display ntp status", "ntp")),
    **_raw("display current-configuration", "display saved-configuration"),
}
_PROCURVE: Final[Mapping[Question, tuple[Ask, ...]]] = {
    "facts": (Ask("show system"),),
    "interfaces": (Ask("show interfaces brief"),),
    "bgp": (),
    "ospf": (),
    "routes": (Ask("show ip route"),),
    "ntp": (),
    **_raw("show running-config", "show config"),
}
# By netmiko's names. Alternatives are tried in order; an empty tuple means that nothing is known to ask.
COMMANDS: Final[Mapping[str, Mapping[Question, tuple[Ask, ...]]]] = {
    "cisco_ios": _IOS,
    "cisco_xe": _IOS,
    "cisco_xr": {
        **_IOS,
        "bgp": (Ask("show bgp instance all summary"), Ask("show ip bgp summary")),
        "ospf": (Ask("show ospf neighbor"),),
        **_raw("show running-config", ""),
    },
    "cisco_asa": {
        **_IOS,
        "interfaces": (Ask("show interface"),),
        "bgp": (Ask("show bgp summary"),),
        "ospf": (Ask("show ospf neighbor"),),
        "routes": (Ask("show route"),),
    },
    "cisco_nxos": {
        "facts": (Ask("show version | json", "json"), Ask("show version")),
        "interfaces": (Ask("show interface | json", "json"), Ask("show interface")),
        "bgp": (Ask("show bgp vrf all all summary | json", "json"), Ask("show ip bgp summary")),
        "ospf": (Ask("show ip ospf neighbors vrf all | json", "json"), Ask("show ip ospf neighbor")),
        "routes": (Ask("show ip route vrf all | json", "json"), Ask("show ip route")),
        "ntp": (Ask("show ntp peer-status", "ntp"),),
        **_raw("show running-config", "show startup-config"),
    },
    "arista_eos": {
        "facts": (Ask("show version | json", "json"), Ask("show version")),
        "interfaces": (Ask("show interfaces | json", "json"), Ask("show interfaces")),
        "bgp": (Ask("show ip bgp summary vrf all | json", "json"), Ask("show ip bgp summary")),
        "ospf": (Ask("show ip ospf neighbor vrf all | json", "json"), Ask("show ip ospf neighbor")),
        "routes": (Ask("show ip route vrf all | json", "json"), Ask("show ip route")),
        "ntp": (Ask("show ntp status", "ntp"),),
        **_raw("show running-config", "show startup-config"),
    },
    "juniper_junos": {
        "facts": (Ask("show version | display json", "json"), Ask("show version")),
        "interfaces": (Ask("show interfaces extensive | display json", "json"), Ask("show interfaces")),
        "bgp": (Ask("show bgp summary | display json", "json"), Ask("show bgp summary")),
        "ospf": (Ask("show ospf neighbor | display json", "json"), Ask("show ospf neighbor")),
        "routes": (Ask("show route | display json", "json"),),
        "ntp": (Ask("show ntp associations no-resolve", "ntpq"),),
        # committed is running; a candidate may differ, but then it is not active
        **_raw("show configuration | display set", ""),
    },
    "mikrotik_routeros": {
        "facts": (Ask("/system resource print", "template", "system resource print"),),
        "interfaces": (Ask("/interface print detail without-paging", "template", "interface print detail"),),
        "bgp": (
            Ask(
                "/routing bgp peer print status without-paging",
                "template",
                "routing bgp peer print status without-paging",
            ),
        ),
        "ospf": (
            Ask(
                "/routing ospf neighbor print terse without-paging",
                "template",
                "routing ospf neighbor print terse without-paging",
            ),
        ),
        "routes": (Ask("/ip route print terse without-paging", "template", "ip route print terse without-paging"),),
        "ntp": (Ask("/system ntp client print", "ntp"),),
        **_raw("/export", ""),
    },
    "hp_procurve": _PROCURVE,
    "aruba_osswitch": _PROCURVE,
    "aruba_aoscx": {
        "facts": (Ask("show system"),),
        "interfaces": (Ask("show interface"),),
        "bgp": (Ask("show bgp all-vrfs all summary", "template", "show bgp all-vrfs all summary"),),
        "ospf": (),
        "routes": (Ask("show ip route all-vrfs"),),
        "ntp": (Ask("show ntp status", "ntp"),),
        **_raw("show running-config", "show startup-config"),
    },
    "huawei": _HUAWEI,
    "huawei_vrp": _HUAWEI,
    "huawei_vrpv8": _HUAWEI,
}
# The templates' name of a platform, where it is another one than netmiko's.
_TEMPLATES: Final = {
    "cisco_xe": "cisco_ios",
    "huawei": "huawei_vrp",
    "huawei_vrpv8": "huawei_vrp",
    "aruba_osswitch": "hp_procurve",
}
_REFUSED: Final = re.compile(
    r"% ?(?:Invalid|Incomplete|Ambiguous|Unknown|Unrecognized)|Invalid (?:input|command)|syntax error|unknown command"
    r"|Unrecognized command|bad command name|Error: (?:Unrecognized|Wrong|Incomplete)|expected end of command"
    r"|no such item",
    re.IGNORECASE,
)
_FORBIDDEN: Final = re.compile(
    r"not authori[sz]ed|authori[sz]ation failed|permission denied|not enough permissions", re.IGNORECASE
)
_INACTIVE: Final = re.compile(
    r"not active|not (?:enabled|configured|running)|is disabled|instance is not"
    r"|no (?:such )?(?:bgp|ospf) (?:process|instance)",
    re.IGNORECASE,
)
_ROWS: Final[Mapping[Question, Callable[[list[dict[str, Any]]], Any]]] = {
    "facts": vendor_rows.facts,
    "interfaces": vendor_rows.interfaces,
    "bgp": vendor_rows.bgp,
    "ospf": vendor_rows.ospf,
    "routes": vendor_rows.routes,
}


def asks(platform: str, question: Question) -> tuple[Ask, ...]:
    """What to send, best first. Raises NotSupported for a platform or question nothing is known about."""
    if platform not in COMMANDS:
        raise NotSupported(f"The platform {platform} is not known.")
    found = COMMANDS[platform].get(question, ())
    if not found:
        raise NotSupported(f"How to ask {platform} for {question} is not known.")
    return found


def read(platform: str, question: Question, ask: Ask, answer: Answer) -> Reading[Any]:
    """The answer to `ask` in the shape of the question: Facts, list[Interface], BgpSummary, OspfNeighbors, RouteTable,
    NtpStatus, or the text of a configuration.

    NOT_PARSED (try the next of `asks`) where neither JSON nor a template understands it; NOT_CONFIGURED, NOT_INSTALLED
    and NOT_PERMITTED where the device says so. Raises NotSupported for an unknown platform.
    """
    if platform not in COMMANDS:
        raise NotSupported(f"The platform {platform} is not known.")
    if not answer.is_whole:
        return Reading(Presence.UNKNOWN, reason="The answer was cut off.")
    if len(answer.stdout) > (MAX_TEXT if ask.form != "json" else MAX_TEXT * 16):
        return Reading(Presence.NOT_PARSED, reason="The answer is longer than any real one.")
    text = clean(answer.stdout)
    if refusal := _refusal(text):
        return refusal
    if not text.strip():
        if question in ("bgp", "ospf"):
            return Reading(Presence.NOT_CONFIGURED, reason=f"The device printed nothing: {question} is not configured.")
        return Reading(Presence.NOT_PARSED, reason=f"The device answered nothing to `{ask.line}`.")
    try:
        value = _value(platform, question, ask, text)
    except ProtocolError as error:
        return Reading(Presence.NOT_PARSED, reason=error.detail)
    return Reading(Presence.RUNNING, value=value)


def _refusal(text: str) -> Reading[Any] | None:
    # device texts are short where a command is refused; a configuration may hold any of these words
    head = text[:600].strip()
    if text.count("\n") > 8:
        return None
    if _FORBIDDEN.search(head):
        return Reading(Presence.NOT_PERMITTED, reason=words(head, 200))
    if _INACTIVE.search(head):
        return Reading(Presence.NOT_CONFIGURED, reason=words(head, 200))
    if _REFUSED.search(head):
        return Reading(Presence.NOT_INSTALLED, reason=f"The device does not know the command. {words(head, 160)}")
    return None


def _value(platform: str, question: Question, ask: Ask, text: str) -> Any:
    if ask.form == "raw":
        return text
    if ask.form == "ntp":
        return ntp_text(text)
    if ask.form == "ntpq":
        return ntpd_status(Answer(text))
    if ask.form == "json":
        return vendor_json.value(platform, question, load_json(text, ask.line))
    return _ROWS[question](template_rows(platform, ask, text))


def template_rows(platform: str, ask: Ask, text: str) -> list[dict[str, Any]]:
    """The rows the template makes of a text. Raises ProtocolError where there are none: TextFSM says so silently."""
    # imported when needed: it takes a quarter of a second, and Linux hosts never need it
    from ntc_templates.parse import ParsingException, parse_output  # type: ignore[import-untyped]
    from textfsm import TextFSMError  # type: ignore[import-untyped]

    bounded = "\n".join(line[:MAX_TEXT_LINE] for line in lines(text))
    name = ask.template or ask.line
    try:
        rows = parse_output(platform=_TEMPLATES.get(platform, platform), command=name, data=bounded)
    except (ParsingException, TextFSMError) as error:
        raise ProtocolError(f"No template understands the answer to `{ask.line}`: {words(str(error), 160)}") from error
    if not rows:
        raise ProtocolError(f"The template found no row in the answer to `{ask.line}`, which is not empty.")
    return [row for row in rows if isinstance(row, dict)]
