"""The inventory's reads: a list, the whole, a search. CPU seconds of this process, medians.

`make bench-inventory`. The yardstick is a plain nested serializer over row objects, run side by side.
"""

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

DEVICES, LISTED, RUNS = 10_000, 1_000, 9


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
    for text in ("sw-00", "10.0.3", "00:11:22:00", "SN0000", "no such thing"):
        print(f"  search {text!r:36}{cpu(lambda text=text: get(f'/api/v1/search/?q={text}')):8.1f}   (target 80)")


if __name__ == "__main__":
    main()
