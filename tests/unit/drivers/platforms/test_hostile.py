"""Whatever a device says, a parser answers, or raises ProtocolError or NotSupported: random text, and real answers with
pieces cut, doubled and swapped."""

from __future__ import annotations

import itertools
import json
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netmon.drivers.errors import NotSupported, ProtocolError
from netmon.drivers.platforms import changes, clock, config_text, frr, links, linux, vendors, vyos
from netmon.drivers.platforms.frr_routes import route_summary, routes, table_commands
from netmon.drivers.platforms.frr_routing import bfd_peers, bgp_summary, ospf_neighbors, rip
from netmon.drivers.platforms.vendor_ntp import ntp_text
from netmon.drivers.ssh.answers import Answer
from tests.unit.drivers.platforms.captures import ROOT

Q = "converged/r1/"
PARSERS = {
    "cpu": (linux.cpu_counters, f"{Q}proc_stat.txt"),
    "load": (linux.load, f"{Q}proc_loadavg.txt"),
    "pressure": (linux.pressure, f"{Q}proc_pressure_cpu.txt"),
    "memory": (linux.memory, f"{Q}proc_meminfo.txt"),
    "uptime": (linux.uptime, f"{Q}proc_uptime.txt"),
    "os_release": (linux.os_release, f"{Q}etc_os_release.txt"),
    "kernel": (linux.kernel, f"{Q}uname.txt"),
    "disks": (linux.disks, f"{Q}df_PTl.txt"),
    "inodes": (lambda answer: linux.disks(Answer((ROOT / f"{Q}df_PTl.txt").read_text()), answer), f"{Q}df_Pil.txt"),
    "sessions": (linux.sessions, None),
    "units": (linux.failed_units, None),
    "net_dev": (links.interfaces_from_proc, f"{Q}proc_net_dev.txt"),
    "links": (links.interfaces_from_ip, f"{Q}ip_stats.json"),
    "addresses": (lambda answer: links.interfaces_from_ip(Answer("[]"), answer), f"{Q}ip_addr.json"),
    "processor": (links.processor, f"{Q}lscpu.json"),
    "tracking": (lambda answer: clock.ntp_status({"chrony_tracking": answer}), f"{Q}chronyc_tracking.csv"),
    "sources": (
        lambda a: clock.chrony_status(Answer((ROOT / f"{Q}chronyc_tracking.csv").read_text()), a),
        f"{Q}chronyc_sources.csv",
    ),
    "ntpq": (lambda answer: clock.ntp_status({"ntpq_peers": answer}), "ntpd/ntpq_-pn.txt"),
    "ntpq_variables": (
        lambda a: clock.ntpd_status(Answer((ROOT / "ntpd/ntpq_-pn.txt").read_text()), a),
        "ntpd/ntpq_-crv.txt",
    ),
    "timedatectl": (lambda answer: clock.ntp_status({"timedatectl": answer, "timesync": answer}), None),
    "bgp": (lambda answer: bgp_summary(answer, answer), f"{Q}show_bgp_summary.json"),
    "bgp_neighbors": (
        lambda a: bgp_summary(Answer((ROOT / f"{Q}show_bgp_summary.json").read_text()), a),
        f"{Q}show_bgp_neighbors.json",
    ),
    "ospf": (ospf_neighbors, f"{Q}show_ip_ospf_neighbor.json"),
    "ospf6": (lambda answer: ospf_neighbors(answer, 3), f"{Q}show_ipv6_ospf6_neighbor.json"),
    "bfd": (bfd_peers, "bfd-up/r1/show_bfd_peers.json"),
    "rip": (lambda answer: rip(answer, answer), "rip/r1/show_ip_rip.txt"),
    "rip_status": (lambda answer: rip(answer, answer), "rip/r1/show_ip_rip_status.txt"),
    "interfaces": (frr.interfaces, f"{Q}show_interface.json"),
    "daemons": (frr.daemons, f"{Q}show_daemons.txt"),
    "version": (frr.facts, f"{Q}show_version.txt"),
    "documents": (lambda answer: frr.documents(answer, 7), f"{Q}vtysh_seven_lines.json"),
    "summary": (
        lambda answer: [table_commands(v, 0) for v in [route_summary(answer).value] if v],
        f"{Q}show_ip_route_summary.json",
    ),
    "routes": (routes, f"{Q}show_ip_route.json"),
    "vyos": (vyos.facts, None),
    "vyos_commands": (vyos.commands_text, None),
    "ntp_text": (lambda answer: ntp_text(answer.stdout), None),
    "normalise": (lambda answer: config_text.normalise("frr", answer.stdout), f"{Q}show_running-config.txt"),
    "mask": (lambda answer: config_text.mask("frr", answer.stdout, b"k"), f"{Q}show_running-config.txt"),
    "unsaved": (
        lambda a: config_text.unsaved("frr", a.stdout, (ROOT / f"{Q}show_running-config.txt").read_text()),
        f"{Q}show_running-config.txt",
    ),
}
for _platform, _question in (
    ("cisco_ios", "bgp"),
    ("cisco_ios", "ospf"),
    ("cisco_ios", "routes"),
    ("cisco_ios", "interfaces"),
    ("cisco_asa", "routes"),
    ("huawei", "bgp"),
    ("mikrotik_routeros", "bgp"),
    ("hp_procurve", "routes"),
):
    _ask = next(ask for ask in vendors.asks(_platform, _question) if ask.form == "template")
    PARSERS[f"{_platform} {_question}"] = (
        lambda answer, p=_platform, q=_question, a=_ask: vendors.read(p, q, a, answer),
        f"vendors/{_platform}_{_question}.txt",
    )
