"""A file becomes numbered lines of flat-form values. Nothing here knows the database."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import orjson

from inventory import flat

FORMATS = ("csv", "json")
MAX_LINES = 50_000
MAX_BYTES = 32 * 1024 * 1024
MAX_CELL = 16_384
MAX_LINE_FAULTS = 5
# What a spreadsheet takes for a formula; export puts an apostrophe before it, import takes it away again.
FORMULA = "=+-@\t\r'"

OWN = ("name", "kind", "status", "tenant", "site", "location", "vendor", "model", "platform", "serial", "hypervisor")
# A jump host is named by a number, which in another installation is another host.
COLUMNS = (*OWN, "tags", *(name for name in flat.FLAT_FIELDS if name != "ssh_jump"))
# Columns of an export that say nothing new: a file that came out goes in again.
IGNORED = frozenset(
    {
        "id", "site_name", "created_at", "updated_at", "snmp_community_set", "snmp_auth_password_set",
        "snmp_priv_password_set", "ssh_password_set", "rtsp_password_set",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a line: `line` as an editor counts them, `column` by its name (empty: the whole line)."""

    line: int
    column: str
    code: str
    detail: str

    def as_dict(self) -> dict[str, Any]:
        return {"line": self.line, "column": self.column, "code": self.code, "detail": self.detail}


@dataclass(slots=True)
class Line:
    """One device of the file."""

    number: int
    values: dict[str, Any]
    faults: list[Fault] = field(default_factory=list)


class Unreadable(ValueError):
    """The file as a whole cannot be read; `fault` says where and why."""

    def __init__(self, detail: str, *, line: int = 1, column: str = "", code: str = "unreadable") -> None:
        super().__init__(detail)
        self.fault = Fault(line, column, code, detail)


def decode(data: bytes) -> str:
    """The text of an uploaded file. Raises Unreadable."""
    if len(data) > MAX_BYTES:
        raise Unreadable(f"The file has {len(data)} bytes: at most {MAX_BYTES} are read. Cut it into parts.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Unreadable("This is not UTF-8: save the file as “CSV UTF-8”.", line=line) from None
    if "\x00" in text:
        raise Unreadable("The file holds null characters: save it as UTF-8, not UTF-16.")
    return text


def read(text: str, file_format: str) -> Iterator[Line]:
    """The lines of a file. Raises Unreadable, also in the midst of it."""
    lines = _read_json(text) if file_format == "json" else _read_csv(text)
    for count, line in enumerate(lines, start=1):
        if count > MAX_LINES:
            raise Unreadable(f"At most {MAX_LINES} devices in one file: cut it into parts.", line=line.number)
        yield line


def _read_csv(text: str) -> Iterator[Line]:
    first, _, _ = text.partition("\n")
    delimiter = max(",;\t", key=first.count)
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        header = _header(next(reader, []))
        while True:
            number = reader.line_num + 1
            cells = next(reader, None)
            if cells is None:
                return
            if any(cell.strip() for cell in cells):
                yield _csv_line(number, header, cells)
    except csv.Error as error:
        raise Unreadable(f"The CSV breaks off: {error}.", line=reader.line_num) from None


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip().casefold().replace(" ", "_").replace("-", "_") for cell in cells]
    if not any(names):
        raise Unreadable(f"The first line names the columns: some of {', '.join(COLUMNS)}.")
    for name in names:
        check_column(name)
        if name and names.count(name) > 1:
            raise Unreadable(f"The column {name} is there twice.", column=name, code="unknown_field")
    if not {"name", "hostname", "ip"} & set(names):
        raise Unreadable("A device needs a name, a hostname or an ip: add such a column.", code="unknown_field")
    return names


def check_column(name: str, *, line: int = 1) -> None:
    """Raises Unreadable for a column that no device has."""
    if name in COLUMNS or name in IGNORED or not name:
        return
    near = get_close_matches(name, COLUMNS, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(COLUMNS)}."
    raise Unreadable(f"Unknown column {name[:60]!r}. {hint}", line=line, column=name[:60], code="unknown_field")


def _csv_line(number: int, header: list[str], cells: list[str]) -> Line:
    line = Line(number, {})
    if len(cells) > len(header):
        line.faults.append(
            Fault(
                number, "", "too_many_cells", f"{len(cells)} cells under {len(header)} columns: quote what has commas."
            )
        )
    for name, cell in zip(header, cells, strict=False):
        value = cell.strip()
        if value and name and name not in IGNORED:
            line.values[name] = _split(value) if name == "tags" else unescape(value)
    return line


def _split(value: str) -> list[str]:
    return [tag.strip() for tag in value.replace(",", ";").split(";") if tag.strip()]


def unescape(value: str) -> str:
    """Without the apostrophe that `escape` put before what looks like a formula."""
    return value[1:] if len(value) > 1 and value[0] == "'" and value[1] in FORMULA else value


def escape(value: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{value}" if value and value[0] in FORMULA else value


def _read_json(text: str) -> Iterator[Line]:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"This is not JSON: {error.msg}.", line=error.lineno) from None
    if isinstance(data, dict) and isinstance(data.get("results"), list):
        data = data["results"]  # a page of the API, as it came
    if not isinstance(data, list):
        raise Unreadable("Write a list of objects, one for each device.")
    for number, entry in enumerate(data, start=1):
        if not isinstance(entry, dict):
            yield Line(number, {}, [Fault(number, "", "invalid", "Write an object.")])
            continue
        line = Line(number, {})
        for name, value in entry.items():
            try:
                check_column(name, line=number)
            except Unreadable as error:
                line.faults.append(error.fault)
                if len(line.faults) == MAX_LINE_FAULTS:
                    break
                continue
            if name not in IGNORED and value is not None:
                line.values[name] = value
        yield line
