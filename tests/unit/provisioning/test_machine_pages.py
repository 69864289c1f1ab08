"""The pages of machines and changes over rows: who sees them, who acts, how they are narrowed, what they cost."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning.models import ChangeItem, ConfigChange, DhcpReservation, DriftItem, PortForward, Vm
from tests import factories, machines, people

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def estate(cast: people.Cast, _clean_cache: None) -> dict[str, Any]:
    made = machines.make_estate(owner=cast.omar)
    for model in (PortForward, DhcpReservation):
        model.objects.update(applied="applied")  # type: ignore[attr-defined]
    return made


def page(user: Any, path: str, status: int = 200) -> str:
    answer = people.client_for(user).get(path)
    assert answer.status_code == status, (path, answer.status_code, answer.content[:500])
    return answer.content.decode()


def paths_of(estate: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """By address: the method, and whether only who may change the machine is let in."""
    vm, change = estate["vms"].pk, estate["config-changes"].pk
    return {
        "/vms/": ("get", False),
        f"/vms/{vm}/": ("get", False),
        "/changes/": ("get", False),
        f"/changes/{change}/": ("get", False),
        "/vms/provision/": ("get", True),
        f"/vms/{vm}/ports/add/": ("get", True),
        f"/vms/{vm}/decommission/": ("get", True),
        f"/vms/{vm}/ports/": ("post", True),
        f"/vms/{vm}/end/": ("post", True),
        f"/changes/{change}/retry/": ("post", True),
    }


@pytest.mark.parametrize("role", [None, "viewer", "operator", "admin"])
def test_each_page_opens_by_role(role: str | None, estate: dict[str, Any], cast: people.Cast) -> None:
    person = cast.by_role(role) if role else None
    for path, (method, is_closed) in paths_of(estate).items():
        status = getattr(people.client_for(person), method)(path).status_code
        if role is None:
            assert status == 302, path
        elif role == "viewer" and is_closed:
            assert status == 403, path
        else:
            assert status in (200, 302, 400), (path, status)


def test_a_viewer_acts_on_a_machine_of_their_own_alone(estate: dict[str, Any], cast: people.Cast) -> None:
    own = factories.make_vm(estate["vyos-routers"], user=cast.vera)
    client = people.client_for(cast.vera)
    assert client.post(f"/vms/{own.pk}/end/", {"do": "week"}).status_code == 302
    own.refresh_from_db()
    assert own.expires_at is not None
    other = estate["vms"]
    assert client.post(f"/vms/{other.pk}/end/", {"do": "week"}).status_code == 403
    other.refresh_from_db()
    assert other.expires_at is None
    assert "Pause all" in page(cast.vera, f"/vms/{own.pk}/")
    assert "Pause all" not in page(cast.vera, f"/vms/{other.pk}/")
    assert client.post(f"/vms/{other.pk}/diagnose/").status_code == 403
    text = page(cast.vera, f"/vms/{other.pk}/")
    assert "Drift" not in text and "Diagnose" not in text
    change = factories.make_change(vm=own, status="failed", finished_at=timezone.now())
    assert client.post(f"/changes/{change.pk}/retry/").status_code == 302
    change.refresh_from_db()
    assert change.status == "queued"


def test_a_tenant_sees_its_own(estate: dict[str, Any]) -> None:
    tenant = factories.make_tenant()
    operator = people.make_person("bound", "operator")
    tenant.members.add(operator)
    ours = machines.make_estate(tenant=tenant, word="ours")
    text = page(operator, "/vms/")
    assert "ours-vm" in text and "estate-vm" not in text and "estate vyos" not in text
    assert "estate-vm" not in page(operator, "/changes/")
    page(operator, f"/vms/{ours['vms'].pk}/")
    page(operator, f"/vms/{estate['vms'].pk}/", 404)
    page(operator, f"/changes/{estate['config-changes'].pk}/", 404)
    viewer = people.make_person("looking", "viewer")
    tenant.members.add(viewer)
    assert "ours-vm" not in page(viewer, "/vms/"), "a viewer of a tenant sees the machines that they own"
    Vm.objects.filter(pk=ours["vms"].pk).update(owner=viewer)
    assert "ours-vm" in page(viewer, "/vms/")


def test_the_list_is_narrowed(estate: dict[str, Any], cast: people.Cast) -> None:
    vm = factories.make_vm(estate["vyos-routers"], user=cast.ada, vm_name="other")
    port = vm.forwards.order_by("pk").first()
    assert port is not None
    PortForward.objects.filter(pk=port.pk).update(applied="failed")
    found = {
        "q=other": True, f"q={vm.reservation.address}": True, f"q={vm.reservation.mac_address}": True,
        f"q={port.external_port}": True, f"owner={cast.ada.pk}": True, "state=failed": True, "state=leaving": None,
        f"router={estate['vyos-routers'].pk}&q=estate": False, "q=nothing": None, "page=9999999999": True,
    }  # fmt: skip
    for query, expected in found.items():
        text = page(cast.omar, f"/vms/?{query}")
        assert (">other</a>" in text) is (expected is True), query
        assert ("No machine is like that" in text) is (expected is None), query


def test_the_states_are_said_in_words(estate: dict[str, Any], cast: people.Cast) -> None:
    vm = estate["vms"]
    assert 'st up">Active' in page(cast.vera, "/vms/")
    ssh = vm.forwards.get(name="ssh")
    for values, words in (
        ({"applied": "failed"}, 'st pill down">Failed'),
        ({"applied": "drifted"}, 'st pill degraded">Drifted'),
        ({"applied": "pending"}, 'st pill pending">Pending'),
        ({"desired": "disabled", "why_disabled": "paused"}, 'st maintenance">Paused'),
        ({"desired": "disabled", "why_disabled": "expired"}, 'st degraded">Expired'),
        ({"desired": "disabled"}, 'st unknown">Disabled'),
        ({"desired": "absent", "applied": "pending"}, 'st unknown">Deleted'),
    ):
        PortForward.objects.filter(pk=ssh.pk).update(
            **{"desired": "enabled", "why_disabled": "", "applied": "applied", **values}
        )
        assert words in page(cast.omar, f"/vms/{vm.pk}/"), words
    Vm.objects.update(state="expired")
    PortForward.objects.update(desired="disabled", why_disabled="expired", applied="applied")
    assert "Its time is over." in page(cast.omar, f"/vms/{vm.pk}/")


def test_what_is_not_saved_is_said(estate: dict[str, Any], cast: people.Cast) -> None:
    vm = estate["vms"]
    assert "Not known" in page(cast.vera, "/vms/")
    values = {"status": "applied", "finished_at": timezone.now(), "vm": vm}
    change = factories.make_change(estate["vyos-routers"], **values, is_saved=True)
    ChangeItem.objects.create(change=change, vm=vm, vm_name=vm.name, status="applied")
    assert 'st up">Saved' in page(cast.vera, "/vms/")
    change = factories.make_change(estate["vyos-routers"], **values, is_saved=False)
    ChangeItem.objects.create(change=change, vm=vm, vm_name=vm.name, status="applied")
    assert 'st degraded">Not saved' in page(cast.vera, "/vms/")
    assert "Applied, not saved" in page(cast.vera, "/changes/?status=unsaved")


def test_an_end_is_set_prolonged_and_taken_away(estate: dict[str, Any], cast: people.Cast) -> None:
    client, vm = people.client_for(cast.omar), estate["vms"]
    path = f"/vms/{vm.pk}/end/"
    later = timezone.now() + timedelta(days=3)
    assert client.post(path, {"expires_at": f"{later:%Y-%m-%dT%H:%M}"}).status_code == 302
    vm.refresh_from_db()
    before = vm.expires_at
    assert before is not None and abs(before - later) < timedelta(minutes=1)
    client.post(path, {"do": "day"})
    vm.refresh_from_db()
    assert vm.expires_at == before + timedelta(days=1)
    for given, words in (
        ({"expires_at": "2001-01-01T10:00"}, "This lies in the past"),
        ({"expires_at": "soon"}, "Enter a valid date/time."),
        ({}, "Choose a day and a time, or no end."),
    ):
        answer = client.post(path, given)
        text = answer.content.decode()
        assert answer.status_code == 400 and words in text and 'id="id_expires_at_error"' in text, words
    client.post(path, {"do": "none"})
    vm.refresh_from_db()
    assert vm.expires_at is None


def test_a_wrong_word_does_nothing(estate: dict[str, Any], cast: people.Cast) -> None:
    client, vm = people.client_for(cast.omar), estate["vms"]
    before = ConfigChange.objects.count()
    for data in ({}, {"do": "explode"}, {"do": "pause", "port": "none-such"}):
        assert client.post(f"/vms/{vm.pk}/ports/", data).status_code == 302
    assert ConfigChange.objects.count() == before and not vm.forwards.exclude(desired="enabled").exists()
    assert client.get(f"/vms/{vm.pk}/ports/").status_code == 405


def test_a_pause_is_queued_though_nobody_reads_the_router(estate: dict[str, Any], cast: people.Cast) -> None:
    client, vm = people.client_for(cast.omar), estate["vms"]
    answer = client.post(f"/vms/{vm.pk}/ports/", {"do": "pause", "port": "ssh"})
    change = ConfigChange.objects.order_by("-pk").first()
    assert change is not None and answer["Location"] == f"/changes/{change.pk}/"
    assert (change.kind, change.requested_by, change.via, change.lines) == ("ports", cast.omar, "page", [])
    assert vm.forwards.get(name="ssh").why_disabled == "paused"


@pytest.mark.parametrize(
    ("status", "sent", "is_saved", "words"),
    [
        ("queued", 0, False, ("waits for its turn", "not yet")),
        ("applying", 1, False, ("once", "not yet")),
        ("applied", 2, True, ("2 times", "survives a reboot", "the router has it")),
        ("applied", 0, False, ("nothing had to be sent", "not saved; it is tried again")),
        ("failed", 0, False, ("never", "the router has it not", "Try again")),
        ("unknown", 1, False, ("not known yet", "Try again")),
        ("reverted", 1, False, ("the router went back",)),
    ],
)
def test_a_change_says_how_far_it_is(
    status: str, sent: int, is_saved: bool, words: tuple[str, ...], estate: dict[str, Any], cast: people.Cast
) -> None:
    ended = timezone.now() if status not in ("queued", "applying") else None
    change = factories.make_change(
        estate["vyos-routers"], status=status, sent_requests=sent, is_saved=is_saved, finished_at=ended,
        started_at=timezone.now(), diff=["+ nat destination", "- nat source"], lines=["set x"], undo=["delete x"],
    )  # fmt: skip
    text = page(cast.omar, f"/changes/{change.pk}/")
    for word in words:
        assert word in text, word
    is_polling = status in ("queued", "applying", "unknown") or (status == "applied" and not is_saved)
    assert ("hx-trigger" in text) is is_polling
    part = people.client_for(cast.omar).get(f"/changes/{change.pk}/", headers={"HX-Request": "true"})
    assert b"<html" not in part.content and part["Cache-Control"] == "private, no-store"
    assert "Try again" not in page(cast.vera, f"/changes/{change.pk}/")


def test_an_error_has_its_remedy_and_is_tried_again(estate: dict[str, Any], cast: people.Cast) -> None:
    change, vm = estate["config-changes"], estate["vms"]
    ConfigChange.objects.filter(pk=change.pk).update(
        status="failed", error_code="auth_failed", error_detail="The key is wrong.", finished_at=timezone.now()
    )
    ChangeItem.objects.update(status="failed", error_code="auth_failed", error_detail="The key is wrong.")
    text = page(cast.omar, f"/changes/{change.pk}/")
    assert "The key is wrong." in text and "correct the credential of its endpoint" in text and vm.name in text
    client = people.client_for(cast.omar)
    assert client.post(f"/changes/{change.pk}/retry/").status_code == 302
    change.refresh_from_db()
    assert change.status == "queued"
    answer = client.post(f"/changes/{change.pk}/retry/", follow=True)
    assert b"there is nothing to try again" in answer.content


def test_what_a_router_says_is_escaped(estate: dict[str, Any], cast: people.Cast) -> None:
    change, vm = estate["config-changes"], estate["vms"]
    ConfigChange.objects.filter(pk=change.pk).update(
        lines=[HOSTILE], undo=[HOSTILE], diff=[f"+ {HOSTILE}"], remark=HOSTILE, error_code="rejected",
        error_detail=HOSTILE, router_name=HOSTILE,
    )  # fmt: skip
    ChangeItem.objects.update(error_detail=HOSTILE)
    DriftItem.objects.update(label=HOSTILE, words=[HOSTILE])
    DhcpReservation.objects.update(lease_state=HOSTILE, lease_ends=HOSTILE, lease_read_at=timezone.now())
    for path in ("/changes/", f"/changes/{change.pk}/", f"/vms/{vm.pk}/", "/vms/"):
        text = page(cast.omar, path)
        assert HOSTILE not in text
    assert "&lt;script&gt;" in page(cast.omar, f"/vms/{vm.pk}/")


@pytest.mark.parametrize("path", ["/vms/", "/changes/"])
def test_a_list_asks_no_more_queries_for_more_rows(path: str, cast: people.Cast, _clean_cache: None) -> None:
    counts = []
    client = people.client_for(cast.omar)
    for size in (2, 6):
        while Vm.objects.count() < size:
            owner = people.make_person(f"owner-{Vm.objects.count()}", "operator")
            machines.make_estate(word=f"e{Vm.objects.count()}", owner=owner)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 40, counts


def test_a_machine_asks_no_more_queries_for_more_ports(estate: dict[str, Any], cast: people.Cast) -> None:
    client, counts = people.client_for(cast.omar), []
    ports = [{"name": f"p{number}", "internal_port": 1000 + number} for number in range(9)]
    many = factories.make_vm(estate["vyos-routers"], user=cast.omar, ports=ports)
    for vm in (estate["vms"], many):
        DriftItem.objects.all().delete()
        ConfigChange.objects.all().delete()
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"/vms/{vm.pk}/").status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 45, counts
