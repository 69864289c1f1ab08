"""Invites: the only way to an account beside an admin's hand."""

import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from netmon.accounts.models import Invite, User
from netmon.accounts.services import people
from netmon.audit import services as audit
from netmon.common.errors import Conflict

DEFAULT_HOURS, MAX_HOURS = 72, 720


class InviteGone(Conflict):
    """The link was used, has run out, was withdrawn or never existed: it is not told which."""

    code = "invite_gone"


def tenant_model() -> type[models.Model]:
    """The inventory's tenants, reached through the person: the inventory stands above the accounts."""
    related: Any = User._meta.get_field("tenants").related_model
    return related


def _hash(token: str) -> str:
    return salted_hmac("netmon.accounts.invite", token, algorithm="sha256").hexdigest()


@transaction.atomic
def make(
    *, by: User, role: str, email: str = "", tenants: Iterable[int] = (), hours: int = DEFAULT_HOURS
) -> tuple[Invite, str]:
    """An invite and the token of its link, which nothing can show again. Raises ValidationError naming the field."""
    numbers = sorted(set(tenants))
    people.refuse_bound_admin(role=role, tenants=numbers, field="tenants")
    if not 1 <= hours <= MAX_HOURS:
        raise ValidationError({"expires_hours": f"From 1 to {MAX_HOURS} hours."})
    token = secrets.token_urlsafe(32)
    invite = Invite(
        email=email,
        role=role,
        tenants=numbers,
        token_hash=_hash(token),
        created_by=by,
        expires_at=timezone.now() + timedelta(hours=hours),
    )
    invite.full_clean()
    invite.save()
    audit.record("invite", invite, after=audit.snapshot(invite))
    return invite, token


def find(token: str) -> Invite | None:
    """The invite of this token, while it can be used."""
    digest = _hash(token)
    invite = Invite.objects.filter(token_hash=digest).first()
    if invite is None or not constant_time_compare(invite.token_hash, digest) or invite.state != "open":
        return None
    return invite


@transaction.atomic
def accept(*, token: str, username: str, password: str, first_name: str = "", last_name: str = "") -> User:
    """The account that an invite promised. Raises InviteGone, or ValidationError naming the field."""
    now = timezone.now()
    # One statement decides: of two who come with the same link one finds it used.
    usable = Invite.objects.filter(token_hash=_hash(token), used_at__isnull=True, expires_at__gt=now)
    if usable.update(used_at=now) != 1:
        raise InviteGone("This invite cannot be used any more: ask an admin for a new one.")
    invite = Invite.objects.get(token_hash=_hash(token))
    tenants = list(tenant_model()._default_manager.filter(pk__in=invite.tenants))
    if len(tenants) != len(invite.tenants):
        raise InviteGone("A tenant of this invite is gone: ask an admin for a new one.")
    user = people.create(
        username=username,
        password=password,
        email=invite.email,
        role=invite.role,
        first_name=first_name,
        last_name=last_name,
        tenants=tenants,
    )
    invite.used_by = user
    invite.save(update_fields=["used_by"])
    audit.record("invite_used", invite, user=user)
    return user


@transaction.atomic
def withdraw(*, invite: Invite) -> None:
    """Delete an invite: its link ends."""
    audit.record("delete", invite, before=audit.snapshot(invite))
    invite.delete()
