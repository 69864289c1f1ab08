"""`/mcp`: lets a request in by the rules of the API, and hands it to the MCP server."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.utils.http import is_same_domain
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from netmon.accounts.authentication import ApiKeyAuthentication, FamilyJWTAuthentication
from netmon.common.errors import UpstreamTimeout
from netmon.common.exception_handler import json_rpc
from netmon.common.parsers import PayloadTooLarge
from netmon.common.permissions import SERVICE, rank
from netmon.common.throttling import MinuteThrottle

MAX_BODY_BYTES = 256 * 1024  # the longest call, a machine with a hundred ports, has 10 kB
NOT_FOR_THE_SERVER = {"authorization", "x-api-key", "cookie"}
NOT_FROM_THE_SERVER = {"Content-Length", "Content-Type"}


class OriginRefused(PermissionDenied):
    default_code = "origin_refused"
    default_detail = "Pages of this origin may not call netmon: add it to NETMON_CSRF_TRUSTED_ORIGINS if it is yours."


class SwitchedOff(NotFound):
    default_detail = "The MCP door is switched off: NETMON_MCP."


class AnyCredential(BasePermission):
    """Anybody who is somebody, whatever the scopes: each tool needs those of the address it asks."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return rank(request.user) > 0


class DoorThrottle(MinuteThrottle):
    """Each request is a read, whatever its method; what a tool writes is counted as a write besides."""

    def kind(self, request: Request) -> str:
        return "reads"


@extend_schema(exclude=True)
class DoorView(APIView):
    """Model Context Protocol, streamable HTTP: one POST, one JSON answer."""

    area = SERVICE
    authentication_classes = [ApiKeyAuthentication, FamilyJWTAuthentication]
    permission_classes = [AnyCredential]
    throttle_classes = [DoorThrottle]
    http_method_names = ["post"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if not settings.MCP:
            raise SwitchedOff()
        if (origin := request.headers.get("Origin")) and not is_trusted(origin, request):
            raise OriginRefused()
        super().initial(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        response.data = json_rpc(response.data)
        response.content_type = "application/json"
        return response

    def post(self, request: Request) -> HttpResponse:
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
            raise PayloadTooLarge(f"The request body is larger than {MAX_BODY_BYTES} bytes.")
        # The SDK takes most of a second to import, which nobody pays who does not use this door.
        from netmon.mcp import calls, server

        headers = {name.lower(): value for name, value in request.headers.items()}
        handed = {name: value for name, value in headers.items() if name not in NOT_FOR_THE_SERVER}
        with calls.as_caller_of(request._request):
            try:
                reply = server.answer(handed, request._request.body)
            except TimeoutError:
                raise UpstreamTimeout(f"No answer came within {server.DEADLINE_SECONDS} s.") from None
        kept = {name: value for name, value in reply.headers.items() if name not in NOT_FROM_THE_SERVER}
        return HttpResponse(
            reply.body, status=reply.status, content_type=reply.headers.get("Content-Type", ""), headers=kept
        )


def is_trusted(origin: str, request: Request) -> bool:
    """Whether a page of this origin may call: netmon's own, and those of CSRF_TRUSTED_ORIGINS."""
    if origin == f"{request.scheme}://{request.get_host()}":
        return True
    scheme, _, host = origin.partition("://")
    for trusted in settings.CSRF_TRUSTED_ORIGINS:
        kind, _, pattern = trusted.partition("://")
        # As Django reads the setting: https://*.example.net means its subdomains.
        if scheme == kind and is_same_domain(host, pattern.removeprefix("*")):
            return True
    return False
