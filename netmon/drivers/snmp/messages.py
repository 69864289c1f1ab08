"""SNMP messages to bytes and back, by pysnmp's message classes (RFC 1157, RFC 1901, RFC 3412, RFC 3416).

Only the classes are used, not pysnmp's engines or dispatchers: sockets, timers and security state are ours, so
that nothing of pysnmp is bound to an event loop.
"""

from __future__ import annotations

import hmac
from typing import Any

from pyasn1.codec.ber import decoder, encoder  # type: ignore[import-untyped]
from pyasn1.error import PyAsn1Error  # type: ignore[import-untyped]
from pyasn1.type import univ  # type: ignore[import-untyped]
from pysnmp.error import PySnmpError  # type: ignore[import-untyped]
from pysnmp.proto import api, rfc1905  # type: ignore[import-untyped]

from netmon.drivers.errors import ProtocolError
from netmon.drivers.snmp.types import Kind, Request, Response, SnmpType, VarBind

# What pyasn1 and pysnmp were seen to raise on bytes made to hurt.
MALFORMED = (
    PyAsn1Error,
    PySnmpError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RecursionError,
)

V1, V2C = api.PROTOCOL_MODULES[api.SNMP_VERSION_1], api.PROTOCOL_MODULES[api.SNMP_VERSION_2C]
_TYPES = {kind.value: kind for kind in SnmpType}
_NULL = univ.Null("")
MAX_OID_LENGTH = 128


def encode(value: Any) -> bytes:
    """The BER encoding of a pyasn1 object."""
    return bytes(encoder.encode(value))


def decode(data: bytes, spec: Any, *, padded: bool = False) -> Any:
    """`data` as one object of `spec`; bytes after it are refused unless `padded`. Raises ProtocolError."""
    try:
        found, rest = decoder.decode(data, asn1Spec=spec)
    except MALFORMED as error:
        raise ProtocolError(f"The answer cannot be decoded ({type(error).__name__}).") from None
    if rest and not padded:
        raise ProtocolError("The answer has bytes after its end.")
    return found


def build_pdu(module: Any, request: Request, request_id: int) -> Any:
    """The PDU of a request; `module` is V1 or V2C (which v3 uses too)."""
    if request.kind is Kind.GETBULK:
        pdu, interface = module.GetBulkRequestPDU(), module.apiBulkPDU
    else:
        pdu = module.GetRequestPDU() if request.kind is Kind.GET else module.GetNextRequestPDU()
        interface = module.apiPDU
    interface.set_defaults(pdu)
    interface.set_request_id(pdu, request_id)
    if request.kind is Kind.GETBULK:
        interface.set_non_repeaters(pdu, request.non_repeaters)
        interface.set_max_repetitions(pdu, request.max_repetitions)
    interface.set_varbinds(pdu, [(oid, _NULL) for oid in request.oids])
    return pdu


def read_pdu(pdu: Any, request_id: int) -> Response | None:
    """A response PDU in our words, None when it answers another request. Raises ProtocolError."""
    try:
        if int(pdu[0]) != request_id:
            return None
        var_binds = tuple(_read_var_bind(var_bind) for var_bind in pdu[3])
        return Response(int(pdu[1]), int(pdu[2]), var_binds)
    except MALFORMED as error:
        raise ProtocolError(f"The answer cannot be read ({type(error).__name__}).") from None


def _read_var_bind(var_bind: Any) -> VarBind:
    name, value = V2C.apiVarBind.get_oid_value(var_bind)
    oid = tuple(map(int, name))
    if len(oid) > MAX_OID_LENGTH:
        raise ValueError("object identifier too long")
    tag = value.tagSet[-1]
    # class (application 0x40, context 0x80) and number make the first byte of the encoding again
    kind = _TYPES[int(tag.tagClass) | int(tag.tagId)]
    if kind in (SnmpType.OctetString, SnmpType.Opaque):
        return VarBind(oid, kind, bytes(value))
    if kind is SnmpType.Oid:
        return VarBind(oid, kind, tuple(map(int, value)))
    if kind is SnmpType.IpAddress:
        return VarBind(oid, kind, ".".join(map(str, value.asNumbers())))
    if kind is SnmpType.Null or kind.is_exception:
        return VarBind(oid, kind, None)
    return VarBind(oid, kind, int(value))


def seal_community(version: str, community: str, request: Request, request_id: int) -> bytes:
    """A whole v1 or v2c message."""
    module = V1 if version == "1" else V2C
    message = module.Message()
    module.apiMessage.set_defaults(message)
    module.apiMessage.set_community(message, community.encode())
    module.apiMessage.set_pdu(message, build_pdu(module, request, request_id))
    return encode(message)


def open_community(version: str, community: str, datagram: bytes, request_id: int) -> Response | None:
    """The answer in a v1 or v2c message, None if version, community or request-id are others'. Raises ProtocolError."""
    module = V1 if version == "1" else V2C
    message = decode(datagram, module.Message())
    try:
        pdu = module.apiMessage.get_pdu(message)
        ours = int(message[0]) == (0 if version == "1" else 1)
        ours = ours and hmac.compare_digest(bytes(message[1]), community.encode())
        is_response = pdu.tagSet == module.GetResponsePDU.tagSet
    except MALFORMED as error:
        raise ProtocolError(f"The answer cannot be read ({type(error).__name__}).") from None
    if not is_response:
        raise ProtocolError("The device sent something that is no response.")
    return read_pdu(pdu, request_id) if ours else None


def is_report(pdu: Any) -> bool:
    """True for a Report (RFC 3412), False for a Response; raises ProtocolError for anything else."""
    if pdu.tagSet == rfc1905.ReportPDU.tagSet:
        return True
    if pdu.tagSet == rfc1905.ResponsePDU.tagSet:
        return False
    raise ProtocolError("The device sent something that is neither response nor report.")
