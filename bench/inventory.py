"""The inventory's reads: a list, the whole, a search. CPU seconds of this process, medians.

`make bench-inventory`. The yardstick is a plain nested serializer over row objects, run side by side.
"""

import functools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["NETMON_VAR_DIR"] = tempfile.mkdtemp(prefix="netmon-bench-")
os.environ["NETMON_ALLOW_LOOPBACK"] = "1"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netmon.settings")

import django

django.setup()

# ruff: noqa: E402
from django.conf import settings
from django.core.management import call_command
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.test import APIClient

from inventory import representation
from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint, Site
from netmon.accounts.models import User
from netmon.audit import services as audit

DEVICES, LISTED, RUNS = 10_000, 1_000, 9
IMPORTED, ONE_BY_ONE = 10_000, 200
UPDATED = 2_000


class SiteNested(serializers.ModelSerializer[Site]):
    class Meta:
        model = Site
        fields = ["id", "name"]


class CredentialNested(serializers.ModelSerializer[Credential]):
    class Meta:
        model = Credential
        fields = ["id", "name", "kind", "username"]


class EndpointNested(serializers.ModelSerializer[ManagementEndpoint]):
    credential = CredentialNested()

    class Meta:
        model = ManagementEndpoint
        fields = ["id", "protocol", "port", "options", "is_enabled", "credential"]


class AddressNested(serializers.ModelSerializer[IPAddress]):
    class Meta:
        model = IPAddress
        fields = ["id", "address", "dns_name"]


class DeviceNested(serializers.ModelSerializer[Device]):
    """What one writes without thinking of speed; select_related and prefetch_related are there all the same."""

    site = SiteNested()
    primary_ip = AddressNested()
    endpoints = EndpointNested(many=True)

    class Meta:
        model = Device
        fields = [
            "id", "name", "kind", "status", "tenant", "site", "location", "vendor", "model", "platform", "serial",
            "hypervisor", "primary_ip", "endpoints", "created_at", "updated_at",
        ]  # fmt: skip


def fill() -> None:
    sites = Site.objects.bulk_create(Site(name=f"site {n}") for n in range(20))
    devices = Device.objects.bulk_create(
        [
            Device(
                name=f"sw-{n:05d}.hall{n % 40}", kind="switch", site=sites[n % 20], vendor="Acme", model=f"X{n % 9}",
                serial=f"SN{n:08d}", location=f"rack {n % 300}",
            )
            for n in range(DEVICES)
        ],
        batch_size=1000,
    )  # fmt: skip
    interfaces = Interface.objects.bulk_create(
        [
            Interface(
                device=device, name="mgmt", mac_address=f"00:11:22:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"
            )
            for n, device in enumerate(devices)
        ],
        batch_size=1000,
    )
    addresses = []
    for n, interface in enumerate(interfaces):
        row = IPAddress(interface=interface, address=f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
        row._canonicalise()
        addresses.append(row)
    addresses = IPAddress.objects.bulk_create(addresses, batch_size=1000)
    for device, address in zip(devices, addresses, strict=True):
        device.primary_ip = address
    Device.objects.bulk_update(devices, ["primary_ip"], batch_size=500)
    credentials = Credential.objects.bulk_create(
        [Credential(name=f"{d.name} SNMP", kind="snmp_community", secret="public", device=d) for d in devices[:LISTED]]
    )
    ManagementEndpoint.objects.bulk_create(
        [
            *(
                ManagementEndpoint(device=device, protocol="snmp", credential=credential)
                for device, credential in zip(devices, credentials, strict=False)
            ),
            *(ManagementEndpoint(device=device, protocol="icmp") for device in devices),
        ],
        batch_size=1000,
    )


def cpu(work: Callable[[], Any]) -> float:
    """Milliseconds of CPU, the median of RUNS."""
    work()
    taken = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        taken.append((time.process_time() - start) * 1000)
    return statistics.median(taken)


def nested(ids: list[int]) -> bytes:
    rows: list[Any] = []
    for start in range(0, len(ids), 500):  # SQLite takes no longer list
        batch = Device.objects.filter(pk__in=ids[start : start + 500]).select_related("site", "primary_ip")
        rows += batch.prefetch_related("endpoints__credential")
    return JSONRenderer().render(DeviceNested(rows, many=True).data)


def fast(ids: list[int]) -> bytes:
    from netmon.common.renderers import FastJSONRenderer

    return FastJSONRenderer().render(representation.device_rows(ids, names_logins=True))


def imports(user: User) -> None:
    """A file of IMPORTED devices against the same devices made one by one (fewer of them: it takes long)."""
    import resource
    import tracemalloc

    from inventory.services import create_device
    from inventory.transfer import importing

    def file(first: int, count: int) -> str:
        lines = [
            f"im{n},switch,172.{16 + n // 62500}.{n // 250 % 250}.{n % 250 + 1},rack {n % 300},public,X{n % 9}"
            for n in range(first, first + count)
        ]
        return "\n".join(["name,kind,ip,location,snmp_community,model", *lines])

    start, wall = time.process_time(), time.perf_counter()
    outcome = importing.run(file(0, IMPORTED), user=user, file_format="csv")
    bulk, wall = time.process_time() - start, time.perf_counter() - wall
    assert outcome.created == IMPORTED, outcome
    start = time.process_time()
    for n in range(ONE_BY_ONE):
        fields = {
            "name": f"one{n}",
            "kind": "switch",
            "ip": f"172.30.{n // 250}.{n % 250 + 1}",
            "snmp_community": "public",
        }
        create_device(fields=fields)
    single = (time.process_time() - start) / ONE_BY_ONE
    text = file(100_000, IMPORTED)
    tracemalloc.start()
    importing.run(text, user=user, file_format="csv", dry_run=True)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    lines = text.splitlines()
    lines[7430] = lines[7430].replace(",172.", ",999.")
    wrong = "\n".join(lines)
    start = time.process_time()
    refused = importing.run(wrong, user=user, file_format="csv")
    stopped = time.process_time() - start
    assert refused.created == 0 and refused.fault_count == 1, refused
    print(
        f"  import of {IMPORTED} devices from CSV: {bulk:.1f} s CPU, {wall:.1f} s, {bulk / IMPORTED * 1000:.2f} ms each"
    )
    print(
        f"    one by one (of {ONE_BY_ONE}): {single * 1000:.1f} ms each, {single * IMPORTED / bulk:.1f} times as much"
    )
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"    memory at its peak {peak:.0f} MB; the whole process {resident:.0f} MB")
    print(f"    one wrong line: line {refused.faults[0].line} named after {stopped:.1f} s CPU, nothing written")


