"""Tools that look."""

from typing import Any, get_args, get_type_hints

import pytest

from inventory.models import Device
from monitoring.models import Alert
from monitoring.models.rules import SEVERITIES
from netmon.mcp import changing, reading, server, tools
from tests import alerts, factories, people, scans
from tests.unit.mcp.conftest import Door, key_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def door(cast: people.Cast) -> Door:
    return Door(key_of(cast.vera, "read"))


def words(function: Any, name: str) -> set[str]:
    """The strings that an argument may be."""
    found: set[str] = set()

    def walk(hint: Any) -> None:
        for part in get_args(hint):
            found.add(part) if isinstance(part, str) else walk(part)

    walk(get_type_hints(function)[name])
    return found


def test_choices_are_those_of_the_models() -> None:
    assert words(reading.list_devices, "kind") == set(Device.Kind.values)
    assert words(reading.list_devices, "status") == set(Device.Status.values)
    assert words(reading.list_alerts, "state") == set(Alert.State.values)
    assert words(reading.list_alerts, "severity") == set(SEVERITIES)


def test_every_tool_says_what_it_does_and_every_argument_what_it_means(door: Door) -> None:
    listed = {tool["name"]: tool for tool in door.send("tools/list").json()["result"]["tools"]}
    entries = {entry.function.__name__: entry for entry in (*reading.TOOLS, *changing.TOOLS)}
    assert set(listed) == set(entries)
    for name, tool in listed.items():
        hints, schema = tool["annotations"], tool["inputSchema"]
        assert tool["description"].endswith(".") and tool["title"], name
        assert hints["readOnlyHint"] is entries[name].is_read_only, name
        assert hints["destructiveHint"] is entries[name].is_destructive, name
        assert not (hints["readOnlyHint"] and hints["destructiveHint"]), name
        assert schema["additionalProperties"] is False, name
        assert all(field.get("description") for field in schema["properties"].values()), name
        assert tool["outputSchema"]["type"] == "object", name


def test_devices_are_found_and_pages_go_on(door: Door) -> None:
    made = [factories.make_flat(name=f"r-{number}") for number in range(5)]
    first = door.tool("list_devices", limit=2).data
    assert (first["total"], first["left_out"], first["next_offset"]) == (5, 3, 2)
    last = door.tool("list_devices", limit=2, offset=4).data
    assert (len(last["results"]), last["left_out"], last["next_offset"]) == (1, 0, None)
    assert {row["name"] for row in door.tool("list_devices", q="r-3").data["results"]} == {"r-3"}
    found = door.tool("list_devices", ip=made[1].primary_ip.address).data["results"]
    assert [row["id"] for row in found] == [made[1].pk] and "ssh_username" not in found[0]
    assert door.tool("list_devices", ip="127.77.0.0/16").data["total"] == 5
    assert door.tool("list_devices", kind="camera").data["total"] == 0


def test_a_device_is_named_by_number_or_name(door: Door) -> None:
    device = factories.make_flat(name="Core 1")
    for named in (device.pk, str(device.pk), "Core 1"):
        assert door.tool("get_device", device=named).data["id"] == device.pk
    missing = door.tool("get_device", device="nobody")
    assert missing.is_error and "not_found: No device has the name 'nobody'" in missing.text
    assert "not_found" in door.tool("get_device", device=device.pk + 99).text
    for tenant in (factories.make_tenant(), factories.make_tenant()):
        factories.make_flat(name="twin", tenant=tenant)
    assert "ambiguous: 2 devices" in door.tool("get_device", device="twin").text


def test_alerts_are_those_asked_for(door: Door) -> None:
    device = factories.make_flat(name="edge")
    alert = alerts.make_alert(device, severity="high")
    found = door.tool("list_alerts").data["results"]
    assert [(row["id"], row["device_name"], row["severity"]) for row in found] == [(alert.pk, "edge", "high")]
    assert door.tool("list_alerts", device="edge", severity=["high", "critical"]).data["total"] == 1
    assert door.tool("list_alerts", severity=["low"]).data["total"] == 0
    assert door.tool("list_alerts", is_open=False).data["total"] == 0
    assert door.tool("list_alerts", is_open=None, acknowledged=True).data["total"] == 0
    assert "invalid: since" in door.tool("list_alerts", since="yesterday").text


