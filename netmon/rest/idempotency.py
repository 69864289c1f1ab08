"""Idempotency-Key: the same POST sent twice is done once (draft-ietf-httpapi-idempotency-key-header)."""

import hashlib
import re
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from netmon.common.errors import Conflict
from netmon.common.parsers import PayloadTooLarge
from netmon.common.secrets import open_secret
from netmon.rest import liveness
from netmon.rest.models import IdempotentRequest

HEADER = "Idempotency-Key"
KEY = re.compile(r"[\x21-\x7e]{1,255}")
KEPT = timedelta(hours=24)
GIVEN_UP = timedelta(minutes=15)  # a request that is under way for longer has lost its process


class IdempotencyMismatch(Conflict):
    code = "idempotency_mismatch"


class IdempotencyInProgress(Conflict):
    code = "idempotency_in_progress"


class IdempotencyLost(Conflict):
    """The process that had the first request ended before it kept its answer."""

    code = "idempotency_lost"


class Replay(Exception):
    """The request was answered before, and how."""

    def __init__(self, row: IdempotentRequest) -> None:
        super().__init__(row.key)
        self.row = row

    def response(self) -> HttpResponse:
        row = self.row
        answer = HttpResponse(open_secret(row, "body") if row.body else "", status=row.status)
        answer["Content-Type"] = row.content_type or "application/json"
        answer["Idempotency-Replayed"] = "true"
        if row.location:
            answer["Location"] = row.location
        return answer


def begin(request: Request) -> IdempotentRequest | None:
    """Reserve the request's key; None without one. Raises Replay, Conflict or ValidationError."""
    key = request.headers.get(HEADER)
    if key is None or not request.user.is_authenticated:
        return None
    if not KEY.fullmatch(key):
        raise ValidationError({HEADER: "Write 1 to 255 visible ASCII characters, such as a UUID."}, code="invalid")
    try:
        body = request._request.body
    except RequestDataTooBig:
        raise PayloadTooLarge from None
    path = request.get_full_path()[:255]
    # Who asks with what right belongs to the request: another key of the same person is answered by its own rights.
    user: Any = request.user
    right = [getattr(request.auth, "prefix", "person"), getattr(user, "acting_role", None), sorted(user.tenant_ids)]
    head = f"{request.method}\n{path}\n{right}\n"
    digest = hashlib.sha256(head.encode() + body).hexdigest()
    now = timezone.now()
    rows = IdempotentRequest.objects.filter(user_id=request.user.pk, key=key)
    rows.filter(created_at__lt=now - KEPT).delete()
    try:
        with transaction.atomic():
            return IdempotentRequest.objects.create(
                user_id=request.user.pk,
                key=key,
                path=path,
                body_hash=digest,
                created_at=now,
                process=liveness.this_process(),
            )
    except IntegrityError:
        row = rows.first()
    under_way = row if row is not None and row.status is None and row.body_hash == digest else None
    if under_way and (under_way.created_at < now - GIVEN_UP or liveness.is_dead(under_way.process)):
        raise IdempotencyLost(
            "The process that had the first request ended before it could answer, so it may be done or not: look, "
            "and if it is not, send it with a new Idempotency-Key."
        )
    if row is None or under_way:
        raise IdempotencyInProgress("The first request with this Idempotency-Key is under way: ask again.")
    if row.body_hash != digest:
        raise IdempotencyMismatch("This Idempotency-Key was used for another request: take a new one.")
    raise Replay(row)


def finish(row: IdempotentRequest, response: Any) -> None:
    """Keep the answer of what succeeded; what failed may be sent again under its key."""
    if not 200 <= response.status_code < 300 or response.streaming:
        row.delete()
        return
    if not IdempotentRequest.objects.filter(pk=row.pk).exists():
        return  # forgotten meanwhile
    row.status = response.status_code
    row.location = response.get("Location", "")[:255]
    row.content_type = response.get("Content-Type", "")[:100]
    row.body = response.content.decode()
    row.save(update_fields=["status", "location", "content_type", "body"])


class IdempotentMixin(APIView):
    """A view whose POSTs honour Idempotency-Key."""

    reservation: IdempotentRequest | None = None

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        if request.method == "POST" and HEADER in request.headers:
            with suppress(RequestDataTooBig):  # `begin` says so
                _ = request.body  # before the CSRF check reads a form: what was streamed cannot be read again
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            self.reservation = begin(request)

    def handle_exception(self, exc: Exception) -> Any:
        if isinstance(exc, Replay):
            return exc.response()
        try:
            return super().handle_exception(exc)
        except type(exc):  # a fault of ours: the request may come again
            if (reservation := self.reservation) is not None:
                reservation.delete()
            raise

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        reservation = self.reservation
        if reservation is not None:
            self.reservation = None
            if isinstance(response, Response):
                response.add_post_render_callback(lambda done: finish(reservation, done))
            else:
                finish(reservation, response)
        return response


def forget() -> int:
    """Drop what is older than KEPT. Returns how many rows went."""
    count, _ = IdempotentRequest.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
    return count
