"""The simulated router answers with the statuses, bodies and quirks of each version, asked without our driver."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
import threading
import time
from urllib.parse import urlencode

import pytest

from netmon.lab.vyos import VERSIONS, Fault, Router, Server
from netmon.lab.vyos.certificates import make_certificate
from netmon.lab.vyos.router import KEY, Refusal
from tests.daemons import wait_until

CERTIFICATE = make_certificate()
OLD, NEW = ("1.3", "1.4", "1.5-2024-10"), ("1.5-2026-02",)
RULE = [
    {"op": "set", "path": ["nat", "destination", "rule", "10", "translation", "address", "192.168.66.10"]},
    {"op": "set", "path": ["nat", "destination", "rule", "10", "description", "a"], "value": ""},
]


class Asker:
    """A client of the library, nothing of ours."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.context = ssl.create_default_context(cadata=server.ca_pem)

    def __call__(self, path, body=None, *, method="POST", kind="application/json", raw=False):
        connection = http.client.HTTPSConnection(self.server.host, self.server.port, context=self.context, timeout=10)
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": kind})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.content_type = answer.headers["Content-Type"]
        return answer.status, content if raw else json.loads(content)

    def form(self, path, **fields):
        body = urlencode(
            {name: value if name == "key" else json.dumps(value) for name, value in fields.items()}
        ).encode()
        return self(path, body, kind="application/x-www-form-urlencoded")


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def router(version):
    return Router(version)


@pytest.fixture
def ask(router):
    with Server(router, certificate=CERTIFICATE) as server:
        yield Asker(server)


def inbound(version):
    path = ["nat", "destination", "rule", "10", "inbound-interface"]
    return {"op": "set", "path": [*path, "eth0"] if version == "1.3" else [*path, "name", "eth0"]}


def refused(answer, status=400):
    assert answer[0] == status and answer[1]["success"] is False and answer[1]["data"] is None
    return answer[1]["error"]


def test_keys(ask, version):
    show = {"op": "showConfig", "path": []}
    assert refused(ask.form("/retrieve", data=show), 422 if version == "1.3" else 401)
    assert refused(ask.form("/retrieve", key=KEY), 422 if version == "1.3" else 401)
    assert refused(ask.form("/retrieve", data=show, key="wrong"), 401)
    assert refused(ask("/retrieve", {"key": "wrong", **show}), 401)
    assert "'missing'" in refused(ask("/retrieve", show))  # a representation of Python, no JSON
    assert refused(ask("/retrieve", [show]))
    assert refused(ask("/retrieve", b"{"))
    status, answer = ask.form("/retrieve", data=show, key=KEY)
    assert status == 200 and answer["success"] is True and answer["error"] is None


def test_json_is_sent_as_html_but_for_what_is_not_found(ask):
    ask("/retrieve", {"key": KEY, "op": "exists", "path": ["system"]})
    assert ask.content_type.startswith("text/html")
    for path, method in (("/nothing", "POST"), ("/retrieve", "GET"), ("/configure", "GET")):
        assert ask(path, b"" if method == "GET" else {}, method=method) == (404, {"detail": "Not Found"})
        assert ask.content_type == "application/json"


def test_endpoints_of_a_version(ask, version):
    status, answer = ask("/info", method="GET")
    if version in NEW:
        assert status == 200 and answer["data"]["version"].startswith("1.5-rolling") and answer["data"]["hostname"]
    else:
        assert status == 404
    section = {"key": KEY, "op": "set", "path": ["nat", "destination", "rule", "10"],
               "section": {"disable": {}, "translation": {"address": "10.0.0.1"}}}  # fmt: skip
    assert ask("/configure-section", section)[0] == (404 if version == "1.3" else 200)


def test_reads(ask, version):
    def read(op, *path):
        return ask("/retrieve", {"key": KEY, "op": op, "path": list(path)})

    assert refused(read("showConfig", "nat")) == "Configuration under specified path is empty\n"
    assert read("showConfig", "system")[1]["data"] == {"host-name": "vyos-lab"}
    assert read("exists", "nat")[1]["data"] is False and read("exists", "system", "host-name")[1]["data"] is True
    assert read("exists", "service", "https", "api", "rest")[1]["data"] is version.startswith("1.5")
    assert read("returnValue", "system", "host-name")[1]["data"] == "vyos-lab"
    assert read("returnValues", "system", "host-name")[1]["data"] == ["vyos-lab"]
    assert "'show' is not a valid operation" in refused(read("show", "nat"))
    assert refused(ask("/retrieve", {"key": KEY, "op": "showConfig"}))  # path is required even when empty


