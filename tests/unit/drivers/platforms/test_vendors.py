from __future__ import annotations

import json

import pytest

from netmon.drivers.errors import NotSupported, ProtocolError
from netmon.drivers.platforms import vendors
from netmon.drivers.platforms.shapes import Presence
from netmon.drivers.platforms.vendor_ntp import ntp_text
from netmon.drivers.platforms.vendors import Ask, asks, read
from netmon.drivers.ssh.answers import Answer
from tests.unit.drivers.platforms.captures import capture, r1


def template(platform: str, question, sample: str = ""):
    """The reading of a sample through the first template of a question."""
    ask = next(one for one in asks(platform, question) if one.form == "template")
    reading = read(platform, question, ask, capture(f"vendors/{sample or platform}_{question}.txt"))
    assert reading.presence is Presence.RUNNING, reading
    return reading.value


def test_ios_bgp():
    for platform in ("cisco_ios", "cisco_xe"):
        summary = template(platform, "bgp", "cisco_ios")
        assert (summary["router_id"], summary["local_as"]) == ("192.0.2.1", 65000)
        up, old, never, shut = summary["peers"]
        assert up["is_established"] and up["prefixes_received"] == 42 and up["uptime_seconds"] == 3723.0
        assert old["uptime_seconds"] == 3 * 604800 and old["prefixes_received"] == 0
        assert (never["state"], never["down_seconds"], never["remote_as"]) == ("Active", None, (65000 << 16) + 12)
        assert shut["is_admin_down"] and not shut["is_established"] and shut["down_seconds"] == 93600.0


def test_ios_ospf():
    neighbours = template("cisco_ios", "ospf")
    assert (neighbours["total"], neighbours["full"]) == (4, 2)
    assert [one["state"] for one in neighbours["neighbors"]] == ["Full", "Full", "2-Way", "ExStart"]
    assert [one["role"] for one in neighbours["neighbors"]] == ["", "Backup", "DROther", "DR"]
    assert [one["is_normal"] for one in neighbours["neighbors"]] == [True, True, True, False]
    assert neighbours["neighbors"][0]["dead_seconds"] == 32.0


def test_ios_routes():
    routes = {route["prefix"]: route for route in template("cisco_ios", "routes")["routes"]}
    assert routes["0.0.0.0/0"]["protocol"] == "static" and routes["192.0.2.0/30"]["protocol"] == "connected"
    twice = routes["198.51.100.0/24"]
    assert [hop["address"] for hop in twice["next_hops"]] == ["192.0.2.6", "192.0.2.2"]
    assert (twice["distance"], twice["metric"], twice["protocol"]) == (110, 20, "ospf")
    assert routes["203.0.113.0/24"]["protocol"] == "bgp"


def test_ios_interfaces():
    up, shut, down = template("cisco_ios", "interfaces")
    assert (up["admin_status"], up["oper_status"], up["description"]) == ("up", "up", "to core")
    assert (up["mac_address"], up["speed_bps"], up["addresses"]) == ("02:00:5e:00:53:01", 10**9, ["192.0.2.1/30"])
    assert (up["in_packets"], up["in_errors"], up["out_errors"], up["out_discards"]) == (83, 7, 1, 3)
    assert up["in_octets"] is None  # the template does not keep it, and zero would be a lie
    assert (shut["admin_status"], shut["oper_status"]) == ("down", "down")
    assert (down["admin_status"], down["oper_status"]) == ("up", "down")


