"""The calls, against simulated routers of every version, over TLS on loopback."""

from __future__ import annotations

import dataclasses
import os
import threading

import pytest

from netmon.drivers.errors import Busy, NotSupported, ProtocolError, Rejected
from netmon.drivers.targets import Secret, VyosTarget
from netmon.drivers.vyos import (
    Command,
    CommitFailed,
    Locked,
    UnknownOutcome,
    VyosClient,
    compare,
    creation,
    deletion,
    detect,
    may_have_applied,
)
from netmon.drivers.vyos import client as client_module
from netmon.lab.vyos import VERSIONS
from tests import vyos_trees
from tests.unit.drivers.vyos.items import ITEMS, KEY, MAPPING, SSH, SUBNET, router, target

DESCRIPTION = ("nat", "destination", "rule", "10000", "description")


def lines(family, *items):
    return [command for item in items for command in creation(item, family)]


@pytest.mark.parametrize("version", vyos_trees.VERSIONS)
def test_a_vm_is_one_commit_and_is_read_back(version):
    family = vyos_trees.family(version)
    with router(version) as (machine, _, client):
        commit = client.configure(lines(family, *ITEMS))
        assert commit.confirm_minutes is None and machine.counts["commits"] == 1 and not machine.is_saved
        running = client.show_config()
        assert all(compare(item, running, family).is_equal for item in ITEMS)
        client.save()
        assert machine.is_saved
        client.configure(lines(family, *ITEMS))  # again: nothing changes
        assert machine.is_saved
        client.configure(deletion(SSH, family))
        machine.reboot()
        assert "10000" in machine.running["nat"]["destination"]["rule"]


@pytest.mark.parametrize("version", vyos_trees.VERSIONS)
def test_every_way_to_read(version):
    with router(version) as (machine, _, client):
        family = vyos_trees.family(version)
        client.configure(lines(family, SUBNET, SSH))
        assert client.show_config(["nat"])["destination"]["rule"]["10000"]["protocol"] == "tcp"
        assert client.show_config(["nat", "source"]) == {} and client.show_config(["firewall"]) == {}
        assert client.exists(DESCRIPTION) and not client.exists(["nat", "source"])
        assert client.return_value(DESCRIPTION) == SSH.description
        assert client.return_value([*DESCRIPTION[:-1], "log"]) is None
        below = ["option"] if family == "1.5" else []
        subnet = ["service", "dhcp-server", "shared-network-name", "LAN", "subnet", SUBNET.prefix]
        assert client.return_values([*subnet, *below, "name-server"]) == list(SUBNET.name_servers)
        assert client.return_values(["nat", "x"]) == []
        assert "VyOS" in client.show(["version"])
        machine.edit(f"delete service dhcp-server shared-network-name LAN subnet {SUBNET.prefix} exclude")
        assert machine.counts["commits"] == 1


@pytest.mark.parametrize("version", vyos_trees.VERSIONS)
def test_the_version_is_found_out(version):
    with router(version) as (machine, _, client):
        before = dict(machine.running)
        found = detect(client)
        assert found.family == vyos_trees.family(version)
        assert found.name == VERSIONS[version].banner.removeprefix("VyOS ")
        assert found.commit_confirm is (None if version == "1.5-2026-02" else False)
        assert found.configure_section is VERSIONS[version].configure_section
        assert found.hostname == ("vyos-lab" if found.has_info else "")
        assert not found.hangs_on_two_requests or version == "1.5-2026-02"
        assert machine.running == before and machine.counts["commits"] == 0


def test_a_build_that_hangs_is_known_by_its_day():
    with router() as (machine, _, client):
        for banner, hangs in (
            ("VyOS 1.5-rolling-202508130020", True), ("VyOS 1.5-rolling-202602130021", False), ("VyOS 1.5.0", False),
        ):  # fmt: skip
            machine.behaviour = dataclasses.replace(machine.behaviour, banner=banner)
            assert detect(client).hangs_on_two_requests is hangs


@pytest.mark.parametrize(("version", "family"), [("1.3", "1.3"), ("1.4", "1.4")])
def test_a_build_with_another_name_is_known_by_how_it_refuses(version, family):
    with router(version) as (machine, _, client):
        machine.behaviour = dataclasses.replace(machine.behaviour, banner="VyOS house-build-7")
        assert detect(client).family == family


