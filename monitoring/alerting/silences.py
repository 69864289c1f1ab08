"""Which alerts nobody is told of, because somebody said so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from monitoring.alerting.rulebook import EVERYWHERE, Place, Scope
from monitoring.models.alerts import Alert
from monitoring.models.rules import Silence


@dataclass(frozen=True, slots=True)
class Shut:
    """The silences of one moment."""

    by_fingerprint: dict[str, datetime]
    by_scope: Sequence[tuple[Scope, int | None, datetime]]  # scope, rule, until

    @classmethod
    def load(cls, now: datetime) -> Self:
        prints: dict[str, datetime] = {}
        scopes: list[tuple[Scope, int | None, datetime]] = []
        for row in Silence.objects.filter(starts_at__lte=now, ends_at__gt=now):
            if row.fingerprint:
                prints[row.fingerprint] = max(row.ends_at, prints.get(row.fingerprint, row.ends_at))
            else:
                scopes.append((Scope.of(row), row.rule_id, row.ends_at))
        return cls(prints, scopes)

    def until(self, alert: Alert, place: Place) -> datetime | None:
        """Until when this alert is silent; None when it is not."""
        found = [self.by_fingerprint[alert.fingerprint]] if alert.fingerprint in self.by_fingerprint else []
        for scope, rule_id, ends_at in self.by_scope:
            # One that names neither rule nor scope would silence everything.
            if (rule_id is None and scope == EVERYWHERE) or rule_id not in (None, alert.rule_id):
                continue
            if scope.holds(place):
                found.append(ends_at)
        return max(found, default=None)

    def holds(self, alert: Alert, place: Place) -> bool:
        return self.until(alert, place) is not None
