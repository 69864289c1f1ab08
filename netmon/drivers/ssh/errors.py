"""What only SSH can get wrong. All of them are driver errors (`netmon.drivers.errors`)."""

from __future__ import annotations

from netmon.drivers.errors import DriverError, UntrustedPeer
from netmon.drivers.targets import HostKey

_SENTENCES = {
    "unknown": "{where} shows a host key that nobody has approved yet, {offered}; compare it with the device's own, "
    "then approve it.",
    "changed": "{where} shows another host key than the approved one: {offered} instead of {pinned}. Nothing was sent "
    "to it. Find out why before you approve the new key: a new installation, or somebody in between.",
    "other_type": "{where} no longer shows a host key of an approved type: it offers {offered}, approved is {pinned}. "
    "Compare it with the device's own, then approve it.",
}


class UntrustedHostKey(UntrustedPeer):
    """The host key is not one of the pins; no credential was sent.

    `offered` is the key that was shown by `address` and `port` (of a jump host, if that was it), `reason` is
    "unknown" (there are no pins), "changed" (another key of a pinned type) or "other_type". `jumps` tells whose key it
    is: 0 that of the target itself, 1 that of its jump host, and so on.
    """

    def __init__(self, reason: str, offered: HostKey, pins: tuple[HostKey, ...], *, address: str, port: int) -> None:
        self.offered = offered
        self.address = address
        self.port = port
        known = [pin for pin in pins if pin.key_type == offered.key_type] or list(pins)
        text = _SENTENCES[reason].format(
            where=f"{address} port {port}",
            offered=_named(offered),
            pinned=" or ".join(_named(pin) for pin in known),
        )
        super().__init__(text, reason=reason)


class OutputTooLarge(DriverError):
    """The commands answered more than the target's `max_output_bytes`; the session was ended."""

    code = "output_too_large"


def _named(key: HostKey) -> str:
    return f"{key.fingerprint} ({key.key_type})"
