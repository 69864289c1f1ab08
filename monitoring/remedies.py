"""What could be done about an alert. An app above registers where its proposals come from, so that monitoring need not
import it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitoring.models import Alert


@dataclass(frozen=True, slots=True)
class Remedy:
    """A button at an alert: where it leads, and a word on what it does."""

    label: str
    url: str
    note: str = ""


# Called with an alert and the person who looks at it.
Proposals = Callable[["Alert", Any], "list[Remedy]"]
PROPOSALS: dict[str, Proposals] = {}


def register(name: str, proposals: Proposals) -> None:
    """Raises ValueError when `name` has an owner already."""
    if name in PROPOSALS:
        raise ValueError(f"remedies {name!r} are registered twice")
    PROPOSALS[name] = proposals


def of(alert: "Alert", user: Any) -> Iterator[Remedy]:
    """Everything that this person may do about it."""
    for proposals in PROPOSALS.values():
        yield from proposals(alert, user)