def test_other_systems():
    xr = read("cisco_xr", "bgp", Ask("show ip bgp summary"), capture("vendors/cisco_xr_bgp.txt")).value
    assert [peer["is_established"] for peer in xr["peers"]] == [False, True]
    asa = {route["prefix"]: route["protocol"] for route in template("cisco_asa", "routes")["routes"]}
    assert asa == {"198.51.100.0/24": "static", "192.0.2.0/30": "connected", "203.0.113.0/24": "ospf"}
    assert template("arista_eos", "facts")["os_version"] == "4.28.3M"
    assert template("arista_eos", "facts")["uptime_seconds"] == 3900.0
    junos = template("juniper_junos", "ospf")
    assert (junos["total"], junos["full"], junos["neighbors"][0]["dead_seconds"]) == (2, 1, 37.0)
    for platform in ("huawei", "huawei_vrp"):
        idle, up = template(platform, "bgp", "huawei")["peers"]
        assert not idle["is_established"] and up["is_established"] and up["prefixes_received"] == 6
    up, down = template("mikrotik_routeros", "bgp")["peers"]
    assert up["is_established"] and up["description"] == "up" and up["prefixes_received"] == 8
    assert (down["state"], down["uptime_seconds"]) == ("Idle", None)
    assert template("mikrotik_routeros", "ospf")["neighbors"][0]["uptime_seconds"] > 7 * 604800
    procurve = template("hp_procurve", "routes")["routes"]
    assert procurve[-1]["next_hops"][0]["is_blackhole"] and procurve[0]["next_hops"][0]["address"] == "192.0.2.2"


EOS = {
    "facts": {"modelName": "vEOS", "version": "4.28.3M", "serialNumber": "X1", "uptime": 5.5, "hostname": "sw1"},
    "interfaces": {
        "interfaces": {
            "Ethernet1": {
                "interfaceStatus": "connected",
                "lineProtocolStatus": "up",
                "mtu": 9214,
                "bandwidth": 10**10,
                "physicalAddress": "02:00:5e:00:53:01",
                "interfaceAddress": [{"primaryIp": {"address": "192.0.2.1", "maskLen": 30}}],
                "interfaceCounters": {"inOctets": 5, "outOctets": 6, "totalInErrors": 1, "inDiscards": 2},
            }
        }
    },
    "bgp": {
        "vrfs": {
            "default": {
                "routerId": "192.0.2.1",
                "asn": "65000",
                "peers": {
                    "198.51.100.1": {
                        "peerState": "Established",
                        "asn": "65010",
                        "prefixReceived": 3,
                        "upDownTime": 1.7e9,
                    },
                    "198.51.100.2": {"peerState": "Idle", "peerStateIdleReason": "Admin", "asn": "65011"},
                },
            }
        }
    },
    "ospf": {
        "vrfs": {
            "default": {
                "instList": {
                    "1": {
                        "ospfNeighborEntries": [{"routerId": "203.0.113.1", "adjacencyState": "full", "drState": "DR"}]
                    }
                }
            }
        }
    },
    "routes": {
        "vrfs": {
            "default": {
                "routes": {
                    "198.51.100.0/24": {
                        "routeType": "eBGP",
                        "preference": 200,
                        "metric": 0,
                        "vias": [{"nexthopAddr": "192.0.2.2", "interface": "Ethernet1"}],
                    }
                }
            }
        }
    },
}


def row(name, *found):
    return {f"TABLE_{name}": {f"ROW_{name}": found[0] if len(found) == 1 else list(found)}}


NXOS = {
    "facts": {"host_name": "n9k", "chassis_id": "Nexus9000", "nxos_ver_str": "9.3(5)", "kern_uptm_days": 1},
    "interfaces": row(
        "interface", {"interface": "Ethernet1/1", "state": "up", "admin_state": "up", "eth_inbytes": "77"}
    ),
    "bgp": row(
        "vrf",
        {
            "vrf-name-out": "default",
            "vrf-router-id": "192.0.2.1",
            "vrf-local-as": "65000",
            **row(
                "af",
                row(
                    "saf",
                    {
                        "af-name": "IPv4 Unicast",
                        **row(
                            "neighbor",
                            {
                                "neighborid": "198.51.100.1",
                                "neighboras": "65010",
                                "state": "Established",
                                "time": "P1DT2H",
                            },
                            {"neighborid": "198.51.100.2", "neighboras": "65011", "state": "Idle", "time": "3w0d"},
                        ),
                    },
                ),
            ),
        },
    ),
    "ospf": row("ctx", {"cname": "default", **row("nbr", {"rid": "203.0.113.1", "state": "FULL", "drstate": "BDR"})}),
    "routes": row(
        "vrf",
        {
            "vrf-name-out": "default",
            **row(
                "addrf",
                row(
                    "prefix",
                    {
                        "ipprefix": "198.51.100.0/24",
                        **row("path", {"ipnexthop": "192.0.2.2", "clientname": "bgp-65000", "pref": "20"}),
                    },
                ),
            ),
        },
    ),
}


