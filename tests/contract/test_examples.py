"""The examples of the OpenAPI file: every body has one, and each fits its own schema."""

from typing import Any

import jsonschema_rs
import pytest

from netmon import examples
from tests.contract.openapi import document

SCHEMAS: dict[str, dict[str, Any]] = document()["components"]["schemas"]
# Bodies that are files, and one that stands within another only.
WITHOUT = {"ImportKeyFileRequest", "NamedTenantRequest"}


def fits(schema: dict[str, Any], value: Any) -> None:
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": document()["components"],
        **schema,
    }
    jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(value)


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name.endswith("Request")])
def test_every_body_has_an_example_that_fits(name: str) -> None:
    if name in WITHOUT:
        return
    (example,) = SCHEMAS[name]["examples"]
    fits({"$ref": f"#/components/schemas/{name}"}, example)


@pytest.mark.parametrize("name", [name for name in SCHEMAS if not name.endswith("Request")])
def test_the_example_of_a_field_fits_it(name: str) -> None:
    for field, schema in SCHEMAS[name].get("properties", {}).items():
        for example in schema.get("examples", []):
            try:
                fits(schema, example)
            except jsonschema_rs.ValidationError as error:
                pytest.fail(f"{name}.{field}: {error}")


def test_no_example_is_left_over() -> None:
    assert set(examples.REQUESTS) <= set(SCHEMAS)
    assert set(examples.MEANINGS) <= set(SCHEMAS)
    assert set(examples.FIELDS) <= {field for schema in SCHEMAS.values() for field in schema.get("properties", {})}
