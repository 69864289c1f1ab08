"""Who may do what. Every view of the API uses RolePermission unless a view names another class."""

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

ROLE_RANK = {"viewer": 1, "operator": 2, "admin": 3}
# The parts of netmon that a key can be confined to.
AREAS = ("inventory", "monitoring", "scanning", "provisioning", "pgwatch", "jobs", "accounts")
# A part of an area, for keys that are to reach one's own machines and nothing else: provisioning/models/owners.py.
NARROW_AREAS = {"vms": "provisioning"}
SCOPES = frozenset(
    {"read", "write", "metrics:read"}
    | {f"{area}:{kind}" for area in (*AREAS, *NARROW_AREAS) for kind in ("read", "write")}
)
PACKAGE_AREAS = {"audit": "accounts"}  # who did what is about people
# Addresses that tell nothing about the network (what there is, whether netmon is well): any key may read them.
SERVICE = "service"


class ScopeMissing(PermissionDenied):
    default_code = "scope_missing"
    default_detail = "This API key lacks the scope."


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


def _package_area(module: str) -> str:
    top, _, rest = module.partition(".")
    name = rest.partition(".")[0] if top == "netmon" else top
    name = PACKAGE_AREAS.get(name, name)
    return name if name in AREAS else ""


def area_of(view: Any) -> str:
    """The part of netmon that a view belongs to, which a key's scopes name; empty when it is not known.

    The view's own `area`, else the package of the extra action that is called (reports on a device are monitoring's,
    whichever class shows them), else that of the first class of a package that is an area.
    """
    if area := getattr(view, "area", ""):
        return str(area)
    action = getattr(type(view), getattr(view, "action", None) or "", None)
    if hasattr(action, "mapping") and (area := _package_area(action.__module__)):
        return area
    return next((area for cls in type(view).__mro__ if (area := _package_area(cls.__module__))), "")


def scope_needed(view: Any, method: str | None) -> tuple[str, ...]:
    """The scopes of which one is enough for this request; none are for a view of no known area.

    Keys, passwords, second factors and people take a scope of their own: `write` alone must not make a stronger key.
    A view with a `narrow_area` is also open to keys of that part; what they see there is the models' to say.
    """
    area, kind = area_of(view), "read" if method in SAFE_METHODS else "write"
    if (narrow := getattr(view, "narrow_area", "")) and NARROW_AREAS[narrow] == area:
        writing = ("write", f"{area}:write", f"{narrow}:write")
        return ("read", f"{area}:read", f"{narrow}:read", *writing) if kind == "read" else writing
    if not area:
        return ()
    if area == SERVICE:
        return tuple(sorted(SCOPES)) if kind == "read" else ()
    if area == "metrics":
        return ("read", "write", "metrics:read") if kind == "read" else ()
    if kind == "read":
        return ("read", "write", f"{area}:read", f"{area}:write")
    return (f"{area}:write",) if area == "accounts" else ("write", f"{area}:write")


class RolePermission(BasePermission):
    """Viewers read; operators also write and run things; what is an admin's says so in `required_roles`.

    A view may set `required_roles = {"<action or method>": "<role>"}`, for example `{"write": "admin"}`. A request by
    an API key also needs the key's scope.
    """

    message = "Your role does not allow this."

    def has_permission(self, request: Request, view: Any) -> bool:
        if rank(request.user) < ROLE_RANK[self.required_role(request, view)]:
            return False
        scopes = getattr(request.auth, "scopes", None)  # sessions and tokens have none: they are the person
        if scopes is not None:
            enough = scope_needed(view, request.method)
            if not set(scopes) & set(enough):
                wanted = " or ".join(enough[-2:]) or "no scope opens this address"
                raise ScopeMissing(f"This API key lacks the scope: {wanted}.")
        return True

    @staticmethod
    def required_role(request: Request, view: Any) -> str:
        roles: dict[str, str] = getattr(view, "required_roles", {})
        kind = "read" if request.method in SAFE_METHODS else "write"
        default = "viewer" if kind == "read" else "operator"
        return roles.get(getattr(view, "action", None) or "", roles.get(kind, default))