def test_one_value_is_a_text_several_a_list_none_an_object(ask, router, version):
    subnet = ["service", "dhcp-server", "listen-address"]
    for address in ("10.0.0.1", "10.0.0.2"):
        router.edit(f"set {' '.join(subnet)} {address}")
        shown = ask("/retrieve", {"key": KEY, "op": "showConfig", "path": subnet[:2]})[1]["data"]
    assert shown == {"listen-address": ["10.0.0.1", "10.0.0.2"]}


def test_changes(ask, router, version):
    status, answer = ask("/configure", {"key": KEY, "commands": [*RULE[:1], inbound(version)]})
    assert status == 200 and answer["success"] is True
    assert answer["data"] == ("" if version in NEW else None)
    one = {"op": "delete", "path": ["nat", "destination", "rule", "10"]}
    assert ask("/configure", {"key": KEY, **one})[0] == 200 and ask("/configure", {"key": KEY, **one})[0] == 200
    assert ask.form("/configure", key=KEY, data=[*RULE[:1], inbound(version)])[0] == 200
    assert "not a valid operation" in refused(ask("/configure", {"key": KEY, "op": "save", "path": ["x"]}))
    assert refused(ask("/configure", {"key": KEY, "op": "set", "path": []}))
    assert refused(ask("/configure", {"key": KEY, "commands": []}))
    malformed = refused(ask("/configure", {"key": KEY, "op": "set", "path": "nat"}))
    assert ("'set' is not a valid operation" in malformed) is (version in NEW)
    error = refused(ask("/configure", {"key": KEY, "op": "set", "path": ["nat", "<x>&"]}))
    assert ("&lt;x&gt;&amp;" in error) is version.startswith("1.5")
    assert router.counts["commits"] == 4


def test_strict_mode_refuses_to_delete_what_is_not_there(ask, router, version):
    router.edit(f"set service https api {'rest ' if version.startswith('1.5') else ''}strict")
    error = refused(ask("/configure", {"key": KEY, "op": "delete", "path": ["nat", "source", "rule", "1"]}))
    assert "does not exist" in error


def test_a_failed_commit_reads_as_such_and_changes_nothing(ask, router, version):
    before = dict(router.running)
    error = refused(ask("/configure", {"key": KEY, "op": "set", "path": ["nat", "destination", "rule", "9", "log"]}))
    assert error.startswith("[ nat ]\n") and "[[nat]] failed" in error and error.endswith("Commit failed")
    assert router.running == before and router.counts["failed_commits"] == 1
    router.is_locked = True
    error = refused(ask("/configure", {"key": KEY, "commands": [*RULE[:1], inbound(version)]}))
    assert error == "Configuration system temporarily locked due to another commit in progress\nCommit failed"


def test_confirm_time_is_ignored_before_the_last_version(ask, router, version):
    change = {"key": KEY, "commands": [*RULE[:1], inbound(version)], "confirm_time": 5}
    status, answer = ask("/configure", change)
    assert status == 200 and router.is_waiting is (version in NEW)
    if version in OLD:
        assert answer["data"] is None
        assert refused(ask("/configure", {"key": KEY, "op": "confirm"}))
        return
    assert "Initialized commit-confirm; 5 minutes to confirm before reboot" in answer["data"]
    assert "Another confirm is pending" in refused(ask("/configure", change))
    assert router.counts["commits"] == 2  # though refused, it was committed
    assert ask("/configure", {"key": KEY, "op": "confirm"})[0] == 200 and not router.is_waiting
    ask.form("/configure", key=KEY, data=change["commands"])  # a bare list of a form has no place for it
    assert not router.is_waiting


def test_an_unconfirmed_change_goes_back_by_reboot_or_reload():
    for action, reboots in (("reboot", 1), ("reload", 0)):
        router = Router("1.5-2026-02", minute_seconds=0.03)
        router.edit(f"set system config-management commit-confirm action {action}")
        router.edit("set system host-name unsaved")
        router.configure([("set", ("interfaces", "ethernet", "eth5", "description", "x"))], 1)
        wait_until(lambda: not router.is_waiting, what="the end of the timer")  # noqa: B023
        assert "eth5" not in router.running["interfaces"]["ethernet"]
        assert router.counts["reboots"] == reboots
        assert router.exists(("system", "host-name", "unsaved")) is (action == "reload")
        router.close()


