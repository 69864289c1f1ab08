"""Keeping and showing configurations, without a device."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.utils import timezone

from inventory.models import Device
from monitoring import modules
from monitoring.models import Check, ConfigVersion, DeviceEvent
from monitoring.modules.config_backup import Backup, ConfigText
from monitoring.runner import Result
from monitoring.services import configs
from netmon.audit import services as audit
from netmon.audit.models import AuditEvent
from netmon.common.errors import NoEndpoint, NotConfigured
from netmon.common.secrets import Sealed
from netmon.drivers.errors import NotSupported
from netmon.jobs.models import Job
from tests import factories, people

pytestmark = pytest.mark.django_db
make = factories.make_config
TEXT = factories.CONFIG
SECRET = "hush-hush-9"


def test_the_text_is_sealed_and_shown_masked() -> None:
    version = make(factories.make_device())
    version.refresh_from_db()
    assert isinstance(version.content, Sealed) and SECRET not in str(ConfigVersion.objects.values().get())
    text = configs.text_of(version)
    assert "password <masked:" in text and SECRET not in text and "neighbor 192.0.2.2" in text
    assert (version.number, version.summary, version.lines) == (1, "First backup.", text.count("\n"))


def test_who_may_see_secrets_and_that_it_is_on_record(cast: people.Cast) -> None:
    version = make(factories.make_device())
    for person in (cast.omar, cast.ada):
        assert configs.text_of(version, reveal_to=person) == TEXT
    with pytest.raises(PermissionDenied):
        configs.text_of(version, reveal_to=cast.vera)
    events = AuditEvent.objects.filter(action="reveal")
    assert {event.username for event in events} == {"omar", "ada"}
    assert all(event.parent_id == str(version.device_id) and SECRET not in str(event.after) for event in events)


def test_the_same_password_has_another_mask_on_another_device() -> None:
    texts = {configs.text_of(make(factories.make_device())) for _ in range(2)}
    assert len(texts) == 2


def test_a_new_key_and_a_rotation_make_no_version(settings: Any) -> None:
    device = factories.make_device()
    version = make(device)
    settings.FERNET_KEYS = [Fernet.generate_key().decode(), *settings.FERNET_KEYS]
    assert make(device).pk == version.pk
    with pytest.raises(SystemExit):
        call_command("rotate_secrets", "--json")
    settings.FERNET_KEYS = settings.FERNET_KEYS[:1]
    assert make(device).pk == version.pk
    now = ConfigVersion.objects.get()
    assert now.content_hash != version.content_hash and "masked" in configs.text_of(now)


def test_a_lost_key_costs_no_backup(settings: Any) -> None:
    device = factories.make_device()
    make(device)
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    version = make(device)
    assert version.number == 2 and "does not decrypt" in version.summary


def test_a_text_that_comes_back_is_a_version_again() -> None:
    device = factories.make_device()
    numbers = [make(device, text).number for text in (TEXT, TEXT + "ip route\n", TEXT, TEXT)]
    assert numbers == [1, 2, 3, 3]


def backup_of(text: str, startup: str = TEXT) -> Backup:
    texts = (ConfigText("running", text), ConfigText("startup", startup))
    values: dict[str, Any] = {"collected_at": timezone.now().timestamp(), "monotonic_at": 0.0}
    return Backup(platform="frr", configs=texts, facts={"ssh_meta": {"platform": "frr"}}, **values)


def test_nothing_is_worked_out_behind_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    check = Check.objects.filter(endpoint=factories.make_ssh_endpoint()).first()
    assert check is not None
    versions = ConfigVersion.objects.filter(device=check.endpoint.device, kind="running").order_by("number")
    note = modules.get(configs.MODULE).note
    assert note is not None
    for text in (TEXT, TEXT, TEXT.replace("65002", "65003").replace(SECRET, "another-7")):
        backup = backup_of(text)
        note(check, Result(key=check.pk, collected=backup))
        assert SECRET not in repr(backup) and SECRET not in repr(backup.prepared) and "hush" not in str(backup.facts)
        with monkeypatch.context() as patch:
            for name in ("_masked", "_pack", "_normal", "_open", "_digest"):
                patch.setattr(configs, name, None)
            patch.setattr(configs, "config_text", None)
            configs.store(check, backup)
    first, second = versions
    assert (first.summary, first.is_saved, second.is_saved) == ("First backup.", True, False)
    assert second.summary and configs.whole_of(second) == text
    event = DeviceEvent.objects.get(kind="config_unsaved")
    assert "router bgp 65001" in event.detail and SECRET not in event.detail


def test_what_was_prepared_against_an_older_version_is_worked_out_again() -> None:
    check = Check.objects.filter(endpoint=factories.make_ssh_endpoint()).first()
    assert check is not None
    device = check.endpoint.device
    make(device)
    late, same = backup_of(TEXT + "ip route a\n"), backup_of(TEXT)
    for backup in (late, same):
        configs.note(check, Result(key=check.pk, collected=backup))
    make(device, TEXT + "ip route a\n")
    configs.store(check, late)
    assert device.config_versions.filter(kind="running").count() == 2
    configs.store(check, same)
    newest = configs.latest(device, "running")
    assert newest is not None and newest.number == 3 and configs.whole_of(newest) == TEXT


def test_only_so_many_are_kept_and_never_less_than_two(settings: Any) -> None:
    settings.CONFIG_VERSIONS = 3
    device, other = factories.make_device(), factories.make_device()
    make(other)
    for number in range(6):
        make(device, f"{TEXT}ip route {number}\n", startup=f"{TEXT}ip route {number}\n")
    kept = ConfigVersion.objects.filter(device=device)
    assert sorted(kept.filter(kind="running").values_list("number", flat=True)) == [4, 5, 6]
    settings.CONFIG_VERSIONS = 0
    assert configs.prune() == 2
    assert sorted(kept.filter(kind="startup").values_list("number", flat=True)) == [5, 6]
    assert ConfigVersion.objects.filter(device=other).count() == 1


def test_who_is_the_device_s_word_only_if_it_is_about_this_change(cast: people.Cast) -> None:
    device = factories.make_device()
    old = "! Last configuration change at 10:00:00 UTC Mon Nov 2 2026 by ada\n"
    assert make(device, old + TEXT).changed_by == "ada"
    assert make(device, old + TEXT + "ip route 1\n").changed_by == ""
    audit.record("configure", device, user=cast.omar)
    assert make(device, old + TEXT + "ip route 2\n").changed_by == "omar, through netmon"
    new = old.replace("10:00:00", "11:00:00").replace("ada", "eve")
    assert make(device, new + TEXT + "ip route 3\n").changed_by == "eve"
    assert [event.data["who"] for event in DeviceEvent.objects.order_by("pk")] == ["", "omar, through netmon", "eve"]


def test_what_is_saved_is_not_known_of_vyos() -> None:
    device = factories.make_device()
    version = make(device, "set a b\nset c d\nset e f\n", startup="a {\n b\n}\n", platform="vyos")
    assert version.is_saved is None
    running, startup = configs.newest(device)
    with pytest.raises(NotSupported):
        configs.compare(running, startup)
    make(device, "set a b\nset c d\nset e g\n", startup="a {\n g\n}\n", platform="vyos")
    assert [event.kind for event in DeviceEvent.objects.order_by("pk")] == ["config_changed", "config_saved"]


def test_a_diff_is_cut_where_it_is_no_change_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configs, "SHOWN_ROWS", 10)
    device = factories.make_device()
    old = make(device)
    new = make(device, "".join(f"line {n}\n" for n in range(50)))
    found = configs.compare(old, new)
    assert found["is_cut"] and sum(len(hunk["rows"]) for hunk in found["hunks"]) == 10
    assert configs.before(new) == old and configs.before(old) is None


def test_a_time_that_went_back_breaks_nothing() -> None:
    device = factories.make_device()
    version = make(device)
    earlier = (timezone.now() - timedelta(days=1)).timestamp()
    assert make(device, collected_at=earlier).pk == version.pk


def test_a_backup_needs_a_way_in(cast: people.Cast) -> None:
    device = factories.make_device()
    with pytest.raises(NoEndpoint):
        configs.backup_now(device, user=cast.omar)
    endpoint = factories.make_ssh_endpoint()
    job = configs.backup_now(endpoint.device, user=cast.omar)
    assert (job.kind, job.task) == ("config.backup", "monitoring.tasks.run_backup_job")
    assert configs.backup_now(endpoint.device, user=cast.ada).pk == job.pk
    Check.objects.filter(endpoint=endpoint, module="config.backup").update(status="paused")
    with pytest.raises(NotConfigured, match="resume"):
        configs.backup_now(endpoint.device, user=cast.omar)
    configs.run_job(job.pk)
    job.refresh_from_db()
    assert (job.status, job.error_code) == ("failed", "not_configured")


def test_a_job_says_what_came_of_it(cast: people.Cast) -> None:
    endpoint = factories.make_ssh_endpoint()
    job = configs.backup_now(endpoint.device, user=cast.omar)
    configs.run_job(job.pk)  # nobody listens there, or the host key is not known
    result = Job.objects.get(pk=job.pk).result
    assert result["ok"] is False and result["error_code"] and result["versions"] == []
    gone = configs.backup_now(endpoint.device, user=cast.omar)
    Device.objects.filter(pk=endpoint.device_id).delete()
    configs.run_job(gone.pk)
    assert Job.objects.get(pk=gone.pk).error_code == "not_found"
