"""The last touches of the OpenAPI file, which only the whole of it allows (drf-spectacular's POSTPROCESSING_HOOKS)."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
PROBLEM = "application/problem+json"
JSON = "application/json"
DESCRIPTIONS = {
    "400": "The input breaks a rule: `errors` names each fault.",
    "401": "No credential came along, or it is not accepted.",
    "403": "Your role, or the scopes of your key, do not allow this.",
    "404": "There is nothing at this address, or you may not see it.",
    "409": "The state of things forbids it: something is unique, in use, under way.",
    "412": "Somebody changed the object since you read it.",
    "413": "The body is too large.",
    "415": "The body is of no media type that is taken here.",
    "429": "Too many requests: `Retry-After` says when to come again.",
}


def operations(result: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of everything there is."""
    for path, item in result["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def finish(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Bulk changes, partial answers, shared problem answers."""
    schemas = result["components"]["schemas"]
    for schema in schemas.values():
        for found in schema.get("properties", {}).values():
            _allow_anything(found)
    for path, method, operation in operations(result):
        if method == "patch" and path.endswith("/bulk/"):
            _name_changes(operation, result["paths"].get(path.removesuffix("bulk/") + "{id}/", {}), schemas)
        if any(parameter["name"] == "fields" for parameter in operation.get("parameters", [])):
            _allow_parts(operation["responses"]["200"], schemas)
    _share_problems(result)
    _share_parameters(result)
    _share_security(result)
    return result


def _allow_anything(schema: dict[str, Any]) -> None:
    """A nullable JSON column is `oneOf: [anything, null]`, which null fails by fitting both."""
    if {} in schema.get("oneOf", []):
        del schema["oneOf"]


def _name_changes(operation: dict[str, Any], single: dict[str, Any], schemas: dict[str, Any]) -> None:
    """An item of a bulk change is what a PATCH of one object takes, and the object's id."""
    body = single.get("patch", {}).get("requestBody")
    if body is None:
        return
    name = body["content"][JSON]["schema"]["$ref"].rpartition("/")[2]
    changes = schemas[name]
    named = name.removeprefix("Patched").removesuffix("Request") + "ChangeRequest"
    identity = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
    schemas[named] = {
        **changes,
        "properties": {"id": identity, **changes.get("properties", {})},
        "required": ["id"],
    }
    content = operation["requestBody"]["content"][JSON]
    content["schema"] = {**content["schema"], "items": {"$ref": f"#/components/schemas/{named}"}}


def _allow_parts(response: dict[str, Any], schemas: dict[str, Any]) -> None:
    """`fields` and `brief` leave fields out: the answer may also be a part of the object."""
    whole = response["content"][JSON]["schema"]
    name = whole.get("$ref", "").rpartition("/")[2]
    if name.startswith("Paginated"):
        rows = schemas[name]["properties"]["results"]
        rows["items"] = _whole_or_part(rows["items"], schemas)
    else:
        response["content"][JSON]["schema"] = _whole_or_part(whole, schemas)


def _whole_or_part(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rpartition("/")[2]
    part = {key: value for key, value in schemas[name].items() if key not in ("required", "description")}
    schemas[f"{name}Part"] = {**part, "minProperties": 1, "description": "Some of its fields: see `fields`, `brief`."}
    return {"anyOf": [schema, {"$ref": f"#/components/schemas/{name}Part"}]}


def _share_problems(result: dict[str, Any]) -> None:
    """One answer per status, named by all operations."""
    shared = result["components"].setdefault("responses", {})
    for _, _, operation in operations(result):
        for status, response in operation["responses"].items():
            if status in DESCRIPTIONS and set(response.get("content", {})) == {PROBLEM} and "headers" not in response:
                response["description"] = DESCRIPTIONS[status]
                shared.setdefault(f"Problem{status}", response)
                operation["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}


def _share_parameters(result: dict[str, Any]) -> None:
    """One text for a parameter that several operations take alike; path parameters stay where they are."""
    shared = result["components"].setdefault("parameters", {})
    known: dict[str, str] = {}
    every = [operation["parameters"] for _, _, operation in operations(result) if operation.get("parameters")]
    alike = Counter(_canonical(parameter) for parameters in every for parameter in parameters)
    for parameters in every:
        for index, parameter in enumerate(parameters):
            text = _canonical(parameter)
            if parameter["in"] == "path" or alike[text] < 2:
                continue
            if text not in known:
                number = sum(name.rpartition(".")[0] == parameter["name"] for name in shared) + 1
                known[text] = f"{parameter['name']}.{number}"
                shared[known[text]] = parameter
            parameters[index] = {"$ref": f"#/components/parameters/{known[text]}"}


def _canonical(parameter: dict[str, Any]) -> str:
    return json.dumps(parameter, sort_keys=True, default=str)


def _share_security(result: dict[str, Any]) -> None:
    """What nearly every operation asks for is said once, for the whole of the file."""
    common = Counter(json.dumps(operation.get("security")) for _, _, operation in operations(result)).most_common(1)
    result["security"] = json.loads(common[0][0])
    for _, _, operation in operations(result):
        if operation.get("security") == result["security"]:
            del operation["security"]
        else:
            operation.setdefault("security", [])
