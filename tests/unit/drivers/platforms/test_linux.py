from __future__ import annotations

import random

import pytest

from netmon.drivers.errors import NotSupported, ProtocolError
from netmon.drivers.platforms import links, linux
from netmon.drivers.ssh.answers import Answer
from tests.unit.drivers.platforms.captures import capture, r1


def test_cpu_is_a_difference_of_two_readings():
    first = linux.cpu_counters(r1("proc_stat.txt"))
    assert first["cores"] == 2 and first["boot_time"] == "2026-11-21T23:16:55Z"
    assert first["total_ticks"] == 244744 + 2373 + 94857 + 433337 + 6186 + 0 + 7677 + 329
    assert first["busy_ticks"] == first["total_ticks"] - 433337 - 6186
    text = r1("proc_stat.txt").stdout
    later = linux.cpu_counters(Answer(text.replace("244744 2373 94857 433337", "244844 2373 94857 433637")))
    assert linux.cpu_percent(first, later) == 25.0
    assert linux.cpu_percent(first, first) is None
    assert linux.cpu_percent(later, first) is None
    rebooted = linux.cpu_counters(Answer(text.replace("btime 1795303015", "btime 1795303999")))
    assert linux.cpu_percent(first, {**rebooted, "total_ticks": later["total_ticks"]}) is None


def test_cpu_of_a_kernel_with_few_fields():
    assert linux.cpu_counters(Answer("cpu 1 2 3 4\n"))["busy_ticks"] == 6
    for text in ("", "cpu 1 2\n", "cpu a b c d\n", "cpu -1 2 3 4\n"):
        with pytest.raises(ProtocolError):
            linux.cpu_counters(Answer(text))


def test_load_and_pressure():
    assert linux.load(r1("proc_loadavg.txt")) == {
        "load1": 0.91,
        "load5": 0.71,
        "load15": 1.37,
        "tasks_running": 2,
        "tasks": 196,
    }
    assert linux.pressure(r1("proc_pressure_cpu.txt"))["some_avg60_percent"] == 6.53
    with pytest.raises(NotSupported):
        linux.pressure(Answer("", "cat: /proc/pressure/cpu: No such file or directory", 1))


def test_memory_counts_caches_as_available():
    memory = linux.memory(r1("proc_meminfo.txt"))
    assert memory["total_bytes"] == 24684092 * 1024
    assert memory["used_bytes"] == (24684092 - 23908920) * 1024
    assert memory["used_percent"] == 3.14 and memory["swap_used_percent"] is None and not memory["is_estimated"]


def test_memory_of_an_old_kernel():
    memory = linux.memory(
        Answer("MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 350 kB\nSwapTotal: 10 kB\n")
    )
    assert (memory["available_bytes"], memory["is_estimated"]) == (500 * 1024, True)
    assert memory["swap_used_percent"] == 100.0


def test_uptime():
    assert linux.uptime(r1("proc_uptime.txt"), r1("proc_stat.txt")) == {
        "uptime_seconds": 3981.35,
        "boot_time": "2026-11-21T23:16:55Z",
    }


def test_os_release():
    debian = linux.os_release(r1("etc_os_release.txt"))
    assert debian["PRETTY_NAME"] == "Debian GNU/Linux 12 (bookworm)" and debian["VERSION_ID"] == "12"
    odd = '# comment\nA=\'single $HOME \\n\'\nB="double \\"quoted\\" \\$x \\n"\n'
    odd += 'C=plain\\ word\nbad-key=1\nD=\nE="\x1b[31m"\n'
    assert linux.os_release(Answer(odd)) == {
        "A": "single $HOME \\n",
        "B": 'double "quoted" $x \\n',
        "C": "plain word",
        "D": "",
        "E": "",
    }


def test_kernel_and_processor():
    assert linux.kernel(r1("uname.txt")) == {
        "kernel": "Linux",
        "hostname": "r1",
        "release": "6.18.44",
        "machine": "x86_64",
    }
    assert links.processor(r1("lscpu.json"))["model"] == "AMD EPYC"
    assert links.processor(r1("lscpu.json"))["cores"] == 2
    nested = '{"lscpu": [{"field": "Architecture:", "data": "x", "children": [{"field": "CPU(s):", "data": "8"}]}]}'
    assert links.processor(Answer(nested))["cores"] == 8


def test_disks_are_real_ones_with_inodes():
    (root,) = linux.disks(r1("df_PTl.txt"), r1("df_Pil.txt"))
    assert (root["device"], root["type"], root["mount_point"]) == ("/dev/vda", "ext4", "/")
    assert root["total_bytes"] == 264212084 * 1024 and root["used_percent"] == 34
    assert (root["inodes"], root["inodes_used"], root["inodes_used_percent"]) == (16777216, 689111, 4.11)


