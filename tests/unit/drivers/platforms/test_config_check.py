"""What is a whole configuration, and who it says changed it."""

import time

import pytest

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms.config_check import last_change, last_commit, whole

IOS = (
    "Building configuration...\n\nCurrent configuration : 99 bytes\n!\nversion 15.2\nhostname sw1\nip routing\n!\nend\n"
)
HUAWEI = "!Software Version V200R019\n#\nsysname sw2\n#\nvlan batch 10\nstp mode rstp\n#\nreturn\n"
VYOS = "set system host-name 'r'\nset system login user ada\nset protocols bgp system-as 65001\n"


@pytest.mark.parametrize(
    ("platform", "text"),
    [
        ("cisco_ios", IOS),
        ("cisco_ios", IOS + "sw1#"),
        ("huawei", HUAWEI),
        ("vyos", VYOS),
        ("frr", "% Can't open configuration file /etc/frr/vtysh.conf due to 'No such file'.\n" + IOS),
        ("hp_procurve", "; J9623A Configuration Editor\nhostname sw\nvlan 1\n name x\n"),
    ],
)
def test_a_whole_one_is_taken(platform: str, text: str) -> None:
    assert whole(platform, f"\x1b[2J{text}\0", "show").endswith("\n")


@pytest.mark.parametrize(
    ("platform", "text", "said"),
    [
        ("cisco_ios", "", "nothing"),
        ("cisco_ios", "\n \n", "nothing"),
        ("cisco_ios", IOS.removesuffix("end\n"), "cut"),
        ("huawei", HUAWEI.removesuffix("return\n"), "cut"),
        ("cisco_ios", "% Invalid input detected at '^' marker.\n", "no configuration"),
        ("cisco_ios", "Command authorization failed\n% Authorization failed.\n", "no configuration"),
        ("frr", "cat: /etc/frr/frr.conf: Permission denied\n", "no configuration"),
        ("frr", "ospfd is not running\n" + IOS, "ospfd is not running"),
        ("vyos", "set system host-name r\n", "1 lines are no configuration"),
        ("arista_eos", "! device: sw\n! a\n! b\n! c\nend\n", "0 lines"),
    ],
)
def test_anything_else_is_refused(platform: str, text: str, said: str) -> None:
    with pytest.raises(ProtocolError) as raised:
        whole(platform, text, "show running-config")
    assert said in raised.value.detail and raised.value.detail.startswith("show running-config: ")


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("! Last configuration change at 10:11:12 UTC Mon Nov 2 2026 by ada\n", "ada"),
        ("!! Last configuration change at Mon Nov  2 10:11:12 2026 by omar\n", "omar"),
        ("! NVRAM config last updated at 10:00 UTC Mon Nov 2 2026 by vera\n", "vera"),
        ("! Startup-config last modified at Mon Nov  2 10:11:12 2026 by eve\n", "eve"),
        ("## Last commit: 2026-11-02 10:11:12 UTC by root\n", "root"),
        (": Written by enable_15 at 10:11:12.345 UTC Mon Nov 2 2026\n", "enable_15"),
        ("! Last configuration change at 10:11:12 UTC Mon Nov 2 2026\n", ""),
        ("description changed by ada\n", ""),
        ("! Last configuration change at 10:11 by \x1b[31mada\x1b[0m\n", "ada"),
    ],
)
def test_who_changed_it(text: str, who: str) -> None:
    assert last_change(IOS + text)[0] == who


def test_a_commit_of_vyos() -> None:
    text = "0   2026-11-02 10:11:12 by vyos via cli\n    more\n1   2026-11-01 10:11:12 by ada via cli\n"
    assert last_commit(text)[0] == "vyos"
    assert last_commit("nothing") == ("", "")


def test_a_hostile_text_takes_no_time() -> None:
    text = "! Last configuration change at " + "by " * 500_000 + "\n" + "error" * 500_000
    started = time.monotonic()
    last_change(text)
    with pytest.raises(ProtocolError):
        whole("cisco_ios", text, "show")
    assert time.monotonic() - started < 5
