"""Rows of a tenant and rows of none: everybody reads the latter, only people bound to no tenant write them."""

from typing import Any

from rest_framework.exceptions import PermissionDenied, ValidationError

from netmon.rest.viewsets import VisibleViewSet


class SharedViewSet(VisibleViewSet):
    """CRUD over rows with a `tenant` that may be empty (see `SharedQuerySet`)."""

    def check_may_write(self, row: Any) -> None:
        user: Any = self.request.user
        if row.tenant_id is None and user.tenant_ids:
            raise PermissionDenied("This is everybody's: only people bound to no tenant change it.")

    def _must_stay_visible(self, row: Any) -> None:
        # A row of no tenant would stay visible, and would reach beyond the tenants of who wrote it.
        user: Any = self.request.user
        if user.tenant_ids and row.tenant_id not in user.tenant_ids:
            raise ValidationError({"tenant": "Name one of your tenants."}, code="required")
