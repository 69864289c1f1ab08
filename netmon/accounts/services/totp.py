"""The second factor: time-based codes (RFC 6238) and recovery codes."""

import base64
import logging
import secrets
from typing import Any

import pyotp
import segno
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from netmon.accounts.models import RecoveryCode, Totp, User
from netmon.accounts.services import people
from netmon.audit import services as audit
from netmon.common.errors import Conflict
from netmon.common.secrets import Undecryptable, open_secret

log = logging.getLogger(__name__)

PERIOD_SECONDS = 30
WINDOW = 1  # steps before and after the present one: clocks differ
RECOVERY_CODES = 10
ISSUER = "netmon"


class TotpAlreadyEnabled(Conflict):
    code = "totp_already_enabled"


class TotpNotEnabled(Conflict):
    code = "totp_not_enabled"


class TotpUnreadable(Conflict):
    """The secret does not decrypt: its key is gone."""

    code = "totp_unreadable"


def clear_secret(row: Totp) -> str:
    """The base32 secret. The one place that reads the clear text. Raises TotpUnreadable."""
    try:
        if text := open_secret(row, "secret"):  # the codes of an empty secret are anybody's to compute
            return text
    except Undecryptable:
        pass
    raise TotpUnreadable("This second factor cannot be read any more: an admin can take it away.")


def is_required(user: Any) -> bool:
    """Whether NETMON_REQUIRE_TOTP asks this person for a second factor."""
    if settings.REQUIRE_TOTP == "all":
        return True
    return bool(settings.REQUIRE_TOTP == "admin" and user.role == User.Role.ADMIN)


def is_missing(user: Any) -> bool:
    """Whether this person must enrol before anything else."""
    return is_required(user) and not user.totp_enabled


def _wrong_code() -> ValidationError:
    return ValidationError({"code": ValidationError("This code is wrong, used or too old.", code="wrong_code")})


def _row(user: User) -> Totp | None:
    return Totp.objects.filter(user=user).first()


@transaction.atomic
def enrol(*, user: User) -> Totp:
    """A fresh secret that waits for its first code; one that waited before is gone. Raises TotpAlreadyEnabled."""
    User.objects.select_for_update().get(pk=user.pk)  # one at a time, also while there is no row to lock
    row = _row(user)
    if row is not None and row.confirmed_at is not None:
        raise TotpAlreadyEnabled("A second factor is in use: disable it first.")
    if row is not None:
        row.delete()
    return Totp.objects.create(user=user, secret=pyotp.random_base32())


def provisioning_uri(row: Totp) -> str:
    """What an authenticator reads from the QR code."""
    return pyotp.TOTP(clear_secret(row), interval=PERIOD_SECONDS).provisioning_uri(
        name=row.user.get_username(), issuer_name=ISSUER
    )


def qr_svg(uri: str) -> str:
    """The QR code as an SVG element without style attributes."""
    return str(segno.make(uri, error="m").svg_inline(scale=4, border=4, light="#fff", dark="#000"))


def qr_path(uri: str) -> tuple[str, int]:
    """The QR code as the `d` of an SVG path, one unit a module with a quiet zone of four, and the side's length."""
    matrix = segno.make(uri, error="m").matrix
    dark = [f"M{x + 4} {y + 4}h1v1h-1z" for y, line in enumerate(matrix) for x, module in enumerate(line) if module]
    return "".join(dark), len(matrix) + 8


def _matching_step(row: Totp, code: str) -> int | None:
    now = int(timezone.now().timestamp()) // PERIOD_SECONDS
    generator = pyotp.TOTP(clear_secret(row), interval=PERIOD_SECONDS)
    found = None
    for step in range(now - WINDOW, now + WINDOW + 1):
        if constant_time_compare(generator.generate_otp(step), code):
            found = step
    return found


def _take_step(row: Totp, code: str) -> bool:
    try:
        step = _matching_step(row, code)
    except TotpUnreadable:
        log.error("the second factor of %s does not decrypt: no code of it is taken", row.user)
        return False
    if step is None:
        return False
    # One statement decides: of two that bring the same code at once one finds the step taken.
    fresh = Q(last_step__isnull=True) | Q(last_step__lt=step)
    return Totp.objects.filter(fresh, pk=row.pk).update(last_step=step) == 1


def _hash(code: str) -> str:
    return salted_hmac("netmon.accounts.recovery_code", code, algorithm="sha256").hexdigest()


def _normal(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()


def accept(user: User, code: str) -> bool:
    """Whether this is an unused code of the person's authenticator, or an unused recovery code. Uses it up."""
    row = _row(user)
    if row is None or row.confirmed_at is None:
        return False
    text = _normal(code)
    if len(text) == 6 and text.isascii() and text.isdigit():
        return _take_step(row, text)
    unused = RecoveryCode.objects.filter(user=user, code_hash=_hash(text), used_at__isnull=True)
    if unused.update(used_at=timezone.now()) == 1:
        audit.record("recovery_code_used", user, user=user)
        return True
    return False


def _new_recovery_codes(user: User) -> list[str]:
    codes = [base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.filter(user=user).delete()
    RecoveryCode.objects.bulk_create([RecoveryCode(user=user, code_hash=_hash(code)) for code in codes])
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in codes]


@transaction.atomic
def confirm(*, user: User, code: str) -> list[str]:
    """Switch the second factor on by a first code. Returns the recovery codes, which are never shown again.

    Raises ValidationError naming `code`, TotpNotEnabled without an enrolment, TotpAlreadyEnabled.
    """
    row = Totp.objects.select_for_update().filter(user=user).first()
    if row is None:
        raise TotpNotEnabled("Enrol first: there is no secret that a code could prove.")
    if row.confirmed_at is not None:
        raise TotpAlreadyEnabled("A second factor is in use.")
    if not _take_step(row, _normal(code)):
        raise _wrong_code()
    row.confirmed_at = timezone.now()
    row.save(update_fields=["confirmed_at"])
    user._state.fields_cache.pop("totp", None)
    audit.record("totp_enabled", user)
    return _new_recovery_codes(user)


@transaction.atomic
def renew_recovery_codes(*, user: User) -> list[str]:
    """Ten new recovery codes; the old ones end. Raises TotpNotEnabled."""
    if not Totp.objects.select_for_update().filter(user=user, confirmed_at__isnull=False).exists():
        raise TotpNotEnabled("There is no second factor.")
    audit.record("recovery_codes", user)
    return _new_recovery_codes(user)


@transaction.atomic
def remove(*, user: User, action: str = "totp_disabled") -> None:
    """Switch the second factor off, with its recovery codes. Raises TotpNotEnabled when there is none."""
    RecoveryCode.objects.filter(user=user).delete()
    if not Totp.objects.filter(user=user).delete()[0]:
        raise TotpNotEnabled("There is no second factor.")
    user._state.fields_cache.pop("totp", None)
    audit.record(action, user)


def recovery_codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(user=user, used_at__isnull=True).count()


@transaction.atomic
def reset(*, user: User) -> None:
    """An admin's help for who has lost the device: the second factor goes, and with it all sessions and tokens.

    Raises TotpNotEnabled.
    """
    remove(user=user, action="totp_reset")
    people.end_everything(user=user)
