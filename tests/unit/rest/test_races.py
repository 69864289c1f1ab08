"""The same object made twice at once: one wins, the others hear 409, nobody 500."""

import threading
from collections import Counter

import pytest
from django.db import connections

from inventory.models import Device
from tests import factories, people

pytestmark = pytest.mark.django_db(transaction=True)

SAME = [
    ("devices", {"name": "core-1"}),
    ("devices", {"name": "core-1", "ip": "10.0.0.1", "snmp_community": "public"}),
    ("routers", {"name": "core-1", "ip": "10.0.0.1"}),
    ("ip-addresses", {"address": "10.0.0.1"}),
    ("sites", {"name": "Évry"}),
    ("tenants", {"name": "Acme", "slug": "acme"}),
    ("tags", {"name": "Core"}),
    ("prefixes", {"cidr": "10.0.0.0/8"}),
    ("credentials", {"name": "shared", "kind": "snmp_community", "secret": "public"}),
]


def at_once(cast, path, bodies):
    """Post each body from a thread of its own, all at the same moment."""
    gate, found = threading.Barrier(len(bodies)), []

    def post(body):
        client = people.client_for(cast.ada)
        gate.wait(30)
        found.append(client.post(f"/api/v1/{path}/", body, format="json"))
        connections.close_all()

    threads = [threading.Thread(target=post, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


@pytest.mark.parametrize(("path", "body"), SAME, ids=lambda value: value if isinstance(value, str) else "")
def test_of_many_that_make_the_same_one_wins(cast, _clean_cache, path, body):
    answers = at_once(cast, path, [body] * 5)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 4}
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] in ("unique", "conflict"), answer.json()


def test_two_devices_with_one_address_are_not_half_written(cast, _clean_cache):
    bodies = [{"name": f"r{n}", "ip": "10.0.0.1", "snmp_community": "public"} for n in range(4)]
    answers = at_once(cast, "devices", bodies)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 3}
    device = Device.objects.get()
    assert device.primary_ip.address == "10.0.0.1" and device.endpoints.count() == 2


def test_one_endpoint_and_one_interface_of_a_device(cast, _clean_cache):
    device = factories.make_device()
    for path, body in (
        ("endpoints", {"device": device.pk, "protocol": "icmp"}),
        ("interfaces", {"device": device.pk, "name": "eth0"}),
    ):
        assert Counter(answer.status_code for answer in at_once(cast, path, [body] * 4)) == {201: 1, 409: 3}, path