def data(**values):
    return {key.replace("_", "-"): [{"data": value}] for key, value in values.items()}


JUNOS = {
    "facts": {"software-information": [data(host_name="mx", product_model="mx240", junos_version="20.4R3")]},
    "interfaces": {
        "interface-information": [
            {
                "physical-interface": [
                    {
                        **data(name="ge-0/0/0", admin_status="up", oper_status="down", mtu="1514", speed="1000mbps"),
                        "traffic-statistics": [data(input_bytes="9")],
                    }
                ]
            }
        ]
    },
    "bgp": {
        "bgp-information": [
            {
                "bgp-peer": [
                    {
                        **data(peer_address="198.51.100.1+179", peer_as="65010", peer_state="Established"),
                        "elapsed-time": [{"data": "1d 2:03", "attributes": {"junos:seconds": "93780"}}],
                        "bgp-rib": [data(received_prefix_count="4")],
                    }
                ]
            }
        ]
    },
    "ospf": {
        "ospf-neighbor-information": [
            {
                "ospf-neighbor": [
                    data(neighbor_id="203.0.113.1", ospf_neighbor_state="Full", neighbor_address="192.0.2.2")
                ]
            }
        ]
    },
    "routes": {
        "route-information": [
            {
                "route-table": [
                    {
                        **data(table_name="inet.0"),
                        "rt": [
                            {
                                **data(rt_destination="198.51.100.0/24"),
                                "rt-entry": [
                                    {
                                        **data(active_tag="*", protocol_name="BGP", preference="170"),
                                        "nh": [data(to="192.0.2.2", via="ge-0/0/0.0")],
                                    }
                                ],
                            }
                        ],
                    }
                ]
            }
        ]
    },
}


@pytest.mark.parametrize(
    ("platform", "documents"), [("arista_eos", EOS), ("cisco_nxos", NXOS), ("juniper_junos", JUNOS)]
)
def test_json(platform, documents):
    def value(question):
        ask = asks(platform, question)[0]
        assert ask.form == "json"
        reading = read(platform, question, ask, Answer(json.dumps(documents[question])))
        assert reading.presence is Presence.RUNNING, reading
        return reading.value

    assert value("facts")["os_version"]
    (one,) = value("interfaces")
    assert one["in_octets"] in (5, 77, 9) and one["admin_status"] == "up"
    summary = value("bgp")
    first = summary["peers"][0]
    assert (first["address"], first["is_established"], first["remote_as"]) == ("198.51.100.1", True, 65010)
    assert first["family"] == "ipv4_unicast" and first["vrf"] == "default"
    (neighbour,) = value("ospf")["neighbors"]
    assert (neighbour["router_id"], neighbour["state"]) == ("203.0.113.1", "Full")
    (route,) = value("routes")["routes"]
    assert (route["prefix"], route["protocol"], route["is_in_fib"]) == ("198.51.100.0/24", "bgp", True)
    assert route["next_hops"][0]["address"] == "192.0.2.2"
    for question in documents:
        empty = read(platform, question, asks(platform, question)[0], Answer("{}"))
        assert empty.presence is Presence.NOT_PARSED and empty.value is None


