"""Why does this credential not work? More questions than a poll may ask, for the test button of a credential."""

from __future__ import annotations

from dataclasses import replace

from netmon.drivers.errors import AuthenticationFailed, DeadlineExceeded, DriverError
from netmon.drivers.snmp.pysnmp_engine import PysnmpEngine
from netmon.drivers.snmp.session import SYS_UP_TIME, SnmpSession
from netmon.drivers.targets import SnmpTarget

# The two ways to extend a short key: the wrong one is silence, like a wrong passphrase.
TWINS = {"AES-192": "AES-192-C", "AES-256": "AES-256-C", "AES-192-C": "AES-192", "AES-256-C": "AES-256"}


async def diagnose(target: SnmpTarget) -> str:
    """One sentence for people on how the agent takes these credentials; never raises a DriverError.

    A wrong privacy option looks like a dead device (RFC 3414: an undecipherable request is dropped by some agents), so
    after silence the engine is discovered and the same user tried without privacy.
    """
    try:
        await _try(target)
    except DeadlineExceeded as silence:
        if target.version != "3":
            return "No answer: the device is down, the community is wrong, or it does not accept our address."
        return await _diagnose_v3(target, silence)
    except DriverError as error:
        return error.detail
    return "The device answers."


async def _try(target: SnmpTarget) -> None:
    async with SnmpSession(target) as session:
        await session.get([SYS_UP_TIME])


async def _diagnose_v3(target: SnmpTarget, silence: DeadlineExceeded) -> str:
    try:
        await PysnmpEngine(target).discover([target.timeout_seconds, target.timeout_seconds])
    except DriverError:
        return f"{silence.detail} It does not answer SNMPv3 discovery either: it is down, or does not speak SNMPv3."
    if target.priv_protocol is None:
        return "The device is alive, but does not answer this user."
    twin = TWINS.get(target.priv_protocol)
    if twin is not None:
        try:
            await _try(replace(target, priv_protocol=twin))
        except DriverError:
            pass
        else:
            return f"The device answers when the privacy protocol is {twin}: it extends keys the other way."
    try:
        await _try(replace(target, priv_protocol=None, priv_key=None))
    except AuthenticationFailed as error:
        # authorizationError means that user and authentication were right, but privacy is demanded
        if "authorizationError" not in error.detail:
            return error.detail
    except DriverError:
        return "The device is alive, but does not answer this user."
    return "The device is alive and knows the user: the privacy passphrase or protocol is wrong."
