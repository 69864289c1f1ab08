"""SSH key pairs: made, read from any usual file format, judged, and described as OpenSSH describes them.

No Django here. Formats: OpenSSH's own (PROTOCOL.key), PKCS#1 and SEC1 PEM, PKCS#8 plain and encrypted. The public line
is that of RFC 4253 section 6.6, RFC 5656 and RFC 8709; fingerprints are those of `ssh-keygen -l`.

A known weak generator (Debian's OpenSSL of 2006 to 2008) is not recognised: its lists of keys are not carried along.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

MAX_BYTES = 16 * 1024
MAX_COMMENT = 255
TYPES = ("ed25519", "rsa")  # that are made here
RSA_BITS = (3072, 8192)  # made here; NIST SP 800-57: 3072 bits are worth 128
WEAK_BITS, FAIR_BITS = 2048, 3072
MAX_BCRYPT_ROUNDS = 1000  # some seconds; ssh-keygen writes 16 or 24
MAX_WORK = 2_000_000  # iterations of PBKDF2, cost of scrypt
CURVES = {"secp256r1": "nistp256", "secp384r1": "nistp384", "secp521r1": "nistp521"}

PrivateKey = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_MAGIC = b"openssh-key-v1\x00"
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\n(.*?)\n?-----END \1-----", re.DOTALL)
_ONE_LINE = re.compile(r"(-----BEGIN [A-Z0-9 ]+-----)(.*?)(-----END [A-Z0-9 ]+-----)")
_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_PUBLIC_LINE = re.compile(r"^(ssh-|ecdsa-sha2-|sk-)\S+ +AAAA")


class KeyRefused(ValueError):
    """Why a key is not taken, and what to do; `part` is `key` or `passphrase`, `code` is for programs."""

    def __init__(self, reason: str, *, code: str = "invalid_key", part: str = "key") -> None:
        super().__init__(reason)
        self.code, self.part = code, part


class PrivateText(str):
    """A private key as `load` or `generate` gives it: judged already. Its repr is "***"."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """`private` is OpenSSH's format without a passphrase; `warnings` are for people."""

    type: str
    bits: int
    private: PrivateText = field(repr=False)
    public_key: str
    comment: str
    fingerprint: str
    fingerprint_md5: str
    warnings: tuple[str, ...]


def generate(*, type: str, bits: int | None = None, comment: str = "") -> KeyPair:
    """A new key pair; `bits` are for RSA: 3072 to 8192, a multiple of 256 (4096 unless told). Raises ValueError."""
    if type == "ed25519":
        if bits not in (None, 256):
            raise ValueError("bits: an Ed25519 key has 256; leave it out")
        return _pair(ed25519.Ed25519PrivateKey.generate(), comment)
    if type != "rsa":
        raise ValueError(f"type: {type!r} is unknown; give one of {', '.join(TYPES)}")
    bits = bits or 4096
    low, high = RSA_BITS
    if not low <= bits <= high or bits % 256:
        raise ValueError(f"bits: {bits} given; give a multiple of 256 from {low} to {high}")
    return _pair(rsa.generate_private_key(public_exponent=65537, key_size=bits), comment)


def load(data: str | bytes, *, passphrase: str = "", comment: str = "") -> KeyPair:
    """The key pair of a private key file, opened by `passphrase` where it has one. Raises KeyRefused.

    `comment` takes the place of the one in the file, which OpenSSH's format carries where it is not encrypted.
    """
    text = _text(data)
    name, body, block = _only_block(text)
    if name == "OPENSSH PRIVATE KEY":
        key, found = _from_openssh(body, block, passphrase)
    else:
        key, found = _from_pem(name, body, block, passphrase), ""
    return _pair(key, comment or found)


