"""Every error of the API in one shape: RFC 9457 problem details.

`{"type", "title", "status", "detail", "code", "request_id", "errors": [{"location", "pointer", "code", "detail"}]}`
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.core.exceptions import DisallowedHost, PermissionDenied
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import IntegrityError, OperationalError
from django.db.models import ProtectedError, RestrictedError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import csrf
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.views import set_rollback

from netmon.common.errors import NetmonError
from netmon.common.middleware import request_id

CONTENT_TYPE = "application/problem+json"
JSON_RPC_REFUSED = -32000  # of the range that is left to servers
UNIQUE_CODES = {"unique", "unique_together"}


def problem(
    status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None, **data: Any
) -> dict[str, Any]:
    return {
        "type": f"/docs/errors#{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id.get(),
        "errors": errors or [],
        **data,
    }


def field_errors(detail: Any, path: tuple[str, ...] = ()) -> Iterator[dict[str, str]]:
    """DRF's nested error detail, flattened to one entry per error with a JSON pointer (RFC 6901)."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            yield from field_errors(value, path if key in ("non_field_errors", "__all__") else (*path, str(key)))
    elif isinstance(detail, list):
        for position, value in enumerate(detail):
            nested = (*path, str(position)) if isinstance(value, (dict, list)) else path
            yield from field_errors(value, nested)
    else:
        pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
        yield {
            "location": "body",
            "pointer": pointer,
            "code": getattr(detail, "code", "invalid"),
            "detail": str(detail),
        }


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None lets Django report what is a bug of ours."""
    body, headers = problem_of(error, context)
    if body is None:
        return None
    set_rollback()
    response = Response(body, status=body["status"], headers=headers)
    renderer = getattr(context.get("request"), "accepted_renderer", None)
    if getattr(renderer, "format", "json") != "api":  # a browser gets a page that shows the problem
        response.content_type = CONTENT_TYPE
    return response


def problem_of(error: Exception, context: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The problem of an error and its headers; (None, ...) for what is a bug of ours."""
    headers: dict[str, str] = {}
    if isinstance(error, ModelValidationError):
        codes = {entry.code for entry in getattr(error, "error_list", [])}
        for entries in getattr(error, "error_dict", {}).values():
            codes |= {entry.code for entry in entries}
        error = exceptions.ValidationError(as_serializer_error(error), code=next(iter(codes), None) or "invalid")
    if (wait := getattr(error, "wait", None)) is not None:  # 0 in the last second of a minute
        headers["Retry-After"] = str(int(wait) + 1)
    if isinstance(error, NetmonError):
        return problem(error.http_status, error.code, error.detail, **error.data), headers
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, (ProtectedError, RestrictedError)):
        rows = error.protected_objects if isinstance(error, ProtectedError) else error.restricted_objects
        named = _named(rows, getattr(context.get("request"), "user", None))
        return problem(409, "in_use", f"Still in use by: {named}. Remove or move these first."), headers
    elif isinstance(error, OperationalError) and _is_contention(error):
        headers["Retry-After"] = "1"
        return problem(503, "try_again", "Others are writing the same just now: try again in a moment."), headers
    elif isinstance(error, IntegrityError):
        # The database found what full_clean() could not see: somebody else was faster. Its message names columns on
        # one engine and constraints on the other, so nobody parses it.
        return problem(409, "conflict", "Another change got in between: load the object again and retry."), headers
    if not isinstance(error, exceptions.APIException):
        return None, headers
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if isinstance(error, exceptions.ValidationError):
        errors = list(field_errors(error.detail))
        is_bodiless = getattr(context.get("request"), "method", "") in ("GET", "HEAD")
        for entry in errors:
            if is_bodiless or entry["code"] in ("unknown_parameter", "invalid_parameter", "null_characters"):
                entry["location"] = "query"
        if errors and all(entry["code"] in UNIQUE_CODES for entry in errors):
            return problem(409, "unique", errors[0]["detail"], errors), headers
        first = errors[0] if errors else {"pointer": "", "detail": "Invalid input."}
        name = first["pointer"].lstrip("/")
        detail = f"{name}: {first['detail']}" if name else first["detail"]
        return problem(400, "invalid", detail, errors), headers
    detail, code = _text_and_code(error)
    return problem(error.status_code, code, detail), headers


def _named(rows: Any, user: Any) -> str:
    """Names of what holds an object, as far as the person may see it."""
    visible = []
    for row in rows:
        manager = type(row)._default_manager
        if user is None or manager.all().visible_to(user).filter(pk=row.pk).exists():
            visible.append(f"{row._meta.verbose_name} {row}")
        if len(visible) == 5:
            break
    return ", ".join(sorted(visible)) or "objects of others"


def _is_contention(error: OperationalError) -> bool:
    """A deadlock, or a lock waited for in vain: PostgreSQL's class 40 and 55P03, SQLite's "database is locked"."""
    state = getattr(error.__cause__, "sqlstate", None) or ""
    return state.startswith("40") or state == "55P03" or "database is locked" in str(error)


def _text_and_code(error: exceptions.APIException) -> tuple[str, str]:
    detail = error.detail
    if isinstance(detail, dict):  # simplejwt's InvalidToken carries {"detail", "code", "messages"}
        text = str(detail.get("detail", error.default_detail))
        return text, str(detail.get("code", error.default_code))
    if isinstance(detail, list):
        return " ".join(str(entry) for entry in detail), error.default_code
    return str(detail), str(getattr(detail, "code", error.default_code))


def _json(request: HttpRequest, status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse(problem(status, code, detail), status=status, content_type=CONTENT_TYPE)


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def is_mcp(request: HttpRequest) -> bool:
    return request.path_info == "/mcp"


@csrf_exempt  # it changes nothing, and a program that wrote a wrong address should hear that
def api_not_found(request: HttpRequest) -> JsonResponse:
    return _json(request, 404, "not_found", "There is nothing at this address.")


def api_bad_request(request: HttpRequest) -> JsonResponse:
    return _json(request, 400, "bad_request", "The request could not be read.")


def mcp_bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """421 for a foreign Host, which is how a page of somebody else reaches a machine of the inside (DNS rebinding)."""
    if isinstance(exception, DisallowedHost):
        body = problem(421, "misdirected_request", "netmon does not answer under this name: NETMON_ALLOWED_HOSTS.")
    else:
        body = problem(400, "bad_request", "The request could not be read.")
    return JsonResponse(json_rpc(body), status=body["status"])


def json_rpc(found: dict[str, Any]) -> dict[str, Any]:
    """A problem as an error of JSON-RPC, which is all that MCP clients show of a refusal."""
    error = {"code": JSON_RPC_REFUSED, "message": f"{found['code']}: {found['detail']}", "data": found}
    return {"jsonrpc": "2.0", "id": None, "error": error}


FAULT = "A fault in netmon; the log has its details under this request_id."


def api_server_error(request: HttpRequest) -> JsonResponse:
    return _json(request, 500, "internal", FAULT)


def mcp_server_error(request: HttpRequest) -> JsonResponse:
    return JsonResponse(json_rpc(problem(500, "internal", FAULT)), status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW: the page 403_csrf.html, or a problem for programs."""
    if is_api(request):
        return _json(request, 403, "csrf_failed", f"The form's CSRF token is missing or wrong: {reason or 'no reason'}")
    return csrf.csrf_failure(request, reason=reason)
