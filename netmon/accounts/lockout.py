"""What somebody sees who guessed too many passwords."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from netmon.common.exception_handler import CONTENT_TYPE, is_api, problem

LOCKED_OUT = "Too many wrong passwords from this address: wait 15 minutes or ask an admin."


def lockout_response(
    request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    """What axes answers to somebody it has locked out."""
    if is_api(request):
        answer: HttpResponse = JsonResponse(
            problem(429, "locked_out", LOCKED_OUT), status=429, content_type=CONTENT_TYPE
        )
    else:
        answer = render(request, "accounts/locked_out.html", {"reason": LOCKED_OUT}, status=429)
    answer["Retry-After"] = "900"
    return answer
