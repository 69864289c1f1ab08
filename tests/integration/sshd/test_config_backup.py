"""Backups over a real sshd: `vtysh` prints a file, so that changes, noise and faults are what a router would show."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inventory.models import Device, HostKey, ManagementEndpoint
from inventory.services import create_device
from monitoring.models import Check, ConfigVersion, DeviceEvent, DeviceFact
from monitoring.services import configs
from tests import factories
from tests.daemons.sshd import Sshd, sshd

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

CONFIG = """frr version 8.4.4
frr defaults traditional
hostname r1
service integrated-vtysh-config
!
password {secret}
!
router bgp 65001
 bgp router-id 192.0.2.1
 neighbor 192.0.2.2 remote-as 65002
exit
!
"""
SECRET = "hush-hush-9"
VTYSH = """#!/bin/sh
here={here}
test -f "$here/hang" && sleep 60
test -f "$here/stderr" && cat "$here/stderr" >&2
if test -f "$here/status"; then cat "$here/running"; exit "$(cat "$here/status")"; fi
cat "$here/running"
"""


class Router:
    """What the fake vtysh prints, and the device that stands for it."""

    def __init__(self, server: Sshd, here: Path) -> None:
        self.here = here
        self.device = create_device(
            fields={"name": "r1", "kind": "router", "ip": "127.0.0.1", "ssh_username": server.username,
                    "ssh_password": "unused"}
        )  # fmt: skip
        self.endpoint = self.device.endpoints.get(protocol="ssh")
        credential = self.endpoint.credential
        assert credential is not None
        key = factories.make_ssh_key(name="r1 key")
        type(key).objects.filter(pk=key.pk).update(username=server.username)
        key.refresh_from_db()
        authorized = server.directory / "authorized_keys"
        authorized.write_text(f"{authorized.read_text()}{key.public_key}\n")
        options = {"platform": "frr", "command_timeout_seconds": 10.0}
        ManagementEndpoint.objects.filter(pk=self.endpoint.pk).update(port=server.port, credential=key, options=options)
        factories.make_host_key(self.endpoint, next(iter(server.host_keys.values())), state=HostKey.State.TRUSTED)

    def prints(self, text: str, *, running: str = "Building configuration...\n\nCurrent configuration:\n!\n") -> None:
        (self.here / "running").write_text(f"{running}{text}end\n")

    def saves(self, text: str) -> None:
        (self.here / "frr.conf").write_text(text)

    def backup(self) -> dict[str, Any]:
        return configs.backup(Device.objects.get(pk=self.device.pk))


@pytest.fixture
def router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Router]:
    here = tmp_path / "router"
    bin_ = here / "bin"
    bin_.mkdir(parents=True)
    for name in ("sh", "cat", "sleep", "timeout", "uname", "env"):  # the machine may have a vtysh of its own
        (bin_ / name).symlink_to(str(shutil.which(name)))
    (bin_ / "vtysh").write_text(VTYSH.replace("{here}", str(here)))
    (bin_ / "vtysh").chmod(0o755)
    settings.ALLOW_LOOPBACK = True
    monkeypatch.setattr("netmon.drivers.platforms.frr.STARTUP_CONFIG", ("cat", str(here / "frr.conf")))
    with sshd(tmp_path / "sshd", path=str(bin_)) as server:
        found = Router(server, here)
        found.prints(CONFIG.format(secret=SECRET))
        yield found


def versions(kind: str = "running") -> list[ConfigVersion]:
    return list(ConfigVersion.objects.filter(kind=kind).order_by("number"))


def events() -> list[tuple[str, str]]:
    return [(event.kind, event.severity) for event in DeviceEvent.objects.order_by("pk")]


def test_a_change_is_a_version_and_noise_is_none(router: Router) -> None:
    first = router.backup()
    assert first["ok"] and first["changed"] and first["is_saved"] is None, first
    router.prints(CONFIG.format(secret=SECRET), running="! Time: 10:11:12\n!Last configuration change at 10:11\n!\n")
    again = router.backup()
    assert again["ok"] and not again["changed"]
    (only,) = versions()
    assert only.last_seen_at > only.collected_at and events() == []
    router.prints(
        CONFIG.format(secret=SECRET).replace("exit\n", " neighbor 192.0.2.3 remote-as 65003\nexit\n"),
        running="! Last configuration change at 10:11:12 UTC Mon Nov 2 2026 by ada\n!\n",
    )
    third = router.backup()
    assert third["changed"] and third["versions"][0]["changed_by"] == "ada"
    second = versions()[1]
    assert second.summary == "1 line added in `router bgp 65001`." and second.number == 2
    assert events() == [("config_changed", "info")]
    event = DeviceEvent.objects.get()
    assert event.data == {"from": only.pk, "to": second.pk, "who": "ada"} and event.detail == second.summary


def test_a_changed_secret_is_a_change_that_shows_no_secret(router: Router) -> None:
    router.backup()
    router.prints(CONFIG.format(secret="another-one-7"))
    assert router.backup()["changed"]
    old, new = versions()
    for text in (configs.text_of(old), configs.text_of(new), str(configs.compare(old, new)), new.summary):
        assert SECRET not in text and "another-one-7" not in text
    assert configs.compare(old, new)["changed"] == 1
    assert not DeviceFact.objects.exists()
    assert SECRET not in str(list(ConfigVersion.objects.values()))


def test_unsaved_and_saved_again(router: Router) -> None:
    text = CONFIG.format(secret=SECRET)
    router.saves(text)
    assert router.backup()["is_saved"] is True and events() == []
    router.prints(text.replace("hostname r1", "hostname r2"))
    assert router.backup()["is_saved"] is False
    assert events() == [("config_changed", "info"), ("config_unsaved", "warning")]
    router.backup()
    assert len(events()) == 2
    router.saves(text.replace("hostname r1", "hostname r2"))
    assert router.backup()["is_saved"] is True
    assert events()[2:] == [("config_saved", "info")]
    assert [version.number for version in versions("startup")] == [1, 2]
    running, startup = configs.newest(router.device)
    assert (running.kind, startup.kind) == ("running", "startup")
    assert configs.compare(running, startup)["added"] == 0


@pytest.mark.parametrize(
    ("text", "status", "code", "said"),
    [
        ("% Unknown command: show running-config\n", 1, "protocol_error", "failed with status 1"),
        ("% Unknown command: show running-config\n", 0, "protocol_error", "no configuration"),
        (CONFIG.format(secret=SECRET), 0, "protocol_error", "cut"),
        ("", 0, "protocol_error", "nothing"),
        ("frr version 8.4.4\nend\n", 0, "protocol_error", "no configuration"),
        ("bgpd is not running\n" + CONFIG.format(secret=SECRET) + "end\n", 0, "protocol_error", "bgpd is not running"),
        ("sh: vtysh: not found\n", 127, "not_supported", "does not have it"),
    ],
)
def test_what_is_no_configuration_is_an_error_and_no_version(
    router: Router, text: str, status: int, code: str, said: str
) -> None:
    assert router.backup()["ok"]
    (router.here / "running").write_text(text)
    (router.here / "status").write_text(str(status))
    result = router.backup()
    assert (result["ok"], result["error_code"], result["changed"]) == (False, code, False), result
    assert said in result["error_detail"] and len(versions()) == 1 and events() == []
    assert SECRET not in result["error_detail"]


def test_a_router_that_hangs_is_a_timeout(router: Router) -> None:
    options = {"platform": "frr", "command_timeout_seconds": 1.0, "deadline_seconds": 2.0}
    ManagementEndpoint.objects.filter(pk=router.endpoint.pk).update(options=options)
    (router.here / "hang").touch()
    result = router.backup()
    assert (result["ok"], result["error_code"]) == (False, "timeout"), result
    assert not versions()


def test_a_hostile_text_is_kept_and_shown(router: Router) -> None:
    hostile = "hostname \x1b[31mr\x00d\x07\U0001f4a5\u202e\n"
    router.prints(CONFIG.format(secret=SECRET).replace("hostname r1\n", hostile))
    assert router.backup()["ok"]
    text = configs.text_of(versions()[0])
    assert "hostname rd\U0001f4a5\n" in text and "\x1b" not in text and "\x00" not in text


def test_a_host_without_frr_has_nothing_to_keep(router: Router) -> None:
    (router.here / "bin" / "vtysh").unlink()
    ManagementEndpoint.objects.filter(pk=router.endpoint.pk).update(options={})
    result = router.backup()
    assert result["ok"] and not result["versions"] and "without FRR" in result["nothing"]
    check = Check.objects.get(module="config.backup")
    assert check.memory["platform"] == "linux" and check.status == "up"
