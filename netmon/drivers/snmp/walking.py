"""Walking several columns at once: where each stands, what to ask next, when to stop."""

from __future__ import annotations

from collections.abc import Sequence

from netmon.drivers.errors import ProtocolError
from netmon.drivers.snmp.errors import SnmpLoop
from netmon.drivers.snmp.types import Kind, Oid, Request, VarBind

# The largest table known (3,271 ports, 20 columns) has a third of it.
MAX_WALKED = 200_000


class Walk:
    """The state of one walk. `found` holds the variables of each column, `beside` the scalar that came with each."""

    def __init__(self, columns: Sequence[Oid], scalar: Oid | None = None) -> None:
        self.found: dict[Oid, list[VarBind]] = {tuple(column): [] for column in columns}
        self.beside: dict[Oid, VarBind] = {}
        self.cursors = {column: column for column in self.found}
        self._scalar = scalar
        self._group: list[Oid] = []
        self._scalars = 0
        self._walked = 0

    def next_request(self, limit: int, has_getbulk: bool) -> Request:
        """The next request, of at most `limit` variables; its answer goes to `advance`, a noSuchName to `drop`."""
        # GETNEXT from the object finds its only instance
        first = (self._scalar[:-1],) if self._scalar and limit > 1 else ()
        self._scalars = len(first)
        self._group = list(self.cursors)[: limit - self._scalars]
        oids = first + tuple(self.cursors[column] for column in self._group)
        if not has_getbulk:
            return Request(Kind.GETNEXT, oids)
        return Request(Kind.GETBULK, oids, self._scalars, max(1, (limit - self._scalars) // len(self._group)))

    def drop(self, error_index: int) -> None:
        """A v1 agent has nothing after the variable `error_index` (from 1) of the last request."""
        if not 1 <= error_index <= self._scalars + len(self._group):
            raise ProtocolError("The device answered noSuchName for a variable that was not asked.")
        if error_index <= self._scalars:
            self._scalar = None
        else:
            del self.cursors[self._group[error_index - 1 - self._scalars]]

    def advance(self, request: Request, var_binds: Sequence[VarBind]) -> None:
        """Files an answer row by row. Raises SnmpLoop and ProtocolError; an answer may be cut short anywhere."""
        asked = self._scalars + len(self._group) * max(1, request.max_repetitions)
        if request.kind is Kind.GETNEXT and len(var_binds) != asked:
            raise ProtocolError("The device answered another number of variables than asked for.")
        if not self._scalars < len(var_binds) <= asked:
            raise ProtocolError("The device answered no variables or more than asked for.")
        told = var_binds[0] if self._scalars and var_binds[0].oid == self._scalar else None
        for n, var_bind in enumerate(var_binds[self._scalars :]):
            column = self._group[n % len(self._group)]
            cursor = self.cursors.get(column)
            if cursor is None:
                continue
            if not var_bind.type.is_exception and var_bind.oid <= cursor:
                raise SnmpLoop("The device answered an object identifier that does not increase.")
            if var_bind.type.is_exception or var_bind.oid[: len(column)] != column:
                del self.cursors[column]
                continue
            self.found[column].append(var_bind)
            self.cursors[column] = var_bind.oid
            self._walked += 1
            if told is not None:
                self.beside[var_bind.oid] = told
        if self._walked > MAX_WALKED:
            raise ProtocolError(f"The table has more than {MAX_WALKED} values.")