def clean_comment(text: str) -> str:
    """A comment fit for the end of a public line: one line, no control characters, at most 255 characters."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:MAX_COMMENT]


def with_comment(public_key: str, comment: str) -> str:
    """The public line with another comment."""
    return " ".join([*public_key.split()[:2], *([clean_comment(comment)] if comment else [])])


def blob_of(public_key: str) -> bytes:
    """The key itself of a public line (RFC 4253 section 6.6). Raises KeyRefused."""
    words = public_key.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
        (kind, _) = _string(blob)
    except (IndexError, ValueError):
        raise KeyRefused("Not a public key: a line such as `ssh-ed25519 AAAA... comment`.") from None
    if kind.decode("ascii", "replace") != words[0]:
        raise KeyRefused("Not a public key: its type and its content differ.")
    return blob


def fingerprint_of(public_key: str) -> str:
    """`SHA256:` and base64 without padding, of a public line. Raises KeyRefused."""
    digest = hashlib.sha256(blob_of(public_key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def fingerprint_md5_of(public_key: str) -> str:
    """`MD5:` and hexadecimal octets, as old equipment shows it. Raises KeyRefused."""
    return "MD5:" + hashlib.md5(blob_of(public_key), usedforsecurity=False).digest().hex(":")


def warnings_of(key_type: str, bits: int | None) -> list[str]:
    """What people should know of a key that is taken nevertheless."""
    if key_type == "rsa" and bits and bits < FAIR_BITS:
        return [f"RSA with {bits} bits is worth 112 bits of security: replace it by Ed25519 or RSA from {FAIR_BITS}."]
    return []


# --- reading ----------------------------------------------------------------------------------------------------------


def _text(data: str | bytes) -> str:
    """The file as lines without outer blanks; refuses what is no text of a private key."""
    if len(data) > MAX_BYTES:
        raise KeyRefused(f"Longer than {MAX_BYTES} bytes: no private key is.")
    if isinstance(data, bytes):
        if data[:1] == b"\x30" and b"-----BEGIN" not in data:
            raise KeyRefused("A binary (DER) file: convert it with `openssl pkey -inform DER`.")
        try:
            data = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise KeyRefused("Not a text file: save the key as plain ASCII text.") from None
    if data.startswith("SSH PRIVATE KEY FILE FORMAT 1."):
        raise KeyRefused("A key of SSH version 1, which is broken: make a new one.", code="unsupported_key")
    if "\x00" in data:
        raise KeyRefused("Null characters: save the key as plain ASCII text, not UTF-16.")
    lines = data.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").strip().split("\n")
    text = "\n".join(line.strip() for line in lines)
    if "\n" not in text:  # a form's single line ate the line ends
        text = _ONE_LINE.sub(lambda match: f"{match[1]}\n{match[2].strip().replace(' ', chr(10))}\n{match[3]}", text)
    if not text:
        raise KeyRefused("Empty: give the private key.")
    return text


def _only_block(text: str) -> tuple[str, str, str]:
    """Name, body and whole of the one private key in `text`."""
    if text.startswith("PuTTY-User-Key-File-"):
        remedy = "convert it with `puttygen FILE -O private-openssh -o NEW`"
        raise KeyRefused(f"A key of PuTTY: {remedy}, or with PuTTYgen's menu Conversions.", code="unsupported_key")
    if "-cert-v01@openssh.com" in text or "BEGIN CERTIFICATE" in text or "BEGIN TRUSTED CERTIFICATE" in text:
        raise KeyRefused("A certificate: give the private key that it was made for.", code="unsupported_key")
    if text.startswith("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY"):
        raise KeyRefused("A key of ssh.com: convert it with `ssh-keygen -i -f FILE`.", code="unsupported_key")
    begun = _BEGIN.findall(text)
    if not [name for name in begun if name.endswith("PRIVATE KEY")]:
        if _PUBLIC_LINE.match(text) or "BEGIN SSH2 PUBLIC KEY" in text or any("PUBLIC KEY" in name for name in begun):
            raise KeyRefused("This is the public part: give the private key, the file without .pub.")
        raise KeyRefused("Not a private key: it begins with a line such as -----BEGIN OPENSSH PRIVATE KEY-----.")
    if sum(name.endswith("PRIVATE KEY") for name in begun) > 1:
        raise KeyRefused("Several keys in one file: give them one by one.")
    blocks = {match[1]: match for match in _BLOCK.finditer(text)}
    blocks.pop("EC PARAMETERS", None)  # written by `openssl ecparam -genkey`; the key names its curve again
    found = [match for name, match in blocks.items() if name.endswith("PRIVATE KEY")]
    if not found:
        raise KeyRefused("The end is missing: copy the key whole, up to its -----END ...----- line.")
    rest = _BLOCK.sub(lambda match: "" if match[1] in ("EC PARAMETERS", found[0][1]) else match[0], text)
    if rest.strip():
        raise KeyRefused("There is more than the key in it: give the lines from -----BEGIN to -----END alone.")
    if found[0][1] == "DSA PRIVATE KEY":
        raise _no_dsa()
    return found[0][1], found[0][2], found[0][0] + "\n"


def _no_dsa() -> KeyRefused:
    return KeyRefused("DSA is broken and no longer spoken: make an Ed25519 key.", code="weak_key")


def _missing() -> KeyRefused:
    return KeyRefused("The key has a passphrase: give it too.", code="passphrase_missing", part="passphrase")


def _wrong() -> KeyRefused:
    return KeyRefused("The passphrase is wrong, or the key is damaged.", code="passphrase_wrong", part="passphrase")


def _too_dear() -> KeyRefused:
    return KeyRefused("Opening it would take minutes: write it anew with fewer rounds (`ssh-keygen -p -a 100`).")


def _damaged() -> KeyRefused:
    return KeyRefused("The key is damaged: copy it anew, whole.", code="invalid_key")


def _string(data: bytes) -> tuple[bytes, bytes]:
    """An SSH string (RFC 4251 section 5) and what follows it. Raises ValueError."""
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 or len(data) - 4 < length:
        raise ValueError("short")
    return data[4 : 4 + length], data[4 + length :]


def _from_openssh(body: str, block: str, passphrase: str) -> tuple[PrivateKey, str]:
    """OpenSSH's PROTOCOL.key: what it says in clear is judged before anything is decrypted."""
    try:
        data = base64.b64decode("".join(body.split()), validate=True)
        if not data.startswith(_MAGIC):
            raise ValueError("magic")
        cipher, data = _string(data[len(_MAGIC) :])
        kdf, data = _string(data)
        kdf_options, data = _string(data)
        count, data = int.from_bytes(data[:4], "big"), data[4:]
        if count != 1:
            raise KeyRefused("Several keys in one file: give them one by one.")
        public, data = _string(data)
        kind = _string(public)[0].decode("ascii")
        private, _ = _string(data)
        rounds = int.from_bytes(_string(kdf_options)[1], "big") if kdf == b"bcrypt" else 0
    except KeyRefused:
        raise
    except (ValueError, binascii.Error):
        raise _damaged() from None
    if kind == "ssh-dss":
        raise _no_dsa()
    if kind.startswith("sk-"):
        raise KeyRefused("It needs a security key that somebody touches: make one without.", code="unsupported_key")
    if kind == "ssh-rsa":
        _refuse_weak(*_openssh_numbers(public))
    is_encrypted = (cipher, kdf) != (b"none", b"none")
    if is_encrypted and not passphrase:
        raise _missing()
    if rounds > MAX_BCRYPT_ROUNDS:
        raise _too_dear()
    try:
        key = load_ssh_private_key(block.encode(), passphrase.encode() if is_encrypted else None)
    except UnsupportedAlgorithm:
        words = f"{kind} with {cipher.decode('ascii', 'replace')} is not known here"
        remedy = "write the key anew with `ssh-keygen -p -Z aes256-ctr -f FILE`"
        raise KeyRefused(f"{words}: {remedy}.", code="unsupported_key") from None
    except (ValueError, OverflowError, AssertionError):  # cryptography asserts some lengths
        raise _wrong() if is_encrypted else _damaged() from None
    checked = _checked(key)
    if _public(checked) != public:
        raise KeyRefused("The private part does not belong to the public part in the same file.")
    return checked, "" if is_encrypted else _comment(private)