@pytest.mark.parametrize("banner", ["VyOS 1.5-beta", "VyOS 2.0", "VyOS 1.40", ""])
def test_a_version_whose_paths_are_not_known_is_refused(banner):
    with router("1.4") as (machine, _, client):
        machine.behaviour = dataclasses.replace(machine.behaviour, banner=banner)
        with pytest.raises(NotSupported) as raised:
            detect(client)
        assert raised.value.reason == "unknown_version"


@pytest.mark.parametrize("version", vyos_trees.VERSIONS)
def test_commit_confirm_is_what_the_router_says_never_what_was_asked(version):
    with router(version, minute_seconds=3600) as (machine, _, client):
        commit = client.configure(lines(vyos_trees.family(version), SSH), confirm_minutes=2)
        armed = version == "1.5-2026-02"
        assert commit.confirm_minutes == (2 if armed else None) and machine.is_waiting is armed
        if armed:
            client.confirm()
            assert not machine.is_waiting
            machine.edit("set system config-management commit-confirm action reload")
            assert client.configure(deletion(SSH, "1.5"), confirm_minutes=1).confirm_minutes == 1


def test_what_is_not_confirmed_goes_back():
    with router(minute_seconds=0.05) as (machine, _, client):
        assert client.configure(lines("1.5", SSH), confirm_minutes=1).confirm_minutes == 1
        for _ in range(100):
            if not machine.is_waiting:
                break
            threading.Event().wait(0.02)
        assert "nat" not in client.show_config() and machine.counts["reboots"] == 1


def test_a_second_timer_is_refused_though_the_change_stands():
    with router(minute_seconds=3600) as (machine, _, client):
        client.configure(lines("1.5", SSH), confirm_minutes=5)
        with pytest.raises(UnknownOutcome) as raised:
            client.configure(deletion(SSH, "1.5"), confirm_minutes=5)
        assert raised.value.reason == "confirm_pending" and "pending" in raised.value.detail
        assert not machine.running["nat"]["destination"].get("rule")
        with pytest.raises(CommitFailed):  # with a timer, too, a failed commit is known to be one
            client.configure([Command("set", ("nat", "destination", "rule", "7", "log"))], confirm_minutes=5)


def test_nothing_to_confirm_is_refused():
    with router() as (_, _, client), pytest.raises(Rejected):
        client.confirm()
    with router("1.4") as (_, _, client), pytest.raises(Rejected):
        client.confirm()


@pytest.mark.parametrize("version", vyos_trees.VERSIONS)
def test_what_the_router_does_not_know_is_refused_and_nothing_stands(version):
    with router(version) as (machine, _, client):
        good = lines(vyos_trees.family(version), SSH)
        for bad in (
            ("service", "dns-server", "x"),
            ("nat", "destination", "rule", "1000000", "log"),
            ("nat", "x<y>&z"),
        ):
            with pytest.raises(Rejected) as raised:
                client.configure([*good, Command("set", bad)])
            error = raised.value
            assert (error.code, error.reason) == ("rejected", "refused") and not may_have_applied(error)
            assert bad[1] in error.detail or bad[-2] in error.detail
            assert "&lt;" not in error.detail and "nat" not in machine.running


@pytest.mark.parametrize("version", vyos_trees.VERSIONS)
def test_a_failed_commit_says_why_and_nothing_stands(version):
    with router(version) as (machine, _, client):
        family = vyos_trees.family(version)
        bare = dataclasses.replace(SUBNET, ranges=(), excluded=())
        client.configure(lines(family, bare, MAPPING))
        before = dict(machine.running)
        with pytest.raises(CommitFailed) as raised:
            client.configure(lines(family, SSH) + deletion(MAPPING, family))
        error = raised.value
        assert error.code == "commit_failed" and not error.retryable and not may_have_applied(error)
        assert "No DHCP address range or active static-mapping" in error.detail
        assert machine.running == before


def test_a_lock_of_somebody_else_is_busy():
    with router() as (machine, _, client):
        machine.is_locked = True
        with pytest.raises(Locked) as raised:
            client.configure(lines("1.5", SSH))
        error = raised.value
        assert (error.code, error.reason, error.retryable) == ("busy", "locked", True) and not may_have_applied(error)
        machine.is_locked = False
        client.configure(lines("1.5", SSH))


