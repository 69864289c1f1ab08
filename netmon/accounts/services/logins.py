"""Every way in by a password: counted, slowed down and recorded in one place."""

import time
from typing import Any

from django.contrib.auth import authenticate, login
from django.http import HttpRequest
from django.utils import timezone

from netmon.accounts.models import User
from netmon.accounts.services import lockout, totp
from netmon.audit import services as audit
from netmon.common.clients import client_address
from netmon.common.errors import NetmonError

BACKEND = "django.contrib.auth.backends.ModelBackend"
PENDING = "netmon_pending_login"
PENDING_SECONDS = 300
# The same words for a name that nobody has, a wrong password and a wrong code.
REFUSED = "Please enter a correct username and password, and the current code if you are asked for one."


class OtpRequired(NetmonError):
    """The password is right; `user` must give a code as well."""

    code = "otp_required"
    http_status = 401

    def __init__(self, user: User) -> None:
        super().__init__("The password is right: send the code of your authenticator as `otp` too.")
        self.user = user


def authenticate_person(request: HttpRequest, *, username: str, password: str, otp: str | None = None) -> User | None:
    """The person, or None when name, password or code is wrong (it is not told which).

    Raises LockedOut, and OtpRequired when the password is right and a code is wanted but none was given.
    """
    attempt = lockout.begin(username=username, address=client_address(request))
    found: Any = authenticate(request, username=username, password=password)  # hashes for unknown names too
    if found is None:
        lockout.failed(attempt, reason="password")
        return None
    user: User = found
    if user.totp_enabled:
        if not otp:
            lockout.released(attempt)
            raise OtpRequired(user)
        if not totp.accept(user, otp):
            lockout.failed(attempt, reason="code")
            return None
    lockout.succeeded(attempt)
    return user


def prove(request: HttpRequest, user: User, *, password: str | None = None, code: str | None = None) -> str | None:
    """What of a logged-in person's proofs is wrong: "password", "code", or None when what was given is right.

    Guessing here counts like guessing at the door. Raises LockedOut.
    """
    attempt = lockout.begin(username=user.get_username(), address=client_address(request))
    wrong = None
    if password is not None and not User.objects.get(pk=user.pk).check_password(password):
        wrong = "password"
    elif code is not None and not totp.accept(user, code):
        wrong = "code"
    if wrong:
        lockout.failed(attempt, reason=wrong)
    else:
        # Not `succeeded`: a password alone must not reset the count of guessed codes.
        lockout.released(attempt)
    return wrong


def enter(request: HttpRequest, user: User) -> None:
    """Log the person into the session and record it."""
    login(request, user, backend=BACKEND)
    audit.record("login", user, detail="session")


def remember(request: HttpRequest, user: User) -> None:
    """Note on the server that this visitor has given the right password and still owes a code."""
    request.session.flush()
    request.session[PENDING] = {"user": user.pk, "hash": user.get_session_auth_hash(), "at": int(time.time())}


def pending(request: HttpRequest) -> User | None:
    """Who owes a code in this session; None after five minutes, or when the account changed meanwhile."""
    note = request.session.get(PENDING)
    if not note or not 0 <= time.time() - note["at"] <= PENDING_SECONDS:
        return None
    user: User | None = User.objects.filter(pk=note["user"], is_active=True).first()
    if user is None or user.get_session_auth_hash() != note["hash"]:
        return None
    return user


def complete(request: HttpRequest, user: User, *, code: str) -> bool:
    """The second step: log `user` in when the code is right. Raises LockedOut."""
    attempt = lockout.begin(username=user.get_username(), address=client_address(request))
    if not totp.accept(user, code):
        lockout.failed(attempt, reason="code")
        return False
    lockout.succeeded(attempt)
    request.session.pop(PENDING, None)
    enter(request, user)
    return True


def note_token_login(request: Any, user: User, token: str) -> None:
    """Record a log-in that got `token`. `request` is DRF's; from here on it is the person's, by token."""
    user.last_login = timezone.now()
    user.save(update_fields=["last_login"])
    request.user, request.auth = user, token
    audit.record("login", user, user=user, detail="jwt")
