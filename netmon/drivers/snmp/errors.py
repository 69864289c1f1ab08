"""What only SNMP can get wrong. All of them are driver errors (`netmon.drivers.errors`)."""

from __future__ import annotations

from netmon.drivers.errors import ProtocolError, Rejected

# RFC 3416 section 3, in the order of their numbers.
ERROR_STATUS = (
    "noError",
    "tooBig",
    "noSuchName",
    "badValue",
    "readOnly",
    "genErr",
    "noAccess",
    "wrongType",
    "wrongLength",
    "wrongEncoding",
    "wrongValue",
    "noCreation",
    "inconsistentValue",
    "resourceUnavailable",
    "commitFailed",
    "undoFailed",
    "authorizationError",
    "notWritable",
    "inconsistentName",
)


class SnmpLoop(ProtocolError):
    """An OID that should have increased did not: going on would never end."""

    code = "loop"


class ErrorStatus(Rejected):
    """The agent answered with an error-status. `name` as in RFC 3416, `index` counts var-binds from 1, 0 for none."""

    def __init__(self, status: int, index: int) -> None:
        self.status = status
        self.name = ERROR_STATUS[status] if 0 <= status < len(ERROR_STATUS) else f"error-status {status}"
        self.index = index
        super().__init__(f"The agent answered {self.name}" + (f" for variable {index}." if index else "."))


class TooBig(ErrorStatus):
    """The agent cannot fit even a single variable into its answer."""

    code = "too_big"

    def __init__(self, index: int = 0) -> None:
        super().__init__(1, index)
