"""Why a machine, an address or a port is not given. Each names the field of the request and what to do."""

from typing import Any

from netmon.common.errors import Conflict


class Refusal(Conflict):
    """`field` is the one of the request that decides; it goes along in the answer."""

    def __init__(self, detail: str, *, field: str, **data: Any) -> None:
        super().__init__(detail, field=field, **data)
        self.field = field


class PoolExhausted(Refusal):
    """Every address of the pool, or of the asked range, is taken."""

    code = "pool_exhausted"


class PortsExhausted(Refusal):
    """No free port, or not so many in a row."""

    code = "ports_exhausted"


class RulesExhausted(Refusal):
    """Every rule number that netmon may use is taken."""

    code = "rules_exhausted"


class AddressTaken(Refusal):
    code = "address_taken"


class MacTaken(Refusal):
    code = "mac_taken"


class PortTaken(Refusal):
    code = "port_taken"


class NameTaken(Refusal):
    code = "name_taken"


class OutOfPool(Refusal):
    """What is asked for lies where the pool gives nothing."""

    code = "out_of_pool"


class QuotaExceeded(Refusal):
    code = "quota_exceeded"


class VmDiffers(Refusal):
    """There is a machine of this name, and it is another one than was asked for."""

    code = "vm_differs"


class VmLeaving(Refusal):
    """The machine is being taken off its router."""

    code = "vm_leaving"


class NotCleaned(Refusal):
    """Rows are kept until the router holds nothing of them any more."""

    code = "not_cleaned"


class NoSuchPort(Refusal):
    code = "no_such_port"


class Expired(Refusal):
    """Its time is over: it is given a later end first."""

    code = "expired"


class InTheWay(Refusal):
    """Something on the router that is not netmon's stands where this should go."""

    code = "in_the_way"


class StalePlan(Refusal):
    """What was seen and approved is not what would be sent now."""

    code = "stale_plan"


class NotPlannable(Refusal):
    """Nothing can be said before the router was read once."""

    code = "not_plannable"