def test_a_reboot_loses_what_is_not_saved(ask, router, version):
    router.edit("set system host-name other")
    assert not router.is_saved
    assert refused(ask("/config-file", {"key": KEY, "op": "nothing"}))
    router.reboot()
    assert router.exists(("system", "host-name", "vyos-lab"))
    router.edit("set system host-name other")
    assert ask("/config-file", {"key": KEY, "op": "save"})[0] == 200 and router.is_saved
    router.reboot()
    assert router.exists(("system", "host-name", "other"))


def test_show_is_text(ask, version):
    def show(*path):
        return ask("/show", {"key": KEY, "op": "show", "path": list(path)})[1]["data"]

    assert VERSIONS[version].banner in show("version")
    assert "Invalid command" in show("nothing")
    assert ("To be migrated" in show("nat", "destination", "rules")) is (version == "1.3")


def test_the_web_server_speaks_html(ask, router, version):
    status, body = ask("/configure", b"x" * ((1 << 20) + 1), raw=True)
    assert status == 413 and b"<html>" in body
    router.arm(Fault.GATEWAY_TIMEOUT)
    assert ask("/retrieve", {}, raw=True)[0] == 504
    router.is_down = True
    status, body = ask("/retrieve", {"key": KEY, "op": "exists", "path": ["nat"]}, raw=True)
    assert (status, b"<html>" in body) == ((200, False) if version == "1.3" else (502, True))
    if version == "1.3":
        assert list(json.loads(body)) == ["error"]


def test_requests_wait_for_each_other():
    router = Router("1.4", commit_seconds=0.1)
    with Server(router, certificate=CERTIFICATE) as server:
        change = {"key": KEY, "op": "set", "path": ["system", "host-name", "other"]}
        done: list[int] = []
        threads = [
            threading.Thread(target=lambda: done.append(Asker(server)("/configure", change)[0])) for _ in range(3)
        ]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert done == [200, 200, 200] and time.monotonic() - started >= 0.3
        assert router.counts["max_in_flight"] > 1


def test_a_build_of_2025_hangs_for_ever_once_two_changes_meet():
    router = Router("1.5-2026-02", hangs=True, commit_seconds=0.2)
    with Server(router, certificate=CERTIFICATE) as server:
        ask, done = Asker(server), []
        change = {"key": KEY, "op": "set", "path": ["system", "host-name", "other"]}
        assert ask("/configure", change)[0] == 200  # alone it works

        def send(path, body):
            try:
                done.append(Asker(server)(path, body)[0])
            except (OSError, ValueError, http.client.HTTPException):
                done.append(0)

        threads = [threading.Thread(target=send, args=("/configure", change)) for _ in range(2)]
        for thread in threads:
            thread.start()
        wait_until(lambda: router.counts["max_in_flight"] == 2, what="two changes that meet")
        read = threading.Thread(target=send, args=("/retrieve", {"key": KEY, "op": "exists", "path": ["nat"]}))
        read.start()
        read.join(0.4)
        assert read.is_alive()  # reads included


def subnet(*lines, behaviour):
    path = "set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24"
    return [f"{path} {line}" for line in (*lines, *(["subnet-id 1"] if behaviour.subnet_id else []))]


RANGE = ("range 0 start 192.168.66.200", "range 0 stop 192.168.66.250")


