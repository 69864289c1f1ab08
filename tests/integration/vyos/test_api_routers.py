"""Routers over HTTP, at a simulated router: compared, healed, adopted, taken over, and how they stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from netmon.audit.models import AuditEvent
from provisioning.models import ConfigChange, DriftItem, PortForward, Vm
from provisioning.services import capacity
from tests import factories, people
from tests.vyos import Site, site_of

pytestmark = pytest.mark.django_db(transaction=True)
BASE = "service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 static-mapping"


@pytest.fixture
def site() -> Iterator[Site]:
    with site_of() as found:
        yield found


@pytest.fixture
def api(site: Site, cast: people.Cast, _clean_cache: None) -> Any:
    return people.client_for(cast.omar)


def url(site: Site, what: str) -> str:
    return f"/api/v1/vyos-routers/{site.row.pk}/{what}/"


def post(api: Any, path: str, body: Any = None, status: int = 200) -> Any:
    answer = api.post(path, body if body is not None else {}, format="json")
    assert answer.status_code == status, (answer.status_code, answer.content)
    return answer.json()


def get(api: Any, path: str) -> Any:
    answer = api.get(path)
    assert answer.status_code == 200, answer.content
    return answer.json()


def numbers(found: Any) -> dict[str, int]:
    return {item["label"]: item["id"] for item in found["items"]}


def test_what_differs_is_found_now_and_healed(site: Site, api: Any) -> None:
    site.provision("web-1")
    site.work()
    assert get(api, url(site, "drift")) == {"compared_at": None, "count": 0, "items": []}
    site.lab.edit("set nat destination rule 10000 translation port 2222", "delete nat destination rule 10001")
    found = post(api, url(site, "compare"))
    assert found["count"] == 2 and found["compared_at"]
    assert [(item["label"], item["kind"], item["vm_name"]) for item in found["items"]] == [
        ("destination rule 10000", "differs", "web-1"),
        ("destination rule 10001", "missing", "web-1"),
    ]
    assert found["items"][0]["words"] == ["internal port: 2222 instead of 22"]
    assert get(api, url(site, "drift")) == found

    chosen = {"items": [numbers(found)["destination rule 10000"]], "direction": "heal"}
    healed = post(api, f"{url(site, 'reconcile')}?wait=1", chosen, 202)
    assert healed["status"] == "queued" and healed["adopted"] == []
    site.work()
    change = get(api, healed["change"]["url"])
    assert change["status"] == "applied" and change["kind"] == "reconcile" and change["requested_by"] == "omar"
    assert change["lines"] == ["set nat destination rule 10000 translation port 22"]
    assert numbers(get(api, url(site, "drift"))).keys() == {"destination rule 10001"}
    assert post(api, url(site, "compare"))["count"] == 1
    assert site.rules()["10000"]["translation"]["port"] == "22"


def test_what_the_router_has_is_adopted_and_nothing_is_sent(site: Site, api: Any, cast: people.Cast) -> None:
    site.provision("web-1")
    site.work()
    site.lab.edit("set nat destination rule 10000 translation port 2222")
    found = post(api, url(site, "compare"))
    before = site.lab.counts["commits"]
    changes = ConfigChange.objects.count()
    done = post(api, url(site, "reconcile"), {"items": list(numbers(found).values()), "direction": "adopt"})
    assert done == {"status": "adopted", "change": None, "adopted": ["destination rule 10000"]}
    assert PortForward.objects.get(name="ssh").internal_port == 2222
    assert site.lab.counts["commits"] == before and ConfigChange.objects.count() == changes
    rows = AuditEvent.objects.filter(action="adopt")
    assert rows.exists() and set(rows.values_list("username", flat=True)) == {"omar"}
    assert get(api, url(site, "drift"))["count"] == 0


def test_wrong_requests_change_nothing_and_say_why(site: Site, api: Any, cast: people.Cast) -> None:
    site.provision("web-1")
    site.work()
    site.lab.edit("delete nat destination rule 10001")
    (number,) = numbers(post(api, url(site, "compare"))).values()
    for body, field in (
        ({"items": [number], "direction": "mend"}, "direction"),
        ({"items": [], "direction": "heal"}, "items"),
        ({"items": ["1"], "direction": "heal"}, "items"),
        ({"items": [number + 1], "direction": "heal"}, "items"),
        ({"items": [number], "direction": "heal", "force": True}, "force"),
        ({"direction": "heal"}, "items"),
    ):
        refused = post(api, url(site, "reconcile"), body, 400)
        assert field in {entry["pointer"].split("/")[1] for entry in refused["errors"]}, (body, refused)
    refused = post(api, f"{url(site, 'reconcile')}?pause=1", {"items": [number], "direction": "heal"}, 400)
    assert refused["errors"][0]["code"] == "unknown_parameter"
    changes = ConfigChange.objects.count()
    for person in (cast.vera, None):
        other = people.client_for(person)
        for what, body in (
            ("compare", {}),
            ("reconcile", {"items": [number], "direction": "heal"}),
            ("import", {}),
        ):
            post(other, url(site, what), body, 403 if person else 401)
        for what in ("drift", "status"):
            assert other.get(url(site, what)).status_code in (401, 403)
    assert ConfigChange.objects.count() == changes and DriftItem.objects.count() == 1


def test_a_foreign_rule_is_neither_healed_over_nor_adopted(site: Site, api: Any) -> None:
    site.provision("web-1")
    site.work()
    site.lab.edit(
        "delete nat destination rule 10001",
        "set nat destination rule 10001 description mine",
        "set nat destination rule 10001 inbound-interface name eth0",
        "set nat destination rule 10001 protocol tcp",
        "set nat destination rule 10001 destination port 9999",
        "set nat destination rule 10001 translation address 192.168.66.240",
    )
    found = post(api, url(site, "compare"))
    assert [item["kind"] for item in found["items"]] == ["foreign"]
    for direction in ("heal", "adopt"):
        refused = post(
            api, url(site, "reconcile"), {"items": list(numbers(found).values()), "direction": direction}, 409
        )
        assert (refused["code"], refused["field"]) == ("not_adoptable", "items")


def test_another_tenants_machine_is_not_healed_by_who_does_not_see_it(cast: people.Cast, _clean_cache: None) -> None:
    here, there = factories.make_tenant(name="Here"), factories.make_tenant(name="There")
    bound = people.make_person("bo", "operator")
    bound.tenants.add(here)
    with site_of(tenant=here) as site:
        site.provision("web-1")
        site.work()
        device = site.vm("web-1").device
        type(device).objects.filter(pk=device.pk).update(tenant=there)
        site.lab.edit("delete nat destination rule 10001")
        api = people.client_for(bound)
        (number,) = numbers(post(api, url(site, "compare"))).values()
        refused = post(api, url(site, "reconcile"), {"items": [number], "direction": "heal"}, 403)
        assert refused["code"] == "permission_denied"
        assert not ConfigChange.objects.filter(kind="reconcile").exists()


def by_hand(site: Site) -> None:
    """What somebody has made on the router before netmon came."""
    rule = "set nat destination rule 200"
    site.lab.edit(
        f"set {BASE} old mac 02:00:00:00:00:01", f"set {BASE} old ip-address 192.168.66.20",
        f"set {BASE} odd ip-address 192.168.66.21",
        f"{rule} inbound-interface name eth0", f"{rule} protocol tcp", f"{rule} destination port 32500",
        f"{rule} translation address 192.168.66.20", f"{rule} translation port 22", f"{rule} description jump",
    )  # fmt: skip


def test_what_a_router_has_is_shown_then_taken_over(site: Site, api: Any) -> None:
    by_hand(site)
    seen = post(api, url(site, "import"), {"dry_run": True})
    assert seen["dry_run"] and [one["name"] for one in seen["taken"]] == ["old"]
    (old,) = seen["taken"]
    assert (old["address"], old["mac_address"], old["pool"], old["problem"]) == (
        "192.168.66.20",
        "02:00:00:00:00:01",
        site.pool.pk,
        "",
    )
    (forward,) = old["forwards"]
    assert (forward["name"], forward["rule"], forward["external_port"], forward["problem"]) == ("ssh", 200, "32500", "")
    (odd,) = seen["left"]
    assert (odd["name"], odd["problem"]) == ("odd", "It goes by no MAC address.")
    assert not Vm.objects.exists() and not ConfigChange.objects.exists()

    refused = post(api, url(site, "import"), {"names": ["odd"]}, 409)
    assert (refused["code"], refused["field"]) == ("not_importable", "names")
    assert post(api, url(site, "import"), {"names": ["none"]}, 409)["code"] == "not_importable"
    assert not Vm.objects.exists()

    commits = site.lab.counts["commits"]
    done = post(api, url(site, "import"), {"names": ["old"]})
    assert [one["name"] for one in done["taken"]] == ["old"] and [one["name"] for one in done["left"]] == ["odd"]
    shown = get(api, "/api/v1/vms/old/")
    assert (shown["internal_ip"], shown["owner_name"], shown["applied"]) == ("192.168.66.20", "omar", "applied")
    assert shown["ports"]["ssh"]["external_port"] == 32500
    change = site.change()
    assert (change.kind, change.status, change.lines, change.via) == ("import", "applied", [], "session")
    assert post(api, url(site, "import"))["taken"] == [] and site.lab.counts["commits"] == commits
    assert post(api, url(site, "compare"))["count"] == 0, "what was taken over is as netmon wishes it"


def test_a_router_that_does_not_answer_is_told_so(site: Site, api: Any) -> None:
    site.server.close()
    refused = post(api, url(site, "compare"), status=502)
    assert (refused["code"], refused["reason"]) == ("router_failed", "unreachable")
    assert post(api, url(site, "import"), status=502)["code"] == "router_failed"
    assert get(api, url(site, "status"))["last_error_code"] == "unreachable"


def test_its_status_says_when_pools_will_be_full(site: Site, api: Any) -> None:
    site.provision("web-1")
    site.work()
    capacity.measure()
    status = get(api, url(site, "status"))
    assert [(one["kind"], one["id"], one["used"], one["full_at"]) for one in status["forecast"]] == [
        ("dhcp", site.pool.pk, 1, None),
        ("ports", site.ports.pk, 3, None),
        ("rules", site.row.pk, 3, None),
    ]
    assert all(one["free"] == one["size"] - one["used"] for one in status["forecast"])
    assert status["is_saved"] and status["waiting_changes"] == 0 and status["drift_count"] == 0
