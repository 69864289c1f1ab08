"""What can go wrong between netmon and a router: in the end the router is right, or the change says it is unknown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from inventory.models import Credential
from netmon.lab.vyos import Fault
from netmon.lab.vyos.certificates import make_certificate
from provisioning.models import ConfigChange, DhcpReservation, PortForward, RunningConfig, VyosRouter
from provisioning.services import applying, changes, requests, wishes
from provisioning.services.refusals import InTheWay, StalePlan
from tests.vyos import VERSIONS, Site, site_of

pytestmark = pytest.mark.django_db(transaction=True)

LOST = [
    Fault.LOSE_ANSWER, Fault.GATEWAY_TIMEOUT_AFTER, Fault.NOT_HTTP, Fault.HALF, Fault.HUGE,
]  # fmt: skip
NEVER_DONE = [Fault.CLOSE_BEFORE, Fault.GATEWAY_TIMEOUT, Fault.BAD_GATEWAY, Fault.INTERNAL_ERROR, Fault.GARBAGE]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "SETTLE_SECONDS", 0.02)


def make_due(site: Site) -> None:
    """The time of waiting is over."""
    ConfigChange.objects.filter(router=site.row).update(due_at=timezone.now() - timedelta(seconds=1))


def is_right(site: Site, *names: str) -> None:
    assert set(site.mappings()) == set(names)
    assert {rule["description"] for rule in site.rules().values()} == {
        f"netmon:{name} {port}" for name in names for port in ("ssh", "http", "https")
    }
    assert site.lab.is_saved and site.change().status == "applied" and site.change().is_saved


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("fault", [*LOST, *NEVER_DONE], ids=lambda fault: fault.name)
def test_a_lost_answer_is_looked_up_and_the_change_finished(fault: Fault, version: str) -> None:
    with site_of(version) as site:
        site.provision("web")
        site.lab.arm(fault, at="configure")
        site.work()
        is_right(site, "web")
        # What had been done is not done again.
        assert site.lab.counts["commits"] == 1
        assert site.change().sent_requests == (1 if fault in LOST else 2)


@pytest.mark.parametrize("fault", [*LOST, Fault.CLOSE_BEFORE, Fault.GATEWAY_TIMEOUT], ids=lambda fault: fault.name)
def test_a_save_that_nobody_heard_of_is_told_and_made_up_for(fault: Fault) -> None:
    with site_of() as site:
        site.provision("web")
        site.lab.arm(fault, fault, at="config-file")
        site.work()
        change = site.change()
        assert change.status == "applied" and not change.is_saved and "Not saved" in change.remark
        assert VyosRouter.objects.get().is_saved is False
        assert changes.sweep() == 1
        site.work()
        is_right(site, "web")
        assert {row.is_saved for row in ConfigChange.objects.all()} == {True}


def test_a_lock_is_waited_for() -> None:
    with site_of() as site:
        site.provision("web")
        site.lab.is_locked = True
        site.work()
        change = site.change()
        assert (change.status, change.error_code, site.lab.counts["commits"]) == ("queued", "busy", 0)
        assert change.due_at > timezone.now()
        site.lab.is_locked = False
        make_due(site)
        assert changes.sweep() == 1
        site.work()
        is_right(site, "web")
        assert not site.change().error_code


def test_a_router_that_is_away_is_waited_for_but_not_for_ever() -> None:
    with site_of() as site:
        site.provision("web")
        RunningConfig.objects.all().delete()  # what was read just now is old
        site.lab.is_down = True
        for _ in range(applying.MOST_TRIES):
            site.work()
            make_due(site)
        change = site.change()
        assert (change.status, change.error_code) == ("failed", "unreachable")
        assert PortForward.objects.filter(applied="failed").count() == 3
        site.lab.is_down = False
        changes.retry(change)
        site.work()
        is_right(site, "web")


@pytest.mark.parametrize("version", VERSIONS)
def test_unknown_stays_unknown_until_the_router_can_be_asked(version: str) -> None:
    with site_of(version) as site:
        site.provision("web")
        configure = site.lab.configure

        def then_gone(*arguments: Any, **more: Any) -> Any:
            result = configure(*arguments, **more)
            site.lab.is_down = True
            return result

        site.lab.configure = then_gone  # type: ignore[method-assign]
        site.lab.arm(Fault.LOSE_ANSWER, at="configure")
        site.work()
        change = site.change()
        assert (change.status, change.is_saved) == ("unknown", False)
        assert change.items.get().status == "unknown" and change.finished_at is not None
        site.lab.is_down = False
        make_due(site)
        site.work()
        is_right(site, "web")
        assert site.lab.counts["commits"] == 1


def test_what_a_reboot_took_is_sent_again() -> None:
    with site_of() as site:
        site.provision("web")
        save = site.lab.save

        def reboot_first() -> str:
            site.lab.save = save  # type: ignore[method-assign]
            site.lab.reboot()
            return save()

        site.lab.save = reboot_first  # type: ignore[method-assign]
        site.work()
        change = site.change()
        assert (change.status, change.error_code) == ("failed", "read_back"), "seen, because it is read after the save"
        changes.retry(change)
        site.work()
        is_right(site, "web")


@pytest.mark.parametrize(
    ("break_it", "code"),
    [("key", "auth_failed"), ("pin", "untrusted_peer"), ("ca", "untrusted_peer"), ("expired", "untrusted_peer")],
)
def test_who_is_not_trusted_gets_nothing(break_it: str, code: str) -> None:
    certificate = make_certificate(days=-1) if break_it == "expired" else None
    with site_of(certificate=certificate) as site:
        options = dict(site.row.endpoint.options)
        if break_it == "key":
            wrong = Credential.objects.get(endpoints=site.row.endpoint)
            wrong.secret = "another-key"
            wrong.save()
        elif break_it == "pin":
            options["certificate_sha256"] = "ab" * 32
        elif break_it == "ca":
            options = {"ca_pem": make_certificate().ca_pem}
        else:
            options = {"ca_pem": site.server.ca_pem}
        site.row.endpoint.options = options
        site.row.endpoint.save()
        site.row.endpoint.refresh_from_db()
        site.provision("web")
        site.work()
        change = site.change()
        assert (change.status, change.error_code, change.sent_requests) == ("failed", code, 0)
        assert not site.rules() and not site.lab.counts["commits"]
        assert VyosRouter.objects.get().last_error_code == code
        assert "another-key" not in change.error_detail and site.lab.key not in change.error_detail


def test_a_change_by_hand_between_plan_and_apply_is_found() -> None:
    with site_of() as site:
        wish = wishes.read_vm({"vm_name": "web", "ports": ["ssh"], "mac_address": "02:00:00:00:00:01"})
        plan = requests.provision(wish, dry_run=True).plan
        assert plan is not None and plan.digest and not PortForward.objects.exists() and not site.rules()
        with pytest.raises(StalePlan):
            requests.provision(wish, digest="0" * 64)
        assert not PortForward.objects.exists()
        asked = requests.provision(wish, digest=plan.digest)
        assert asked.change is not None and asked.change.is_approved and asked.change.digest == plan.digest
        site.lab.edit(
            "set nat destination rule 10000 description mine", "set nat destination rule 10000 protocol tcp",
            "set nat destination rule 10000 destination port 8080", "set nat destination rule 10000 inbound-interface "
            "name eth0", "set nat destination rule 10000 translation address 192.168.66.7",
        )  # fmt: skip
        site.work()
        change = site.change()
        assert (change.status, change.error_code, change.sent_requests) == ("failed", "in_the_way", 0)
        assert "10000" in change.error_detail and site.rules()["10000"]["description"] == "mine"
        changes.retry(change)
        site.work()
        assert site.change().status == "applied"
        assert site.rules()["10000"]["description"] == "mine"
        assert site.rules()["10001"]["description"] == "netmon:web ssh"


def test_an_approved_plan_is_sent_as_it_was_or_not_at_all() -> None:
    with site_of() as site:
        site.provision("web", ports=["ssh"])
        site.work()
        vm = site.vm("web")
        plan = requests.act_on_ports(vm, "pause", dry_run=True).plan
        assert plan is not None and plan.lines == ["set nat destination rule 10000 disable"]
        requests.act_on_ports(vm, "pause", digest=plan.digest)
        site.lab.edit("set nat destination rule 10000 log")
        site.work()
        change = site.change()
        assert (change.status, change.error_code, change.sent_requests) == ("failed", "stale_plan", 0)
        assert "disable" not in site.rules()["10000"]
        changes.retry(change)
        site.work()
        assert "disable" in site.rules()["10000"] and "log" not in site.rules()["10000"], "asked again: made right"


def test_nothing_foreign_is_taken_or_touched() -> None:
    with site_of() as site:
        base = "set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 static-mapping"
        site.lab.edit(
            f"{base} printer mac 02:00:00:00:00:09", f"{base} printer ip-address 192.168.66.10",
            "set nat destination rule 10 protocol tcp", "set nat destination rule 10 destination port 32000-32010",
            "set nat destination rule 10 inbound-interface name eth0",
            "set nat destination rule 10 translation address 192.168.66.7",
            "set nat destination rule 10001 description manual",
            "set nat destination rule 10001 translation address 192.168.66.8",
            "set nat destination rule 10001 disable",
        )  # fmt: skip
        before = site.lab.running["nat"]["destination"]["rule"]
        asked = site.provision("web", ports=["ssh", "http"])
        assert asked.made is not None and asked.made.reservation.address == "192.168.66.11"
        assert asked.made.external_ports == {"ssh": 32011, "http": 32012}
        assert [forward.rule_number for forward in asked.made.forwards] == [10000, 10002]
        with pytest.raises(InTheWay, match="mapping printer"):
            site.provision("printer")
        site.work()
        assert site.change().status == "applied"
        assert {number: site.rules()[number] for number in before} == before
        requests.decommission(site.vm("web"))
        site.work()
        assert site.rules() == before and set(site.mappings()) == {"printer"}


def test_the_one_that_is_refused_is_found_among_many() -> None:
    with site_of("1.4") as site:
        made = requests.provision_many(
            [wishes.read_vm({"vm_name": f"vm-{number}", "ports": ["ssh"]}) for number in range(9)]
        )
        PortForward.objects.filter(vm__hostname="vm-4").update(source="!10.0.0.0/8", protocol="tcp")
        configure = site.lab.configure
        _refuse(site, "10.0.0.0/8")
        site.work()
        change = site.change()
        assert len(made) == 9 and (change.status, change.error_code) == ("applied", "partly")
        items = {item.vm_name: (item.status, item.error_code) for item in change.items.all()}
        assert items.pop("vm-4") == ("failed", "commit_failed")
        assert set(items.values()) == {("applied", "")}
        assert len(site.rules()) == 8 and set(site.mappings()) == {f"vm-{n}" for n in range(9) if n != 4}
        assert DhcpReservation.objects.get(vm__hostname="vm-4").applied == "failed"
        site.lab.configure = configure  # type: ignore[method-assign]
        site.lab.counts.clear()
        changes.retry(change)
        site.work()
        change = site.change()
        assert (change.status, change.error_code, change.is_saved) == ("applied", "", True)
        assert "vm-4" in site.mappings() and site.lab.counts["commits"] == 1


def _refuse(site: Site, word: str) -> None:
    """The router refuses to commit whatever has this word."""
    from netmon.lab.vyos.router import Refusal

    configure = site.lab.configure

    def picky(operations: Any, *more: Any) -> Any:
        if any(word in " ".join(words) for _, words in operations):
            raise Refusal("[ nat ]\nsomething is wrong\n\n[[nat]] failed\nCommit failed")
        return configure(operations, *more)

    site.lab.configure = picky  # type: ignore[method-assign, assignment]
