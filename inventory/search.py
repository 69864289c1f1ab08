"""`search/`: one text, looked for in every kind of thing. Apps above register groups of their own."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Case, Exists, IntegerField, OuterRef, Q, Value, When

from inventory.models import Device, Interface, IPAddress, Prefix, Site
from netmon.common.fields import MAC_SEPARATORS, fold

PER_GROUP = 8
PARTIAL_MAC = re.compile(r"[0-9a-f]{4,12}")


@dataclass(frozen=True, slots=True)
class Found:
    """One result: where it leads and what to show."""

    id: int
    title: str
    extra: str
    url: str
    kind: str


Finder = Callable[[Any, str], list[Found]]


@dataclass(frozen=True, slots=True)
class Group:
    key: str
    label: str
    find: Finder


GROUPS: dict[str, Group] = {}


def register(key: str, label: str, find: Finder) -> None:
    """`find(user, text)` gives at most PER_GROUP results that the user may see. Raises ValueError for a taken key."""
    if key in GROUPS:
        raise ValueError(f"search group {key!r} is registered twice")
    GROUPS[key] = Group(key, label, find)


def search(user: Any, text: str) -> list[dict[str, Any]]:
    """The groups that found something, in the order of registration."""
    text = text.strip()
    if not text:
        return []
    answers = [(group, group.find(user, text)) for group in GROUPS.values()]
    return [
        {"key": group.key, "label": group.label, "results": [asdict(entry) for entry in found]}
        for group, found in answers
        if found
    ]


def _device(pk: int) -> str:
    return f"/devices/{pk}/"


def devices(user: Any, text: str) -> list[Found]:
    """By name (its beginning first), serial number, model or place."""
    key = fold(text)
    rows = (
        Device.objects.visible_to(user)
        .filter(
            Q(name_key__contains=key)
            | Q(serial__icontains=text)
            | Q(model__icontains=text)
            | Q(location__icontains=text)
        )
        .annotate(
            order=Case(
                When(name_key=key, then=Value(0)),
                When(name_key__startswith=key, then=Value(1)),
                When(name_key__contains=key, then=Value(2)),
                default=Value(3),
                output_field=IntegerField(),
            )
        )
        .order_by("order", "name_key")
        .values_list("pk", "name", "kind", "primary_ip__address", "site__name")[:PER_GROUP]
    )
    return [
        Found(pk, name, " · ".join(part for part in (address, site) if part), _device(pk), kind)
        for pk, name, kind, address, site in rows
    ]


def addresses(user: Any, text: str) -> list[Found]:
    """By the beginning of an address, or a DNS name."""
    rows = (
        IPAddress.objects.visible_to(user)
        .filter(Q(address__startswith=text.lower()) | Q(dns_name__icontains=text))
        # An address and its device may be of different tenants.
        .annotate(is_named=Exists(Device.objects.visible_to(user).filter(pk=OuterRef("interface__device_id"))))
        .order_by("address_key")
        .values_list("pk", "address", "dns_name", "interface__device_id", "interface__device__name", "is_named")
    )[:PER_GROUP]
    return [
        Found(
            pk,
            address,
            " · ".join(part for part in (device if is_named else "", name) if part),
            _device(device_id) if is_named else f"/devices/?q={address}",
            "address",
        )
        for pk, address, name, device_id, device, is_named in rows
    ]


def interfaces(user: Any, text: str) -> list[Found]:
    """By the beginning of a MAC address in any notation, or by the description that people gave."""
    wanted = Q(if_alias__icontains=text)
    digits = MAC_SEPARATORS.sub("", text).lower()
    if PARTIAL_MAC.fullmatch(digits):
        wanted |= Q(mac_address__startswith=":".join(digits[i : i + 2] for i in range(0, len(digits), 2)))
    rows = (
        Interface.objects.visible_to(user)
        .filter(wanted)
        .order_by("device__name_key", "if_index")
        .values_list("pk", "name", "mac_address", "if_alias", "device_id", "device__name")[:PER_GROUP]
    )
    return [
        Found(
            pk,
            f"{device}, {name}",
            " · ".join(part for part in (mac, alias) if part),
            f"/devices/{device_id}/interfaces/",
            "interface",
        )
        for pk, name, mac, alias, device_id, device in rows
    ]


def sites(user: Any, text: str) -> list[Found]:
    rows = Site.objects.visible_to(user).filter(name_key__contains=fold(text)).order_by("name_key")
    return [
        Found(pk, name, tenant or "", f"/devices/?site={pk}", "site")
        for pk, name, tenant in rows.values_list("pk", "name", "tenant__name")[:PER_GROUP]
    ]


def prefixes(user: Any, text: str) -> list[Found]:
    """By how they are written, or by what they are called."""
    rows = Prefix.objects.visible_to(user).filter(Q(cidr__startswith=text.lower()) | Q(description__icontains=text))
    return [
        Found(pk, cidr, description, f"/devices/?q={cidr.partition('/')[0]}", "prefix")
        for pk, cidr, description in rows.order_by("first_key").values_list("pk", "cidr", "description")[:PER_GROUP]
    ]
