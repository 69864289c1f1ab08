"""The pages of routers: who sees and does what, across tenants, what stands there, with few queries."""

import html
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory.models import Tenant
from netmon.audit.models import AuditEvent
from provisioning import router_pages
from provisioning.models import ConfigChange, DriftItem, PortForward, RunningConfig, Vm, VyosRouter
from provisioning.services.capacity import Fill
from tests import factories, machines, people
from tests.vyos import Site, site_of

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def estate(cast: people.Cast) -> dict[str, Any]:
    return machines.make_estate(
        tenant=factories.make_tenant(), last_error_code="untrusted_peer", last_error_detail=EVIL
    )


def reads(router: VyosRouter) -> list[str]:
    return [
        "/vyos/", "/vyos/pools/", f"/vyos/{router.pk}/", f"/vyos/{router.pk}/drift/", f"/vyos/{router.pk}/import/",
    ]  # fmt: skip


def writes(router: VyosRouter) -> list[str]:
    return [f"/vyos/{router.pk}/{verb}/" for verb in ("read", "drift/compare", "drift/reconcile", "import")]


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 200), ("admin", 200)])
def test_operators_and_admins_see_them(cast: people.Cast, estate: dict[str, Any], role: str, status: int) -> None:
    client = people.client_for(cast.by_role(role))
    for path in reads(estate["vyos-routers"]):
        answer = client.get(path)
        assert answer.status_code == status, path
        assert EVIL not in answer.content.decode()
    for path in writes(estate["vyos-routers"]):
        assert client.post(path).status_code == (403 if status == 403 else 302), path


def test_only_the_forms_answer_to_a_post(cast: people.Cast, estate: dict[str, Any]) -> None:
    client = people.client_for(cast.omar)
    for path in writes(estate["vyos-routers"])[:-1]:
        assert client.get(path).status_code == 405
    for path in reads(estate["vyos-routers"])[:-1]:
        assert client.post(path).status_code == 405


def test_another_tenants_router_is_not_there(cast: people.Cast, estate: dict[str, Any]) -> None:
    ours = Tenant.objects.create(name="Ours", slug="ours")
    stranger = people.make_person("sam", "operator")
    stranger.tenants.add(ours)
    client = people.client_for(stranger)
    for path in [*reads(estate["vyos-routers"])[2:], *writes(estate["vyos-routers"])]:
        answer = client.post(path) if path in writes(estate["vyos-routers"])[:-1] else client.get(path)
        assert answer.status_code == 404, path
    for path in reads(estate["vyos-routers"])[:2]:
        assert "estate" not in client.get(path).content.decode()


def test_the_page_says_what_to_do_and_what_waits(cast: people.Cast, estate: dict[str, Any]) -> None:
    router = estate["vyos-routers"]
    client = people.client_for(cast.omar)
    text = client.get(f"/vyos/{router.pk}/").content.decode()
    assert "Last request failed" in text and router_pages.REMEDIES["untrusted_peer"] in text.replace("&#x27;", "'")
    assert "Provision estate-vm" in text and "Queued" in text and 'hx-trigger="every 3s"' in text
    VyosRouter.objects.update(last_error_code="", is_saved=False, last_read_at=timezone.now())
    ConfigChange.objects.update(status="applied", finished_at=timezone.now())
    fragment = client.get(f"/vyos/{router.pk}/", headers={"HX-Request": "true"})
    text = fragment.content.decode()
    assert "<html" not in text and "hx-trigger" not in text and "Not saved" in text and "HX-Request" in fragment["Vary"]
    VyosRouter.objects.update(is_saved=True)
    assert "heal or adopt" in client.get(f"/vyos/{router.pk}/").content.decode()
    DriftItem.objects.all().delete()
    assert "As wished" in client.get("/vyos/").content.decode()
    VyosRouter.objects.update(last_read_at=None)
    assert "Never read" in client.get("/vyos/").content.decode()


def test_every_error_of_a_driver_has_a_remedy() -> None:
    from netmon.drivers import errors

    codes = {one.code for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.DriverError)}
    assert codes - {"driver_error"} == set(router_pages.REMEDIES)


@pytest.mark.parametrize(
    ("used", "days", "shape", "words"),
    [
        (10, None, "down", "Full:"),
        (9, None, "degraded", "Nearly full"),
        (5, 3, "degraded", "Full in 2 days"),
        (5, 60, "up", "Full in 59 days"),
        (5, 0.5, "degraded", "less than a day"),
        (5, None, "up", "Not foreseen"),
    ],
)
def test_a_pool_in_words(used: int, days: float | None, shape: str, words: str) -> None:
    at = None if days is None else timezone.now() + timezone.timedelta(days=days)
    found = router_pages.bar(Fill(kind="ports", name="outside", used=used, size=10), at)
    assert (found.shape, found.free, found.percent) == (shape, 10 - used, used * 10) and words in found.words


def test_pools_and_quotas_have_numbers(cast: people.Cast, estate: dict[str, Any]) -> None:
    text = people.client_for(cast.omar).get("/vyos/pools/").content.decode()
    assert "1 of 90 addresses given, 89 free" in text and "3 of 1001 ports given" in text
    assert "3 of 10000 rule numbers given" in text and "of 5 machines given" in text