def test_disks_with_spaces_and_dashes():
    head = "Filesystem     Type     1024-blocks     Used Available Capacity Mounted on\n"
    table = (
        "//nas/my share ext4     1000     900       100      90% /srv/my data 1 2 3\n"
        "/dev/sdb1      xfs      1000     500       500        - /mnt/no  percent\n"
        "/dev/sdc1      ext4     1000    1000       -50     100% /full\n"
        "/dev/sdd1      ext4        -       -         -        - /asleep\n"
        "tmpfs          tmpfs    1000     900       100      90% /run ext4\n"
    )
    inodes = "Filesystem Inodes IUsed IFree IUse% Mounted on\n//nas/my share 10 10 0 100% /srv/my data 1 2 3\n"
    inodes += "/dev/sdb1 0 0 0 - /mnt/no  percent\n"
    share, dash, full = linux.disks(Answer(head + table), Answer(inodes))
    assert (share["device"], share["mount_point"]) == ("//nas/my share", "/srv/my data 1 2 3")
    assert share["inodes_used_percent"] == 100.0
    assert (dash["used_percent"], dash["mount_point"], dash["inodes"]) == (50, "/mnt/no  percent", None)
    assert (full["available_bytes"], full["used_percent"]) == (0, 100)
    # one file system that cannot be read is status 1, and the others count
    assert len(linux.disks(Answer(head + table, "df: /x: Permission denied", 1))) == 3
    with pytest.raises(ProtocolError):
        linux.disks(Answer("nonsense"))


def test_the_forecast_follows_a_steady_growth():
    points = [(t * 3600.0, 100e9 + t * 1e9) for t in range(48)]
    assert linux.days_until_full(points, 200e9) == pytest.approx((200e9 - 147e9) / 24e9, abs=0.01)
    assert linux.days_until_full(points, 140e9) == 0.0


def test_the_forecast_does_not_care_for_a_nightly_file():
    points = [(t * 3600.0, 100e9 + t * 1e9 + (30e9 if t % 24 == 3 else 0)) for t in range(96)]
    assert linux.days_until_full(points, 300e9) == pytest.approx((300e9 - 195e9) / 24e9, rel=0.02)


def test_no_forecast_without_growth():
    noise = random.Random(7)
    flat = [(t * 3600.0, 100e9 + noise.uniform(-1e9, 1e9)) for t in range(200)]
    assert linux.days_until_full(flat, 200e9) is None
    assert linux.days_until_full([(t * 3600.0, 100e9 - t) for t in range(48)], 200e9) is None
    assert linux.days_until_full([(t * 3600.0, t) for t in range(7)], 200e9) is None
    assert linux.days_until_full([(float(t), t) for t in range(60)], 200e9) is None
    assert linux.days_until_full([(t * 3600.0, 5.0 + t) for t in range(60)], 200e9) is None  # in centuries
    assert linux.days_until_full([], 1.0) is None


def test_sessions():
    who = "lab      pts/0        2026-11-22 00:50 (10.213.0.1)\nroot     tty1         2026-11-21 23:17\n"
    assert linux.sessions(Answer(who)) == [
        {"user": "lab", "terminal": "pts/0", "since": "2026-11-22 00:50", "origin": "10.213.0.1"},
        {"user": "root", "terminal": "tty1", "since": "2026-11-21 23:17", "origin": ""},
    ]
    assert linux.sessions(Answer("")) == []
    with pytest.raises(ProtocolError):
        linux.sessions(Answer("something else\n"))


def test_failed_units():
    text = "● nginx.service loaded failed failed A high performance web server\n"
    text += "ssh.socket      loaded failed failed\n"
    units = linux.failed_units(Answer(text))
    assert [unit["unit"] for unit in units["failed"]] == ["nginx.service", "ssh.socket"]
    assert units["failed"][0]["description"] == "A high performance web server"
    assert linux.failed_units(Answer("")) == {"has_systemd": True, "failed": []}


@pytest.mark.parametrize(
    "answer",
    [
        Answer("", "sh: 1: systemctl: not found", 127),
        Answer("", capture("converged/r1/timedatectl.txt").stderr, 1),
    ],
)
def test_no_systemd_is_no_failed_unit(answer):
    assert linux.failed_units(answer) == {"has_systemd": False, "failed": []}
    assert linux.has_command(answer) is (answer.status == 1)


def test_interfaces():
    ours = {one["name"]: one for one in links.interfaces_from_ip(r1("ip_stats.json"), r1("ip_addr.json"))}
    counted = {one["name"]: one for one in links.interfaces_from_proc(r1("proc_net_dev.txt"))}
    assert list(ours) == list(counted) == ["lo", "eth0", "to-r2", "to-r3", "to-s1"]
    assert ours["to-r2"]["addresses"][:2] == ["10.213.12.1/30", "fd00:213:12::1/64"]
    assert ours["to-r2"]["in_octets"] == counted["to-r2"]["in_octets"] == 11986
    assert ours["lo"]["oper_status"] == "up" and ours["lo"]["mac_address"] is None
    assert counted["lo"]["oper_status"] == "unknown" and counted["lo"]["mtu"] is None


def test_an_interface_that_is_down():
    cut = {one["name"]: one for one in links.interfaces_from_ip(capture("carrier-cut/r1/ip_stats.json"))}
    assert (cut["to-r3"]["admin_status"], cut["to-r3"]["oper_status"]) == ("down", "down")
    assert cut["to-r2"]["oper_status"] == "up"


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("00:1A:2b:3c:4d:5e", "00:1a:2b:3c:4d:5e"),
        ("001a.2b3c.4d5e", "00:1a:2b:3c:4d:5e"),
        ("00:00:00:00:00:00", None),
        ("nonsense", None),
        (None, None),
        ("x" * 1000, None),
    ],
)
def test_mac(text, mac):
    assert links.mac(text) == mac