def _counted(count: list[int], execute: Any, *arguments: Any) -> Any:
    count[0] += 1
    return execute(*arguments)


def updates(user: User) -> None:
    """A file that changes UPDATED devices against the same changes made one by one."""
    from django.db import connection

    from inventory.services import update_device
    from inventory.transfer import importing

    for what, columns in (
        ("location", {"location": "moved"}),
        ("location and community", {"location": "changed", "snmp_community": "another"}),
    ):
        head = ",".join(["name", *columns])
        lines = [",".join([f"im{n}", *columns.values()]) for n in range(UPDATED)]
        start = time.process_time()
        count = [0]
        with connection.execute_wrapper(functools.partial(_counted, count)):
            text = "\n".join([head, *lines])
            outcome = importing.run(text, user=user, file_format="csv", existing="update")
        bulk, statements = (time.process_time() - start) / UPDATED, count[0] / UPDATED
        assert outcome.updated == UPDATED, outcome
        devices = list(Device.objects.filter(name_key__in=[f"im{UPDATED + n}" for n in range(ONE_BY_ONE)]))
        start, count = time.process_time(), [0]
        with connection.execute_wrapper(functools.partial(_counted, count)):
            for device in devices:
                before = audit.snapshot(device)
                changed = update_device(device, fields=dict(columns), may_redirect=False)
                audit.record("update", changed, before=before, after=audit.snapshot(changed))
        single = (time.process_time() - start) / ONE_BY_ONE
        print(f"  update of {UPDATED} devices, {what}: {bulk * 1000:.2f} ms CPU, {statements:.2f} statements each")
        print(
            f"    one by one (of {ONE_BY_ONE}): {single * 1000:.1f} ms, {count[0] / ONE_BY_ONE:.0f} statements each; "
            f"{single / bulk:.1f} times as much"
        )


def main() -> None:
    call_command("migrate", verbosity=0)
    if "samples" in settings.DATABASES:
        call_command("migrate", database="samples", verbosity=0)
    settings.ALLOWED_HOSTS = ["testserver"]
    fill()
    user = User.objects.create_user("bench", role="operator")
    client = APIClient()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def get(url: str) -> bytes:
        answer = client.get(url)
        assert answer.status_code == 200, answer.content
        return answer.content

    ids = list(Device.objects.order_by("name_key").values_list("pk", flat=True)[:LISTED])
    page = cpu(lambda: get("/api/v1/devices/?limit=100"))
    brief = cpu(lambda: get("/api/v1/devices/?limit=100&brief=1"))
    whole, slow = cpu(lambda: fast(ids)), cpu(lambda: nested(ids))
    print(f"{DEVICES} devices, CPU milliseconds, median of {RUNS} runs")
    print(f"  list, a page of 100 in the flat form       {page:8.1f}   (target 15)")
    print(f"  list, a page of 100 with brief=1           {brief:8.1f}")
    print(f"  {LISTED} devices, read without row objects     {whole:8.1f}")
    print(f"  {LISTED} devices, a plain nested serializer    {slow:8.1f}   {slow / whole:.1f} times as much (target 5)")
    imports(user)
    updates(user)
    for text in ("sw-00", "10.0.3", "00:11:22:00", "SN0000", "no such thing"):
        print(f"  search {text!r:36}{cpu(lambda text=text: get(f'/api/v1/search/?q={text}')):8.1f}   (target 80)")


if __name__ == "__main__":
    main()
