"""Many devices changed by a file: the same as one by one, at a fraction of the statements."""

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import representation
from inventory.models import Credential, Device, IPAddress, Tag, TargetRule, Tenant
from inventory.transfer import importing
from monitoring.models import Check
from netmon.audit.models import AuditEvent
from netmon.common.secrets import open_secret
from tests import factories, people

pytestmark = pytest.mark.django_db


def update(user, rows, **over):
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(rows)
    return importing.run(out.getvalue(), user=user, file_format="csv", existing="update", **over)


def make(count, start=0):
    for n in range(start, start + count):
        factories.make_flat(name=f"sw{n}", kind="switch", ip=f"10.1.{n // 250}.{n % 250 + 1}", snmp_community="public")


def shape(device):
    (row,) = representation.device_rows([device.pk], names_logins=True)
    for column in ("id", "name", "created_at", "updated_at"):
        row.pop(column)
    endpoints = [
        (row.protocol, row.port, row.options, sorted(row.checks.values_list("module", flat=True)))
        for row in device.endpoints.order_by("protocol")
    ]
    secrets = sorted((row.kind, open_secret(row, "secret")) for row in device.own_credentials.all())
    return row, endpoints, secrets


CHANGES = {
    "columns": {"location": "rack 9", "vendor": "ACME", "kind": "router", "status": "offline", "tags": "core;edge"},
    "address": {"ip": "10.9.0.7", "hostname": "new.example.net", "mac": "00-11-22-aa-bb-cc"},
    "name of the host": {"hostname": "other.example.net"},
    "community": {"snmp_community": "changed"},
    "to version 3": {
        "snmp_version": "3", "snmp_username": "watch", "snmp_auth_password": "auth-pass-phrase",
        "snmp_priv_password": "priv-pass-phrase",
    },
    "port": {"snmp_port": "1161"},
    "log-in": {"ssh_username": "root", "ssh_password": "s3cret!", "ssh_port": "2222"},
    "camera": {"kind": "camera", "rtsp_url": "rtsp://viewer:word@10.5.0.1:8554/stream1"},
    "nothing": {"kind": "other"},
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_device_becomes_what_the_form_makes_of_it(cast, what):
    api = people.client_for(cast.ada)
    Tag.objects.create(name="Core", slug="core")
    Tag.objects.create(name="Edge", slug="edge")
    twins = []
    for name in ("a", "b"):
        device = factories.make_flat(name=name, kind="other", ip="10.5.0.1", snmp_community="public")
        twins.append(device)
        changes = dict(CHANGES[what])
        if name == "a":
            assert update(cast.ada, [{"name": "a", **changes}]).updated == 1
        else:
            data = {key: int(value) if key.endswith("_port") else value for key, value in changes.items()}
            if "tags" in data:
                data["tags"] = data["tags"].split(";")
            answer = api.patch(f"/api/v1/devices/{device.pk}/", data, format="json")
            assert answer.status_code == 200, answer.json()
        told = AuditEvent.objects.filter(action="update", object_id=str(device.pk))
        device.told = [(sorted(row.before), sorted(row.after)) for row in told]
        device.shape = shape(device)
        # Out of the way: an address is there once.
        IPAddress.objects.filter(interface__device=device).update(address=f"198.51.100.{device.pk % 250 + 1}")
    first, second = twins
    assert first.shape == second.shape
    assert first.told == second.told


def test_many_cost_a_few_statements_each(cast):
    make(200)

    def statements(rows):
        with CaptureQueriesContext(connection) as seen:
            outcome = update(cast.ada, rows)
        assert outcome.updated == len(rows) and not outcome.fault_count, outcome.faults
        return len(seen)

    def rows(count, **over):
        return [{"name": f"sw{n}", "location": f"rack {n}", **over} for n in range(count)]

    plain = (statements(rows(200)) - statements(rows(10))) / 190
    assert plain < 0.3, plain
    secret = (statements(rows(200, snmp_community="new")) - statements(rows(10, snmp_community="new"))) / 190
    assert secret < 3, secret
    moved = [{"name": f"sw{n}", "ip": f"10.7.{n // 100}.{n % 100 + 1}"} for n in range(200)]
    assert (statements(moved) - 60) / 200 < 3
    assert Device.objects.get(name="sw199").primary_ip.address == "10.7.1.100"
    assert Check.objects.filter(endpoint__device__name="sw199").exists()


def test_an_unchanged_file_writes_no_event_and_hurries_no_check(cast):
    make(3)
    due = list(Check.objects.order_by("pk").values_list("next_run_at", flat=True))
    rows = [{"name": f"sw{n}", "ip": f"10.1.0.{n + 1}", "snmp_version": "2c", "snmp_port": "161"} for n in range(3)]
    assert update(cast.ada, rows).updated == 3
    assert not AuditEvent.objects.filter(action="update").exists()
    assert list(Check.objects.order_by("pk").values_list("next_run_at", flat=True)) == due


def test_a_wrong_line_is_named_and_leaves_its_device_alone(cast):
    make(4)
    rows = [
        {"name": "sw0", "location": "x"},
        {"name": "sw1", "location": "x", "ip": "10.1.0.4"},  # sw3's
        {"name": "sw2", "location": "x", "snmp_port": "161", "snmp_username": "watch"},
        {"name": "sw3", "location": "x", "ssh_password": "word"},
    ]
    outcome = update(cast.ada, rows)
    assert [(fault.line, fault.column) for fault in outcome.faults] == [
        (3, "ip"), (4, "snmp_username"), (5, "ssh_username"),
    ]  # fmt: skip
    assert outcome.updated == 0 and not Device.objects.filter(location="x").exists()
    outcome = update(cast.ada, rows, atomic=False)
    assert (outcome.updated, outcome.fault_count) == (1, 3)
    assert list(Device.objects.filter(location="x").values_list("name", flat=True)) == ["sw0"]
    assert Credential.objects.count() == 4
    assert AuditEvent.objects.filter(action="update").count() == 1


def test_a_dry_run_does_everything_and_keeps_nothing(cast):
    make(2)
    rows = [{"name": "sw0", "ip": "10.1.0.77", "snmp_community": "new"}, {"name": "sw1", "ip": "10.1.0.77"}]
    outcome = update(cast.ada, rows, dry_run=True)
    assert (outcome.updated, [fault.column for fault in outcome.faults]) == (1, ["ip"])
    assert Device.objects.get(name="sw0").primary_ip.address == "10.1.0.1"
    assert not AuditEvent.objects.filter(action__in=("update", "import")).exists()


def test_addresses_are_handed_on_within_a_file(cast):
    make(3)
    rows = [
        {"name": "sw0", "ip": "10.1.0.9"},
        {"name": "sw1", "ip": "10.1.0.1"},
        {"name": "sw2", "ip": "10.1.0.2"},
        {"name": "sw0", "ip": "10.1.0.3"},  # named again: it is read again
    ]
    assert update(cast.ada, rows).updated == 4
    found = dict(Device.objects.values_list("name", "primary_ip__address"))
    assert found == {"sw0": "10.1.0.3", "sw1": "10.1.0.1", "sw2": "10.1.0.2"}


def test_a_device_without_an_address_gets_one(cast):
    device = factories.make_device(name="bare")
    assert update(cast.ada, [{"name": "bare", "ip": "10.3.0.1", "mac": "00:11:22:aa:bb:cc"}]).updated == 1
    device.refresh_from_db()
    assert device.primary_ip.address == "10.3.0.1" and device.primary_ip.interface.mac_address == "00:11:22:aa:bb:cc"
    assert device.endpoints.get().protocol == "icmp" and device.endpoints.get().checks.exists()
    assert update(cast.ada, [{"name": "bare", "mac": ""}]).updated == 1


def test_stored_secrets_follow_no_new_address_of_an_operator(cast):
    make(1)
    outcome = update(cast.omar, [{"name": "sw0", "ip": "10.66.0.1"}])
    assert [fault.column for fault in outcome.faults] == ["ip"] and "snmp_community" in outcome.faults[0].detail
    assert Device.objects.get().primary_ip.address == "10.1.0.1"
    assert update(cast.omar, [{"name": "sw0", "ip": "10.66.0.1", "snmp_community": "anew"}]).updated == 1


def test_target_rules_and_scopes_hold(cast):
    make(2)
    TargetRule.objects.create(cidr="10.66.0.0/16", action=TargetRule.Action.REFUSE)
    Credential.objects.filter(device__name="sw1").update(allowed_prefixes=["10.1.0.0/24"])
    rows = [{"name": "sw0", "ip": "10.66.0.1"}, {"name": "sw1", "ip": "10.2.0.1"}]
    outcome = update(cast.ada, rows)
    assert [(fault.line, fault.column) for fault in outcome.faults] == [(2, "ip"), (3, "ip")]
    assert outcome.faults[0].code == "address_refused" and "scope" in outcome.faults[1].detail


def test_somebody_bound_to_tenants_changes_theirs_alone(cast):
    mine, theirs = (Tenant.objects.create(name=name, slug=name) for name in ("mine", "theirs"))
    for tenant in (mine, theirs):
        factories.make_flat(name="r1", tenant=tenant, ip="10.4.0.1")
    cast.omar.tenants.add(mine)
    omar = type(cast.omar).objects.get(pk=cast.omar.pk)
    assert update(omar, [{"name": "r1", "location": "here"}]).updated == 1
    assert Device.objects.get(location="here").tenant == mine
    assert update(omar, [{"name": "r1", "tenant": "theirs", "location": "x"}]).faults[0].column == "tenant"


def test_another_version_is_told_by_the_etag(api, cast):
    make(1)
    device = Device.objects.get()
    before = api.get(f"/api/v1/devices/{device.pk}/")["ETag"]
    update(cast.ada, [{"name": "sw0", "location": "rack 2"}])
    answer = api.patch(f"/api/v1/devices/{device.pk}/", {"vendor": "x"}, format="json", headers={"If-Match": before})
    assert answer.status_code == 412