@pytest.mark.parametrize(
    ("lines", "reason", "versions"),
    [
        (("lease 60",), "No DHCP address range or active static-mapping", tuple(VERSIONS)),
        (("range 0 start 192.168.66.9",), "start and stop", tuple(VERSIONS)),
        (("range 0 start 192.168.67.9", "range 0 stop 192.168.67.10"), "not in subnet", tuple(VERSIONS)),
        (("range 0 start 192.168.66.10", "range 0 stop 192.168.66.9"), "greater or equal", tuple(VERSIONS)),
        ((*RANGE, "range 1 start 192.168.66.250", "range 1 stop 192.168.66.251"), "overlaps", tuple(VERSIONS)),
        ((*RANGE, "static-mapping a {mac} 02:00:00:00:00:01", "static-mapping a ip-address 10.0.0.1"), "not within",
         tuple(VERSIONS)),
        ((*RANGE, "static-mapping a ip-address 192.168.66.9"), "MAC address", tuple(VERSIONS)),
        ((*RANGE, "static-mapping a {mac} 02:00:00:00:00:01", "static-mapping a ip-address 192.168.66.9",
          "static-mapping b {mac} 02:00:00:00:00:02", "static-mapping b ip-address 192.168.66.9"), "already exists",
         ("1.4", "1.5-2024-10", "1.5-2026-02")),
        ((*RANGE, "static-mapping a {mac} 02:00:00:00:00:aa", "static-mapping a ip-address 192.168.66.9",
          "static-mapping b {mac} 02:00:00:00:00:AA", "static-mapping b ip-address 192.168.66.8"), "", ()),
        ((*RANGE, "static-mapping a {mac} 02:00:00:00:00:01", "static-mapping a ip-address 192.168.66.201"), "", ()),
    ],
)  # fmt: skip
def test_what_a_commit_refuses_of_dhcp(version, router, lines, reason, versions):
    told = subnet(*(line.format(mac=VERSIONS[version].mac_leaf) for line in lines), behaviour=VERSIONS[version])
    commits(router, told, reason if version in versions else "")


@pytest.mark.parametrize(
    ("lines", "reason", "versions"),
    [
        (("translation address 10.0.0.1",), "inbound-interface not specified", ("1.3",)),
        (("{iface} eth0",), "translation", tuple(VERSIONS)),
        (("{iface} eth0", "exclude"), "", ()),
        (("{iface} eth0", "translation address 10.0.0.1", "translation port 22"), "ports can only", tuple(VERSIONS)),
        (("{iface} eth0", "translation address 10.0.0.1", "destination port 22", "protocol icmp"), "ports can only",
         tuple(VERSIONS)),
        (("{iface} eth0", "translation address 10.0.0.0/24", "translation port 22", "protocol tcp"), "cannot use ports",
         ("1.3",)),
    ],
)  # fmt: skip
def test_what_a_commit_refuses_of_nat(version, router, lines, reason, versions):
    iface = "inbound-interface" if version == "1.3" else "inbound-interface name"
    told = [f"set nat destination rule 5 {line.format(iface=iface)}" for line in lines]
    commits(router, told, reason if version in versions else "")


@pytest.mark.parametrize("version", ["1.4", "1.5-2024-10", "1.5-2026-02"])
def test_groups_that_are_named_must_exist(version):
    router = Router(version)
    rule = ["set nat destination rule 5 translation address 10.0.0.1",
            "set nat destination rule 5 source group address-group office"]  # fmt: skip
    commits(router, rule, "Invalid address group")
    commits(router, ["set firewall group address-group office address 10.0.0.1", *rule], "")
    commits(router, ["set nat destination rule 5 inbound-interface group WAN"], "Invalid interface group")
    commits(router, ["set nat destination rule 5 inbound-interface name eth0", "set firewall group interface-group WAN",
                     "set nat destination rule 5 inbound-interface group WAN"], "both interface name")  # fmt: skip


def test_a_subnet_is_served_or_refused(version, router):
    router.edit("delete interfaces ethernet eth1")
    told = subnet(*RANGE, behaviour=VERSIONS[version])
    commits(router, told, "appropriate primary IP")
    commits(router, [*told, "set service dhcp-server listen-address 192.168.66.1"], "")
    commits(router, ["set service dhcp-server shared-network-name LAN disable"], "must be active")
    if VERSIONS[version].subnet_id:
        commits(router, [told[-1].replace("set", "delete", 1)], "subnet ID")


def commits(router, lines, reason):
    operations = [(line.split()[0], tuple(line.split()[1:])) for line in lines]
    if not reason:
        router.configure(operations)
        return
    before = dict(router.running)
    with pytest.raises(Refusal, match=reason):
        router.configure(operations)
    assert router.running == before


def test_it_starts_by_itself(tmp_path):
    ca = tmp_path / "ca.pem"
    started = subprocess.Popen(
        [sys.executable, "-m", "netmon.lab.vyos", "--port", "0", "--release", "1.4", "--ca-file", str(ca),
         "set nat destination rule 5 disable"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert started.stdout is not None
        line = started.stdout.readline()
        assert line.startswith("VyOS 1.4 on https://127.0.0.1:") and ca.read_text().startswith("-----BEGIN")
    finally:
        started.terminate()
        assert started.wait(10) == 0