for _platform in ("arista_eos", "cisco_nxos", "juniper_junos"):
    for _question in ("facts", "interfaces", "bgp", "ospf", "routes"):
        PARSERS[f"{_platform} {_question}"] = (
            lambda answer, p=_platform, q=_question: vendors.read(p, q, vendors.asks(p, q)[0], answer),
            None,
        )


def survives(name: str, text: str, status: int | None = 0) -> None:
    """The parser answers with something JSON can hold, or refuses."""
    parse, _ = PARSERS[name]
    try:
        found = parse(Answer(text, "" if status == 0 else text[:200], status))
    except (ProtocolError, NotSupported) as error:
        assert error.detail
        return
    stored = json.dumps(found, default=jsonable, allow_nan=False, ensure_ascii=False)
    stored.encode()  # no half of a surrogate pair
    assert not {"\\u0000", "\\u001b"} & {stored[at : at + 6] for at in escapes(stored)}


def jsonable(value: object) -> object:
    """A reading, or an answer among documents."""
    return value.as_dict() if hasattr(value, "as_dict") else str(value)


def escapes(text: str) -> list[int]:
    """Where JSON escapes start: a backslash that no other one escapes."""
    found, at = [], 0
    while (at := text.find("\\", at)) >= 0:
        found.append(at)
        at += 2
    return found


ODD = st.sampled_from(
    [
        "",
        "\x00",
        "\x1b[31m",
        "-1",
        "9" * 400,
        "1e999",
        "NaN",
        "null",
        "{}",
        "[]",
        '"',
        "true",
        "{",
        "]",
        "\n",
        " " * 300,
        "²",
        "\ud800",
        "\u202e",
        "%",
        ":",
        ",,",
        "-",
        "0x1",
        "\t",
        "\u2028",
        "cpu ",
        "set ",
        "<masked:",
        "\\u0000",
        "\\ud800",
    ]
)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    text=st.one_of(st.text(max_size=200), st.lists(ODD, max_size=12).map("".join)),
    status=st.sampled_from([0, 1, 124, 127, None]),
)
def test_random_text(name, text, status):
    survives(name, text, status)


