"""Whom to believe: the system's authorities, one's own, or one certificate."""

from __future__ import annotations

import hashlib
import hmac
import ssl

from netmon.drivers.dialing import tls_context, tls_error
from netmon.drivers.errors import DriverError, ProtocolError, Unreachable, UntrustedPeer
from netmon.drivers.httpwire import CheckPeer
from netmon.drivers.targets import VyosTarget

# OpenSSL's x509_vfy.h; the numbers have not changed since 1.0.2
_REASONS = {
    9: ("not_yet_valid", "is not valid yet; compare the clocks"),
    10: ("expired", "has expired; the router needs a new one"),
    18: ("unknown_ca", "is signed by itself; give its authority, or its fingerprint"),
    19: ("unknown_ca", "is signed by an authority that is not trusted; give that authority, or the fingerprint"),
    20: ("unknown_ca", "is signed by an authority that is not trusted; give that authority, or the fingerprint"),
    21: ("unknown_ca", "is signed by an authority that is not trusted; give that authority, or the fingerprint"),
    62: ("hostname", "is for another name; set server_name to the one it has"),
    64: ("hostname", "is for another address; set server_name to the name it has"),
}


def context_for(target: VyosTarget) -> ssl.SSLContext:
    """Raises ProtocolError where `ca_pem` cannot be read."""
    if target.certificate_sha256:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the pin says more than a name
        context.verify_mode = ssl.CERT_NONE
        return context
    if not target.ca_pem:
        return tls_context(verify=True)
    try:
        return ssl.create_default_context(cadata=target.ca_pem)
    except (ssl.SSLError, ValueError):
        raise ProtocolError("The certificate of the own authority cannot be read; paste it anew.") from None


def pin_check(target: VyosTarget) -> CheckPeer | None:
    """Compares the certificate with the pin before anything is sent."""
    if not target.certificate_sha256:
        return None

    def check(tls: ssl.SSLSocket) -> None:
        offered = fingerprint(tls.getpeercert(binary_form=True) or b"")
        if not hmac.compare_digest(offered, target.certificate_sha256):
            raise UntrustedPeer(
                f"{target.address} port {target.port} shows another certificate than the approved one: SHA-256 "
                f"{offered}. The key was not sent. Find out why before you approve it.",
                reason="pin_mismatch",
            )

    return check


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate, as 64 hex digits."""
    return hashlib.sha256(der).hexdigest()


def failed_handshake(target: VyosTarget, error: ssl.SSLError) -> DriverError:
    """What a failed handshake means; nothing was sent."""
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _REASONS:
        reason, sentence = _REASONS[error.verify_code]
        return UntrustedPeer(
            f"The certificate of {target.address} port {target.port} {sentence}. The key was not sent.", reason=reason
        )
    if isinstance(error, ssl.SSLEOFError):  # a router that starts or stops: not a matter of trust or protocol
        return Unreachable(f"{target.address} closed the connection during the handshake.", reason="closed")
    return tls_error(target.address, error)
