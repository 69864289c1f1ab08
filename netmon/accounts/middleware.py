"""Leads who must have a second factor, and has none, to the page that makes one."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect

from netmon.accounts.authentication import TotpEnrolmentRequired, is_open_without_totp
from netmon.accounts.services import totp
from netmon.common.exception_handler import CONTENT_TYPE, is_api, problem


class TotpMiddleware:
    """For sessions; tokens are held up by their own authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.REQUIRE_TOTP == "none" or is_open_without_totp(request.path):
            return self.get_response(request)
        if not request.user.is_authenticated or not totp.is_missing(request.user):
            return self.get_response(request)
        if is_api(request):
            error = TotpEnrolmentRequired
            body = problem(403, error.default_code, str(error.default_detail))
            return JsonResponse(body, status=403, content_type=CONTENT_TYPE)
        return redirect("account-totp")
