"""Whose machines somebody sees and changes: all of the network, or their own."""

from typing import Any

from django.db.models import Q

from netmon.common.permissions import ROLE_RANK, rank

# An API key with one of these reads, or writes, machines as the person does; one for machines only, the person's own.
READING = frozenset({"read", "write", "provisioning:read", "provisioning:write"})
WRITING = frozenset({"write", "provisioning:write"})


def sees_own_only(user: Any) -> bool:
    """A viewer who is bound to tenants sees the machines that they own, as does a key for machines alone."""
    key = getattr(user, "acting_key", None)
    if key is not None and not READING & set(key.scopes):
        return True
    return bool(user.tenant_ids) and rank(user) < ROLE_RANK["operator"]


def changes_own_only(user: Any) -> bool:
    """Who is no operator, or comes with a key for machines alone, changes nothing but the machines that they own."""
    key = getattr(user, "acting_key", None)
    if key is not None and not WRITING & set(key.scopes):
        return True
    return rank(user) < ROLE_RANK["operator"]


def owned(rows: Any, user: Any, *paths: str) -> Any:
    """Of rows, those whose owner by one of the paths somebody is, if they see nothing else."""
    if not getattr(user, "is_authenticated", False) or not user.is_active or not sees_own_only(user):
        return rows
    mine = Q()
    for path in paths:
        mine |= Q(**{path: user.pk})
    return rows.filter(mine)
