"""What somebody asks of a machine, read and checked before anything is looked up or written."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from provisioning.models.texts import (
    LABEL,
    LABEL_SENTENCE,
    MAX_FORWARDED_PORTS,
    parse_ipv4,
    parse_mac,
    parse_source,
)
from provisioning.models.vms import check_metadata

TEMPLATE = {"ssh": 22, "http": 80, "https": 443}
PROTOCOLS = ("tcp", "udp", "tcp_udp")
MAX_PORTS = 50
VM_FIELDS = (
    "vm_name", "mac_address", "hostname", "router", "dhcp_pool", "ip_address", "ip_range", "port_pool", "port_range",
    "ports", "expires_at", "metadata",
)  # fmt: skip
PORT_FIELDS = (
    "name", "internal_port", "internal_port_end", "external_port", "protocol", "source", "hairpin", "expires_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PortWish:
    """A forward that is asked for. Without `external_port` the lowest free one is given."""

    name: str
    internal_port: int
    internal_port_end: int
    external_port: int | None = None
    protocol: str = "tcp"
    source: str = ""
    hairpin: bool = False
    expires_at: datetime | None = None

    @property
    def count(self) -> int:
        return self.internal_port_end - self.internal_port + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VmWish:
    """A machine that is asked for. None is "no wish": it is chosen, or stays as it is."""

    vm_name: str
    hostname: str | None = None
    mac_address: str | None = None
    router: int | str | None = None
    dhcp_pool: int | str | None = None
    port_pool: int | str | None = None
    ip_address: str | None = None
    ip_range: tuple[str, str] | None = None
    port_range: tuple[int, int] | None = None
    ports: tuple[PortWish, ...] | None = None
    expires_at: datetime | None = None
    metadata: dict[str, Any] | None = field(default=None)

    @property
    def wanted_ports(self) -> tuple[PortWish, ...]:
        return self.ports if self.ports is not None else template()


def template() -> tuple[PortWish, ...]:
    """ssh, http and https, each on its usual port."""
    return tuple(PortWish(name=name, internal_port=port, internal_port_end=port) for name, port in TEMPLATE.items())


def read_vm(fields: Mapping[str, Any], *, now: datetime | None = None) -> VmWish:
    """The wish of a request. Raises ValidationError, with every wrong field at once."""
    reader = _Reader(fields, VM_FIELDS)
    now = now or timezone.now()
    values: dict[str, Any] = {"vm_name": reader.read("vm_name", _label, is_required=True)}
    values["hostname"] = reader.read("hostname", lambda value: _label(value).lower())
    values["mac_address"] = reader.read("mac_address", lambda value: parse_mac(_text(value, 40)))
    for name in ("router", "dhcp_pool", "port_pool"):
        values[name] = reader.read(name, _reference)
    values["ip_address"] = reader.read("ip_address", lambda value: str(parse_ipv4(_text(value, 40))))
    values["ip_range"] = reader.read("ip_range", _ip_range)
    values["port_range"] = reader.read("port_range", _port_range)
    values["ports"] = reader.read("ports", lambda value: read_ports(value, now=now))
    values["expires_at"] = reader.read("expires_at", lambda value: _moment(value, now))
    values["metadata"] = reader.read("metadata", _metadata)
    if values["ip_address"] and values["ip_range"]:
        reader.errors["ip_range"] = ["An address and a range are both given: leave one of them out."]
    reader.finish()
    return VmWish(**values)


def read_ports(value: Any, *, now: datetime | None = None) -> tuple[PortWish, ...]:
    """Names of the template, or objects. Raises ValidationError; the words say which entry."""
    if not isinstance(value, list | tuple) or len(value) > MAX_PORTS:
        raise ValidationError(f'Write a list of at most {MAX_PORTS} ports, such as ["ssh", "https"].')
    found: dict[str, PortWish] = {}
    errors: list[str] = []
    for number, entry in enumerate(value, 1):
        try:
            wish = _port_wish(entry, now or timezone.now())
            if wish.name in found:
                raise ValidationError(f"name: {wish.name} comes twice; give each port a name of its own.")
        except ValidationError as error:
            errors += [f"Entry {number}: {text}" for text in _sentences(error)]
        else:
            found[wish.name] = wish
    errors += _twice(tuple(found.values()))
    if errors:
        raise ValidationError(errors)
    return tuple(found.values())


def read_port(entry: Any, *, now: datetime | None = None) -> PortWish:
    """One port, as `read_ports` reads each. Raises ValidationError, by field."""
    return _port_wish(entry, now or timezone.now())


def read_moment(value: Any) -> datetime:
    """A time to come. Raises ValidationError."""
    return _moment(value, timezone.now())


def read_names(value: Any) -> tuple[str, ...]:
    """Names of ports that exist. Raises ValidationError."""
    if not isinstance(value, list | tuple) or not value or len(value) > MAX_PORTS:
        raise ValidationError({"ports": f'Write a list of 1 to {MAX_PORTS} names, such as ["ssh"].'})
    try:
        names = tuple(_label(entry).lower() for entry in value)
    except ValidationError as error:
        raise ValidationError({"ports": error}) from None
    if len(set(names)) < len(names):
        raise ValidationError({"ports": "A name comes twice: name each port once."})
    return names


def _port_wish(entry: Any, now: datetime) -> PortWish:
    if isinstance(entry, str):
        if entry.lower() not in TEMPLATE:
            raise ValidationError(
                f"{entry[:40]!r} is none of {', '.join(TEMPLATE)}: write an object with name and internal_port."
            )
        entry = {"name": entry}
    if not isinstance(entry, Mapping):
        raise ValidationError("Write a name of the template, or an object with name and internal_port.")
    reader = _Reader(entry, PORT_FIELDS)
    name = reader.read("name", lambda value: _label(value).lower(), is_required=True)
    first = reader.read("internal_port", _port)
    if first is None and "internal_port" not in reader.errors:
        first = TEMPLATE.get(name or "")
        if first is None and "name" not in reader.errors:
            reader.errors["internal_port"] = ["Say to which port of the machine: a number of 1 to 65535."]
    last = reader.read("internal_port_end", _port) or first
    external = reader.read("external_port", _port)
    protocol = reader.read("protocol", _protocol) or "tcp"
    source = reader.read("source", lambda value: parse_source(_text(value, 40))) or ""
    hairpin = reader.read("hairpin", _yes) or False
    expires_at = reader.read("expires_at", lambda value: _moment(value, now))
    if first is not None and last is not None:
        reader.judge("internal_port_end", _span_error(first, last))
        if external is not None and external + last - first > 65535:
            reader.errors["external_port"] = ["The range ends above 65535: begin lower."]
    reader.finish()
    return PortWish(
        name=name, internal_port=first, internal_port_end=last, external_port=external, protocol=protocol,
        source=source, hairpin=hairpin, expires_at=expires_at,
    )  # fmt: skip


def _span_error(first: int, last: int) -> str:
    if last < first:
        return "The range is reversed: exchange its ends."
    if last - first >= MAX_FORWARDED_PORTS:
        return f"More than {MAX_FORWARDED_PORTS} ports: forward fewer, or several ranges."
    return ""


def _twice(wishes: tuple[PortWish, ...]) -> list[str]:
    """External ports that two entries ask for."""
    seen: dict[tuple[str, int], str] = {}
    for wish in wishes:
        if wish.external_port is None:
            continue
        for protocol in ("tcp", "udp") if wish.protocol == "tcp_udp" else (wish.protocol,):
            for port in range(wish.external_port, wish.external_port + wish.count):
                if (other := seen.setdefault((protocol, port), wish.name)) and other != wish.name:
                    return [f"external_port: {other} and {wish.name} both ask for {protocol} {port}; change one."]
    return []


class _Reader:
    """Reads fields one by one and keeps what is wrong with each."""

    def __init__(self, fields: Mapping[str, Any], known: tuple[str, ...]) -> None:
        self.fields = fields
        self.errors: dict[str, list[str]] = {}
        for name in fields:
            if name not in known:
                self.errors[str(name)[:40]] = [f"There is no such field; known are {', '.join(known)}."]

    def read(self, name: str, reading: Callable[[Any], Any], *, is_required: bool = False) -> Any:
        value = self.fields.get(name)
        if value is None or value == "":
            if is_required:
                self.errors[name] = ["This is needed."]
            return None
        try:
            return reading(value)
        except ValidationError as error:
            self.errors[name] = list(error.messages)
            return None

    def judge(self, name: str, sentence: str) -> None:
        if sentence:
            self.errors.setdefault(name, [sentence])

    def finish(self) -> None:
        if self.errors:
            raise ValidationError(self.errors)


def _sentences(error: ValidationError) -> list[str]:
    if hasattr(error, "error_dict"):
        return [f"{name}: {text}" for name, texts in error.message_dict.items() for text in texts]
    return list(error.messages)


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str):
        raise ValidationError("Write a text.")
    if len(value) > most:
        raise ValidationError(f"At most {most} characters.")
    if "\x00" in value:
        raise ValidationError("Null characters are not allowed.", code="null_characters")
    return value


def _label(value: Any) -> str:
    if not LABEL.fullmatch(_text(value, 255)):
        raise ValidationError(LABEL_SENTENCE)
    return str(value)


def _reference(value: Any) -> int | str:
    """The number or the name of a row."""
    if type(value) is int and 0 < value < 1 << 63:
        return value
    return _text(value, 100).strip()


def _port(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= 65535:
        raise ValidationError("A port is a number of 1 to 65535.")
    return value


def _yes(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValidationError("Write true or false.")
    return value


def _protocol(value: Any) -> str:
    if value not in PROTOCOLS:
        raise ValidationError(f"Write one of {', '.join(PROTOCOLS)}.")
    return str(value)


def _object(value: Any, known: tuple[str, ...], example: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not set(value) <= set(known):
        raise ValidationError(f"Write an object such as {example}.")
    return value


def _ip_range(value: Any) -> tuple[str, str]:
    """{"base", "start", "end"}: whole addresses, or the last numbers of addresses that begin as `base` does."""
    example = '{"start": "192.168.66.10", "end": "192.168.66.99"}'
    entry = _object(value, ("base", "start", "end"), example)
    base = entry.get("base")
    ends = []
    for name in ("start", "end"):
        end = entry.get(name)
        if type(end) is int and base:
            if not 0 <= end <= 255:
                raise ValidationError(f"{name}: the last number of an address is 0 to 255.")
            parts = _text(base, 40).rstrip(".").split(".")
            end = ".".join([*parts[:3], str(end)])
        if not isinstance(end, str):
            raise ValidationError(f"Write start and end, as in {example}.")
        ends.append(parse_ipv4(_text(end, 40)))
    if ends[0] > ends[1]:
        raise ValidationError("The range is reversed: exchange start and end.")
    return str(ends[0]), str(ends[1])


def _port_range(value: Any) -> tuple[int, int]:
    example = '{"start": 32000, "end": 32099}'
    entry = _object(value, ("start", "end"), example)
    if set(entry) != {"start", "end"}:
        raise ValidationError(f"Write start and end, as in {example}.")
    start, end = _port(entry["start"]), _port(entry["end"])
    if start > end:
        raise ValidationError("The range is reversed: exchange start and end.")
    return start, end


def _moment(value: Any, now: datetime) -> datetime:
    if isinstance(value, str):
        try:
            value = parse_datetime(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or timezone.is_naive(value):
        raise ValidationError("Write a time with its zone, such as 2030-01-31T18:00:00Z.")
    if value <= now:
        raise ValidationError("This lies in the past: give a later time.")
    return value


def _metadata(value: Any) -> dict[str, Any]:
    check_metadata(value)
    copied: dict[str, Any] = json.loads(json.dumps(value))
    return copied
