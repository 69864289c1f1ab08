"""API keys: made, found, revoked."""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from netmon.accounts.models import ApiKey, User
from netmon.audit import services as audit
from netmon.common.addresses import parse_address, parse_prefix
from netmon.common.permissions import ROLE_RANK, SCOPES, rank

# For secret scanners; docs/reference/api.md publishes it.
PATTERN = re.compile(r"nm_([A-Za-z0-9]{8})_[A-Za-z0-9_-]{43}")
START = "nm_"
DEFAULT_DAYS = 90
USE_NOTED_EVERY = timedelta(minutes=1)
ALPHABET = string.ascii_letters + string.digits
MAX_NETWORKS = 50


def pepper_id(pepper: str) -> str:
    return hashlib.sha256(b"netmon.api_key.id:" + pepper.encode()).hexdigest()[:8]


def _digest(text: str, pepper: str) -> str:
    key = hashlib.sha256(b"netmon.api_key:" + pepper.encode()).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def latest_expiry(now: datetime) -> datetime:
    return now + timedelta(days=settings.API_KEY_MAX_DAYS)


def clean_networks(values: Iterable[Any]) -> list[str]:
    """Prefixes in canonical form; a bare address is a network of one. Raises ValidationError naming the field."""
    found = []
    for value in values:
        text = str(value).strip()
        try:
            network = parse_prefix(text) if "/" in text else ip_network(str(parse_address(text)))
        except ValidationError as error:
            raise ValidationError({"allowed_networks": [f"{text[:60]}: {error.messages[0]}"]}) from None
        found.append(str(network))
    if len(found) > MAX_NETWORKS:
        raise ValidationError({"allowed_networks": f"{MAX_NETWORKS} networks at most."})
    return list(dict.fromkeys(found))


def clean_scopes(values: Iterable[Any]) -> list[str]:
    """Known scopes, each once. Raises ValidationError naming the field."""
    found = list(dict.fromkeys(str(value) for value in values))
    if not found:
        raise ValidationError({"scopes": "Name at least one scope."})
    if unknown := [scope for scope in found if scope not in SCOPES]:
        raise ValidationError({"scopes": f"{unknown[0][:40]!r} is no scope: use {', '.join(sorted(SCOPES))}."})
    return found


def _within(networks: list[str], outer: list[str]) -> bool:
    wide = [ip_network(text) for text in outer]
    return all(
        any(own.version == other.version and own.subnet_of(other) for other in wide)  # type: ignore[arg-type]
        for own in map(ip_network, networks)
    )


def _refuse_more_than(maker: ApiKey, *, scopes: list[str], expires_at: datetime, networks: list[str]) -> None:
    """A key that makes a key gives on no more than it has."""
    if extra := [scope for scope in scopes if scope not in maker.scopes]:
        raise ValidationError({"scopes": f"The key you use has no scope {extra[0]}."})
    if expires_at > maker.expires_at:
        raise ValidationError({"expires_at": f"The key you use ends on {maker.expires_at:%Y-%m-%d}: not later."})
    if maker.allowed_networks and not (networks and _within(networks, maker.allowed_networks)):
        raise ValidationError({"allowed_networks": "Name networks within those of the key you use."})


@transaction.atomic
def make(
    *,
    user: User,
    name: str,
    scopes: Iterable[str],
    role: str | None = None,
    expires_at: datetime | None = None,
    allowed_networks: Iterable[str] = (),
    maker: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """A new key of `user` and its text, which nothing can show again.

    Without `role` it has the person's; without `expires_at` it lives 90 days, or NETMON_API_KEY_MAX_DAYS when that is
    less. `maker` is the key by which the request came, if it came by one. Raises ValidationError naming the field.
    """
    now = timezone.now()
    power = rank(user)
    if role is None:
        role = next((word for word, number in ROLE_RANK.items() if number == power), User.Role.VIEWER)
    if ROLE_RANK.get(role, 0) > power:
        raise ValidationError({"role": "A key has at most the role of its owner."})
    if expires_at is None:
        expires_at = min(now + timedelta(days=DEFAULT_DAYS), latest_expiry(now))
        if maker is not None:
            expires_at = min(expires_at, maker.expires_at)
    if expires_at <= now:
        raise ValidationError({"expires_at": "This lies in the past."})
    if expires_at > latest_expiry(now) + timedelta(minutes=5):  # clocks differ
        days = settings.API_KEY_MAX_DAYS
        raise ValidationError({"expires_at": f"A key lives {days} days at most (NETMON_API_KEY_MAX_DAYS)."})
    wanted, networks = clean_scopes(scopes), clean_networks(allowed_networks)
    if maker is not None:
        _refuse_more_than(maker, scopes=wanted, expires_at=expires_at, networks=networks)
    prefix = "".join(secrets.choice(ALPHABET) for _ in range(8))
    text = f"{START}{prefix}_{secrets.token_urlsafe(32)}"
    pepper = settings.API_KEY_PEPPERS[0]
    key = ApiKey(
        user=user,
        name=name.strip(),
        prefix=prefix,
        key_hash=_digest(text, pepper),
        pepper_id=pepper_id(pepper),
        scopes=wanted,
        role=role,
        allowed_networks=networks,
        expires_at=expires_at,
    )
    key.full_clean()
    key.save()
    audit.record("create", key, after=audit.snapshot(key))
    return key, text


def find(text: str) -> ApiKey | None:
    """The key of this text, whatever its state; None when there is none."""
    match = PATTERN.fullmatch(text)
    if match is None:
        return None
    key = ApiKey.objects.select_related("user").filter(prefix=match[1]).first()
    if key is None:
        return None
    for position, pepper in enumerate(settings.API_KEY_PEPPERS):
        if pepper_id(pepper) == key.pepper_id and constant_time_compare(_digest(text, pepper), key.key_hash):
            if position:  # an older pepper made it: the key's next use no longer needs that one
                first = settings.API_KEY_PEPPERS[0]
                changes = {"key_hash": _digest(text, first), "pepper_id": pepper_id(first)}
                ApiKey.objects.filter(pk=key.pk, pepper_id=key.pepper_id).update(**changes)
            return key
    return None


def admits(key: ApiKey, address: str | None) -> bool:
    """Whether the key may be used from this address."""
    if not key.allowed_networks:
        return True
    try:
        caller = parse_address(address or "")
    except ValidationError:
        return False
    return any(caller in network for network in map(ip_network, key.allowed_networks))


def note_use(key: ApiKey, address: str | None) -> None:
    """Write down when and from where, once a minute at most."""
    now = timezone.now()
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
    if key.last_used_at is None or key.last_used_at < now - USE_NOTED_EVERY:
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now, last_used_ip=address)


@transaction.atomic
def revoke(*, key: ApiKey) -> ApiKey:
    """End a key, at once and for good; again changes nothing. Returns the fresh row."""
    row = ApiKey.objects.select_for_update(of=("self",)).select_related("user").get(pk=key.pk)
    if row.revoked_at is None:
        row.revoked_at = timezone.now()
        row.save(update_fields=["revoked_at"])
        audit.record("revoke", row)
    return row
