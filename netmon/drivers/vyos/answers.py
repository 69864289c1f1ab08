"""What an answer of the API means. It is judged by its `success`, never by its status or content type.

A router answers JSON as text/html, 200 when its API is down (1.3), and its web server speaks HTML for itself. For a
change the question is whether it may stand: only an answer of the API itself, or a status with which the web server
refuses before it passes anything on, is proof that it does not.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from netmon.drivers.errors import (
    AuthenticationFailed,
    DeadlineExceeded,
    DriverError,
    NotSupported,
    ProtocolError,
    Rejected,
    Unreachable,
)
from netmon.drivers.targets import Secret
from netmon.drivers.vyos.errors import CommitFailed, Locked, UnknownOutcome
from netmon.drivers.vyos.texts import said, scrubbed

EMPTY = "Configuration under specified path is empty"
NO_KEY = "The router does not accept the API key."
NO_ENDPOINT = "The router has no such endpoint: its HTTP API is off, or its version does not have this."
_LOCKED = re.compile(r"(?i)temporarily locked|another commit in progress")
_COMMIT_FAILED = re.compile(r"(?i)commit failed|\]\] failed")
_NOT_APPLIED = re.compile(r"(?i)fail|not valid|invalid|not exist|validation|not a valid")


def judge(status: int, body: bytes, *, key: Secret, changes: bool = False, with_timer: bool = False) -> Any:
    """`data` of a good answer, scrubbed. `changes`: the request was to change something; `with_timer`: and to be
    confirmed later. Raises DriverError; of a change only UnknownOutcome leaves open whether it stands."""
    answer = _parsed(body, key)
    if answer is None:
        raise _foreign(status, changes)
    success = answer.get("success")
    if success is True and 200 <= status < 300:
        return answer.get("data")
    text = said(str(answer.get("error") or ""), key)
    if success is False:
        raise _refused(status, text, changes=changes, with_timer=with_timer)
    if status == 200 and "error" in answer and "success" not in answer:
        raise doubt(
            f"The web server answers, the API behind it does not: {text}",
            "api_down", changes, instead=Unreachable,
        )  # fmt: skip
    if "detail" in answer and status in (404, 405):
        raise NotSupported(NO_ENDPOINT, reason="no_endpoint")
    raise _foreign(status, changes)


def doubt(detail: str, reason: str, changes: bool, *, instead: type[DriverError] = ProtocolError) -> DriverError:
    """UnknownOutcome for a change, `instead` for a read, to which nothing can have happened."""
    if changes:
        return UnknownOutcome(f"{detail} The change may be applied or not: read the router back.", reason=reason)
    return instead(detail, reason=reason)


def _parsed(body: bytes, key: Secret) -> dict[str, Any] | None:
    try:
        answer = scrubbed(orjson.loads(body), key)
    except ValueError:  # orjson's own error is one
        return None
    return answer if isinstance(answer, dict) else None


def _refused(status: int, text: str, *, changes: bool, with_timer: bool) -> DriverError:
    if status in (401, 422):
        return AuthenticationFailed(NO_KEY)
    if status >= 500:
        return doubt(f"The router failed inside: {text}", "internal_error", changes, instead=Rejected)
    if _LOCKED.search(text):
        return Locked("Somebody else is committing on the router; nothing was changed.")
    if with_timer and not _NOT_APPLIED.search(text):
        # The timer is armed after the commit: a refusal to arm it comes too late for the change.
        return UnknownOutcome(
            f"The change is probably applied, but without a timer of its own: {text or 'no reason given'}",
            reason="confirm_pending",
        )
    if changes and _COMMIT_FAILED.search(text):
        return CommitFailed(text)
    return Rejected(text or "The router refused without a reason.", reason="refused")


def _foreign(status: int, changes: bool) -> DriverError:
    """An answer that is not the API's: of the web server before it, or of somebody else."""
    if status in (401, 422):
        return AuthenticationFailed(NO_KEY)
    if status == 403:
        return Rejected("The router's web server does not admit this machine (allow-client).", reason="client_refused")
    if status in (404, 405):
        return NotSupported(NO_ENDPOINT, reason="no_endpoint")
    if status == 413:
        return Rejected("The request is larger than the router's web server takes.", reason="too_large")
    if status == 504:
        return doubt(
            "The web server waited in vain for the API behind it.", "gateway", changes, instead=DeadlineExceeded
        )
    if status in (502, 503):
        return doubt("The router's web server does not reach its API.", "gateway", changes, instead=Unreachable)
    if 300 <= status < 400:
        return doubt("A redirect came instead of an answer; it was not followed.", "redirect", changes)
    return doubt(f"What came is no answer of a VyOS API (status {status}).", "garbage", changes)
