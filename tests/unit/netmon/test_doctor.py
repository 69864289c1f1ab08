"""`manage.py doctor`: it finds what is broken, names the remedy, and its exit code says whether anything failed."""

import io
import json
import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone

from inventory import host_keys
from inventory.models import Credential, Device, ManagementEndpoint, Prefix, Tenant
from inventory.transfer import importing
from monitoring.models import Check
from monitoring.services import health
from netmon import demo, doctor, processes, rotation
from netmon.accounts.services import invites
from netmon.audit.models import AuditEvent
from netmon.celery import kind_of_worker
from netmon.common.queue import RUN_ACTION_JOB, RUN_POLL_JOB
from netmon.common.secrets import open_secret
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from netmon.lab.devices import DEMO_DEVICES
from netmon.lab.hosts import HOSTS
from tests import people
from tests.factories import make_credential, make_flat
from tests.people import make_person

pytestmark = pytest.mark.django_db


def by_name(findings: Iterator[doctor.Finding]) -> dict[str, doctor.Finding]:
    return {finding.name: finding for finding in findings}


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", *arguments, stdout=out)
    return int(str(ended.value.code)), out.getvalue()


def test_a_fresh_installation_lacks_its_processes_only(tmp_path: Path, settings: Any) -> None:
    settings.VAR_DIR = tmp_path
    tmp_path.chmod(0o700)
    code, text = run()
    failed = {line.split()[1] for line in text.splitlines() if line.startswith("fail")}
    assert code == 1 and failed == {"worker", "runner", "beat"}
    assert all(" -> " in line for line in text.splitlines() if not line.startswith("ok"))


def test_a_well_installation_is_well(tmp_path: Path, settings: Any) -> None:
    settings.VAR_DIR = tmp_path
    tmp_path.chmod(0o700)
    for name in ("worker", "runner", "beat"):
        health.beat(name)
    code, text = run("--json")
    document = json.loads(text)
    assert code == 0 and document["ok"] is True, text
    names = {finding["name"] for finding in document["findings"]}
    assert names >= {
        "settings",
        "database",
        "broker",
        "worker",
        "runner",
        "beat",
        "poller",
        "secrets",
        "passwords",
        "disk",
    }
    assert ("sqlite" in names) == (connection.vendor == "sqlite")


def test_a_late_poller_is_found() -> None:
    device = make_flat()
    Check.objects.filter(endpoint__device=device).update(next_run_at=timezone.now() - timedelta(minutes=5))
    assert by_name(doctor.background())["poller"].state == "fail"


def test_a_runner_that_is_away_or_behind_is_found() -> None:
    health.beat("worker")
    found = by_name(doctor.runner())
    assert found["runner"].state == "fail" and "runner" in found["runner"].remedy and "queue" not in found
    health.beat("runner")
    assert by_name(doctor.runner())["runner"].state == "ok"
    job, _ = jobs.start(kind="action.run", key="run 1", task=RUN_ACTION_JOB, user=None, deadline_seconds=3600)
    jobs.start(kind="device.poll", key="1", task=RUN_POLL_JOB, user=None, deadline_seconds=3600)
    found = by_name(doctor.runner())
    assert found["queue"].state == "ok" and found["queue"].detail.startswith("1 scans and actions wait")
    Job.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    assert by_name(doctor.runner())["queue"].state == "warn"
    jobs.claim(job.pk)
    assert "queue" not in by_name(doctor.runner())


@pytest.mark.parametrize(("process", "name"), [(processes.worker(), "worker"), (processes.runner(), "runner")])
def test_only_who_polls_reports_as_the_worker(process: processes.Process, name: str) -> None:
    queues = process.argv[process.argv.index("--queues") + 1].split(",")
    assert kind_of_worker(queues) == name


def test_secrets_of_a_lost_key_are_named_and_older_keys_counted(settings: Any) -> None:
    assert by_name(doctor.encryption())["secrets"].state == "ok"
    make_credential(name="core routers", secret="s3cret")
    old = settings.FERNET_KEYS
    settings.FERNET_KEYS = [Fernet.generate_key().decode(), *old]
    older = by_name(doctor.encryption())["secrets"]
    assert older.state == "warn" and older.detail.startswith("1 of 1")
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    lost = by_name(doctor.encryption())["secrets"]
    assert lost.state == "fail" and "core routers" in lost.detail and "s3cret" not in str(lost)
    settings.FERNET_KEYS = old
    assert open_secret(Credential.objects.get(), "secret") == "s3cret"


@pytest.mark.parametrize("password", ["admin123", "changeme", "password", "testpass123", "omar"])
def test_well_known_passwords_are_found_but_not_of_the_locked_out(password: str) -> None:
    omar = make_person("omar", "operator")
    assert by_name(doctor.passwords())["passwords"].state == "ok"
    omar.set_password(password)
    omar.save()
    found = by_name(doctor.passwords())["passwords"]
    assert found.state == "fail" and "omar" in found.detail
    omar.is_active = False
    omar.save()
    assert by_name(doctor.passwords())["passwords"].state == "ok"


def test_open_files_are_found(tmp_path: Path, settings: Any) -> None:
    settings.VAR_DIR = tmp_path
    (tmp_path / "secrets").mkdir(mode=0o700)
    key = tmp_path / "secrets" / "fernet_keys"
    key.write_text("x")
    os.chmod(tmp_path, 0o700)
    os.chmod(key, 0o600)
    assert by_name(doctor.file_modes())["files"].state == "ok"
    os.chmod(key, 0o644)
    found = by_name(doctor.file_modes())["files"]
    assert found.state == "fail" and str(key) in found.remedy


