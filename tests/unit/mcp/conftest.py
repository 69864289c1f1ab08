"""The MCP door as a client without the SDK meets it: one POST of JSON-RPC, one JSON answer."""

import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.cache import caches
from rest_framework.test import APIClient

from netmon.accounts.models import User
from netmon.accounts.services import keys


@pytest.fixture(autouse=True)
def _no_requests_counted(_clean_cache: None) -> None:
    caches["rates"].clear()  # numbers of keys come again after each test


_numbers = itertools.count(1)


def key_of(user: User, *scopes: str, **options: Any) -> str:
    return keys.make(user=user, name=f"mcp {next(_numbers)}", scopes=scopes or ("read", "write"), **options)[1]


@dataclass(frozen=True)
class Result:
    is_error: bool
    text: str
    data: Any


class Door:
    def __init__(self, key: str = "", **headers: Any) -> None:
        self.client = APIClient(raise_request_exception=False)
        shown = {"HTTP_X_API_KEY": key} if key else {}
        self.client.credentials(HTTP_ACCEPT="application/json, text/event-stream", **shown, **headers)

    def send(self, method: str, params: Any = None, **headers: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        return self.client.post("/mcp", body, format="json", **headers)

    def tool(self, name: str, **arguments: Any) -> Result:
        answer = self.send("tools/call", {"name": name, "arguments": arguments})
        assert answer.status_code == 200, answer.content
        result = answer.json()["result"]
        return Result(result["isError"], result["content"][0]["text"], result.get("structuredContent"))