def _openssh_numbers(public: bytes) -> tuple[int, int]:
    try:
        _, rest = _string(public)
        e, rest = _string(rest)
        n, _ = _string(rest)
    except ValueError:
        raise _damaged() from None
    return int.from_bytes(n, "big"), int.from_bytes(e, "big")


def _comment(private: bytes) -> str:
    """The comment in the clear private section, which stands last but for the padding 1, 2, 3 ..."""
    try:
        kind, rest = _string(private[8:])
        for _ in range({b"ssh-ed25519": 2, b"ssh-rsa": 6}.get(kind, 3)):
            _, rest = _string(rest)
        return _string(rest)[0].decode("utf-8", "replace")
    except ValueError:
        return ""


def _from_pem(name: str, body: str, block: str, passphrase: str) -> PrivateKey:
    is_encrypted = name == "ENCRYPTED PRIVATE KEY" or "Proc-Type: 4,ENCRYPTED" in body
    if is_encrypted and not passphrase:
        raise _missing()
    if name == "ENCRYPTED PRIVATE KEY":
        try:
            costs = list(_integers(base64.b64decode("".join(body.split()), validate=True)))
        except ValueError:
            raise _damaged() from None
        if any(cost > MAX_WORK for cost in costs):
            raise _too_dear()
    elif name == "RSA PRIVATE KEY" and not is_encrypted:
        # Before the library looks at it, which says of an unsafe exponent only that something is wrong.
        try:
            numbers = list(_integers(base64.b64decode("".join(body.split()), validate=True)))
        except ValueError:
            raise _damaged() from None
        if len(numbers) >= 6:
            _refuse_weak(numbers[1], numbers[2], numbers[4], numbers[5])
    try:
        key = load_pem_private_key(block.encode(), passphrase.encode() if is_encrypted else None)
    except UnsupportedAlgorithm:
        raise KeyRefused("A kind of key or cipher that is not known here.", code="unsupported_key") from None
    except (ValueError, TypeError, OverflowError):
        raise _wrong() if is_encrypted else _damaged() from None
    return _checked(key)


