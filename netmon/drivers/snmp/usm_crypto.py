"""Keys, MACs and ciphers of SNMPv3's User-based Security Model (RFC 3414, RFC 3826, RFC 7860).

Deriving a key hashes a megabyte, so derived keys are kept; a passphrase is never a key of the cache, only its digest
under a random salt of this process.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from netmon.drivers.errors import NotSupported, ProtocolError
from netmon.drivers.targets import Secret

K = TypeVar("K")
V = TypeVar("V")

# hashlib name and length of the MAC in octets
AUTH = {
    "MD5": ("md5", 12),
    "SHA": ("sha1", 12),
    "SHA-224": ("sha224", 16),
    "SHA-256": ("sha256", 24),
    "SHA-384": ("sha384", 32),
    "SHA-512": ("sha512", 48),
}
# octets of key material (for DES and 3DES with the pre-IV behind the key)
PRIV = {"DES": 16, "3DES": 32, "AES": 16, "AES-192": 24, "AES-256": 32, "AES-192-C": 24, "AES-256-C": 32}
# 3DES and the -C variants extend by the Reeder draft, the others by the Blumenthal draft
REEDER = ("3DES", "AES-192-C", "AES-256-C")

_SALT = os.urandom(32)
# RFC 3826 3.1.2.1: never the same twice under a key, hence one counter for all keys, from a random start
_counter = itertools.count(int.from_bytes(os.urandom(8), "big"))


class Bounded(Generic[K, V]):
    """A dict of at most `size` entries that forgets the oldest."""

    def __init__(self, size: int) -> None:
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._size = size

    def get(self, key: K) -> V | None:
        return self._entries.get(key)

    def put(self, key: K, value: V) -> V:
        self._entries[key] = value
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
        return value

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)

    def compute(self, key: K, make: Callable[[], V]) -> V:
        found = self.get(key)
        return self.put(key, make()) if found is None else found


_masters: Bounded[tuple[str, bytes], bytes] = Bounded(4096)
_localised: Bounded[tuple[str, str, bytes, bytes], bytes] = Bounded(16384)


def _password_to_key(algorithm: str, password: bytes) -> bytes:
    """RFC 3414 A.2: the digest of the password repeated to one megabyte."""
    return hashlib.new(algorithm, (password * (1_048_576 // len(password) + 1))[:1_048_576]).digest()


def _localise(algorithm: str, key: bytes, engine_id: bytes) -> bytes:
    return hashlib.new(algorithm, key + engine_id + key).digest()


def _master(algorithm: str, secret: Secret) -> tuple[bytes, bytes]:
    password = secret.reveal().encode()
    name = hmac.digest(_SALT, password, "sha256")
    return name, _masters.compute((algorithm, name), lambda: _password_to_key(algorithm, password))


def auth_key(protocol: str, secret: Secret, engine_id: bytes) -> bytes:
    """The localised authentication key."""
    algorithm, _ = AUTH[protocol]
    name, master = _master(algorithm, secret)
    return _localised.compute((algorithm, "auth", name, engine_id), lambda: _localise(algorithm, master, engine_id))


def priv_key(auth_protocol: str, protocol: str, secret: Secret, engine_id: bytes) -> bytes:
    """The localised privacy key, extended where the digest is shorter than the cipher's key."""
    algorithm, _ = AUTH[auth_protocol]
    name, master = _master(algorithm, secret)

    def extend() -> bytes:
        key = _localise(algorithm, master, engine_id)
        while len(key) < PRIV[protocol]:
            if protocol in REEDER:
                key += _localise(algorithm, _password_to_key(algorithm, key), engine_id)
            else:
                key += hashlib.new(algorithm, key).digest()
        return key[: PRIV[protocol]]

    return _localised.compute((algorithm, protocol, name, engine_id), extend)


def mac(protocol: str, key: bytes, message: bytes) -> bytes:
    """The truncated HMAC over a whole message whose MAC field holds zeros."""
    algorithm, length = AUTH[protocol]
    return hmac.digest(key, message, algorithm)[:length]


def encrypt(protocol: str, key: bytes, boots: int, time: int, plain: bytes) -> tuple[bytes, bytes]:
    """Ciphertext and the msgPrivacyParameters (salt) that go with it."""
    count = next(_counter)
    if protocol in ("DES", "3DES"):
        salt = boots.to_bytes(4, "big") + (count & 0xFFFFFFFF).to_bytes(4, "big")
        plain += bytes(-len(plain) % 8)
    else:
        salt = (count & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")
    encryptor = _cipher(protocol, key, boots, time, salt).encryptor()
    return encryptor.update(plain) + encryptor.finalize(), salt


def decrypt(protocol: str, key: bytes, boots: int, time: int, salt: bytes, data: bytes) -> bytes:
    """The plaintext, with its padding where the cipher pads. Raises ProtocolError when lengths do not fit."""
    if len(salt) != 8 or (protocol in ("DES", "3DES") and len(data) % 8):
        raise ProtocolError("The encrypted answer has a wrong length.")
    decryptor = _cipher(protocol, key, boots, time, salt).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def _cipher(protocol: str, key: bytes, boots: int, time: int, salt: bytes) -> Cipher[CBC | CFB]:
    try:
        if protocol == "DES":
            # the library has no DES; three equal keys make TripleDES the same
            return Cipher(TripleDES(key[:8] * 3), CBC(_xor(salt, key[8:16])))
        if protocol == "3DES":
            return Cipher(TripleDES(key[:24]), CBC(_xor(salt, key[24:32])))
        return Cipher(AES(key), CFB(boots.to_bytes(4, "big") + time.to_bytes(4, "big") + salt))
    except (UnsupportedAlgorithm, ValueError) as error:
        raise NotSupported(f"This machine cannot do {protocol} ({type(error).__name__}).") from None


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
