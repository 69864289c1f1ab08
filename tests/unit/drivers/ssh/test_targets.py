"""SSH targets refuse what cannot work, and host keys are read as OpenSSH reads them."""

from __future__ import annotations

import base64
import dataclasses

import pytest

from netmon.drivers.targets import HostKey, Secret, SshTarget, check_options, option_fields

LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFWGCR2ZZwFRvZmVbc7I4Bh6yKOe9bFL0u8A5cNMrnUy"
USER = {"address": "192.0.2.1", "username": "netmon", "password": Secret("hush-hush")}


def test_a_host_key_is_read_and_written():
    key = HostKey.parse(f"  {LINE} root@router\n")
    assert key.line == LINE and key == HostKey.parse(key.line) and hash(key) == hash(HostKey.parse(LINE))
    assert key.fingerprint.startswith("SHA256:") and len(key.fingerprint) == 50 and "=" not in key.fingerprint


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        f"ssh-dss {LINE.split()[1]}",
        f"ssh-rsa {LINE.split()[1]}",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 not*base64",
        "ssh-ed25519 é",
        "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519").decode(),
    ],
)
def test_what_is_no_host_key(line):
    with pytest.raises(ValueError, match=r"^host key: .*; "):
        HostKey.parse(line)


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"address": "router.example.net"}, "address"),
        ({"port": 0}, "port"),
        ({"port": "22"}, "port"),
        ({"username": ""}, "username"),
        ({"username": "x" * 256}, "username"),
        ({"username": "a\nb"}, "username"),
        ({"username": "a\0"}, "username"),
        ({"username": "half\udc80"}, "username"),
        ({"password": None}, "password"),
        ({"password": "plain"}, "password"),
        ({"private_key": "plain"}, "private_key"),
        ({"pins": [HostKey.parse(LINE)]}, "pins"),
        ({"pins": (LINE,)}, "pins"),
        ({"platform": "windows"}, "platform"),
        ({"connect_timeout_seconds": 0}, "connect_timeout_seconds"),
        ({"max_output_bytes": 1}, "max_output_bytes"),
        ({"legacy_crypto": 1}, "legacy_crypto"),
    ],
)
def test_a_target_names_the_field_it_refuses(over, field):
    with pytest.raises(ValueError, match=f"^{field}: ") as refused:
        SshTarget(**(USER | over))
    assert "hush-hush" not in str(refused.value)


def test_jump_hosts_end():
    target = SshTarget(**USER)
    for _ in range(4):
        target = dataclasses.replace(target, jump=target)
    with pytest.raises(ValueError, match=r"^jump: "):
        dataclasses.replace(target, jump=target)


def test_secrets_do_not_show():
    key = Secret("-----BEGIN hush-hush")
    target = SshTarget(**(USER | {"private_key": key, "passphrase": Secret("hush-hush")}))
    assert "hush-hush" not in f"{target!r} {target} {dataclasses.replace(target, jump=target)}"


def test_options():
    assert set(option_fields(SshTarget)) == {
        "platform", "connect_timeout_seconds", "auth_timeout_seconds", "command_timeout_seconds", "deadline_seconds",
        "max_output_bytes", "jump_sessions", "legacy_crypto",
    }  # fmt: skip
    assert check_options(SshTarget, {"platform": "frr", "deadline_seconds": 5}) == {
        "platform": "frr",
        "deadline_seconds": 5.0,
    }
