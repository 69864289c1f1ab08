"""What the four versions do differently. A row is a fact about a version, not a setting."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One version. `banner` is what `show version` says; `endpoints` those beside retrieve, configure and so on."""

    name: str
    banner: str
    options_under: str = ""
    mac_leaf: str = "mac-address"
    subnet_id: bool = False
    unique_mappings: bool = True
    interface_required: bool = False
    translations: tuple[str, ...] = ("address", "port", "redirect", "load-balance")
    prefix_with_port: bool = True
    rest_node: bool = False
    missing_key_status: int = 401
    json_when_down: bool = False
    configure_section: bool = True
    info: bool = False
    confirm: bool = False
    background: bool = False
    escapes_html: bool = False
    output: str | None = None

    @property
    def is_kea(self) -> bool:
        return self.mac_leaf == "mac"


VERSIONS = {
    behaviour.name: behaviour
    for behaviour in (
        Behaviour(
            name="1.3", banner="VyOS 1.3.8", unique_mappings=False, interface_required=True, translations=("address",),
            prefix_with_port=False, missing_key_status=422, json_when_down=True, configure_section=False,
        ),
        Behaviour(name="1.4", banner="VyOS 1.4.0"),
        Behaviour(
            name="1.5-2024-10", banner="VyOS 1.5-rolling-202410210007", options_under="option", mac_leaf="mac",
            subnet_id=True, rest_node=True, escapes_html=True,
        ),
        Behaviour(
            name="1.5-2026-02", banner="VyOS 1.5-rolling-202602130021", options_under="option", mac_leaf="mac",
            subnet_id=True, rest_node=True, info=True, confirm=True, background=True, escapes_html=True, output="",
        ),
    )
}  # fmt: skip