@pytest.mark.parametrize("name", [name for name, (_, file) in PARSERS.items() if file])
def test_mutated_answers(name):
    original = (ROOT / PARSERS[name][1]).read_text()[:6000]
    noise = random.Random(name)
    odd = [
        "\x00",
        "-1",
        "9" * 400,
        "NaN",
        "null",
        "{}",
        "[]",
        '"',
        "{",
        "\n",
        " ",
        "\x1b[0m",
        "true",
        "1.5",
        "\\u0000",
        "\\ud800",
    ]
    values = ["null", "{}", "[]", "-1", "true", "1e400", '"x"', "[[]]", '{"a": 1}', '"\\u0000\\u001b"', "9" * 30]
    for _ in range(40):
        text = original
        for _ in range(noise.randint(1, 4)):
            a, b = sorted(noise.randrange(len(text) + 1) for _ in range(2))
            b = min(b, a + 60)
            text = noise.choice(
                [text[:a] + text[b:], text[:b] + text[a:], text[:a] + noise.choice(odd) + text[b:], text[:a]]
            )
        survives(name, text)
    # valid JSON with other kinds of values: what a newer version might send
    pieces = original.split(":")
    for _ in range(40 if original[:1] in "{[" else 0):
        at = noise.randrange(1, len(pieces)) if len(pieces) > 1 else 0
        value = pieces[at].lstrip()
        end = next((n for n, c in enumerate(value) if c in ",\n}"), len(value))
        if value[:1] not in "{[":
            survives(name, ":".join([*pieces[:at], noise.choice(values) + value[end:], *pieces[at + 1 :]]))


def replaced(document, noise, odd):
    """The document with some of its values replaced by others."""
    if noise.random() < 0.06:
        return noise.choice(odd)
    if isinstance(document, dict):
        return {key: replaced(value, noise, odd) for key, value in document.items()}
    if isinstance(document, list):
        return [replaced(value, noise, odd) for value in document]
    return document


def vendor_documents():
    from tests.unit.drivers.platforms.test_vendors import EOS, JUNOS, NXOS

    for platform, documents in (("arista_eos", EOS), ("cisco_nxos", NXOS), ("juniper_junos", JUNOS)):
        for question, document in documents.items():
            yield f"{platform} {question}", document


@pytest.mark.parametrize(
    "name", [name for name, (_, file) in PARSERS.items() if file and file.endswith(".json")] + ["vendors"]
)
def test_json_with_other_values(name):
    odd = [
        None,
        {},
        [],
        -1,
        True,
        1e300,
        "x",
        [[]],
        {"a": 1},
        "\x00\x1b",
        10**30,
        "\ud800",
        [None],
        {"": {"": []}},
        1.5,
        "9" * 30,
    ]
    noise = random.Random(name)
    if name == "vendors":
        documents = list(vendor_documents())
    else:
        text = (ROOT / PARSERS[name][1]).read_text()
        documents = [(name, json.loads(text))] if name != "documents" else []
    for which, document in documents:
        for _ in range(25):
            survives(which, json.dumps(replaced(document, noise, odd)))


def test_readings_that_parse_can_be_compared():
    noise = random.Random(3)
    text = (ROOT / f"{Q}show_bgp_summary.json").read_text()
    ospf_text = (ROOT / f"{Q}show_ip_ospf_neighbor.json").read_text()
    odd = [None, {}, [], -1, True, "x", "Established", 10**30]
    found = []
    while len(found) < 40:
        try:
            bgp = bgp_summary(Answer(json.dumps(replaced(json.loads(text), noise, odd)))).value
            ospf = ospf_neighbors(Answer(json.dumps(replaced(json.loads(ospf_text), noise, odd)))).value
        except ProtocolError:
            continue
        if bgp and ospf:
            found.append({"bgp": bgp, "ospf": ospf, "seconds": float(len(found))})
    for before, after in itertools.pairwise(found):
        changes.session_events(before, after)
        changes.expected_neighbours(["10.213.255.2", "x"], after["bgp"])
        changes.expected_neighbours(["10.213.255.2", "x"], after["ospf"])


@pytest.mark.parametrize("name", PARSERS)
def test_long_lines_and_deep_nesting_take_no_time(name):
    started = time.process_time()
    for text in (
        "[" * 100_000,
        '{"a":' * 50_000,
        " " * 200_000,
        "a " * 100_000,
        "1 " * 100_000,
        "\n" * 50_000,
        "/ ext4 1 1 1" * 9000,
    ):
        survives(name, text)
    assert time.process_time() - started < 5