def test_a_full_disk_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((100 << 20, "fail"), (1 << 30, "warn"), (50 << 30, "ok")):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path, usage=usage: usage)
        assert by_name(doctor.disk())["disk"].state == state


def test_missing_rights_to_ping_come_with_the_sysctl(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(doctor.socket, "socket", refuse)
    found = by_name(doctor.icmp())["ping"]
    assert found.state == "warn" and "net.ipv4.ping_group_range" in found.remedy


def test_a_small_receive_buffer_is_found(tmp_path: Path) -> None:
    limit = tmp_path / "rmem_max"
    limit.write_text("212992\n")
    assert by_name(doctor.receive_buffer(limit))["buffers"].state == "warn"
    limit.write_text("8388608\n")
    assert by_name(doctor.receive_buffer(limit))["buffers"].state == "ok"
    assert not list(doctor.receive_buffer(tmp_path / "missing"))


def test_public_names_want_https_and_no_debug_pages(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["netmon.example.net"]
    settings.DEBUG = True
    text = " ".join(str(finding) for finding in doctor.configuration())
    assert "netmon.W001" in text and "NETMON_HTTPS=1" in text
    settings.DEBUG, settings.HTTPS = False, True
    assert "HTTPS=1" not in " ".join(str(finding) for finding in doctor.configuration())


def test_a_database_that_fails_does_not_end_the_examination(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> doctor.Findings:
        raise OperationalError("no such table")
        yield

    monkeypatch.setattr(doctor, "CHECKS", (fail, doctor.disk))
    first, second = doctor.examine()
    assert first.state == "warn" and "no such table" in first.detail and second.name == "disk"


def test_file_systems_are_told_apart(tmp_path: Path) -> None:
    assert doctor.file_system(Path("/proc")) == "proc"
    assert doctor.file_system(tmp_path) not in doctor.NETWORK_FILE_SYSTEMS


# --- the demonstration's inventory --------------------------------------------------------------------------------


def test_the_demo_inventory_is_made_once_and_follows_its_port() -> None:
    assert demo.furnish(22, 20161) == 22
    assert demo.furnish(22, 20161) == 0
    assert demo.furnish(22, 20162) == 0
    assert Credential.objects.count() == 22
    ports = set(Check.objects.values_list("endpoint__port", flat=True))
    assert ports == {20162}
    assert not Check.objects.filter(module="icmp").exists(), "nothing pings loopback"


def test_hosts_of_the_demo_take_ssh_and_trust_the_first_key() -> None:
    assert demo.furnish(24, 20161) == 24, "as it was before there was SSH"
    for port in (20022, 20022, 20023):
        assert demo.furnish(24, 20161, port) == 0
        endpoints = ManagementEndpoint.objects.filter(protocol="ssh").select_related("device__tenant")
        assert {row.device.name for row in endpoints} == {host.name for host in HOSTS}
        assert {row.port for row in endpoints} == {port}
        assert all(host_keys.trusts_first_use(row) for row in endpoints)
    addresses = {host.name: host.address for host in HOSTS}
    devices = {device.name: device.address for device in DEMO_DEVICES}
    assert addresses.items() <= devices.items()


def test_the_demo_is_peopled_once(cast: people.Cast) -> None:
    demo.furnish(20, 20161)
    assert invites.find(demo.populate()) is not None
    assert demo.populate() == ""
    assert set(Tenant.objects.values_list("slug", flat=True)) == {"lycee-jean-moulin", "lyon-hosting"}
    assert not Device.objects.filter(tenant=None).exists() and Prefix.objects.count() == 3
    assert Device.objects.filter(tags__slug="wireless").count() == 4
    assert Credential.objects.filter(kind="ssh_key").count() == 1
    job = Job.objects.get(kind="device.import")
    importing.run_job(job.pk)
    job.refresh_from_db()
    assert (job.status, job.result["error_count"]) == ("succeeded", 1)
    assert {"create", "update", "invite"} <= set(AuditEvent.objects.values_list("action", flat=True))
    assert demo.furnish(20, 20161) == 0


def test_the_demo_touches_nothing_of_an_installation_beside_it(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    given = {"DATABASE_URL": "postgres://real", "NETMON_SECRET_KEY_FILE": "/real", "PATH": "/bin"}
    made = demo.environment("192.0.2.7", given)
    assert made["DATABASE_URL"] == "" == made["NETMON_SECRET_KEY_FILE"] and made["PATH"] == "/bin"
    assert made["NETMON_VAR_DIR"] == str(tmp_path / "demo") and "192.0.2.7" in made["NETMON_ALLOWED_HOSTS"]


def test_the_demo_keeps_its_port_while_it_is_free(tmp_path: Path) -> None:
    port = demo.agents_port(tmp_path)
    assert demo.agents_port(tmp_path) == port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", port))
        assert demo.agents_port(tmp_path) != port


def test_rotating_moves_secrets_to_the_first_key(settings: Any) -> None:
    """What docs/how-to/rotate-keys.md tells to do."""
    make_credential(secret="s3cret", priv_secret="pr1vate")
    settings.FERNET_KEYS = [Fernet.generate_key().decode(), *settings.FERNET_KEYS]
    assert by_name(doctor.encryption())["secrets"].state == "warn"
    rotation.rotate()
    settings.FERNET_KEYS = settings.FERNET_KEYS[:1]
    assert by_name(doctor.encryption())["secrets"].state == "ok"
    row = Credential.objects.get()
    assert (open_secret(row, "secret"), open_secret(row, "priv_secret")) == ("s3cret", "pr1vate")