def test_measurements_have_room_or_say_so(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    device = factories.make_flat()
    found = door.tool("device_metrics", device=device.pk, hours=2).data
    assert found == {"device": {"id": device.pk, "name": device.name, "kind": "router", "ip": found["device"]["ip"]},
                     "metrics": [], "left_out": 0}  # fmt: skip
    assert "invalid: metric" in door.tool("device_metrics", device=device.pk, metric="nonsense").text


def test_an_answer_is_cut_where_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"text": "x" * 100} for _ in range(10)]
    monkeypatch.setattr(tools, "MAX_ANSWER_BYTES", 500)
    cut = tools.page({"results": rows, "count": 30}, 5)
    assert (len(cut["results"]), cut["left_out"], cut["next_offset"]) == (4, 21, 9)
    monkeypatch.setattr(tools, "MAX_ANSWER_BYTES", 10)
    assert len(tools.fitting(rows)) == 1  # or nobody would ever get on


def test_a_scan_is_followed(door: Door) -> None:
    scan = scans.make_scan()
    listed = door.tool("scan_status").data
    assert [row["id"] for row in listed["scans"]] == [scan.pk] and listed["hosts"] == []
    one = door.tool("scan_status", scan=scan.pk).data
    assert one["scans"][0]["progress"]["percent"] == 100
    assert one["hosts"][0]["open_ports"][0]["port"] == 22 and one["hosts_left_out"] == 0
    assert "not_found" in door.tool("scan_status", scan=scan.pk + 99).text


@pytest.mark.parametrize(
    ("tool", "arguments", "named"),
    [
        ("list_devices", {"nmae": "x"}, "nmae"),
        ("list_devices", {"limit": 0}, "limit"),
        ("list_devices", {"limit": 201}, "limit"),
        ("list_devices", {"kind": "toaster"}, "kind"),
        ("get_device", {}, "device"),
        ("scan_status", {"scan": -1}, "scan"),
        ("device_metrics", {"device": 1, "hours": 0}, "hours"),
    ],
)
def test_wrong_arguments_are_named_and_not_repeated(door: Door, tool: str, arguments: Any, named: str) -> None:
    result = door.tool(tool, **arguments)
    assert result.is_error and f"\n{named}\n" in result.text and "input_value" not in result.text


def test_scopes_are_those_of_the_api(cast: people.Cast) -> None:
    device = factories.make_flat()
    door = Door(key_of(cast.omar, "inventory:read"))
    assert not door.tool("get_device", device=device.pk).is_error
    for tool, arguments in (("list_alerts", {}), ("device_metrics", {"device": device.pk}), ("scan_status", {})):
        result = door.tool(tool, **arguments)
        assert result.is_error and "scope_missing: This API key lacks the scope" in result.text, tool


def test_another_tenants_things_do_not_exist(cast: people.Cast) -> None:
    ours, theirs = factories.make_tenant(), factories.make_tenant()
    bound = people.make_person("bea", "operator")
    bound.tenants.set([ours])
    mine, other = factories.make_flat(tenant=ours), factories.make_flat(tenant=theirs)
    alerts.make_alert(other)
    scan = scans.make_scan(tenant=theirs)
    door = Door(key_of(bound))
    assert [row["id"] for row in door.tool("list_devices").data["results"]] == [mine.pk]
    assert "not_found" in door.tool("get_device", device=other.pk).text
    assert "not_found" in door.tool("get_device", device=other.name).text
    assert "not_found" in door.tool("device_metrics", device=other.pk).text
    assert "not_found" in door.tool("scan_status", scan=scan.pk).text
    assert door.tool("list_alerts").data["total"] == 0
    assert door.tool("scan_status").data["scans"] == []


def test_the_server_is_made_once_and_serves_each_request_alone(door: Door) -> None:
    assert server.build() is server.build()
    for version in ("2025-03-26", "2025-06-18", "2025-11-25"):
        hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        answer = door.send("initialize", hello)
        assert answer.json()["result"]["protocolVersion"] == version and "Mcp-Session-Id" not in answer
        assert "plan" in answer.json()["result"]["instructions"]
    noted = door.client.post("/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"}, format="json")
    assert noted.status_code == 202 and noted.content == b""
