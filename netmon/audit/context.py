"""Who acts now: set by the middleware for a request, by `acting` for commands and jobs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse

from netmon.common.clients import client_address, inner_door


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, and the door they came through."""

    user: Any = None
    via: str = ""
    ip: str = ""


_request: ContextVar[HttpRequest | None] = ContextVar("audit_request", default=None)
_actor: ContextVar[Actor | None] = ContextVar("audit_actor", default=None)


def current() -> Actor:
    """The actor in force; without one an empty Actor (netmon itself)."""
    actor = _actor.get()
    if actor is not None:
        return actor
    request = _request.get()
    if request is None:
        return Actor()
    user = getattr(request, "user", None)  # DRF writes who it authenticated back to Django's request
    signed_in = user is not None and user.is_authenticated
    return Actor(user if signed_in else None, _via(request) if signed_in else "", client_address(request) or "")


def _via(request: HttpRequest) -> str:
    auth = getattr(request, "auth", None)
    if auth is None:
        return "session"
    prefix = getattr(auth, "prefix", None)
    credential = f"api_key:{prefix}" if prefix else "jwt"
    door = inner_door(request)
    return f"{door}:{credential}" if door else credential


@contextmanager
def acting(user: Any, via: str) -> Iterator[None]:
    """What happens inside is done by `user` through `via` (command, job)."""
    token = _actor.set(Actor(user, via))
    try:
        yield
    finally:
        _actor.reset(token)


class AuditMiddleware:
    """Remembers the request that is being served."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _request.set(request)
        try:
            return self.get_response(request)
        finally:
            _request.reset(token)