def test_nothing_found_in_a_text_is_said_and_never_an_empty_table():
    # FRR's text through the template of IOS: TextFSM itself says nothing at all
    reading = read("cisco_ios", "bgp", Ask("show ip bgp summary"), r1("show_bgp_summary.txt"))
    assert reading.presence is Presence.NOT_PARSED and "no row" in reading.reason and reading.value is None
    for platform in ("arista_eos", "cisco_nxos", "mikrotik_routeros", "huawei", "hp_procurve"):
        question = "routes" if platform == "hp_procurve" else "bgp"
        ask = next(one for one in asks(platform, question) if one.form == "template")
        assert read(platform, question, ask, Answer("some other text\n" * 20)).presence is Presence.NOT_PARSED


@pytest.mark.parametrize(
    ("text", "presence"),
    [
        ("                ^\n% Invalid input detected at '^' marker.\n", Presence.NOT_INSTALLED),
        ("syntax error, expecting <command>.\n", Presence.NOT_INSTALLED),
        ("bad command name bgp (line 1 column 10)\n", Presence.NOT_INSTALLED),
        ("Error: Unrecognized command found at '^' position.\n", Presence.NOT_INSTALLED),
        ("% BGP not active\n", Presence.NOT_CONFIGURED),
        ("BGP is not running\n", Presence.NOT_CONFIGURED),
        ("% Command authorization failed.\n", Presence.NOT_PERMITTED),
        ("", Presence.NOT_CONFIGURED),
    ],
)
def test_refusals(text, presence):
    reading = read("cisco_ios", "bgp", Ask("show ip bgp summary"), Answer(text))
    assert reading.presence is presence and reading.reason


def test_a_configuration_is_text_and_a_cut_one_is_not():
    ask = asks("cisco_ios", "running_config")[0]
    text = "hostname x\n" + "! BGP not active\n" * 20
    assert read("cisco_ios", "running_config", ask, Answer(text)).value == text
    assert read("cisco_ios", "running_config", ask, Answer("hostname", "", None)).presence is Presence.UNKNOWN


def test_what_is_not_known():
    for platform, question in (("windows", "facts"), ("hp_procurve", "bgp"), ("juniper_junos", "startup_config")):
        with pytest.raises(NotSupported):
            asks(platform, question)
    with pytest.raises(NotSupported):
        read("windows", "facts", Ask("ver"), Answer("x"))


def test_every_template_of_the_table_exists():
    for platform, questions in vendors.COMMANDS.items():
        for question, alternatives in questions.items():
            for ask in alternatives:
                if ask.form != "template":
                    continue
                reading = read(platform, question, ask, Answer("nothing that any template knows\n" * 20))
                assert reading.presence is Presence.NOT_PARSED
                assert "No template found" not in reading.reason, (platform, ask)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "Clock is synchronized, stratum 3, reference is 192.0.2.1\n"
            "clock offset is -0.5000 msec, root delay is 1 msec\n",
            (True, 3, "192.0.2.1", -0.0005),
        ),
        ("Clock is unsynchronized, stratum 16, no reference clock\n", (False, 16, "", None)),
        (
            "synchronised to NTP server (192.0.2.1) at stratum 4\n   time correct to within 23 ms\n",
            (True, 4, "192.0.2.1", None),
        ),
        ("unsynchronised\n", (False, None, "", None)),
        (
            " clock status: synchronized\n clock stratum: 4\n reference clock ID: 192.0.2.1(MGMT)\n"
            " clock offset: 4.3597 ms\n",
            (True, 4, "192.0.2.1", 0.0043597),
        ),
        (
            "Total peers : 1\n* - selected for sync\n remote  local  st poll reach delay vrf\n"
            "*192.0.2.1  0.0.0.0  3  64  377  0.001 default\n",
            (True, 4, "192.0.2.1", None),
        ),
    ],
)
def test_clocks(text, wanted):
    status = ntp_text(text)
    found = (status["is_synchronised"], status["stratum"], status["reference"], status["offset_seconds"])
    assert found[:3] == wanted[:3] and found[3] == (pytest.approx(wanted[3]) if wanted[3] is not None else None)
    with pytest.raises(ProtocolError):
        ntp_text("something else")
