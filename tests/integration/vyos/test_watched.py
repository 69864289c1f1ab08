"""The life of a machine as its checks see it: each change that the router takes is followed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inventory.models import Device
from monitoring.models import Check
from monitoring.services import scheduling
from provisioning.services import requests
from tests.vyos import site_of

pytestmark = pytest.mark.django_db(transaction=True)


def statuses() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for port, status in Check.objects.exclude(endpoint__protocol="vyos").values_list("endpoint__port", "status"):
        found.setdefault(str(port or "ping"), set()).add(status)
    return found


def test_checks_come_with_the_machine_rest_with_its_forwards_and_go_with_it() -> None:
    with site_of(external_address="127.67.0.1") as site:
        Check.objects.all().delete()
        site.provision("web-1", ports=["ssh", "http"])
        assert not Check.objects.filter(scheduling.watched(timezone.now() + timedelta(hours=1))).exists()
        site.work()
        assert statuses() == {place: {"unknown"} for place in ("ping", "22", "80")}
        requests.act_on_ports(site.vm("web-1"), "pause", ["ssh"], user=None, via="test")
        assert statuses()["22"] == {"unknown"}  # nothing has happened at the router yet
        site.work()
        assert statuses() == {"ping": {"unknown"}, "22": {"paused"}, "80": {"unknown"}}
        requests.act_on_ports(site.vm("web-1"), "delete", ["http"], user=None, via="test")
        site.work()
        assert set(statuses()) == {"ping", "22"}
        requests.decommission(site.vm("web-1"), user=None, via="test")
        site.work()
        assert statuses() == {} and not Device.objects.filter(name="web-1").exists()
