"""The base of every resource: what the person may see, recorded writes, entity tags, bulk."""

from typing import Any, ClassVar

from django.db import transaction
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from netmon.audit import services as audit
from netmon.common import locks
from netmon.rest import etags, shapes
from netmon.rest.bulk import BulkMixin
from netmon.rest.idempotency import IdempotentMixin

NUMBER = r"\d{1,18}"


class VisibleReadViewSet(IdempotentMixin, RetrieveModelMixin, ListModelMixin, GenericViewSet[Any]):
    """Lists and objects of what the person may see; `fields` and `brief` make answers smaller."""

    lookup_value_regex = NUMBER
    model: ClassVar[Any] = None
    related: ClassVar[tuple[str, ...]] = ()
    # What `brief=1` shows: name of the answer's field -> path from the model.
    brief: ClassVar[dict[str, str]] = {"id": "pk"}
    query_parameters: ClassVar[tuple[str, ...]] = ("fields", "brief")

    def get_queryset(self) -> Any:
        return self.model.objects.visible_to(self.request.user).select_related(*self.related)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        wanted = shapes.wanted(request, self)
        rows = self.filter_queryset(self.get_queryset())
        if wanted.brief:
            rows = rows.select_related(None).prefetch_related(None).values_list(*self.brief.values())
        else:
            rows = self.list_rows(rows)
        page = self.paginate_queryset(rows)
        found = rows if page is None else page
        data = [dict(zip(self.brief, row, strict=True)) for row in found] if wanted.brief else self.represent(found)
        data = wanted.prune(data, () if data else self._shown_fields())
        return Response(data) if page is None else self.get_paginated_response(data)

    def _shown_fields(self) -> set[str]:
        serializer: Any = self.get_serializer()
        own = {name for name, field in serializer.fields.items() if not field.write_only}
        return own | getattr(serializer, "shown_only", set())

    def list_rows(self, rows: Any) -> Any:
        """What is read for a list, before it is cut into pages."""
        return rows

    def represent(self, rows: Any) -> Any:
        """The rows of a list as answers."""
        return self.get_serializer(rows, many=True).data

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        wanted = shapes.wanted(request, self)
        data = self.get_serializer(self.get_object()).data
        if request.accepted_renderer.format == "api":  # a page is not the data, whose tag a browser keeps by address
            return Response(wanted.prune([data])[0])
        tag = etags.of(data)
        if etags.is_unchanged(request, tag):
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": tag})
        return Response(wanted.prune([data])[0], headers={"ETag": tag})


class VisibleViewSet(BulkMixin, VisibleReadViewSet):
    """CRUD over what the person may see. Every write is one transaction and one row of the record."""

    records_itself: ClassVar[bool] = False  # its services write the record

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            answer = self.create_one(request.data)
        headers = {"ETag": etags.of(answer), "Location": f"{request.path}{answer.get('id', '')}/"}
        return Response(answer, status=status.HTTP_201_CREATED, headers=headers)

    def update(self, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        with transaction.atomic():
            locks.hold(self.model, int(self.kwargs["pk"]))
            row = self.get_object()
            if "If-Match" in request.headers:
                etags.check(request, etags.of(self.get_serializer(row).data))
            answer = self.update_one(row, request.data, partial=partial)
        return Response(answer, headers={"ETag": etags.of(answer)})

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, partial=True, **kwargs)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            locks.hold(self.model, int(self.kwargs["pk"]))
            row = self.get_object()
            if "If-Match" in request.headers:
                etags.check(request, etags.of(self.get_serializer(row).data))
            self.delete_one(row)
        return Response(status=status.HTTP_204_NO_CONTENT)

    # --- one object each; bulk and single requests share these ------------------------------------------------------

    def create_one(self, data: Any) -> dict[str, Any]:
        serializer: Any = self.get_serializer(data=data)
        serializer.is_valid(raise_exception=True)
        self.perform_create(serializer)
        self._must_stay_visible(serializer.instance)
        self._record("create", serializer.instance, None, self._snapshot(serializer.instance))
        return serializer.data

    def update_one(self, row: Any, data: Any, *, partial: bool) -> dict[str, Any]:
        self.check_may_write(row)
        before = self._snapshot(row)
        serializer: Any = self.get_serializer(row, data=data, partial=partial)
        serializer.is_valid(raise_exception=True)
        self.perform_update(serializer)
        self._must_stay_visible(serializer.instance)
        self._record("update", serializer.instance, before, self._snapshot(serializer.instance))
        # A list prefetched on the row would show what was before.
        return self.get_serializer(self.get_queryset().get(pk=serializer.instance.pk)).data

    def delete_one(self, row: Any) -> None:
        self.check_may_write(row)
        before, pk = self._snapshot(row), row.pk
        self.perform_destroy(row)
        row.pk = pk  # Django takes it away
        self._record("delete", row, before, None)

    def _snapshot(self, row: Any) -> dict[str, Any]:
        return {} if self.records_itself else audit.snapshot(row)

    def _record(self, action: str, row: Any, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        if not self.records_itself:
            audit.record(action, row, before=before, after=after)

    def check_may_write(self, row: Any) -> None:
        """For resources of which a person sees more than they may change. Raises PermissionDenied."""

    def perform_create(self, serializer: Any) -> None:
        serializer.save()

    def perform_update(self, serializer: Any) -> None:
        serializer.save()

    def perform_destroy(self, instance: Any) -> None:
        instance.delete()

    def _must_stay_visible(self, row: Any) -> None:
        """What somebody writes, they must be able to see: else a row would be given to another tenant.

        Raises ValidationError; the transaction is rolled back by it.
        """
        user: Any = self.request.user
        if user.tenant_ids and not self.model.objects.visible_to(user).filter(pk=row.pk).exists():
            raise ValidationError({"tenant": "Choose one of your tenants: you would not see this object otherwise."})