def test_more_rows_take_no_more_queries(cast: people.Cast, estate: dict[str, Any]) -> None:
    router = estate["vyos-routers"]
    client = people.client_for(cast.omar)
    paths = ["/vyos/", f"/vyos/{router.pk}/", f"/vyos/{router.pk}/drift/", f"/vyos/{router.pk}/import/"]

    def counts() -> list[int]:
        found = []
        for path in paths:
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert client.get(path).status_code == 200
            found.append(len(queries))
        return found

    RunningConfig.objects.create(router=router, read_at=timezone.now())
    before = counts()
    estate["quotas"].delete()
    factories.make_vm(user=cast.omar)
    for number in range(6):
        vm = factories.make_vm(router)
        factories.make_change(router, vm=vm, vm_name=vm.name, requested_by=cast.omar)
        DriftItem.objects.create(
            router=router, kind="missing", vm=vm, forward=vm.forwards.first(), label=f"rule {number}", words=["x"]
        )
    now = counts()
    # What is set aside for a machine or its owner is asked for once, where there was none before.
    assert all(later <= earlier + 1 for later, earlier in zip(now, before, strict=True)), (before, now)


# --- at a router


@pytest.fixture
def site(transactional_db: None, cast: people.Cast) -> Iterator[Site]:
    with site_of() as one:
        yield one


def said(answer: Any) -> str:
    """The message that the page after it shows."""
    return " ".join(str(message) for message in answer.context["messages"])


def test_reading_says_the_version_or_why_not(site: Site, cast: people.Cast) -> None:
    client = people.client_for(cast.omar)
    answer = client.post(f"/vyos/{site.row.pk}/read/", follow=True)
    assert "1.5" in said(answer) and VyosRouter.objects.get().last_read_at
    site.lab.is_down = True
    answer = client.post(f"/vyos/{site.row.pk}/read/", follow=True)
    assert "Last request failed" in answer.content.decode()


def test_what_differs_is_healed_after_a_question(site: Site, cast: people.Cast) -> None:
    site.provision("web-1", ports=["ssh", "https"])
    site.work()
    ssh, https = PortForward.objects.order_by("rule_number")
    site.lab.edit(
        f"delete nat destination rule {ssh.rule_number}",
        f"set nat destination rule {https.rule_number} translation port 8443",
    )
    client = people.client_for(cast.omar)
    base = f"/vyos/{site.row.pk}/drift/"
    assert "2 differ" in said(client.post(f"{base}compare/", follow=True))
    missing, differs = DriftItem.objects.get(kind="missing"), DriftItem.objects.get(kind="differs")
    text = client.get(base).content.decode()
    assert missing.label in text and all(line in text for line in differs.lines)
    assert "Choose what differs" in said(client.post(f"{base}reconcile/", {"direction": "heal"}, follow=True))
    assert "Choose what" in said(client.post(f"{base}reconcile/", {"direction": "x", "item": missing.pk}, follow=True))
    ask = {"direction": "heal", "item": missing.pk}
    answer = client.post(f"{base}reconcile/", ask)
    assert answer.status_code == 200 and missing.lines[0] in html.unescape(answer.content.decode())
    assert not ConfigChange.objects.filter(kind="reconcile").exists(), "asked first"
    answer = client.post(f"{base}reconcile/", {**ask, "sure": "1"}, follow=True)
    change = ConfigChange.objects.get(kind="reconcile")
    assert f"change {change.pk}" in said(answer) and change.requested_by == cast.omar and change.via == "page"
    site.work()
    assert str(ssh.rule_number) in site.rules()
    assert "1 differs" in said(client.post(f"{base}compare/", follow=True))
    differs = DriftItem.objects.get(kind="differs")
    wrong = {"direction": "adopt", "item": differs.pk}
    assert client.post(f"{base}reconcile/", wrong).status_code == 200
    assert "Taken over" in said(client.post(f"{base}reconcile/", {**wrong, "sure": "1"}, follow=True))
    https.refresh_from_db()
    assert https.internal_port == 8443 and AuditEvent.objects.filter(action="adopt").exists()


def test_what_is_somebody_elses_is_not_healed(site: Site, cast: people.Cast) -> None:
    item = DriftItem.objects.create(router=site.row, kind="foreign", label="destination rule 5", words=["Not ours."])
    client = people.client_for(cast.omar)
    for direction in ("heal", "adopt"):
        sent = {"direction": direction, "item": item.pk, "sure": "1"}
        answer = client.post(f"/vyos/{site.row.pk}/drift/reconcile/", sent)
        assert answer.status_code == 409 and "cannot be" in answer.content.decode()
    assert not ConfigChange.objects.exists()


def test_machines_are_taken_over_after_a_try(site: Site, cast: people.Cast) -> None:
    subnet = "set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 static-mapping"
    site.lab.edit(
        f"{subnet} wiki ip-address 192.168.66.50", f"{subnet} wiki mac 00:50:56:00:00:50",
        f"{subnet} Odd.Name ip-address 192.168.66.51", f"{subnet} Odd.Name mac 00:50:56:00:00:51",
    )  # fmt: skip
    client = people.client_for(cast.omar)
    path = f"/vyos/{site.row.pk}/import/"
    assert "not read yet" in client.get(path).content.decode()
    answer = client.post(path, {"do": "read"}, follow=True)
    text = answer.content.decode()
    assert "wiki" in text and "192.168.66.50" in text and "rename the mapping" in text
    assert "Choose" in said(client.post(path, {"do": "try"}, follow=True))
    assert "rename" in said(client.post(path, {"do": "try", "name": "Odd.Name"}, follow=True))
    answer = client.post(path, {"do": "try", "name": "wiki"})
    assert "1 machine would be taken over" in answer.content.decode() and not Vm.objects.exists()
    before = site.lab.counts["commits"]
    assert "Taken over" in said(client.post(path, {"do": "adopt", "name": "wiki"}, follow=True))
    vm = Vm.objects.get(hostname="wiki")
    assert vm.owner == cast.omar and site.lab.counts["commits"] == before
    assert "wiki" in said(client.post(path, {"do": "adopt", "name": "wiki"}, follow=True)), "not twice"
    assert Vm.objects.count() == 1
