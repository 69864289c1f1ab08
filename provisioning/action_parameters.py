"""What an action asks for, and the argument list that it becomes. Pure: no Django, no database, no network.

A schema is a list of objects, one for each parameter: `name`, `kind`, and what that kind knows. Of a secret only the
credential's number and the name of a variable stand there: its value is never an argument.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
KINDS = ("string", "integer", "choice", "address", "boolean", "secret")
RESERVED_VARIABLES = {"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "IFS", "ENV", "BASH_ENV", "PYTHONPATH", "PYTHONHOME"}
MAX_PARAMETERS, MAX_CHOICES, MAX_LENGTH, MAX_TEXT = 20, 100, 1000, 300
OWN = {
    "string": {"pattern", "max_length"},
    "integer": {"minimum", "maximum"},
    "choice": {"choices"},
    "address": set(),
    "boolean": set(),
    "secret": {"credential", "variable"},
}
COMMON = {"name", "kind", "label", "help"}
VALUED = {"default", "required"}
LIMIT, MAX_NUMBER = 2**53, 2**63 - 1


class Wrong(Exception):
    """What is wrong, by the name of the parameter ("" for the schema as a whole)."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" if name else text for name, text in errors.items()))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: str
    label: str = ""
    help: str = ""
    default: Any = None
    required: bool = False
    pattern: str = ""
    max_length: int = 100
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    credential: int | None = None
    variable: str = ""

    @property
    def title(self) -> str:
        return self.label or self.name.replace("_", " ").capitalize()

    @property
    def option(self) -> str:
        return f"--{self.name.replace('_', '-')}"

    def read(self, value: Any) -> str | int | bool:
        """The value in its one form. Raises ValueError with a sentence."""
        return getattr(self, f"_{self.kind}")(value)

    def _string(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("Write a text.")
        if len(value) > self.max_length:
            raise ValueError(f"Write at most {self.max_length} characters.")
        if not value.isprintable():
            raise ValueError("Leave out line breaks and other control characters.")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise ValueError(f"This does not fit the pattern {self.pattern}")
        return value

    def _integer(self, value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,16}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("Write a whole number.")
        low = -LIMIT if self.minimum is None else self.minimum
        high = LIMIT if self.maximum is None else self.maximum
        if not low <= value <= high:
            raise ValueError(f"Write a number from {low} to {high}.")
        return value

    def _choice(self, value: Any) -> str:
        if value not in self.choices:
            raise ValueError(f"Choose one of {', '.join(self.choices)}.")
        return str(value)

    def _address(self, value: Any) -> str:
        if not isinstance(value, str) or "%" in value:
            raise ValueError("Write an IPv4 or IPv6 address, without a zone.")
        try:
            return str(ipaddress.ip_address(value.strip()))
        except ValueError:
            raise ValueError("Write an IPv4 or IPv6 address.") from None

    def _boolean(self, value: Any) -> bool:
        known = {"true": True, "1": True, "on": True, "false": False, "0": False, "": False}
        if isinstance(value, str) and value.lower() in known:
            return known[value.lower()]
        if not isinstance(value, bool):
            raise ValueError("Write true or false.")
        return value


Schema = tuple[Parameter, ...]


def parse(raw: Any) -> Schema:
    """A stored schema. Raises Wrong."""
    if not isinstance(raw, list):
        raise Wrong({"": "Parameters are a list of objects."})
    if len(raw) > MAX_PARAMETERS:
        raise Wrong({"": f"At most {MAX_PARAMETERS} parameters."})
    found: list[Parameter] = []
    for number, one in enumerate(raw, 1):
        name = one.get("name") if isinstance(one, dict) else None
        label = name if isinstance(name, str) and NAME.fullmatch(name) else f"parameter {number}"
        try:
            parameter = _parameter(one)
        except ValueError as error:
            raise Wrong({label: str(error)}) from None
        if parameter.name in {other.name for other in found}:
            raise Wrong({label: "This name is there twice."})
        if parameter.variable and parameter.variable in {other.variable for other in found}:
            raise Wrong({label: f"The variable {parameter.variable} is there twice."})
        found.append(parameter)
    return tuple(found)


def _parameter(one: Any) -> Parameter:
    if not isinstance(one, dict):
        raise ValueError("Write an object with name and kind.")
    name, kind = one.get("name"), one.get("kind")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError("name: a small letter, then at most 31 small letters, digits and underscores.")
    if kind not in KINDS:
        raise ValueError(f"kind: one of {', '.join(KINDS)}.")
    known = COMMON | OWN[kind] | (VALUED if kind != "secret" else set())
    if unknown := sorted(set(one) - known):
        raise ValueError(
            f"{unknown[0]}: a parameter of kind {kind} has no such key; known are {', '.join(sorted(known))}."
        )
    for key in ("label", "help"):
        text = one.get(key, "")
        if not isinstance(text, str) or len(text) > MAX_TEXT or not text.isprintable():
            raise ValueError(f"{key}: a text of at most {MAX_TEXT} characters on one line.")
    if not isinstance(one.get("required", False), bool):
        raise ValueError("required: true or false.")
    _check_kind(kind, one)
    names = {field.name for field in fields(Parameter)}
    values = {key: value for key, value in one.items() if key in names}
    if "choices" in values:
        values["choices"] = tuple(values["choices"])
    parameter = Parameter(**values)
    if parameter.default is not None:
        try:
            parameter.read(parameter.default)
        except ValueError as error:
            raise ValueError(f"default: {error}") from None
    return parameter


def _check_kind(kind: str, one: Mapping[str, Any]) -> None:
    if kind == "string":
        pattern, length = one.get("pattern", ""), one.get("max_length", 100)
        if not _is_whole(length) or not 1 <= length <= MAX_LENGTH:
            raise ValueError(f"max_length: 1 to {MAX_LENGTH}.")
        if not isinstance(pattern, str) or len(pattern) > MAX_TEXT or not pattern.isprintable():
            raise ValueError(f"pattern: a regular expression of at most {MAX_TEXT} characters on one line.")
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"pattern: {error}.") from None
    elif kind == "integer":
        low, high = one.get("minimum"), one.get("maximum")
        if not all(value is None or (_is_whole(value) and abs(value) <= LIMIT) for value in (low, high)):
            raise ValueError("minimum, maximum: whole numbers.")
        if low is not None and high is not None and low > high:
            raise ValueError("minimum: it is above the maximum.")
    elif kind == "choice":
        choices = one.get("choices")
        if not isinstance(choices, list) or not 1 <= len(choices) <= MAX_CHOICES:
            raise ValueError(f"choices: a list of 1 to {MAX_CHOICES} texts.")
        if not all(isinstance(text, str) and text and len(text) <= MAX_TEXT and text.isprintable() for text in choices):
            raise ValueError(f"choices: each a text of at most {MAX_TEXT} characters on one line.")
    elif kind == "secret":
        number = one.get("credential")
        if not isinstance(number, int) or not _is_whole(number) or not 1 <= number <= MAX_NUMBER:
            raise ValueError("credential: the number of a credential.")
        variable = one.get("variable")
        if not isinstance(variable, str) or not VARIABLE.fullmatch(variable):
            raise ValueError("variable: the name of an environment variable, such as API_TOKEN.")
        if variable in RESERVED_VARIABLES or variable.startswith(("LD_", "NETMON_")):
            raise ValueError(f"variable: {variable} has a meaning already, choose another.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def asked(schema: Schema) -> Schema:
    """Those that a person fills in."""
    return tuple(one for one in schema if one.kind != "secret")


def secrets(schema: Schema) -> Schema:
    return tuple(one for one in schema if one.kind == "secret")


def read(schema: Schema, values: Any) -> dict[str, str | int | bool]:
    """The values of a run, defaults filled in. Raises Wrong with every parameter that is not right."""
    if not isinstance(values, Mapping):
        raise Wrong({"": "Arguments are an object of names and values."})
    wanted = {one.name: one for one in asked(schema)}
    known = ", ".join(wanted) or "none"
    errors = {
        str(name)[:60]: f"This action has no such parameter; known are: {known}."
        for name in values
        if name not in wanted
    }
    found: dict[str, str | int | bool] = {}
    for name, parameter in wanted.items():
        value = values.get(name)
        if value is None or (value == "" and parameter.kind != "boolean"):
            value = parameter.default
        if value is None:
            if parameter.required:
                errors[name] = "This is needed."
            continue
        try:
            found[name] = parameter.read(value)
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise Wrong(errors)
    return found


def argv(address: str, schema: Schema, values: Mapping[str, str | int | bool]) -> list[str]:
    """The device's address first, then `--name=value` in the schema's order: a value is never an option of its own."""
    words = [address]
    for parameter in asked(schema):
        if parameter.name in values:
            value = values[parameter.name]
            text = ("true" if value else "false") if isinstance(value, bool) else str(value)
            words.append(f"{parameter.option}={text}")
    return words


def shown(words: Sequence[str]) -> str:
    """An argument list for people to read."""
    return " ".join(word if re.fullmatch(r"[\w@%+=:,./-]+", word) else repr(word) for word in words)
