"""`manage.py poll`: what it asks, what it prints, and what its exit code says."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from monitoring import modules
from monitoring.management import polled
from monitoring.management.commands import poll
from monitoring.models import Check, DeviceState
from monitoring.modules import Collected, InterfaceReading, Reading
from netmon.drivers.errors import AuthenticationFailed, DeadlineExceeded, DriverError
from tests.factories import make_device, make_flat

pytestmark = pytest.mark.django_db(transaction=True)


def collected(name: str) -> Collected:
    interface = InterfaceReading(key="eth0", if_index=1, name="eth0", speed_bps=10**9, oper_status=1, admin_status=1)
    reading = Reading(set="snmp.system", values={"response_ms": 1.5, "uptime_seconds": 60.0})
    return Collected(
        collected_at=1_800_000_000.0,
        monotonic_at=1.0,
        response_ms=1.5,
        readings=[reading] if name == "snmp.system" else [],
        interfaces=[interface] if name == "snmp.interfaces" else None,
        facts={"system": {"sys_name": "far", "sys_descr": "a router"}} if name == "snmp.system" else {},
    )


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, DriverError]:
    """Modules that answer at once; an error put in under "address module" or "module" is raised instead."""
    errors: dict[str, DriverError] = {}

    def register(name: str) -> None:
        async def collect(target: Any, context: Any) -> Collected:
            if error := errors.get(f"{target.address} {name}") or errors.get(name):
                raise error
            return collected(name)

        old = modules.MODULES[name]
        new = modules.Module(
            key=name,
            protocol=old.protocol,
            collect=collect,
            context=old.context,
            store=None,
            is_availability=old.is_availability,
        )
        monkeypatch.setitem(modules.MODULES, name, new)

    for name in ("snmp.system", "snmp.interfaces"):
        register(name)
    return errors


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("poll", *arguments, stdout=out)
    return int(str(ended.value.code)), out.getvalue()


def test_a_good_poll_is_stored_and_shown(answers: dict[str, DriverError]) -> None:
    device = make_flat(name="Far")
    code, text = run("far")
    assert code == 0
    assert text.splitlines()[0].split() == [
        "Far",
        device.primary_ip.address,
        "up",
        "snmp.interfaces",
        "ok",
        "1.5",
        "ms",
    ]
    assert "a router" in text and "eth0" in text and "1 Gb/s" in text
    assert DeviceState.objects.get(device=device).state == "up"


def test_json_is_one_document(answers: dict[str, DriverError]) -> None:
    make_flat(name="far")
    _, text = run("far", "--json")
    (entry,) = json.loads(text)["devices"]
    assert entry["device"]["name"] == "far" and entry["state"] == "up"
    assert [result["module"] for result in entry["results"]] == ["snmp.interfaces", "snmp.system"]
    assert all(result["ok"] for result in entry["results"])
    assert entry["readings"]["snmp.system"]["uptime_seconds"] == 60.0
    assert entry["interfaces"][0]["name"] == "eth0"


def test_exit_codes_say_what_came_of_it(answers: dict[str, DriverError]) -> None:
    first, second = make_flat(name="first"), make_flat(name="second")
    silence = DeadlineExceeded("No answer.")
    assert run("--all")[0] == 0
    for module in ("snmp.system", "snmp.interfaces"):
        answers[f"{first.primary_ip.address} {module}"] = silence
    code, text = run("first")
    assert code == 1 and "timeout: No answer." in text
    assert run("second")[0] == 0
    assert run("first", "second")[0] == 3
    del answers[f"{first.primary_ip.address} snmp.system"]
    assert run("first")[0] == 3
    for module in ("snmp.system", "snmp.interfaces"):
        answers[f"{second.primary_ip.address} {module}"] = AuthenticationFailed("Wrong passphrase.")
    assert run("second")[0] == 5


def test_a_device_that_is_polled_already_asks_to_try_later(answers: dict[str, DriverError]) -> None:
    device = make_flat(name="far")
    Check.objects.filter(endpoint__device=device).update(
        claimed_until=timezone.now() + timedelta(seconds=1), claim_token="x"
    )
    code, text = run("far")
    assert code == 75 and "under way" in text


def test_a_device_with_nothing_to_poll_fails_with_a_reason(answers: dict[str, DriverError]) -> None:
    make_device(name="bare")
    code, text = run("bare")
    assert code == 1 and "nothing to poll" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "Name devices"),
        (["far", "--all"], 2, "Name devices"),
        (["nobody"], 4, "No such device: nobody"),
        (["--all"], 4, "no device with a check"),
        (["--target", "192.0.2.1:0", "--community", "x"], 2, "port of 1 to 65535"),
        (["--target", "192.0.2.1"], 2, "community: missing"),
        (["--target", "169.254.169.254", "--community", "x"], 2, "metadata"),
        (["--target", "192.0.2.1", "--version", "3"], 2, "username"),
        (["--target", "192.0.2.1", "--version", "3", "--username", "u", "--priv-protocol", "AES"], 2, "RFC 3414"),
        (["--target", "name.invalid", "--community", "x"], 1, "does not resolve"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    arguments: list[str], code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(CommandError, match=words) as refused:
        call_command("poll", *arguments)
    assert refused.value.returncode == code


def test_loopback_is_refused_unless_admitted(settings: Any) -> None:
    settings.ALLOW_LOOPBACK = False
    with pytest.raises(CommandError, match="Loopback") as refused:
        call_command("poll", "--target", "127.0.0.1", "--community", "x")
    assert refused.value.returncode == 2


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("192.0.2.1", ("192.0.2.1", 161)),
        ("router.example.net:1161", ("router.example.net", 1161)),
        ("2001:db8::1", ("2001:db8::1", 161)),
        ("[2001:db8::1]:1161", ("2001:db8::1", 1161)),
    ],
)
def test_targets_are_split(text: str, parts: tuple[str, int]) -> None:
    assert poll.split_target(text) == parts


@pytest.mark.parametrize("text", ["", ":161", "a:b", "a:70000", "[::1", "[::1]x", "a:-1", "a:²"])
def test_broken_targets_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        poll.split_target(text)


@pytest.mark.parametrize(
    ("codes", "together"),
    [([0], 0), ([0, 0], 0), ([0, 1], 3), ([1, 5], 1), ([5, 5], 5), ([75, 75], 75), ([75, 0], 3), ([3, 1], 3)],
)
def test_codes_of_several_devices_add_up(codes: list[int], together: int) -> None:
    assert polled.together(codes) == together


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0, "0 b/s"), (999, "999 b/s"), (1_540, "1.54 kb/s"), (1e10, "10 Gb/s")]
)
def test_bits_are_for_people(value: float | None, text: str) -> None:
    assert polled.bits(value) == text
