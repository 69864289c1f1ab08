"""How much one caller may ask in a minute, and headers that say how much is left.

A window is a minute of the clock, counted in a cache: Redis where there is one, so that all web processes count
together; else the memory of the one web process, for a row of SQLite per request would cost more than most answers.
"""

import logging
import time
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle, ScopedRateThrottle

from netmon.common.clients import client_address, inner_door
from netmon.common.middleware import Next

log = logging.getLogger(__name__)
WINDOW_SECONDS = 60


class MinuteThrottle(BaseThrottle):
    """Reads and writes of one caller a minute: NETMON_API_READS_PER_MINUTE, NETMON_API_WRITES_PER_MINUTE.

    The caller is the API key, else the person, else the address. 0 is no limit.
    """

    def __init__(self) -> None:
        self.reset_seconds = 0

    def allow_request(self, request: Request, view: Any) -> bool:
        kind = self.kind(request)
        if kind == "reads" and inner_door(request._request):  # counted where it came in
            return True
        limit = settings.API_PER_MINUTE[kind]
        if not limit:
            return True
        now = time.time()
        window, past = divmod(now, WINDOW_SECONDS)
        self.reset_seconds = int(WINDOW_SECONDS - past) + 1
        used = _count(f"rate:{kind}:{_caller(request)}:{int(window)}")
        request._request.rate_limit = (limit, max(0, limit - used), self.reset_seconds)  # type: ignore[attr-defined]
        return used <= limit

    def kind(self, request: Request) -> str:
        return "reads" if request.method in SAFE_METHODS else "writes"

    def wait(self) -> float:
        return self.reset_seconds - 1


class ScopedThrottle(ScopedRateThrottle):
    """`throttle_scope` of a view, for what is dear or dangerous, beside the limit that holds for everything."""

    def allow_request(self, request: Request, view: Any) -> bool:
        allowed = bool(super().allow_request(request, view))
        limit, seconds = self.parse_rate(self.rate)
        if limit and seconds:
            reset = seconds - (self.now - self.history[-1]) if self.history else float(seconds)
            left = max(0, limit - len(self.history)) if allowed else 0
            request._request.rate_limit = (limit, left, max(0, int(reset)) + 1)  # type: ignore[attr-defined]
        return allowed


def _caller(request: Request) -> str:
    key = getattr(request.user, "acting_key", None)
    if key is not None:
        return f"key:{key.pk}"
    return f"user:{request.user.pk}" if request.user.is_authenticated else f"ip:{client_address(request)}"


def _count(name: str) -> int:
    cache = caches["rates"]
    try:
        return 1 if cache.add(name, 1, WINDOW_SECONDS * 2) else int(cache.incr(name))
    except ValueError:  # dropped between the two, by a cache that was full
        return 1
    except RedisError as error:  # the inventory is wanted most while something is broken
        log.warning("requests are not counted", extra={"error": type(error).__name__})
        return 1


class RateLimitMiddleware:
    """`RateLimit-Limit`, `-Remaining` and `-Reset` (seconds) on answers of the API."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if (found := getattr(request, "rate_limit", None)) is not None:
            for name, value in zip(("Limit", "Remaining", "Reset"), found, strict=True):
                response[f"RateLimit-{name}"] = str(value)
        return response
