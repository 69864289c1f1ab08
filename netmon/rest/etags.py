"""Entity tags (RFC 9110, 8.8.3): of what is shown, so that a change anywhere in it counts."""

import hashlib
from typing import Any

import orjson
from django.utils.http import parse_etags, quote_etag
from rest_framework.request import Request

from netmon.common.errors import NetmonError


class PreconditionFailed(NetmonError):
    code = "precondition_failed"
    http_status = 412


def of(data: Any) -> str:
    """The strong tag of a representation."""
    digest = hashlib.sha256(orjson.dumps(data, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS))
    return quote_etag(digest.hexdigest()[:32])


def is_unchanged(request: Request, tag: str) -> bool:
    """Whether the caller has this version already (If-None-Match)."""
    given = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in given or tag in {entry.removeprefix("W/") for entry in given}


def check(request: Request, tag: str) -> None:
    """Raises PreconditionFailed when the caller wrote If-Match for another version than `tag`."""
    header = request.headers.get("If-Match")
    if header is None:
        return
    given = parse_etags(header)
    if "*" not in given and tag not in given:
        raise PreconditionFailed(
            "Somebody changed it since you read it: read it again, and send your change with its new ETag."
        )
