"""Host keys: a server must show a pinned one before it gets any credential."""

from __future__ import annotations

from typing import Any

import paramiko

from netmon.drivers.ssh.errors import UntrustedHostKey
from netmon.drivers.targets import HOST_KEY_TYPES, HostKey


def host_key_of(key: Any) -> HostKey:
    """Our form of a library's key."""
    return HostKey(key.get_name(), key.get_base64())


def key_types_of(pins: tuple[HostKey, ...]) -> tuple[str, ...]:
    """The types to ask for. With one type pinned and another shown, a true server would look like a false one."""
    return tuple(name for name in HOST_KEY_TYPES if any(pin.key_type == name for pin in pins))


class PinPolicy(paramiko.MissingHostKeyPolicy):
    """Called with the server's key after the key exchange proved that it is the server's, and before any login.

    `shown` is the key then. Raises UntrustedHostKey.
    """

    def __init__(self, pins: tuple[HostKey, ...], *, trusts_first_use: bool, address: str, port: int) -> None:
        self.shown: HostKey | None = None
        self._pins = pins
        self._trusts_first_use = trusts_first_use
        self._address = address
        self._port = port

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        """paramiko's hook: returning accepts the key."""
        self.shown = shown = host_key_of(key)
        if shown in self._pins or (not self._pins and self._trusts_first_use):
            return
        if not self._pins:
            reason = "unknown"
        elif any(pin.key_type == shown.key_type for pin in self._pins):
            reason = "changed"
        else:
            reason = "other_type"
        raise UntrustedHostKey(reason, shown, self._pins, address=self._address, port=self._port)

    @property
    def is_first_use(self) -> bool:
        """Whether the key was accepted only because there were no pins."""
        return self.shown is not None and self.shown not in self._pins
