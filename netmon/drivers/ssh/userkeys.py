"""The private key we log in with: read from its text, in every form that OpenSSH and OpenSSL write."""

from __future__ import annotations

import io
import struct
from typing import Any

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from netmon.drivers.errors import AuthenticationFailed
from netmon.drivers.targets import SshTarget

KINDS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
# another kind of key, a damaged one, or a wrong passphrase
UNREADABLE = (paramiko.SSHException, UnsupportedAlgorithm, struct.error, ValueError, LookupError, TypeError)


def private_key_of(target: SshTarget) -> Any:
    """The library's key of the target's text, None if it has none. Raises AuthenticationFailed."""
    if not target.private_key:
        return None
    text = target.private_key.reveal()
    passphrase = target.passphrase.reveal() if target.passphrase else None
    key = _read(text, passphrase)
    if key is None:
        key = _read(_from_pkcs8(text, passphrase), None)
    if key is None:
        told = "The private key cannot be read: it is no ed25519, ECDSA or RSA key, or its passphrase is wrong."
        raise AuthenticationFailed(told, reason="key-unusable")
    return key


def _read(text: str, passphrase: str | None) -> Any:
    for kind in KINDS:
        try:
            return kind.from_private_key(io.StringIO(text), passphrase)
        except paramiko.PasswordRequiredException:
            raise _locked() from None
        except UNREADABLE:
            continue
    return None


def _from_pkcs8(text: str, passphrase: str | None) -> str:
    """OpenSSL's form ("BEGIN PRIVATE KEY"), which paramiko does not know, in OpenSSH's; "" where it is neither."""
    try:
        key = serialization.load_pem_private_key(text.encode(), passphrase.encode() if passphrase else None)
        if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey):
            return ""
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ).decode()
    except TypeError:
        if passphrase is None:
            raise _locked() from None
        return ""  # a passphrase for a key that has none
    except UNREADABLE:
        return ""


def _locked() -> AuthenticationFailed:
    return AuthenticationFailed("The private key is locked with a passphrase; give it along.", reason="key-unusable")
