"""The people and ways of one moment, and who of them is told of what."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from monitoring.alerting.rulebook import Place, Scope
from monitoring.models.delivery import Channel, Contact, EscalationPolicy, EscalationStep
from monitoring.models.rules import Severity

DIGESTED_BELOW = Severity.HIGH


@dataclass(frozen=True, slots=True)
class Step:
    after: timedelta
    contacts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    pk: int
    scope: Scope
    steps: tuple[Step, ...]


# Where no policy fits, everybody is told at once: an installation with one contact needs no policy.
EVERYBODY = Policy(0, Scope(), ())


@dataclass(frozen=True, slots=True)
class Destination:
    """One contact over one channel."""

    contact: Contact
    channel: Channel

    @property
    def key(self) -> tuple[int, int]:
        return self.contact.pk, self.channel.pk

    @property
    def name(self) -> str:
        return f"{self.contact.name} by {self.channel.name}"[:250]


@dataclass(slots=True)
class Directory:
    policies: Sequence[Policy] = ()  # by rank
    contacts: dict[int, Contact] = field(default_factory=dict)
    channels: dict[int, list[Channel]] = field(default_factory=dict)  # by contact
    sites: dict[int, frozenset[int]] = field(default_factory=dict)
    tags: dict[int, frozenset[int]] = field(default_factory=dict)
    tenants: dict[int, frozenset[int]] = field(default_factory=dict)  # by user
    _kept: dict[tuple[int, int, str, Place], list[Destination]] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Self:
        """Everything, in a dozen small queries: contacts are few."""
        rows = Contact.objects.filter(is_enabled=True).prefetch_related("channels", "sites", "tags", "user__tenants")
        book = cls()
        for contact in rows:
            if contact.user is not None and not contact.user.is_active:
                continue
            book.contacts[contact.pk] = contact
            book.channels[contact.pk] = sorted(
                (one for one in contact.channels.all() if one.is_enabled), key=lambda one: one.pk
            )
            book.sites[contact.pk] = frozenset(one.pk for one in contact.sites.all())
            book.tags[contact.pk] = frozenset(one.pk for one in contact.tags.all())
            if contact.user is not None:
                book.tenants[contact.user.pk] = frozenset(one.pk for one in contact.user.tenants.all())
        steps: dict[int, list[Step]] = defaultdict(list)
        for step in EscalationStep.objects.order_by("number").prefetch_related("contacts"):
            contacts = tuple(sorted(one.pk for one in step.contacts.all()))
            steps[step.policy_id].append(Step(timedelta(seconds=step.after_seconds), contacts))
        book.policies = [
            Policy(row.pk, Scope.of(row), tuple(steps[row.pk]))
            for row in EscalationPolicy.objects.filter(is_enabled=True).order_by("rank", "name_key", "pk")
        ]
        return book

    def policy_for(self, rule_policy: int | None, place: Place) -> Policy:
        """The rule's own policy, else the first whose scope holds, else everybody."""
        for policy in self.policies:
            if policy.pk == rule_policy:
                return policy
        return next((policy for policy in self.policies if policy.scope.holds(place)), EVERYBODY)

    def recipients(self, policy: Policy, number: int, severity: str, place: Place) -> list[Destination]:
        """Whom a step of the policy tells of an alert of this severity at this place."""
        key = (policy.pk, number, severity, place)
        if key not in self._kept:
            self._kept[key] = list(self._recipients(policy, number, severity, place))
        return self._kept[key]

    def _recipients(self, policy: Policy, number: int, severity: str, place: Place) -> Iterable[Destination]:
        if policy is EVERYBODY:
            wanted: Iterable[int] = sorted(self.contacts) if number == 0 else ()
        else:
            wanted = policy.steps[number].contacts if number < len(policy.steps) else ()
        rank = Severity(severity).rank
        for pk in wanted:
            contact = self.contacts.get(pk)
            if contact is None or not self.wants(contact, rank, place):
                continue
            for channel in self.channels[pk]:
                if rank >= Severity(channel.min_severity).rank and channel.tenant_id in (None, place.tenant_id):
                    yield Destination(contact, channel)

    def wants(self, contact: Contact, rank: int, place: Place) -> bool:
        """The personal profile: severity, sites, tags, and what its user may see."""
        if rank < Severity(contact.min_severity).rank or contact.tenant_id not in (None, place.tenant_id):
            return False
        bound = self.tenants.get(contact.user_id or 0)
        if bound and place.tenant_id not in bound:
            return False
        sites, tags = self.sites[contact.pk], self.tags[contact.pk]
        return (not sites or place.site_id in sites) and (not tags or bool(tags & place.tags))


def not_before(contact: Contact, severity: str, at: datetime) -> tuple[datetime, str]:
    """When this contact may be told of what is to be told at `at`, and why not at once ("quiet", "digest")."""
    rank = Severity(severity).rank
    if contact.digest != Contact.Digest.NONE and rank < DIGESTED_BELOW.rank:
        return _next_digest(contact, at), "digest"
    if rank < Severity(contact.quiet_min_severity).rank and (end := quiet_end(contact, at)) is not None:
        return end, "quiet"
    return at, ""


def quiet_end(contact: Contact, at: datetime) -> datetime | None:
    """When the quiet hours that `at` falls into end; None outside of them. Wall time of the contact's zone."""
    start, end = contact.quiet_from, contact.quiet_to
    if start is None or end is None or start == end:
        return None
    zone = ZoneInfo(contact.time_zone)
    local = at.astimezone(zone)
    clock = local.time().replace(tzinfo=None)
    is_overnight = start > end
    is_quiet = (clock >= start or clock < end) if is_overnight else start <= clock < end
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=1) if is_overnight and clock >= start else local.date()
    return datetime.combine(day, end, tzinfo=zone)


def _next_digest(contact: Contact, at: datetime) -> datetime:
    zone = ZoneInfo(contact.time_zone)
    local = at.astimezone(zone)
    if contact.digest == Contact.Digest.HOURLY:
        return (at + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    hour = contact.summary_hour or 0
    day = local.date() if local.hour < hour else local.date() + timedelta(days=1)
    return datetime.combine(day, datetime.min.time().replace(hour=hour), tzinfo=zone)