def _integers(data: bytes, depth: int = 0) -> Iterator[int]:
    """The INTEGERs in the first element of a DER sequence: of EncryptedPrivateKeyInfo (RFC 5958), its algorithm's."""
    position, is_outer = 0, depth == 0
    while position + 2 <= len(data) and depth < 12:
        tag, length = data[position], data[position + 1]
        position += 2
        if length & 0x80:
            octets = length & 0x7F
            length = int.from_bytes(data[position : position + octets], "big")
            position += octets
        content = data[position : position + length]
        position += length
        if tag == 0x02:
            yield int.from_bytes(content, "big")
        elif tag & 0x20:
            yield from _integers(content, depth + 1)
        if is_outer:
            return


# --- judging ----------------------------------------------------------------------------------------------------------


def _checked(key: object) -> PrivateKey:
    """The key, when it is of a kind and strength that netmon takes."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if key.curve.name not in CURVES:
            raise KeyRefused(f"The curve {key.curve.name} is not spoken by SSH: use Ed25519.", code="unsupported_key")
        return key
    if isinstance(key, dsa.DSAPrivateKey):
        raise _no_dsa()
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyRefused("Not a kind of key that SSH uses: make an Ed25519 key.", code="unsupported_key")
    numbers = key.private_numbers()
    public = numbers.public_numbers
    _refuse_weak(public.n, public.e, numbers.p, numbers.q)
    return key


def _refuse_weak(n: int, e: int, p: int = 0, q: int = 0) -> None:
    if reason := rsa_weakness(n, e, p, q):
        raise KeyRefused(f"{reason} Make a new key, Ed25519 at best.", code="weak_key")


def rsa_weakness(n: int, e: int, p: int = 0, q: int = 0) -> str:
    """Why an RSA key opens to others; empty when none of the known reasons holds. Without primes the rest is looked at.

    Exponent and distance of the primes as in FIPS 186-5 section A.1; ROCA is CVE-2017-15361.
    """
    bits = n.bit_length()
    if bits < WEAK_BITS:
        return f"RSA with {bits} bits is too weak; netmon takes {WEAK_BITS} and more."
    if bits > RSA_BITS[1]:
        return f"RSA with {bits} bits is larger than the {RSA_BITS[1]} netmon takes."
    if e % 2 == 0 or e < 65537 or e.bit_length() > 256:
        return f"The public exponent {e if e < 1 << 32 else 'given'} is unsafe: it is 65537 in sound keys."
    if p and q and abs(p - q).bit_length() <= bits // 2 - 100:
        return "Its two primes lie so close together that anybody finds them from the public key."
    if is_roca(n):
        return "Its primes come from a faulty chip (ROCA, CVE-2017-15361): anybody can find them."
    return ""


@cache
def _roca_marks() -> tuple[tuple[int, frozenset[int]], ...]:
    """Each prime up to 167 with the powers of 65537 modulo it, where not every residue is one."""
    marks = []
    for prime in range(3, 168, 2):
        if any(prime % divisor == 0 for divisor in range(3, int(prime**0.5) + 1, 2)):
            continue
        powers, value = {1}, 65537 % prime
        while value not in powers:
            powers.add(value)
            value = value * 65537 % prime
        marks.append((prime, frozenset(powers)))
    return tuple(marks)


def is_roca(n: int) -> bool:
    """Whether a modulus bears the mark of the faulty chips: a power of 65537 modulo every small prime.

    Nemec et al., "The Return of Coppersmith's Attack", ACM CCS 2017; a sound key has it with a chance of 2^-27.
    """
    return all(n % prime in powers for prime, powers in _roca_marks())


def _public(key: PrivateKey) -> bytes:
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return base64.b64decode(line.split()[1])


def _pair(key: PrivateKey, comment: str) -> KeyPair:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        name, bits = "ed25519", 256
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        name, bits = "ecdsa", key.curve.key_size
    else:
        name, bits = "rsa", key.key_size
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    comment = clean_comment(comment)
    return KeyPair(
        type=name,
        bits=bits,
        private=PrivateText(private),
        public_key=with_comment(line, comment),
        comment=comment,
        fingerprint=fingerprint_of(line),
        fingerprint_md5=fingerprint_md5_of(line),
        warnings=tuple(warnings_of(name, bits)),
    )
