"""SNMP v1, v2c and v3: get, walk and table over asyncio. What to ask is the caller's business."""

from netmon.drivers.snmp.diagnosis import diagnose
from netmon.drivers.snmp.errors import ErrorStatus, SnmpLoop, TooBig
from netmon.drivers.snmp.session import SnmpSession
from netmon.drivers.snmp.types import Oid, SnmpType, VarBind

__all__ = ["ErrorStatus", "Oid", "SnmpLoop", "SnmpSession", "SnmpType", "TooBig", "VarBind", "diagnose"]
