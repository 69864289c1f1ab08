"""Middleware: one charset, a request id on everything, and the Content-Security-Policy."""

import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
request_id: ContextVar[str] = ContextVar("request_id", default="")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# The two pages of the API reference are third-party applications: Swagger UI draws with data: images, ReDoc injects
# style elements and searches in a worker made from a blob. Neither shows text from devices.
API_REFERENCE = {
    "/api/docs/": CONTENT_SECURITY_POLICY.replace("img-src 'self'", "img-src 'self' data:"),
    "/api/redoc/": CONTENT_SECURITY_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
        "img-src 'self'", "img-src 'self' data:"
    )
    + "; worker-src blob:",
}
Next = Callable[[HttpRequest], HttpResponse]


class CharsetMiddleware:
    """Everything is UTF-8. Django would decode even the query with whatever codec Content-Type names: base64 is one."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.encoding = "utf-8"
        return self.get_response(request)


class RequestIdMiddleware:
    """Takes a well-formed X-Request-ID from the caller or makes one, and answers with it."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        token = request_id.set(given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex)
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = request_id.get()
            return response
        finally:
            request_id.reset(token)


class ContentSecurityPolicyMiddleware:
    """Nothing inline, nothing from outside, on every page: text from devices is hostile."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        policy = API_REFERENCE.get(request.path, CONTENT_SECURITY_POLICY)
        response.setdefault("Content-Security-Policy", policy)
        response.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        return response
