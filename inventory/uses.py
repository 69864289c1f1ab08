"""Who used which credential, where and when: for the audit log and for the health of credentials. Never the secret."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from inventory.models import Credential, CredentialUse, ManagementEndpoint
from netmon.audit import services as audit
from netmon.drivers.errors import DriverError, LocalFault

NOTE_EVERY = timedelta(hours=1)
COLUMNS = ["day", "last_used_at", "last_ok_at", "last_error_code"]


@dataclass(frozen=True, slots=True)
class Use:
    """A credential was sent to an endpoint; `error_code` is empty when the device accepted it."""

    credential_id: int
    endpoint_id: int
    at: datetime
    error_code: str


@transaction.atomic(savepoint=False)
def note(uses: Sequence[Use], *, is_asked: bool = False) -> None:
    """Remember uses, in the caller's transaction if there is one: one query when nothing is new.

    A row is written when it is older than an hour or the outcome has changed. The first use of a UTC day also goes to
    the audit log; with `is_asked` a person's own event stands there already.
    """
    latest = {(use.credential_id, use.endpoint_id): use for use in sorted(uses, key=lambda use: use.at)}
    if not latest:
        return
    rows = CredentialUse.objects.filter(endpoint_id__in=[endpoint_id for _, endpoint_id in latest])
    known = {(row.credential_id, row.endpoint_id): row for row in rows}
    due = {key: use for key, use in latest.items() if key not in known or _is_news(known[key], use)}
    missing = [use for key, use in due.items() if key not in known]
    if missing:
        _add(missing)
    if due:
        _write(due, is_asked)


def of_way(way: Sequence[ManagementEndpoint], error: DriverError | None, at: datetime) -> list[Use]:
    """What one session used: the way is its endpoint with the jump hosts before it, as `WayBook.way_to` gives them.

    Whoever is asked lies behind the jump hosts, so these have accepted their logins; where one of them failed, only
    those before it have, and whatever lies behind it got nothing.
    """
    if isinstance(error, LocalFault):
        return []  # a fault of ours: nothing is known of the credentials
    failed = 0 if error is None else error.jumps
    reached = way[failed : failed + 1] if error is not None and error.reason == "key-unusable" else way[failed:]
    return [
        Use(step.credential_id, step.pk, at, error.code if error is not None and step is way[failed] else "")
        for step in reached
        if step.credential_id is not None
    ]


def steps(way: Sequence[ManagementEndpoint], target: Any) -> Iterator[tuple[ManagementEndpoint, str]]:
    """For `record_asked`: the endpoints on a way, each with the address of its target."""
    for endpoint in way:
        yield endpoint, target.address
        if (target := getattr(target, "jump", None)) is None:
            return


def refused_logins(endpoints: Iterable[ManagementEndpoint]) -> set[int]:
    """Of these endpoints those whose server refused the credential as it still is, and nothing was changed since."""
    by_id = {endpoint.pk: endpoint for endpoint in endpoints if endpoint.credential_id is not None}
    rows = CredentialUse.objects.filter(endpoint_id__in=by_id, last_error_code="auth_failed")
    found = set()
    for row in rows:
        endpoint = by_id[row.endpoint_id]
        changed_at = max(endpoint.updated_at, endpoint.credential.updated_at)  # type: ignore[union-attr]
        if row.credential_id == endpoint.credential_id and row.last_used_at > changed_at:
            found.add(endpoint.pk)
    return found


def _is_news(row: CredentialUse, use: Use) -> bool:
    return (
        row.day != use.at.astimezone(UTC).date()
        or row.last_error_code != use.error_code
        or use.error_code == "auth_failed"  # whether to try again depends on when it was refused
        or use.at - row.last_used_at >= NOTE_EVERY
    )


def _add(uses: Iterable[Use]) -> None:
    """Rows for first uses. A credential that is being written or deleted now is left to the next run: waiting for it
    here, behind the locks of states and checks, could be waiting for each other."""
    ids = {use.credential_id for use in uses}
    rows = Credential.objects.filter(pk__in=ids).order_by("pk")
    there = set(rows.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True))
    CredentialUse.objects.bulk_create(
        [
            CredentialUse(
                credential_id=use.credential_id, endpoint_id=use.endpoint_id, first_used_at=use.at, last_used_at=use.at
            )
            for use in uses
            if use.credential_id in there
        ],
        ignore_conflicts=True,
    )


def _write(due: dict[tuple[int, int], Use], is_asked: bool) -> None:
    locked = (
        CredentialUse.objects.filter(endpoint_id__in=[endpoint_id for _, endpoint_id in due])
        .select_related("credential", "endpoint__device__primary_ip")
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("pk")
    )
    changed: list[CredentialUse] = []
    first_of_day: list[CredentialUse] = []
    for row in locked:
        use = due.get((row.credential_id, row.endpoint_id))
        if use is None:
            continue
        day = use.at.astimezone(UTC).date()
        if row.day is None or row.day < day:
            row.day = day
            first_of_day.append(row)
        row.last_used_at = max(row.last_used_at, use.at)
        row.last_error_code = use.error_code
        if not use.error_code:
            row.last_ok_at = use.at
        changed.append(row)
    CredentialUse.objects.bulk_update(changed, COLUMNS, batch_size=200)
    if first_of_day and not is_asked:
        audit.record_many(
            "use",
            [row.credential for row in first_of_day],
            details=[described(row.endpoint) for row in first_of_day],
        )


def described(endpoint: ManagementEndpoint, address: str = "") -> str:
    """Device, protocol and address of a use, for the audit log."""
    primary = endpoint.device.primary_ip
    shown = address or (primary.address if primary else "no address")
    port = endpoint.effective_port
    return f"{endpoint.device.name}, {endpoint.protocol} {shown}{f' port {port}' if port else ''}"


@transaction.atomic
def record_asked(endpoints: Iterable[tuple[ManagementEndpoint, str]]) -> None:
    """The events of a use that a person asked for, before it happens: credential, device, address, and by whom."""
    once = {endpoint.pk: (endpoint, address) for endpoint, address in endpoints if endpoint.credential is not None}
    if once:
        audit.record_many(
            "use",
            [endpoint.credential for endpoint, _ in once.values() if endpoint.credential],
            details=[described(endpoint, address) for endpoint, address in once.values()],
        )
