"""What the admin does to chosen devices and to the schedules of beat."""

from typing import Any

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from inventory import device_actions
from inventory.models import Device
from monitoring.models import Check
from netmon.audit.models import AuditEvent
from netmon.jobs.models import Job
from tests import factories
from tests.unit.netmon.admin_site import SECRET, events, last, listing, page

pytestmark = pytest.mark.django_db


def act(admin: Any, action: str, *devices: Device) -> Any:
    chosen = {"action": action, "_selected_action": [str(device.pk) for device in devices]}
    return admin.post(listing("inventory.Device"), chosen, follow=action != "export_csv")


def test_chosen_devices_are_polled_paused_resumed_and_retired(admin: Any) -> None:
    one, two = factories.make_flat(name="core <b>1"), factories.make_flat()
    answer = act(admin, "poll_now", one, two).content.decode()
    for job in Job.objects.filter(kind="device.poll"):
        assert f'<a href="/jobs/{job.pk}/">' in answer
    assert Job.objects.count() == 2 and "core &lt;b&gt;1" in answer
    paused = act(admin, "pause_checks", one).content.decode()
    count = Check.objects.filter(endpoint__device=one).count()
    assert f"{count} checks paused" in paused
    assert set(Check.objects.filter(endpoint__device=one).values_list("status", flat=True)) == {"paused"}
    assert not Check.objects.filter(endpoint__device=two, status="paused").exists()
    assert AuditEvent.objects.filter(action="pause").count() == count
    assert b"0 checks resumed" in act(admin, "resume_checks", two).content
    act(admin, "resume_checks", one)
    assert not Check.objects.filter(status="paused").exists()
    act(admin, "retire", one, two)
    assert set(Device.objects.values_list("status", flat=True)) == {"retired"}
    assert last(one).after == {"status": "retired"} and last(one).before == {"status": "active"}


def test_chosen_devices_are_backed_up(admin: Any) -> None:
    one, bare = factories.make_ssh_endpoint().device, factories.make_device(name="bare <b>1")
    answer = act(admin, "backup_now", one, bare).content.decode()
    job = Job.objects.get(kind="config.backup")
    assert f'Backing up <a href="/jobs/{job.pk}/">{one.name}</a>' in answer
    assert "has no SSH endpoint" in answer and "<b>1" not in answer and events(one)[-1] == "backup"


def test_chosen_devices_are_exported(admin: Any) -> None:
    device = factories.make_flat(name="=core", snmp_community=SECRET)
    factories.make_flat(name="other")
    answer = act(admin, "export_csv", device)
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert len(lines) == 2 and lines[1].startswith("'=core,router") and SECRET not in lines[1]
    assert AuditEvent.objects.get(action="export").detail == "1 devices as csv"


def test_the_list_of_devices_leads_to_import_and_export(admin: Any) -> None:
    text = admin.get(listing("inventory.Device")).content.decode()
    assert 'href="/import/"' in text and "devices/export/?format=csv" in text


def test_an_action_has_one_owner() -> None:
    assert {"poll_now", "pause_checks", "resume_checks"} <= set(device_actions.ACTIONS)
    with pytest.raises(ValueError, match="twice"):
        device_actions.register("poll_now", "Other", print)


# --- schedules ------------------------------------------------------------------------------------------------------


def test_a_schedule_changed_in_the_admin_reaches_beat(admin: Any) -> None:
    task = PeriodicTask.objects.get(name="Dispatch polls")
    slow = IntervalSchedule.objects.create(every=30, period="seconds")
    before = PeriodicTasks.last_change()
    form = {
        "name": task.name, "regtask": "", "task": task.task, "enabled": "on", "interval": slow.pk,
        "description": task.description, "args": "[]", "kwargs": "{}", "expire_seconds": "30",
    }  # fmt: skip
    answer = admin.post(page(task), form)
    assert answer.status_code == 302, answer.context["errors"]
    task.refresh_from_db()
    assert task.interval == slow
    assert before is None or PeriodicTasks.last_change() > before
    assert PeriodicTasks.last_change() is not None and last(task).after["interval"] == slow.pk  # type: ignore[index]
    before = PeriodicTasks.last_change()
    chosen = {"action": "disable_tasks", "_selected_action": [str(task.pk)]}
    admin.post(listing("django_celery_beat.PeriodicTask"), chosen)
    task.refresh_from_db()
    assert not task.enabled and PeriodicTasks.last_change() > before and events(task)[-1] == "update"


def test_a_schedule_in_use_is_kept(admin: Any) -> None:
    interval = PeriodicTask.objects.get(name="Dispatch polls").interval
    assert b"Dispatch polls" in admin.get(page(interval, "delete")).content
    admin.post(page(interval, "delete"), {"post": "yes"})
    assert IntervalSchedule.objects.filter(pk=interval.pk).exists()
