"""`POST, PATCH, DELETE <collection>/bulk/`: many objects in one request, all or nothing unless asked otherwise."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, RestrictedError
from django.http import Http404, HttpRequest
from django.urls import resolve
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from netmon.audit.context import acting
from netmon.common import locks, queue
from netmon.common.errors import NetmonError
from netmon.common.exception_handler import problem_of
from netmon.common.filters import refuse_unknown
from netmon.common.parsers import BoundedJSONParser
from netmon.common.secrets import open_secret
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from netmon.jobs.serializers import JobStartedSerializer
from netmon.rest import askers, shapes

MAX_ITEMS = 1000
MAX_ERRORS = 100
DEADLINE_SECONDS = 900
EXPECTED = (
    APIException, NetmonError, ModelValidationError, Http404, IntegrityError, ProtectedError, RestrictedError,
)  # fmt: skip


class BulkFailed(NetmonError):
    """Some items of an atomic request were refused; `data["errors"]` names each by its index."""

    code = "bulk_failed"


class BulkResultSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Position in the request, from 0.")
    status = serializers.IntegerField()
    id = serializers.IntegerField(allow_null=True)
    errors = serializers.ListField(child=serializers.DictField(), help_text="As in a problem.")  # type: ignore[assignment]


class BulkAnswerSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    results = BulkResultSerializer(many=True)


@dataclass
class Outcome:
    """What became of each item."""

    results: list[dict[str, Any]] = field(default_factory=list)
    data: list[Any] = field(default_factory=list)

    @property
    def failures(self) -> list[dict[str, Any]]:
        return [entry for entry in self.results if entry["errors"]]

    def raise_failed(self) -> None:
        """Raises BulkFailed when any item was refused."""
        failures = self.failures
        if not failures:
            return
        statuses = {entry["status"] for entry in failures}
        errors = [
            {**error, "location": "body", "pointer": f"/{entry['index']}{error['pointer']}"}
            for entry in failures
            for error in entry["errors"]
        ]
        error = BulkFailed(
            f"{len(failures)} of {len(self.results)} items were refused, so nothing was written. "
            f"Item {failures[0]['index']}: {errors[0]['detail']}",
            errors=errors[:MAX_ERRORS],
        )
        error.http_status = statuses.pop() if len(statuses) == 1 else 400
        raise error


def _flag(name: str, text: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.BOOL, OpenApiParameter.QUERY, description=text)


PARAMETERS = [
    _flag("atomic", "All or nothing (true); false writes what is good and answers 207 with a result per index."),
    _flag("dry_run", "Check everything, write nothing."),
    _flag("background", "Answer 202 with a job at once."),
]
# netmon.common.openapi gives an item of CHANGES its fields: they are those of one object's PATCH.
CHANGES = {"application/json": {"type": "array", "items": {"type": "object", "required": ["id"]}}}
NUMBER = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
OBJECTS = {
    "application/json": {
        "type": "array",
        "items": {"anyOf": [NUMBER, {"type": "object", "required": ["id"], "properties": {"id": NUMBER}}]},
    }
}
RETURN = OpenApiParameter("return", OpenApiTypes.STR, enum=["full", "ids"], description="`ids` answers ids only.")


class BulkMixin(GenericViewSet[Any]):
    """Adds `bulk/` to a viewset that has create_one, update_one and delete_one."""

    bulk_answers: ClassVar[dict[int, Any]] = {202: JobStartedSerializer, 207: BulkAnswerSerializer}

    @extend_schema(parameters=[*PARAMETERS, RETURN], filters=False)
    @action(detail=False, methods=["post"], url_path="bulk", pagination_class=None, parser_classes=[BoundedJSONParser])
    def bulk(self, request: Request) -> Response:
        """Create many, at most 1000, from a list of objects."""
        return self._bulk(request, _create)

    @extend_schema(parameters=[*PARAMETERS, RETURN], request=CHANGES, filters=False)
    @bulk.mapping.patch
    def bulk_update(self, request: Request) -> Response:
        """Change many: a list of objects, each with its `id` and what changes."""
        return self._bulk(request, _update)

    @extend_schema(
        parameters=PARAMETERS,
        request=OBJECTS,
        responses={204: None, 200: BulkAnswerSerializer, 202: JobStartedSerializer, 207: BulkAnswerSerializer},
        filters=False,
    )
    @bulk.mapping.delete
    def bulk_destroy(self, request: Request) -> Response:
        """Delete many: a list of ids, or of objects with an `id`."""
        return self._bulk(request, _delete)

    def _bulk(self, request: Request, step: "Step") -> Response:
        refuse_unknown(request, {"atomic", "dry_run", "background", "return", "format"})
        if "If-Match" in request.headers:
            raise ValidationError({"If-Match": "It names one object's version: change objects one by one with it."})
        items = checked_items(request.data)
        atomic, dry_run = shapes.flag(request, "atomic", default=True), shapes.flag(request, "dry_run")
        ids_only = _wants_ids(request)
        if shapes.flag(request, "background"):
            job = start_job(request, items, atomic=atomic, dry_run=dry_run)
            return Response({"job": job.as_dict()}, status=202, headers={"Location": job.as_dict()["url"]})
        outcome = run(self, step, items, atomic=atomic, dry_run=dry_run)
        if dry_run:
            return Response({"dry_run": True, "results": outcome.results})
        if not atomic:
            return Response({"dry_run": False, "results": outcome.results}, status=status.HTTP_207_MULTI_STATUS)
        if step is _delete:
            return Response(status=status.HTTP_204_NO_CONTENT)
        data = [{"id": entry["id"]} for entry in outcome.results] if ids_only else outcome.data
        return Response(data, status=status.HTTP_201_CREATED if step is _create else status.HTTP_200_OK)


Step = Callable[[Any, Any], tuple[int, int | None, Any]]


def _create(view: Any, item: Any) -> tuple[int, int | None, Any]:
    data = view.create_one(item)
    return 201, data.get("id"), data


def _update(view: Any, item: Any) -> tuple[int, int | None, Any]:
    if not isinstance(item, dict):
        raise ValidationError("Write an object with an id and what changes.")
    row = _row(view, item.get("id"))
    data = view.update_one(row, {name: value for name, value in item.items() if name != "id"}, partial=True)
    return 200, row.pk, data


def _delete(view: Any, item: Any) -> tuple[int, int | None, Any]:
    row = _row(view, item.get("id") if isinstance(item, dict) else item)
    pk = row.pk
    view.delete_one(row)
    return 204, pk, None


STEPS: dict[str, Step] = {"POST": _create, "PATCH": _update, "DELETE": _delete}


def _row(view: Any, pk: Any) -> Any:
    if isinstance(pk, float) and pk.is_integer():  # JSON knows one kind of number
        pk = int(pk)
    if isinstance(pk, bool) or not isinstance(pk, int) or not 0 < pk < 2**63:
        raise ValidationError({"id": "Write the number of an object."})
    locks.hold(view.model, pk)
    row = view.get_queryset().filter(pk=pk).first()
    if row is None:
        raise Http404
    return row


def checked_items(data: Any) -> list[Any]:
    """The list of a bulk request. Raises ValidationError."""
    if not isinstance(data, list) or not data:
        raise ValidationError("Write a list of at least one item.")
    if len(data) > MAX_ITEMS:
        raise ValidationError(f"At most {MAX_ITEMS} items in one request: this one has {len(data)}. Use an import.")
    return data


def _wants_ids(request: Request) -> bool:
    text = request.query_params.get("return", "full")
    if text not in ("full", "ids"):
        raise ValidationError({"return": "Write full or ids."}, code="invalid_parameter")
    return text == "ids"


class _Undo(Exception):
    """Leaves a transaction without writing."""


def run(
    view: Any,
    step: Step,
    items: list[Any],
    *,
    atomic: bool,
    dry_run: bool,
    after_each: Callable[[int], None] | None = None,
    before_commit: Callable[[], None] = lambda: None,
) -> Outcome:
    """Do `step` for each item. Raises BulkFailed in an atomic run with refused items: nothing is written then.

    `before_commit` may raise to undo an atomic run.
    """
    outcome = Outcome()
    if not atomic and not dry_run:
        for index, item in enumerate(items):
            _try(view, step, index, item, outcome)
            if after_each:
                after_each(index + 1)
        return outcome
    try:
        with transaction.atomic():
            for index, item in enumerate(items):
                _try(view, step, index, item, outcome)
            if dry_run or outcome.failures:
                raise _Undo
            before_commit()
    except _Undo:
        pass
    if dry_run:
        for entry in outcome.results:  # what was given an id has none after all
            entry["id"] = None if step is _create else entry["id"]
    if atomic:
        outcome.raise_failed()
    return outcome


def _try(view: Any, step: Step, index: int, item: Any, outcome: Outcome) -> None:
    try:
        with transaction.atomic():
            code, pk, data = step(view, item)
    except EXPECTED as error:
        body = problem_of(error, {})[0]
        if body is None:
            raise
        errors = body["errors"] or [{"location": "body", "pointer": "", "code": body["code"], "detail": body["detail"]}]
        outcome.results.append({"index": index, "status": body["status"], "id": None, "errors": errors})
        return
    outcome.results.append({"index": index, "status": code, "id": pk, "errors": []})
    outcome.data.append(data)


# --- in the background ------------------------------------------------------------------------------------------------


def start_job(request: Request, items: list[Any], *, atomic: bool, dry_run: bool) -> Job:
    """Queue a bulk request. What it says is kept encrypted beside the job: it may hold secrets."""
    job, _ = jobs.start(
        kind="bulk",
        key=f"{request.method} {request.path} {jobs.unique_key()}"[:255],
        task=queue.RUN_BULK_JOB,
        user=request.user,
        deadline_seconds=DEADLINE_SECONDS,
        arguments={
            "method": request.method,
            "path": request.path,
            "atomic": atomic,
            "dry_run": dry_run,
            **askers.remembered(request.user),
        },
        payload=orjson.dumps(items).decode(),
        total=len(items),
    )
    return job


def run_job(job_id: int) -> None:
    """The worker's side of `start_job`: with the rights that the person has now."""
    job = jobs.claim(job_id)
    if job is None:
        return
    arguments = job.arguments
    user = askers.recalled(job)
    if user is None:
        detail = "The person who asked, or the API key that was used, is gone or switched off."
        jobs.finish(job, error_code="permission_denied", error_detail=detail)
        return
    view = view_for(arguments["path"], arguments["method"], user)
    with acting(user, askers.via(user)), jobs.ending(job):
        try:
            view.check_permissions(view.request)
            outcome = run(
                view,
                STEPS[arguments["method"]],
                orjson.loads(open_secret(job, "payload")),
                atomic=arguments["atomic"],
                dry_run=arguments["dry_run"],
                after_each=lambda done: jobs.progress(job, done),
                before_commit=lambda: jobs.check_running(job),
            )
        except jobs.Cancelled as stop:
            jobs.finish_cancelled(job, result={"written": stop.done})
            return
        except (BulkFailed, APIException) as error:
            body = problem_of(error, {})[0] or {}
            result = {"errors": body.get("errors", [])}
            jobs.finish(job, error_code=body["code"], error_detail=body["detail"], result=result)
            return
    failed = len(outcome.failures)
    result = {
        "dry_run": arguments["dry_run"],
        "written": 0 if arguments["dry_run"] else len(outcome.results) - failed,
        "failed": failed,
        "results": [entry for entry in outcome.results if entry["errors"]][:MAX_ERRORS]
        or [{"index": entry["index"], "id": entry["id"]} for entry in outcome.results],
    }
    jobs.finish(job, result=result)


def view_for(path: str, method: str, user: Any) -> Any:
    """The view of an address, set up as if `user` had called it."""
    match = resolve(path)
    plain = HttpRequest()
    plain.method, plain.path, plain.user = method, path, user
    view = match.func.cls(**match.func.initkwargs)  # type: ignore[attr-defined]
    view.action_map = match.func.actions  # type: ignore[attr-defined]
    view.args, view.kwargs = (), match.kwargs
    view.request = view.initialize_request(plain)
    view.request.user = user
    view.request.auth = getattr(user, "acting_key", None)  # its scopes count; unset, DRF would authenticate anew
    view.format_kwarg = None
    return view
