"""The OpenAPI file as the product makes it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from drf_spectacular.generators import SchemaGenerator

from tests.once import made_once


@cache
def document() -> dict[str, Any]:
    """As JSON carries it."""
    made: dict[str, Any] = json.loads((made_once("openapi", _make) / "schema.json").read_text(encoding="utf-8"))
    return made


def _make(directory: Path) -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    (directory / "schema.json").write_text(json.dumps(schema), encoding="utf-8")


def parameters_of(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of an operation, those that are shared with others included."""
    shared = document()["components"]["parameters"]
    return [
        shared[entry["$ref"].rpartition("/")[2]] if "$ref" in entry else entry
        for entry in operation.get("parameters", [])
    ]
