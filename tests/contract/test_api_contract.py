"""`/api/v1/` only grows: what api_contract.json names stays. UPDATE_API_CONTRACT=1 writes the file anew."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.openapi import document, parameters_of

FILE = Path(__file__).parent / "api_contract.json"


def _names(schema: Any, components: dict[str, Any], seen: tuple[str, ...] = ()) -> Iterator[str]:
    """The properties of a schema as dotted paths."""
    if not isinstance(schema, dict):
        return
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        if name not in seen:
            yield from _names(components[name], components, (*seen, name))
        return
    for word in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(word, []):
            yield from _names(part, components, seen)
    yield from _names(schema.get("items"), components, seen)
    for name, part in schema.get("properties", {}).items():
        yield name
        yield from (f"{name}.{inner}" for inner in _names(part, components, seen))


def contract() -> dict[str, Any]:
    """What callers rely on: parameters, codes, the names in bodies, and which of them are needed."""
    schema = document()
    components = schema["components"]["schemas"]
    found: dict[str, Any] = {}
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            if not isinstance(operation, dict):
                continue
            bodies = [part["schema"] for part in operation.get("requestBody", {}).get("content", {}).values()]
            answers = [
                part.get("schema")
                for status, answer in operation["responses"].items()
                if status.startswith("2")
                for part in answer.get("content", {}).values()
            ]
            parameters = [entry for entry in parameters_of(operation) if entry["in"] != "path"]
            names = {name for entry in parameters for name in (entry["name"], *entry.get("x-comparisons", ()))}
            needed = {name for body in bodies for name in _required(body, components)}
            found[f"{method.upper()} {path}"] = {
                "parameters": " ".join(sorted(names)),
                "needs": " ".join(sorted(needed | {entry["name"] for entry in parameters if entry.get("required")})),
                "codes": " ".join(sorted(operation["responses"])),
                "takes": " ".join(sorted({name for body in bodies for name in _names(body, components)})),
                "gives": " ".join(sorted({name for answer in answers for name in _names(answer, components)})),
            }
    return found


def _required(schema: dict[str, Any], components: dict[str, Any]) -> list[str]:
    if reference := schema.get("$ref"):
        schema = components[reference.rpartition("/")[2]]
    return list(schema.get("required", []))


def broken(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What a caller of the old contract would miss."""
    faults = [f"{name} is gone" for name in old if name not in new]
    for name in old.keys() & new.keys():
        for part in ("parameters", "codes", "takes", "gives"):
            if lost := set(old[name][part].split()) - set(new[name][part].split()):
                faults.append(f"{name}: {part} lost {', '.join(sorted(lost))}")
        if more := set(new[name]["needs"].split()) - set(old[name]["needs"].split()):
            faults.append(f"{name}: now needs {', '.join(sorted(more))}")
    return sorted(faults)


def test_the_api_keeps_what_it_promised() -> None:
    now = contract()
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    # Held against what was promised before it is written anew: an update must not lose a route unseen.
    if os.environ.get("UPDATE_API_CONTRACT") != "break":
        assert broken(kept, now) == [], "callers rely on this: bring it back, or make a new version of the API"
    if os.environ.get("UPDATE_API_CONTRACT"):
        FILE.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        kept = now
    new = sorted(name for name in now if now[name] != kept.get(name))
    assert not new, f"new in the API: run this test with UPDATE_API_CONTRACT=1 and commit the file: {new}"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"codes": "200"}, "codes lost 404"),
        ({"parameters": ""}, "parameters lost limit"),
        ({"takes": "a"}, "takes lost b"),
        ({"gives": ""}, "gives lost id"),
        ({"needs": "a b"}, "now needs b"),
    ],
)
def test_the_guard_sees_what_breaks_callers(change: dict[str, str], fault: str) -> None:
    promise = {"parameters": "limit", "codes": "200 404", "takes": "a b", "gives": "id", "needs": "a"}
    (found,) = broken({"GET /x": promise}, {"GET /x": {**promise, **change}})
    assert fault in found
    assert broken({"GET /x": promise}, {"GET /x": {**promise, "gives": "id name"}, "GET /y": promise}) == []
    assert broken({"GET /x": promise}, {}) == ["GET /x is gone"]
