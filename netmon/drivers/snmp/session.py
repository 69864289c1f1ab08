"""What every engine needs above it: retries, sizes, walking, and distrust of what comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

from netmon.drivers.errors import AuthenticationFailed, DeadlineExceeded, ProtocolError
from netmon.drivers.snmp.errors import ErrorStatus, TooBig
from netmon.drivers.snmp.pysnmp_engine import PysnmpEngine
from netmon.drivers.snmp.types import Engine, Kind, Oid, Request, Response, SnmpType, VarBind
from netmon.drivers.snmp.usm_crypto import Bounded
from netmon.drivers.snmp.walking import Walk
from netmon.drivers.targets import SnmpTarget

NO_ERROR, TOO_BIG, NO_SUCH_NAME, GEN_ERR, AUTHORIZATION_ERROR = 0, 1, 2, 5, 16
SYS_UP_TIME: Oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
RETRY_GROWTH = 1.5
# A request this small that times out says that the device is silent, not that the request was too large.
SMALL_REQUEST = 10
RELEARN_SECONDS = 3600.0


@dataclass(slots=True)
class _Habits:
    """What a device turned out to bear; forgotten after RELEARN_SECONDS, as it may have been repaired since."""

    max_var_binds: int
    has_getbulk: bool
    learned_at: float


_habits: Bounded[tuple[str, int], _Habits] = Bounded(16384)


class SnmpSession:
    """Asks one agent. Use as `async with SnmpSession(target) as session:`.

    `target.deadline_seconds` bounds the time spent on the wire by all calls together; waiting for a slot while other
    devices are being asked does not count. `response_ms` is the time of the latest answer. Every method raises
    DriverError only: DeadlineExceeded, Unreachable, AuthenticationFailed, ProtocolError, SnmpLoop, ErrorStatus, TooBig.
    """

    def __init__(self, target: SnmpTarget, engine: Engine | None = None) -> None:
        self._target = target
        self._engine: Engine = PysnmpEngine(target) if engine is None else engine
        self._spent = 0.0
        self._waits = [target.timeout_seconds * RETRY_GROWTH**n for n in range(target.retries + 1)]
        self.response_ms: float | None = None

    async def __aenter__(self) -> SnmpSession:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the session. Nothing stays open between calls, so that a forgotten close leaks nothing."""

    async def get(self, oids: Iterable[Oid]) -> list[VarBind]:
        """The variables asked for, in that order; a missing one has an exception type (in v1: NoSuchInstance)."""
        wanted = list(oids)
        found: list[VarBind] = []
        while len(found) < len(wanted):
            chunk = tuple(wanted[len(found) : len(found) + self._limit])
            response = await self._sized(Request(Kind.GET, chunk))
            if response is not None:
                found += await self._get_chunk(chunk, response)
        return found

    async def _get_chunk(self, chunk: tuple[Oid, ...], response: Response) -> list[VarBind]:
        """The values of `chunk`; a v1 agent names one missing variable at a time, so the others are asked again."""
        missing: set[int] = set()
        while response.error_status == NO_SUCH_NAME and self._target.version == "1":
            left = [n for n in range(len(chunk)) if n not in missing]
            if not 1 <= response.error_index <= len(left):
                raise ProtocolError("The device answered noSuchName for a variable that was not asked.")
            missing.add(left[response.error_index - 1])
            left = [n for n in range(len(chunk)) if n not in missing]
            if not left:
                break
            response = await self._ask(Request(Kind.GET, tuple(chunk[n] for n in left)))
        asked = tuple(oid for n, oid in enumerate(chunk) if n not in missing)
        if asked:
            _check_status(response, self._target.version)
            if tuple(var_bind.oid for var_bind in response.var_binds) != asked:
                raise ProtocolError("The device answered other variables than those asked for.")
        values = iter(response.var_binds)
        return [
            VarBind(oid, SnmpType.NoSuchInstance, None) if n in missing else next(values) for n, oid in enumerate(chunk)
        ]

    async def walk(self, root: Oid) -> list[VarBind]:
        """All variables below `root`, in order; an empty list when there are none."""
        return (await self._columns([root]))[0][root]

    async def table(self, columns: Sequence[Oid], *, scalar: Oid | None = None) -> dict[Oid, dict[Oid, VarBind]]:
        """Rows by index (what follows the column's OID); a row holds the columns the device has for it.

        `scalar`, such as sysUpTime.0, is asked in every request beside the columns; each row holds its value from the
        last answer that brought a part of that row, so that counters and clock are of the same moment.
        """
        rows: dict[Oid, dict[Oid, VarBind]] = {}
        walked, beside = await self._columns(columns, scalar)
        for column, var_binds in walked.items():
            for var_bind in var_binds:
                row = rows.setdefault(var_bind.oid[len(column) :], {})
                row[column] = var_bind
                told = beside.get(var_bind.oid)
                if scalar is not None and told is not None:
                    row[scalar] = told
        return dict(sorted(rows.items()))

    async def _columns(
        self, columns: Sequence[Oid], scalar: Oid | None = None
    ) -> tuple[dict[Oid, list[VarBind]], dict[Oid, VarBind]]:
        """The variables of each column, and for each of them the scalar that came with it."""
        walk = Walk(columns, scalar)
        while walk.cursors:
            limit = self._limit
            request = walk.next_request(limit, self._has_getbulk)
            response = await self._sized(request)
            if response is None:
                continue
            if response.error_status == GEN_ERR and request.kind is Kind.GETBULK:
                self._learn(has_getbulk=False)
                continue
            if response.error_status == NO_SUCH_NAME and self._target.version == "1":
                walk.drop(response.error_index)
                continue
            _check_status(response, self._target.version)
            walk.advance(request, response.var_binds)
        return walk.found, walk.beside

    @property
    def _known(self) -> _Habits:
        habits = _habits.get((self._target.address, self._target.port))
        if habits is None or time.monotonic() - habits.learned_at > RELEARN_SECONDS:
            return _Habits(self._target.max_var_binds, True, time.monotonic())
        return habits

    @property
    def _limit(self) -> int:
        return min(self._known.max_var_binds, self._target.max_var_binds)

    @property
    def _has_getbulk(self) -> bool:
        return self._target.version != "1" and self._known.has_getbulk

    def _learn(self, *, max_var_binds: int | None = None, has_getbulk: bool = True) -> None:
        known = self._known
        known.max_var_binds = max_var_binds or known.max_var_binds
        known.has_getbulk = known.has_getbulk and has_getbulk
        _habits.put((self._target.address, self._target.port), known)

    async def _sized(self, request: Request) -> Response | None:
        """The answer, or None when the request was too large: the limit is halved then, and the caller asks anew."""
        size = len(request.oids) * max(1, request.max_repetitions)
        try:
            response = await self._ask(request)
        except DeadlineExceeded as silence:
            # A path that loses fragments looks like silence; where something came before, a small question tells.
            if size <= SMALL_REQUEST or self.response_ms is None or self._remaining <= 0:
                raise
            try:
                await self._ask(Request(Kind.GET, (SYS_UP_TIME,)))
            except DeadlineExceeded:
                raise silence from None
        else:
            if response.error_status != TOO_BIG:
                return response
            if size == 1:
                raise TooBig(response.error_index)
        self._learn(max_var_binds=size // 2)
        return None

    @property
    def _remaining(self) -> float:
        return self._target.deadline_seconds - self._spent

    async def _ask(self, request: Request) -> Response:
        loop = asyncio.get_running_loop()
        async with self._engine.slot():
            started = loop.time()
            try:
                async with asyncio.timeout(max(0.0, self._remaining)):
                    response = await self._engine.request(request, self._waits)
            except TimeoutError:
                raise DeadlineExceeded(
                    f"The device did not finish within its {self._target.deadline_seconds:g} s."
                ) from None
            finally:
                self._spent += loop.time() - started
        self.response_ms = response.rtt_seconds * 1000
        return response


def _check_status(response: Response, version: str) -> None:
    if response.error_status == NO_ERROR:
        return
    if response.error_status == AUTHORIZATION_ERROR and version == "3":
        raise AuthenticationFailed(
            "The device knows the user but refuses this security level or view (authorizationError)."
        )
    raise ErrorStatus(response.error_status, response.error_index)
