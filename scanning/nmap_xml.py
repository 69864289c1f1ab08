"""Reading an XML file that somebody made with their own nmap. Pure; the file is hostile until proven otherwise.

The format is that of nmap's `-oX` (nmap.org/book/output-formats-xml-output.html). Each file begins with a DOCTYPE, so
that cannot be refused; entity declarations are, which is what bombs and file readers need. Only direct children of
`nmaprun` are hosts: a `hosthint` looks the same inside. Nothing of nmap's own data is used.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO
from xml.parsers import expat

from django.core.exceptions import ValidationError

from scanning import ports as port_lists

MAX_BYTES = 64 << 20
MAX_HOSTS = 70_000
MAX_PORTS_A_HOST = 65_535
CHUNK = 1 << 16
MAX_DEPTH = 32
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd]")


@dataclass(slots=True)
class XmlPort:
    protocol: str
    port: int
    state: str = ""
    reason: str = ""
    service: str = ""
    banner: str = ""


@dataclass(slots=True)
class XmlHost:
    """`extra` are states without a list of ports: state -> (count, ranges as text or "")."""

    address: str = ""
    mac_address: str = ""
    vendor: str = ""
    hostname: str = ""
    is_up: bool = False
    reason: str = ""
    rtt_ms: float | None = None
    ports: list[XmlPort] = field(default_factory=list)
    extra: dict[str, tuple[int, str]] = field(default_factory=dict)


@dataclass(slots=True)
class XmlRun:
    """What stands round the hosts. `is_finished`: nmap wrote its end, with success."""

    arguments: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    is_finished: bool = False
    tcp_services: str = ""
    version: str = ""


class _Reader:
    def __init__(self) -> None:
        self.run = XmlRun()
        self.done: list[XmlHost] = []
        self.count = 0
        self.path: list[str] = []
        self.host: XmlHost | None = None
        self.port: XmlPort | None = None
        self.extra_state = ""
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.EntityDeclHandler = self._entity
        self.parser.ExternalEntityRefHandler = self._entity

    @staticmethod
    def _entity(*_: Any) -> int:
        raise ValidationError(
            "The file declares XML entities, which nmap never does: it is refused.", code="invalid_file"
        )

    def _start(self, name: str, values: dict[str, str]) -> None:
        if not self.path and name != "nmaprun":
            raise ValidationError("Not a file of nmap: write one with `nmap -oX FILE`.", code="invalid_file")
        self.path.append(name)
        if len(self.path) > MAX_DEPTH:
            raise ValidationError("The file is nested too deeply for one of nmap.", code="invalid_file")
        if len(self.path) == 1:
            self.run.arguments = _text(values.get("args"), 1000)
            self.run.version = _text(values.get("version"), 20)
            self.run.started_at = _time(values.get("start"))
        elif self.path == ["nmaprun", "host"]:
            self.count += 1
            if self.count > MAX_HOSTS:
                raise ValidationError(f"More than {MAX_HOSTS:,} hosts in one file: divide it.", code="too_large")
            self.host, self.port = XmlHost(), None
        elif self.host is not None and self.path[1] == "host":
            self._in_host(self.host, "/".join(self.path[2:]), values)
        elif self.path == ["nmaprun", "scaninfo"] and values.get("protocol") == "tcp":
            self.run.tcp_services = _text(values.get("services"), port_lists.MAX_TEXT)
        elif self.path == ["nmaprun", "runstats", "finished"]:
            self.run.is_finished = values.get("exit", "success") == "success"
            self.run.finished_at = _time(values.get("time"))

    def _in_host(self, host: XmlHost, place: str, values: dict[str, str]) -> None:
        match place:
            case "status":
                host.is_up, host.reason = values.get("state") == "up", _text(values.get("reason"), 40)
            case "address":
                if values.get("addrtype") == "mac":
                    host.mac_address, host.vendor = _text(values.get("addr"), 17), _text(values.get("vendor"), 100)
                elif not host.address:
                    host.address = _text(values.get("addr"), 64)
            case "hostnames/hostname":
                host.hostname = host.hostname or _text(values.get("name"), 253)
            case "ports/extraports":
                self.extra_state = _text(values.get("state"), 20)
                host.extra[self.extra_state] = (_number(values.get("count"), 1 << 20), "")
            case "ports/extraports/extrareasons":
                count, ranges = host.extra.get(self.extra_state, (0, ""))
                ports = _text(values.get("ports"), port_lists.MAX_TEXT)
                host.extra[self.extra_state] = (count, ",".join(part for part in (ranges, ports) if part))
            case "ports/port":
                number = _number(values.get("portid"), 65535)
                self.port = XmlPort(_text(values.get("protocol"), 8), number)
                if number and len(host.ports) < MAX_PORTS_A_HOST:
                    host.ports.append(self.port)
            case "ports/port/state" if self.port is not None:
                self.port.state, self.port.reason = _text(values.get("state"), 20), _text(values.get("reason"), 40)
            case "ports/port/service" if self.port is not None:
                self.port.service = _text(values.get("name"), 32)
                about = (values.get("product"), values.get("version"), values.get("extrainfo"))
                self.port.banner = _text(" ".join(part for part in about if part), 500)
            case "times":
                microseconds = _number(values.get("srtt"), 1 << 40)
                host.rtt_ms = microseconds / 1000 if microseconds else None

    def _end(self, name: str) -> None:
        self.path.pop()
        if name == "host" and self.path == ["nmaprun"] and self.host is not None:
            self.done.append(self.host)
            self.host = self.port = None


def _text(value: str | None, most: int) -> str:
    return _UNPRINTABLE.sub("?", (value or "")[:most]).strip()


def _number(value: str | None, most: int) -> int:
    text = (value or "").strip()
    return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _time(value: str | None) -> datetime | None:
    seconds = _number(value, 1 << 34)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def read(file: BinaryIO) -> Iterator[XmlHost | XmlRun]:
    """The hosts as they come, and last of all the run. A file that ends in the middle is read up to there: its run is
    not finished. Raises ValidationError for what is no file of nmap, declares entities, or is too large.
    """
    reader = _Reader()
    size, is_cut = 0, False
    while chunk := file.read(CHUNK):
        size += len(chunk)
        if size > MAX_BYTES:
            raise ValidationError(f"At most {MAX_BYTES >> 20} MiB in one file: divide it.", code="too_large")
        is_cut = not _feed(reader, chunk, is_last=False)
        yield from _taken(reader)
        if is_cut:
            break
    if not size:
        raise ValidationError("The file is empty.", code="invalid_file")
    if not is_cut:
        _feed(reader, b"", is_last=True)
        yield from _taken(reader)
    yield reader.run


def _feed(reader: _Reader, chunk: bytes, *, is_last: bool) -> bool:
    """False where the file ends in the middle of its XML."""
    try:
        reader.parser.Parse(chunk, is_last)
    except expat.ExpatError as error:
        # Cut off by a full disk or an interrupted run: what is whole of it counts. Anything else is no XML.
        if reader.path and expat.ErrorString(error.code) in ("no element found", "unclosed token"):
            reader.run.is_finished = False
            return False
        where = f"line {error.lineno}"
        raise ValidationError(
            f"Not well-formed XML at {where}: {expat.ErrorString(error.code)}.", code="invalid_file"
        ) from None
    return True


def _taken(reader: _Reader) -> list[XmlHost]:
    done, reader.done = reader.done, []
    return done
