"""Who to talk to and how: frozen targets, checked when they are made, and the secrets they carry.

A target holds literal addresses only; a name is resolved before (`resolve`), so that what was checked against
the allowed networks is what the packets go to. Fields made with `_option` may be set by an operator as options of
an endpoint; `check_options` validates such a mapping without needing a whole target.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import dataclasses
import hashlib
import hmac
import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from netmon.drivers.errors import Unreachable

AUTH_PROTOCOLS = ("MD5", "SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512")
# AES-192 and AES-256 extend short keys the Blumenthal way (net-snmp), the -C variants the Reeder way (Cisco).
PRIV_PROTOCOLS = ("DES", "3DES", "AES", "AES-192", "AES-256", "AES-192-C", "AES-256-C")
SNMP_VERSIONS = ("1", "2c", "3")
# "linux", "frr" and "vyos" are asked over exec channels, all others (netmiko's names) in their interactive shell.
SSH_EXEC_PLATFORMS = ("linux", "frr", "vyos")
SSH_SHELL_PLATFORMS = (
    "allied_telesis_awplus", "arista_eos", "aruba_aoscx", "aruba_os", "aruba_osswitch", "brocade_fastiron",
    "checkpoint_gaia", "cisco_asa", "cisco_ios", "cisco_nxos", "cisco_s300", "cisco_xe", "cisco_xr",
    "dell_os10", "dell_os6", "dell_os9", "extreme_exos", "extreme_slx", "extreme_vsp", "fortinet", "hp_comware",
    "hp_procurve", "huawei", "huawei_vrp", "huawei_vrpv8", "juniper_junos", "mikrotik_routeros", "nokia_srl",
    "nokia_sros", "paloalto_panos", "ruckus_fastiron", "ubiquiti_edgerouter", "ubiquiti_edgeswitch",
    "ubiquiti_unifiswitch", "zyxel_os",
)  # fmt: skip
SSH_PLATFORMS = ("auto", *SSH_EXEC_PLATFORMS, *SSH_SHELL_PLATFORMS)
# The types the SSH engine can check; DSA and SHA-1 signatures are gone from it.
HOST_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
MAX_JUMPS = 4


class Secret:
    """A text that only `reveal()` shows: its repr, str and format are "***", and it is neither hashed nor pickled."""

    __slots__ = ("_text",)
    __hash__ = None  # type: ignore[assignment]  # a hash of a short secret is as good as the secret

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError("Secret: wants a str")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("Secret: holds half a character; type it anew") from None
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("Secret: refuses to be pickled; pass the key of the credential instead")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


def _option(default: Any, *, low: float | None = None, high: float | None = None, choices: tuple[str, ...] = ()) -> Any:
    """A field an operator may set; its type is that of its default, its range is inclusive."""
    return field(default=default, metadata={"option": True, "low": low, "high": high, "choices": choices})


def _check_value(entry: dataclasses.Field[Any], value: Any) -> Any:
    """`value` in the type of the field; raises ValueError naming the field, the reason and the remedy."""
    wanted = type(entry.default)
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise ValueError(f"{entry.name}: {type(value).__name__} given; give a {wanted.__name__}")
    low, high, choices = entry.metadata["low"], entry.metadata["high"], entry.metadata["choices"]
    # written this way round so that NaN is refused
    if low is not None and not low <= value <= high:
        raise ValueError(f"{entry.name}: {value} is out of range; give {low} to {high}")
    if choices and value not in choices:
        raise ValueError(f"{entry.name}: {value!r} is unknown; give one of {', '.join(choices)}")
    if isinstance(value, str) and len(value) > 255:
        raise ValueError(f"{entry.name}: longer than 255 characters; shorten it")
    return value


def _check_fields(target: Any) -> None:
    for entry in dataclasses.fields(target):
        if entry.metadata.get("option"):
            object.__setattr__(target, entry.name, _check_value(entry, getattr(target, entry.name)))
    try:
        ipaddress.ip_address(target.address)
    except ValueError:
        raise ValueError(f"address: {target.address!r} is not an IP address; resolve names first") from None


def option_fields(cls: type) -> dict[str, type]:
    """Name and type of each field of a target class that may be set as an option of an endpoint."""
    return {entry.name: type(entry.default) for entry in dataclasses.fields(cls) if entry.metadata.get("option")}


def check_options(cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `options` fit to be passed to `cls`; raises ValueError naming the key that is unknown or wrong."""
    entries = {entry.name: entry for entry in dataclasses.fields(cls) if entry.metadata.get("option")}
    for key in options:
        if key not in entries:
            raise ValueError(f"{key}: unknown option; known are {', '.join(sorted(entries))}")
    return {key: _check_value(entries[key], value) for key, value in options.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpTarget:
    """Echo requests to `address`: `count` of them, each awaited `timeout_seconds`, all within `deadline_seconds`."""

    address: str
    timeout_seconds: float = _option(1.0, low=0.05, high=60.0)
    count: int = _option(3, low=1, high=20)
    deadline_seconds: float = _option(5.0, low=0.05, high=300.0)

    def __post_init__(self) -> None:
        _check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpTarget:
    """A port to connect to, and the places `beside` it, (address, port) each, that must accept, too.

    `timeout_seconds` bounds each handshake. `label` is the port by which the endpoint is known: that of `port` unless
    the target is another place at which the endpoint is offered.
    """

    address: str
    port: int
    beside: tuple[tuple[str, int], ...] = ()
    label: int = 0
    timeout_seconds: float = _option(3.0, low=0.05, high=60.0)

    def __post_init__(self) -> None:
        _check_fields(self)
        for address, port in ((self.address, self.port), *self.beside):
            if type(port) is not int or not 1 <= port <= 65535:
                raise ValueError(f"port: {port!r} is out of range; give 1 to 65535")
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise ValueError(f"address: {address!r} is not an IP address; resolve names first") from None
        if not self.label:
            object.__setattr__(self, "label", self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnmpTarget:
    """An SNMP agent and the credentials for it.

    `timeout_seconds` is the wait for the first try; each of the `retries` waits half as long again. `max_var_binds`
    bounds one request (columns x rows). `any_source` accepts answers from another address than the one asked, for
    multi-homed devices. `deadline_seconds` bounds all requests of one session together.
    """

    address: str
    port: int = 161
    version: str = _option("2c", choices=SNMP_VERSIONS)
    community: Secret | None = None
    username: str = ""
    auth_protocol: str | None = None
    auth_key: Secret | None = None
    priv_protocol: str | None = None
    priv_key: Secret | None = None
    context_name: str = _option("")
    timeout_seconds: float = _option(1.0, low=0.05, high=60.0)
    retries: int = _option(2, low=0, high=10)
    max_var_binds: int = _option(60, low=1, high=500)
    any_source: bool = _option(False)
    deadline_seconds: float = _option(25.0, low=0.05, high=600.0)

    def __post_init__(self) -> None:
        _check_fields(self)
        if type(self.port) is not int or not 1 <= self.port <= 65535:
            raise ValueError(f"port: {self.port!r} is out of range; give 1 to 65535")
        if self.version == "3":
            self._check_user()
        elif not isinstance(self.community, Secret) or not self.community:
            raise ValueError(f"community: missing; SNMP version {self.version} needs one")
        elif len(self.community.reveal().encode()) > 255:
            raise ValueError("community: longer than 255 bytes; shorten it")

    def _check_user(self) -> None:
        # RFC 3414 section 5: a user name has 1 to 32 octets
        if not 1 <= len(self.username.encode()) <= 32:
            raise ValueError("username: SNMP version 3 needs one of 1 to 32 bytes; give it")
        if self.auth_protocol is not None and self.auth_protocol not in AUTH_PROTOCOLS:
            raise ValueError(f"auth_protocol: unknown; give one of {', '.join(AUTH_PROTOCOLS)}")
        if self.priv_protocol is not None and self.priv_protocol not in PRIV_PROTOCOLS:
            raise ValueError(f"priv_protocol: unknown; give one of {', '.join(PRIV_PROTOCOLS)}")
        if self.priv_protocol is not None and self.auth_protocol is None:
            raise ValueError("priv_protocol: privacy needs authentication (RFC 3414); set auth_protocol too")
        for name, protocol, key in (
            ("auth_key", self.auth_protocol, self.auth_key),
            ("priv_key", self.priv_protocol, self.priv_key),
        ):
            if protocol is None:
                continue
            if not isinstance(key, Secret):
                raise ValueError(f"{name}: missing; {protocol} needs a passphrase")
            # RFC 3414 section 11.2
            if len(key.reveal()) < 8:
                raise ValueError(f"{name}: shorter than 8 characters; use a longer passphrase")
            if len(key.reveal()) > 255:
                raise ValueError(f"{name}: longer than 255 characters; use a shorter passphrase")


@dataclass(frozen=True, slots=True)
class HostKey:
    """A server's public key: `key_type` such as "ssh-ed25519", and `public_key`, its base64 as in known_hosts.

    Raises ValueError ("host key: reason; remedy") for what is no such key.
    """

    key_type: str
    public_key: str

    def __post_init__(self) -> None:
        if self.key_type not in HOST_KEY_TYPES:
            raise ValueError(f"host key: unknown type; give one of {', '.join(HOST_KEY_TYPES)}")
        try:
            blob = base64.b64decode(self.public_key, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("host key: the second word is not base64; copy the whole line") from None
        # RFC 4253 section 6.6: the blob begins with the length and the name of its type
        size = int.from_bytes(blob[:4], "big")
        if blob[4 : 4 + size] != self.key_type.encode() or len(blob) <= 4 + size:
            raise ValueError(f"host key: the base64 holds no {self.key_type} key; copy the whole line")
        # one spelling for each key, so that pins compare as texts
        object.__setattr__(self, "public_key", base64.b64encode(blob).decode())

    @classmethod
    def parse(cls, line: str) -> HostKey:
        """The key of a line "ssh-ed25519 AAAA... comment", as in a .pub file. Raises ValueError."""
        words = line.split()
        if len(words) < 2:
            raise ValueError('host key: too short; give "ssh-ed25519 AAAA..." as in a .pub file')
        return cls(words[0], words[1])

    @property
    def line(self) -> str:
        """ "ssh-ed25519 AAAA...", what `parse` reads."""
        return f"{self.key_type} {self.public_key}"

    @property
    def fingerprint(self) -> str:
        """ "SHA256:..." as ssh-keygen -lf prints it."""
        digest = hashlib.sha256(base64.b64decode(self.public_key)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class SshTarget:
    """An SSH server, the credentials for it, and the host keys it may show.

    `private_key` is the text of a key file (OpenSSH or PEM), `passphrase` its own. `pins` are the only keys that are
    trusted; without any, a key is accepted only if `trusts_first_use` says so. `jump` is the host to go through.

    `connect_timeout_seconds` bounds TCP and key exchange, `auth_timeout_seconds` each step of the login,
    `command_timeout_seconds` each command, `deadline_seconds` the session with all of these and the jump hosts.
    `max_output_bytes` bounds what all commands of a session may answer. `jump_sessions` bounds how many sessions go
    through it at once where it is a jump host: its caller sees to that. `legacy_crypto` admits CBC ciphers and MACs of
    MD5 or 96 bits; it cannot bring back SHA-1 key exchange, ssh-dss or SHA-1 signatures (ssh-rsa), which the engine no
    longer has: a device that offers nothing else stays out of reach.
    """

    address: str
    port: int = 22
    username: str
    password: Secret | None = None
    private_key: Secret | None = None
    passphrase: Secret | None = None
    pins: tuple[HostKey, ...] = ()
    trusts_first_use: bool = False
    jump: SshTarget | None = None
    platform: str = _option("auto", choices=SSH_PLATFORMS)
    connect_timeout_seconds: float = _option(10.0, low=0.05, high=120.0)
    auth_timeout_seconds: float = _option(10.0, low=0.05, high=120.0)
    command_timeout_seconds: float = _option(10.0, low=0.05, high=600.0)
    deadline_seconds: float = _option(50.0, low=0.05, high=3600.0)
    max_output_bytes: int = _option(32 << 20, low=1024, high=1 << 30)
    jump_sessions: int = _option(4, low=1, high=64)
    legacy_crypto: bool = _option(False)

    def __post_init__(self) -> None:
        _check_fields(self)
        if type(self.port) is not int or not 1 <= self.port <= 65535:
            raise ValueError(f"port: {self.port!r} is out of range; give 1 to 65535")
        if not isinstance(self.username, str) or not 1 <= len(self.username.encode(errors="replace")) <= 255:
            raise ValueError("username: missing or longer than 255 bytes; give it")
        if not self.username.isprintable():  # half characters are not printable either
            raise ValueError("username: holds control characters; type it anew")
        for name in ("password", "private_key", "passphrase"):
            if not isinstance(getattr(self, name), Secret | None):
                raise ValueError(f"{name}: wants a Secret")
        if not self.password and not self.private_key:
            raise ValueError("password: neither a password nor a private key; give one of them")
        if not isinstance(self.pins, tuple) or not all(isinstance(pin, HostKey) for pin in self.pins):
            raise ValueError("pins: wants a tuple of host keys")
        jumps, step = 0, self.jump
        while step is not None:
            jumps, step = jumps + 1, step.jump
        if jumps > MAX_JUMPS:
            raise ValueError(f"jump: more than {MAX_JUMPS} hosts in a row; take a shorter way")


@dataclass(frozen=True, slots=True, kw_only=True)
class VyosTarget:
    """The HTTP API of a VyOS router, always over TLS, and its key.

    The certificate is verified against the system's authorities, or against `ca_pem` alone (PEM text, one certificate
    or more), for `server_name` or, without one, for the address. With `certificate_sha256` it must be exactly the
    certificate of this fingerprint instead, whatever its name and dates.

    `connect_timeout_seconds` bounds TCP and TLS, `read_timeout_seconds` each silence of the router (a commit is one),
    `deadline_seconds` a whole call. `max_answer_bytes` bounds one answer.
    """

    address: str
    port: int = 443
    key: Secret
    ca_pem: str = ""
    certificate_sha256: str = _option("")
    server_name: str = _option("")
    connect_timeout_seconds: float = _option(10.0, low=0.05, high=120.0)
    read_timeout_seconds: float = _option(120.0, low=0.05, high=600.0)
    deadline_seconds: float = _option(150.0, low=0.05, high=3600.0)
    max_answer_bytes: int = _option(8 << 20, low=1024, high=1 << 28)

    def __post_init__(self) -> None:
        _check_fields(self)
        if type(self.port) is not int or not 1 <= self.port <= 65535:
            raise ValueError(f"port: {self.port!r} is out of range; give 1 to 65535")
        if not isinstance(self.key, Secret) or not self.key:
            raise ValueError("key: missing; a VyOS router needs one")
        if len(self.key.reveal().encode()) > 1024 or not self.key.reveal().isprintable():
            raise ValueError("key: longer than 1024 bytes or with control characters; copy it anew")
        if not isinstance(self.ca_pem, str) or (self.ca_pem and "-----BEGIN CERTIFICATE-----" not in self.ca_pem):
            raise ValueError("ca_pem: holds no certificate; paste the PEM text, from BEGIN to END")
        pin = self.certificate_sha256.replace(":", "").lower()
        if pin and not re.fullmatch("[0-9a-f]{64}", pin):
            raise ValueError("certificate_sha256: is no SHA-256 fingerprint; give 64 hex digits")
        object.__setattr__(self, "certificate_sha256", pin)
        if self.server_name and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", self.server_name):
            raise ValueError("server_name: is no name of a host; give it as the certificate has it")


async def resolve(host: str, *, timeout_seconds: float = 5.0) -> str:
    """The first address of `host` as a literal; a literal is returned as it is. Raises Unreachable."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        async with asyncio.timeout(timeout_seconds):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except TimeoutError:
        raise Unreachable(f"The name {host} did not resolve within {timeout_seconds:g} s.") from None
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"The name {host} does not resolve: {error}.") from None
    return str(found[0][4][0])