def test_one_request_at_a_time_leaves_this_process():
    with router(commit_seconds=0.4, hangs=True) as (machine, server, client):
        done: list[object] = []

        def change():
            try:
                done.append(VyosClient(target(server)).configure(lines("1.5", SSH)))
            except Busy as error:
                done.append(error)

        threads = [threading.Thread(target=change) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refused = [one for one in done if isinstance(one, Busy)]
        assert len(done) == 6 and len(refused) == 5 and all(error.reason == "in_use" for error in refused)
        assert not any(may_have_applied(error) for error in refused)
        assert machine.counts["commits"] == 1 and machine.counts["max_in_flight"] == 1
        client.configure(deletion(SSH, "1.5"))  # and afterwards it is free


def test_a_child_of_a_process_that_is_asking_may_ask():
    target = VyosTarget(address="127.0.0.1", key=Secret(KEY))
    with client_module._alone(target):
        child = os.fork()
        if not child:
            os._exit(1 if client_module._asked else 0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    short, long = (dataclasses.replace(target, address=address) for address in ("::1", "0:0:0:0:0:0:0:1"))
    with client_module._alone(short), pytest.raises(Busy), client_module._alone(long):
        pass


def test_routers_do_not_wait_for_each_other():
    with router(commit_seconds=0.3) as (_, _, one), router(commit_seconds=0.3) as (_, _, two):
        done = []
        thread = threading.Thread(target=lambda: done.append(one.configure(lines("1.5", SSH))))
        thread.start()
        two.configure(lines("1.5", SSH))
        thread.join()
        assert done


def test_a_large_change_is_sent_whole_and_a_larger_one_not_at_all():
    with router() as (machine, _, client):
        many = [dataclasses.replace(SSH, rule=number) for number in range(1, 501)]
        client.configure(lines("1.5", *many))
        assert len(machine.running["nat"]["destination"]["rule"]) == 500
        before = machine.counts["requests"]
        with pytest.raises(Rejected) as raised:
            client.configure([Command("set", (*DESCRIPTION, "x" * 255))] * 4000)
        assert raised.value.reason == "too_large" and machine.counts["requests"] == before


def test_arguments_that_cannot_be_meant():
    client = VyosClient(VyosTarget(address="127.0.0.1", key=Secret(KEY)))
    with pytest.raises(ValueError, match="commands"):
        client.configure([])
    with pytest.raises(ValueError, match="confirm_minutes"):
        client.configure(creation(SSH, "1.5"), confirm_minutes=0)
    assert KEY not in repr(client) and "127.0.0.1" in repr(client)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("address", "router.example"), ("address", "http://10.0.0.1"), ("port", 0), ("key", Secret("")),
        ("key", "text"), ("key", Secret("a\nb")), ("ca_pem", "nonsense"),
        ("certificate_sha256", "ab:cd"), ("server_name", "a b"),
        ("server_name", "x/../y"), ("read_timeout_seconds", 0.0), ("max_answer_bytes", 1),
    ],
)  # fmt: skip
def test_targets_that_cannot_work_are_refused(field, value):
    with pytest.raises(ValueError, match=f"^{field}: .+; .+"):
        VyosTarget(**{"address": "127.0.0.1", "key": Secret(KEY), field: value})


def test_a_pin_is_taken_in_every_spelling():
    digits = "ab" * 32
    for spelled in (digits, digits.upper(), ":".join(["AB"] * 32)):
        assert VyosTarget(address="::1", key=Secret(KEY), certificate_sha256=spelled).certificate_sha256 == digits


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with router() as (_, _, client):
        assert client.show_config(["system"]) == {"host-name": "vyos-lab"}


def test_answers_of_another_shape_are_protocol_errors():
    with router() as (machine, _, client):
        machine.exists = lambda words: "yes"
        machine.show_config = lambda words: ["x"]
        machine.values = lambda words: [7]
        for call in (client.exists, client.show_config, client.return_value, client.return_values):
            with pytest.raises(ProtocolError) as raised:
                call(["nat"])
            assert raised.value.reason == "shape"
