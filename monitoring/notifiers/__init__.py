"""The ways out, one module each, by the kind of the channel: `send(message, config) -> Outcome`, or `Failed`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from monitoring.notifying.messages import Message

DEADLINE_SECONDS = 20.0  # of one message, connecting included


@dataclass(frozen=True, slots=True)
class Outcome:
    """The other side took it: its code (250, 200), a word of its own, and the id it gave.

    `deferred` are the addresses of the contact that it did not take yet and may take later.
    """

    code: str
    detail: str = ""
    provider_id: str = ""
    deferred: tuple[str, ...] = ()


class Failed(Exception):
    """The other side did not take it. Without secrets, as it stands in the log.

    `is_permanent`: trying again cannot help. `is_uncertain`: it may have taken it all the same, since the whole message
    had left when the answer failed to come. `retry_after`: seconds it asked to be left alone.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: str = "",
        is_permanent: bool = False,
        is_uncertain: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.is_permanent = is_permanent
        self.is_uncertain = is_uncertain
        self.retry_after = retry_after


Send = Callable[[Message, Mapping[str, Any]], Outcome]
NOTIFIERS: dict[str, Send] = {}


def register(kind: str, send: Send) -> None:
    """Raises ValueError when the kind has an owner."""
    if NOTIFIERS.setdefault(kind, send) is not send:
        raise ValueError(f"{kind}: another notifier has this kind")
