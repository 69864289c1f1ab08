"""A change under the router's timer: confirmed when all answers as before, else taken back; refused where ignored."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from netmon.lab.vyos import Fault
from provisioning.models import PortForward, VyosRouter
from provisioning.services import applying, guarding, requests
from tests.daemons import wait_until
from tests.vyos import Site, site_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "SETTLE_SECONDS", 0.02)
    monkeypatch.setattr(guarding, "WATCH_SECONDS", 0.5)
    monkeypatch.setattr(guarding, "PAUSE_SECONDS", 0.05)


@pytest.fixture
def service() -> Iterator[socket.socket]:
    """What a machine listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture(autouse=True)
def on_loopback(service: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines of a test have no network of their own: what listens for them does so here."""
    places_of = guarding.places_of
    port = service.getsockname()[1]
    monkeypatch.setattr(guarding, "places_of", lambda *given: {("127.0.0.1", port)} if places_of(*given) else set())


def standing(site: Site) -> None:
    """A machine with a forward that is applied."""
    site.provision("web", ports=[{"name": "app", "internal_port": 8000}])
    site.work()
    site.lab.counts.clear()


def test_it_is_confirmed_when_all_answers_as_before() -> None:
    with site_of(confirm_minutes=5) as site:
        standing(site)
        requests.create_ports(site.vm("web"))
        site.work()
        change = site.change()
        assert (change.status, change.is_saved, change.confirm_minutes) == ("applied", True, 5)
        assert not site.lab.is_waiting and len(site.rules()) == 4 and site.lab.is_saved
        assert VyosRouter.objects.get().capabilities["confirms"] is True


def test_it_is_taken_back_when_something_does_not_answer_any_more(
    service: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site_of(confirm_minutes=5) as site:
        standing(site)
        before = site.lab.running
        configure = site.lab.configure

        def and_break(*arguments: object, **more: object) -> str | None:
            service.close()  # what the change was the end of
            return configure(*arguments, **more)  # type: ignore[arg-type]

        site.lab.configure = and_break  # type: ignore[method-assign, assignment]
        requests.create_ports(site.vm("web"))
        site.work()
        change = site.change()
        assert (change.status, change.is_saved) == ("reverted", False)
        assert "answered before the change" in change.error_detail
        assert site.lab.running["nat"] == before["nat"] and not site.lab.is_waiting and not site.lab.counts["reboots"]
        assert set(PortForward.objects.exclude(name="app").values_list("applied", flat=True)) == {"failed"}
        assert PortForward.objects.get(name="app").applied == "applied"
        assert change.items.get().status == "reverted"


@pytest.mark.parametrize("version", ["1.3", "1.4", "1.5-2024-10"])
def test_where_the_timer_is_ignored_nothing_is_sent(version: str) -> None:
    with site_of(version, confirm_minutes=5) as site:
        site.provision("web")
        site.work()
        change = site.change()
        assert (change.status, change.error_code, change.sent_requests) == ("failed", "not_supported", 0)
        assert "ignores it" in change.error_detail and not site.lab.counts["commits"]


def test_a_lost_answer_leaves_no_timer_running() -> None:
    with site_of(confirm_minutes=5) as site:
        site.provision("web")
        site.lab.arm(Fault.LOSE_ANSWER, at="configure")
        site.work()
        assert site.change().status == "applied" and not site.lab.is_waiting and site.lab.counts["commits"] == 1


def test_who_comes_too_late_finds_that_it_went_back() -> None:
    with site_of(confirm_minutes=1, minute_seconds=0.3) as site:
        site.provision("web")
        configure = site.lab.configure

        def then_gone(*arguments: object, **more: object) -> str | None:
            result = configure(*arguments, **more)  # type: ignore[arg-type]
            site.lab.is_down = True
            return result

        site.lab.configure = then_gone  # type: ignore[method-assign, assignment]
        site.lab.arm(Fault.LOSE_ANSWER, at="configure")
        site.work()
        assert site.change().status == "unknown"
        wait_until(lambda: site.lab.counts["reboots"] == 1)
        site.lab.is_down = False
        change = site.change()
        # A minute of this router has passed; of the clock on the wall it is said.
        type(change).objects.update(due_at=change.created_at, started_at=change.created_at.replace(year=2020))
        site.work()
        change = site.change()
        assert change.status == "reverted" and "went back by itself" in change.error_detail
        assert not site.rules()
