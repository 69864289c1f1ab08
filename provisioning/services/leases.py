"""One request for a change under way at a router at a time, in whatever process.

Some versions of the router hang for ever on two. A lease, not a lock: nothing of the database is held while the
network is waited for, and who dies lets go in time.
"""

import uuid
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from provisioning.models import VyosRouter


def claim(router: VyosRouter, *, seconds: float, now: datetime | None = None) -> uuid.UUID | None:
    """A token for who may now send, or None while somebody else may. One conditional UPDATE decides."""
    now = now or timezone.now()
    token = uuid.uuid4()
    free = Q(claimed_until__isnull=True) | Q(claimed_until__lte=now)
    taken = VyosRouter.objects.filter(free, pk=router.pk).update(
        claimed_until=now + timedelta(seconds=seconds), claim_token=token
    )
    return token if taken else None


def extend(router: VyosRouter, token: uuid.UUID, *, seconds: float, now: datetime | None = None) -> bool:
    """Whether the lease was still held, and is now held for so much longer. Who is told no sends nothing more."""
    now = now or timezone.now()
    rows = VyosRouter.objects.filter(pk=router.pk, claim_token=token, claimed_until__gt=now)
    return bool(rows.update(claimed_until=now + timedelta(seconds=seconds)))


def let_go(router: VyosRouter, token: uuid.UUID) -> bool:
    """End a lease; one that somebody else has taken over meanwhile stays theirs."""
    rows = VyosRouter.objects.filter(pk=router.pk, claim_token=token)
    return bool(rows.update(claimed_until=None, claim_token=None))
