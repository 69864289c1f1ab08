"""Who may do what: one table, one class, in force on every endpoint unless a view names another class."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

ROLE_RANK = {"viewer": 1, "operator": 2, "admin": 3}


def rank(user: Any) -> int:
    """0 for nobody, else the rank of the person's role; a superuser is an admin.

    An API key may act with less than its owner's role (`acting_role`). Somebody bound to tenants is an operator at
    most: an admin's powers (people, keys, policies) reach beyond any tenant.
    """
    if not getattr(user, "is_authenticated", False) or not user.is_active:
        return 0
    own = ROLE_RANK["admin"] if user.is_superuser else ROLE_RANK.get(user.role, 0)
    if (acting := getattr(user, "acting_role", None)) is not None:
        own = min(own, ROLE_RANK.get(acting, 0))
    if own == ROLE_RANK["admin"] and user.tenant_ids:
        return ROLE_RANK["operator"]
    return own


def has_role(user: Any, role: str) -> bool:
    return rank(user) >= ROLE_RANK[role]


class RolePermission(BasePermission):
    """Viewers read; operators also write and run things; what is an admin's says so in `required_roles`.

    A view may set `required_roles = {"<action or method>": "<role>"}`, for example `{"write": "admin"}`.
    """

    message = "Your role does not allow this."

    def has_permission(self, request: Request, view: Any) -> bool:
        return rank(request.user) >= ROLE_RANK[self.required_role(request, view)]

    @staticmethod
    def required_role(request: Request, view: Any) -> str:
        roles: dict[str, str] = getattr(view, "required_roles", {})
        kind = "read" if request.method in SAFE_METHODS else "write"
        default = "viewer" if kind == "read" else "operator"
        return roles.get(getattr(view, "action", None) or "", roles.get(kind, default))
