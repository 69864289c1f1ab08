"""Guessing passwords gets slower and slower, and never stops anybody for ever.

Three counts, in one table that all processes share. Of an account from an address: five tries, then a minute, twice as
long with each further failure, an hour at most. Of an address, whatever the account: thirty failures within ten minutes
close it for ten minutes (somebody tries one password on many accounts). Of an account, whatever the address: after
twenty failures within an hour one try in fifteen seconds; an address from which its owner logged in within 30 days is
not held up by this, so that strangers cannot keep the owner out.

A try counts before the password is looked at and is taken back when it was right: a hundred at once are five tries.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from netmon.accounts.models import LoginThrottle
from netmon.audit import services as audit
from netmon.common.errors import NetmonError
from netmon.common.fields import fold

Scope = LoginThrottle.Scope
PAIR_FREE, PAIR_FIRST, PAIR_LONGEST = 5, timedelta(minutes=1), timedelta(hours=1)
PAIR_MEMORY = timedelta(hours=24)
ADDRESS_FREE, ADDRESS_WINDOW = 30, timedelta(minutes=10)
ACCOUNT_FREE, ACCOUNT_WINDOW, ACCOUNT_PAUSE = 20, timedelta(hours=1), timedelta(seconds=15)
KNOWN_ADDRESS = timedelta(days=30)
MESSAGE = "Too many failed log-ins: wait, then try again."


class LockedOut(NetmonError):
    """`wait` is the seconds after which a try is taken again."""

    code = "locked_out"
    http_status = 429

    def __init__(self, wait: float) -> None:
        super().__init__(MESSAGE)
        self.wait = wait

    @property
    def seconds(self) -> int:
        return math.floor(self.wait) + 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try under way: ends in `failed`, `released` or `succeeded`."""

    username: str
    rows: dict[str, int]
    locking: tuple[str, ...]


def pair_delay(failures: int) -> timedelta:
    """How long an account is closed to an address after so many failures in a row."""
    if failures < PAIR_FREE:
        return timedelta()
    return min(PAIR_FIRST * 2 ** min(failures - PAIR_FREE, 20), PAIR_LONGEST)


def _count(row: LoginThrottle, now: datetime) -> bool:
    """Count a failure; whether the row is locked by it."""
    if row.scope == Scope.PAIR:
        if row.last_failed_at + PAIR_MEMORY < now:
            row.failures = 0
        row.failures += 1
        delay = pair_delay(row.failures)
    else:
        window = ADDRESS_WINDOW if row.scope == Scope.ADDRESS else ACCOUNT_WINDOW
        if row.window_started_at + window < now:
            row.failures, row.window_started_at = 0, now
        row.failures += 1
        if row.scope == Scope.ADDRESS:
            delay = ADDRESS_WINDOW if row.failures >= ADDRESS_FREE else timedelta()
        else:
            delay = ACCOUNT_PAUSE if row.failures >= ACCOUNT_FREE else timedelta()
    row.last_failed_at = now
    row.locked_until = now + delay if delay else None
    return bool(delay)


@transaction.atomic
def begin(*, username: str, address: str | None) -> Attempt:
    """Count a try before it is made. `username` as typed; `address` is the caller's. Raises LockedOut."""
    now = timezone.now()
    account, place = fold(username.replace("\x00", ""))[:150], address or "unknown"
    keys = {Scope.PAIR: f"{place} {account}", Scope.ADDRESS: place, Scope.ACCOUNT: account}
    LoginThrottle.objects.bulk_create(
        [LoginThrottle(scope=scope, key=key, window_started_at=now, last_failed_at=now) for scope, key in keys.items()],
        ignore_conflicts=True,
    )
    rows = {scope: LoginThrottle.objects.select_for_update().get(scope=scope, key=key) for scope, key in keys.items()}
    seen = rows[Scope.PAIR].succeeded_at
    is_known = seen is not None and seen + KNOWN_ADDRESS > now
    waits = [
        (row.locked_until - now).total_seconds()
        for scope, row in rows.items()
        if row.locked_until is not None and row.locked_until > now and not (scope == Scope.ACCOUNT and is_known)
    ]
    if waits:
        raise LockedOut(max(waits))
    locking = []
    for scope, row in rows.items():
        if _count(row, now):
            locking.append(str(scope))
        row.save()
    return Attempt(username, {str(scope): row.pk for scope, row in rows.items()}, tuple(locking))


def failed(attempt: Attempt, *, reason: str) -> None:
    """The try was wrong: it stays counted. `reason` (password, code) is for the audit only."""
    audit.record(
        "login_failed", username=attempt.username, object_type="accounts.user", object_name=attempt.username,
        detail=reason,
    )  # fmt: skip
    for scope in attempt.locking:
        audit.record(
            "locked_out", username=attempt.username, object_type="accounts.user", object_name=attempt.username,
            detail=scope,
        )  # fmt: skip


def _held(attempt: Attempt) -> Iterator[LoginThrottle]:
    """The rows, locked in the same order as everywhere: two tries never wait for each other."""
    for pk in attempt.rows.values():
        yield LoginThrottle.objects.select_for_update().get(pk=pk)


def _take_back(row: LoginThrottle) -> None:
    row.failures = max(row.failures - 1, 0)
    free = {Scope.PAIR: 0, Scope.ADDRESS: ADDRESS_FREE, Scope.ACCOUNT: ACCOUNT_FREE}[Scope(row.scope)]
    # Only one try at a time is under way beyond the free ones, and it was let in because nothing was locked.
    if row.scope == Scope.PAIR or row.failures < free:
        row.locked_until = None


@transaction.atomic
def released(attempt: Attempt) -> None:
    """The try was neither wrong nor complete (the password is right, the code is to come): as if it had not been."""
    for row in _held(attempt):
        _take_back(row)
        row.save(update_fields=["failures", "locked_until"])


@transaction.atomic
def succeeded(attempt: Attempt) -> None:
    """The try was right: this account is open again from this address."""
    for row in _held(attempt):
        if row.scope == Scope.PAIR:
            row.failures, row.locked_until, row.succeeded_at = 0, None, timezone.now()
        else:
            _take_back(row)
        row.save(update_fields=["failures", "locked_until", "succeeded_at"])


def forget_old() -> int:
    """Delete counts that no rule looks at any more; how many."""
    limit = timezone.now() - KNOWN_ADDRESS
    return LoginThrottle.objects.filter(last_failed_at__lt=limit).delete()[0]
