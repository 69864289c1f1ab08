"""The official client before a real web process."""

from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.types import TextContent

from tests.integration.mcp.conftest import Site, web_process

pytestmark = pytest.mark.integration
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def text(result: Any) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
def test_tools_are_listed_and_called_in_every_era_of_the_protocol(site: Site, mode: str) -> None:
    async def use(client: Client) -> tuple[set[str], Any]:
        names = {tool.name for tool in (await client.list_tools()).tools}
        return names, await client.call_tool("get_device", {"device": "core-1"})

    names, result = site.with_client(site.keys["viewer"], use, mode=mode)
    assert names >= {"list_devices", "get_device", "list_alerts", "device_metrics", "scan_status"}
    assert not result.is_error and result.structured_content["id"] == site.device["id"]


@pytest.mark.parametrize(("key", "code"), [("", "not_authenticated"), ("nm_abcdefgh_" + "x" * 43, "key_unknown")])
@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_without_a_key_or_with_a_wrong_one_the_client_says_so(site: Site, mode: str, key: str, code: str) -> None:
    answer = httpx2.post(f"{site.url}/mcp", json=LIST, headers={**ACCEPT, **({"X-API-Key": key} if key else {})})
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")
    with pytest.raises(BaseException) as caught:
        site.with_client(key, lambda client: client.list_tools(), mode=mode)
    assert [str(leaf).partition(":")[0] for leaf in leaves(caught.value)] == [code]


def leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


def test_foreign_hosts_and_origins_stay_outside(site: Site) -> None:
    shown = {**ACCEPT, "X-API-Key": site.keys["viewer"]}
    assert httpx2.post(f"{site.url}/mcp", json=LIST, headers=shown).status_code == 200
    assert httpx2.post(f"{site.url}/mcp", json=LIST, headers={**shown, "Host": "evil.example"}).status_code == 421
    evil = {**shown, "Origin": "http://evil.example"}
    assert httpx2.post(f"{site.url}/mcp", json=LIST, headers=evil).status_code == 403
    own = {**shown, "Origin": site.url}
    assert httpx2.post(f"{site.url}/mcp", json=LIST, headers=own).status_code == 200


def test_a_stream_is_not_opened(site: Site) -> None:
    shown = {"Accept": "text/event-stream", "X-API-Key": site.keys["viewer"]}
    assert httpx2.get(f"{site.url}/mcp", headers=shown, timeout=10).status_code in (405, 406)


def test_a_missing_scope_and_another_tenants_device_are_refused(site: Site) -> None:
    refused = site.call(site.keys["inventory"], "list_alerts")
    assert refused.is_error and "scope_missing" in text(refused)
    for named in (site.foreign["id"], "their-1"):
        hidden = site.call(site.keys["bound"], "get_device", device=named)
        assert hidden.is_error and "not_found" in text(hidden)
    shown = site.call(site.keys["bound"], "list_devices").structured_content
    assert shown is not None and [row["name"] for row in shown["results"]] == ["core-1"]


def test_twenty_calls_at_once_are_answered(site: Site) -> None:
    async def use(client: Client) -> list[Any]:
        found: list[Any] = []

        async def one(number: int) -> None:
            arguments = {"limit": 1, "offset": number % 2}
            found.append((number % 2, await client.call_tool("list_devices", arguments)))

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(one, number)
        return found

    found = site.with_client(site.keys["viewer"], use)
    names = {(offset, result.structured_content["results"][0]["name"]) for offset, result in found}
    assert len(found) == 20 and names == {(0, "core-1"), (1, "their-1")}


def test_a_minute_has_its_limit(site: Site) -> None:
    with web_process(site.product, NETMON_API_READS_PER_MINUTE="3") as url:
        shown = {**ACCEPT, "X-API-Key": site.keys["operator"]}
        # The clock's minute may end in between, once.
        answers = [httpx2.post(f"{url}/mcp", json=LIST, headers=shown) for _ in range(8)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[0] == 200 and statuses.count(429) >= 2, statuses
    late = next(answer for answer in answers if answer.status_code == 429)
    assert late.json()["error"]["data"]["code"] == "throttled" and int(late.headers["Retry-After"]) <= 60


def test_it_is_not_there_when_it_is_switched_off(site: Site) -> None:
    with web_process(site.product, NETMON_MCP="0") as url:
        answer = httpx2.post(f"{url}/mcp", json=LIST, headers={**ACCEPT, "X-API-Key": site.keys["viewer"]})
        assert answer.status_code == 404
