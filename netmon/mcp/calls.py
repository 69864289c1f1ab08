"""What a tool asks of netmon: requests to netmon's own API, within the process, with the caller's own credentials.

Rights, scopes, tenants, limits, audit and the wording of errors are therefore the API's, whatever a tool does.
"""

import functools
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlencode

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest, HttpResponse
from mcp.server.mcpserver.exceptions import ToolError

from netmon.common.clients import INNER
from netmon.common.middleware import request_id

DOOR = "mcp"
# Of the outer request; cookies are left out, for a session is no credential of this door.
REPEATED = (
    "REMOTE_ADDR", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SCRIPT_NAME", "HTTP_HOST", "HTTP_AUTHORIZATION",
    "HTTP_X_API_KEY", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_USER_AGENT",
)  # fmt: skip
MAX_DETAIL, MAX_ERRORS = 2000, 10

_caller: ContextVar[dict[str, Any]] = ContextVar("mcp_caller")


@contextmanager
def as_caller_of(request: HttpRequest) -> Iterator[None]:
    """Within, tools ask with the credentials of this request, and as from its address."""
    kept = {name: request.META[name] for name in REPEATED if name in request.META}
    token = _caller.set({**kept, "wsgi.url_scheme": request.scheme or "http"})
    try:
        yield
    finally:
        _caller.reset(token)


@functools.cache
def _api() -> WSGIHandler:
    return WSGIHandler()


def get(path: str, query: Mapping[str, Any] | None = None) -> Any:
    """The JSON answer to GET /api/v1/`path`; what is None in `query` is left out.

    Raises ToolError with the code and detail of the API's problem.
    """
    return _ask("GET", path, query or {}, None)


def post(path: str, body: Mapping[str, Any], query: Mapping[str, Any] | None = None) -> Any:
    """The JSON answer to POST /api/v1/`path`. Raises ToolError like `get`."""
    return _ask("POST", path, query or {}, body)


def _ask(method: str, path: str, query: Mapping[str, Any], body: Mapping[str, Any] | None) -> Any:
    sent = b"" if body is None else json.dumps(body).encode()
    environ: dict[str, Any] = {
        **_caller.get(),
        INNER: DOOR,
        "REQUEST_METHOD": method,
        "PATH_INFO": "/api/v1/" + path,
        "QUERY_STRING": urlencode([(name, value) for name, value in query.items() if value is not None], doseq=True),
        "HTTP_ACCEPT": "application/json",
        "HTTP_X_REQUEST_ID": request_id.get(),
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(sent)),
        "wsgi.input": io.BytesIO(sent),
        "wsgi.errors": io.StringIO(),
    }
    # Without the signals of a request: they close database connections, and the outer request goes on with its own.
    request = WSGIRequest(environ)
    try:
        response = _api().get_response(request)
        assert isinstance(response, HttpResponse)  # nothing that tools ask for is a stream
        found = json.loads(response.content) if response.content else {}
    finally:
        request.close()
    if response.status_code >= 400:
        raise ToolError(told(found, response.headers.get("Retry-After", "")))
    return found


def told(problem: Mapping[str, Any], retry_after: str = "") -> str:
    """A problem of the API in words: `code: detail`, the other faulty fields, when to try again."""
    detail = str(problem.get("detail", ""))
    text = f"{problem.get('code', 'error')}: {detail[:MAX_DETAIL]}"
    # The first is in the detail already.
    errors = [entry for entry in problem.get("errors", []) if entry["detail"] not in detail]
    for entry in errors[:MAX_ERRORS]:
        text += f"\n{entry['pointer'] or '/'}: {entry['detail'][:200]}"
    if retry_after:
        text += f"\nTry again in {retry_after} s."
    if problem.get("code") == "internal":
        text += f"\nrequest_id: {problem.get('request_id', '')}"
    return text
