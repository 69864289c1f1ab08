"""The verbs of host keys. A server's key is believed because an admin said so, or because it was the first one and the
tenant trusts first keys; any other key is kept for comparison, and no session begins."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeAlias

from django.conf import settings
from django.db import transaction
from django.db.models import Case, QuerySet, When
from django.utils import timezone

from inventory import followers
from inventory.models import Device, HostKey, KnownServer, ManagementEndpoint, Tenant
from inventory.ways import WayBook
from netmon.audit import services as audit
from netmon.common import locks
from netmon.drivers.targets import HostKey as DriverHostKey

State: TypeAlias = HostKey.State
Reason: TypeAlias = HostKey.Reason
# What a server may leave behind by showing a new key at every contact.
MAX_PENDING = 20
BACK_AFTER = timedelta(days=1)
REASONS = {"unknown": Reason.FIRST, "changed": Reason.CHANGED, "other_type": Reason.OTHER_TYPE}


def _rows(endpoint: ManagementEndpoint) -> Iterable[HostKey]:
    """None of an endpoint that is only tried."""
    return endpoint.host_keys.all() if endpoint.pk else ()


def waiting(user: Any) -> QuerySet[HostKey]:
    """Keys that wait for a decision, of devices the person may see: where another was trusted first, then by name."""
    rows: QuerySet[HostKey] = HostKey.objects.visible_to(user).filter(state=State.PENDING)
    is_first = Case(When(reason=Reason.FIRST, then=1), default=0)
    return rows.order_by(is_first, "endpoint__device__name_key", "-pk")


def waiting_at(device: Device) -> str:
    """What the page of a device must say: "changed" (a trusted server shows another key), "first", or ""."""
    reasons = set(
        HostKey.objects.filter(endpoint__device=device, state=State.PENDING).order_by().values_list("reason", flat=True)
    )
    return "" if not reasons else "first" if reasons == {Reason.FIRST.value} else "changed"


def pins_of(endpoint: ManagementEndpoint) -> tuple[DriverHostKey, ...]:
    """The keys that a session with this endpoint may show."""
    return tuple(row.as_pin() for row in _rows(endpoint) if row.state == State.TRUSTED)


def trusts_first_use(endpoint: ManagementEndpoint, *, book: WayBook | None = None, address: str = "") -> bool:
    """Whether the first key of a server is believed unseen: the tenant's word, for devices of none the site's.

    Only where nothing is known: no key of this endpoint, not even one that waits, and none ever of its device or its
    place, whatever became of the endpoint that had it. `book` is that of a caller who asks for many endpoints,
    `address` what a name stands for.
    """
    if not endpoint.pk:  # what is tried before it is kept would be a first use every time
        return False
    if not _believes_first(endpoint.device.tenant) or any(True for _ in _rows(endpoint)):
        return False
    return not (book or WayBook.of([endpoint])).knows(endpoint, address)


def _believes_first(tenant: Tenant | None) -> bool:
    if tenant is None:
        return bool(settings.SSH_TRUST_FIRST_KEY)
    return tenant.host_key_policy == Tenant.HostKeyPolicy.FIRST_USE


def moved(device: Device, before: Tenant | None) -> None:
    """Somebody who may not approve keys gave the device to another tenant: that must not approve them for him."""
    if _believes_first(device.tenant) and not _believes_first(before):
        _know("", device.pk)


def _remember(endpoint: ManagementEndpoint) -> None:
    """A key is known here: that stays when the endpoint goes."""
    _know(WayBook.of([endpoint]).place_of(endpoint), endpoint.device_id)


def _know(place: str, device_number: int) -> None:
    KnownServer.objects.bulk_create([KnownServer(place=place, device_number=device_number)], ignore_conflicts=True)


def note_session(endpoint: ManagementEndpoint, shown_keys: Sequence[tuple[DriverHostKey, bool]]) -> None:
    """A session with this endpoint began: its key with first use, then those of the jump hosts on the way."""
    for server, (key, is_first_use) in zip(WayBook.of([endpoint]).way_to(endpoint), shown_keys, strict=False):
        if server.pk:
            note_accepted(server.pk, key, is_first_use=is_first_use)


def note_refusal(endpoint: ManagementEndpoint, key: DriverHostKey, reason: str, *, jumps: int) -> HostKey | None:
    """On the way to this endpoint a server was refused: itself, or the jump host that many steps before it."""
    server = WayBook.of([endpoint]).step(endpoint, jumps)
    return note_refused(server.pk, key, reason) if server is not None and server.pk else None


@transaction.atomic
def note_accepted(endpoint_id: int, key: DriverHostKey, *, is_first_use: bool) -> None:
    """A session began with this key."""
    now = timezone.now()
    if not is_first_use:
        HostKey.objects.filter(endpoint=endpoint_id, fingerprint=key.fingerprint).update(last_seen_at=now)
        if (known := _endpoint(endpoint_id)) is not None:
            _remember(known)  # its address may be another one by now
        return
    locks.hold(ManagementEndpoint, endpoint_id)
    endpoint = _endpoint(endpoint_id)
    # The run was prepared a while ago: somebody may have decided since, or another run was first.
    is_still_first = endpoint is not None and trusts_first_use(endpoint)
    row = _kept(endpoint_id, key, Reason.FIRST if is_still_first else Reason.CHANGED)
    if row is None or row.state != State.PENDING or not is_still_first:
        return
    before = audit.snapshot(row)
    row.state, row.decided_at, row.decided_by = State.TRUSTED, now, None
    row.save()
    audit.record("approve", row, before=before, after=audit.snapshot(row), detail="trusted on first use")


@transaction.atomic
def note_refused(endpoint_id: int, key: DriverHostKey, reason: str) -> HostKey | None:
    """A server showed this key and was hung up on. Returns the row when this is news; None when it is known."""
    now = timezone.now()
    rows = HostKey.objects.filter(endpoint=endpoint_id, fingerprint=key.fingerprint)
    if (known := rows.select_related("endpoint__device").first()) is not None:
        rows.update(last_seen_at=now)
        # One that was refused for good and is shown again is news, once a day.
        is_back = known.last_seen_at is None or now - known.last_seen_at > BACK_AFTER
        return known if known.state == State.REVOKED and is_back else None
    row = _kept(endpoint_id, key, REASONS.get(reason, Reason.CHANGED))
    if row is not None:
        audit.record("offer", row, after=audit.snapshot(row), detail="The server showed this key and was not believed.")
    return row


def _kept(endpoint_id: int, key: DriverHostKey, reason: Reason) -> HostKey | None:
    """The row of a key, made when it is new; None when the endpoint is gone or has shown too many."""
    locks.hold(ManagementEndpoint, endpoint_id)
    endpoint = _endpoint(endpoint_id)
    if endpoint is None:
        return None
    now = timezone.now()
    row = HostKey.objects.filter(endpoint=endpoint, fingerprint=key.fingerprint).first()
    if row is not None:
        row.last_seen_at = now
        row.save(update_fields=["last_seen_at"])
        return row
    if HostKey.objects.filter(endpoint=endpoint, state=State.PENDING).count() >= MAX_PENDING:
        return None
    row = HostKey(
        endpoint=endpoint, key_type=key.key_type, public_key=key.public_key, reason=reason,
        first_seen_at=now, last_seen_at=now,
    )  # fmt: skip
    row.full_clean()
    row.save()
    _remember(endpoint)
    return row


def _endpoint(number: int) -> ManagementEndpoint | None:
    rows = ManagementEndpoint.objects.select_related("device__tenant", "device__primary_ip")
    return rows.filter(pk=number).first()


@transaction.atomic
def enter(endpoint: ManagementEndpoint, key: DriverHostKey, *, user: Any, detail: str = "") -> HostKey:
    """Trust a key before it was ever seen, such as one read at the console. Raises ValidationError (known already)."""
    locks.hold(ManagementEndpoint, endpoint.pk)
    row = HostKey(
        endpoint=endpoint, key_type=key.key_type, public_key=key.public_key, reason=Reason.ENTERED,
        state=State.TRUSTED, decided_by=user, decided_at=timezone.now(),
    )  # fmt: skip
    row.full_clean()
    row.save()
    _remember(endpoint)
    audit.record("create", row, after=audit.snapshot(row), detail=detail)
    _try_again(endpoint)
    return row


@transaction.atomic
def approve(row: HostKey, *, user: Any, detail: str = "") -> HostKey:
    """Believe this key from now on. Trusted keys of the same type were those of the server before: they are revoked."""
    locks.hold(ManagementEndpoint, row.endpoint_id)
    rows = HostKey.objects.filter(endpoint=row.endpoint_id, key_type=row.key_type, state=State.TRUSTED)
    for old in rows.exclude(pk=row.pk).select_related("endpoint__device"):
        _decide(old, State.REVOKED, user, "revoke")
    _decide(row, State.TRUSTED, user, "approve", detail)
    _try_again(row.endpoint)
    return row


@transaction.atomic
def revoke(row: HostKey, *, user: Any) -> HostKey:
    """Believe this key no longer; the row stays, so that it is not trusted as a first one again."""
    locks.hold(ManagementEndpoint, row.endpoint_id)
    _decide(row, State.REVOKED, user, "revoke")
    return row


def _decide(row: HostKey, state: State, user: Any, action: str, detail: str = "") -> None:
    row.refresh_from_db()
    if row.state == state:
        return
    before = audit.snapshot(row)
    row.state, row.decided_by, row.decided_at = state, user, timezone.now()
    row.save()
    audit.record(action, row, before=before, after=audit.snapshot(row), detail=detail)


def _try_again(endpoint: ManagementEndpoint) -> None:
    """What waited for the decision runs now."""
    followers.announce_endpoints([endpoint])
