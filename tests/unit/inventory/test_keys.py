"""SSH keys: made and read by netmon, held against OpenSSH's own ssh-keygen."""

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory import keys

PASSPHRASE = "a pässphrase of words"
OPENSSH = Encoding.PEM, PrivateFormat.OpenSSH


def keygen(*arguments: str | Path) -> str:
    done = subprocess.run(["ssh-keygen", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def made_by_openssh(folder: Path, *arguments: str) -> Path:
    path = folder / "key"
    keygen("-q", "-f", path, "-C", "ada@example.net", *arguments)
    return path


def written(folder: Path, text: str) -> Path:
    path = folder / "netmon"
    path.write_text(text)
    path.chmod(0o600)
    return path


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: str = "") -> str:
    how = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return str(key.private_bytes(Encoding.PEM, form, how).decode())


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def pair() -> keys.KeyPair:
    return keys.generate(type="ed25519", comment="core routers")


# --- made here, read by OpenSSH ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "bits", "word"), [("ed25519", None, "ED25519"), ("rsa", 3072, "RSA")])
def test_openssh_reads_what_netmon_makes(kind: str, bits: int | None, word: str, tmp_path: Path) -> None:
    made = keys.generate(type=kind, bits=bits, comment="core routers")
    path = written(tmp_path, made.private)
    assert keygen("-y", "-f", path).split()[:2] == made.public_key.split()[:2]
    (tmp_path / "netmon.pub").write_text(made.public_key + "\n")
    bits_shown, fingerprint, *rest = keygen("-l", "-f", tmp_path / "netmon.pub").split()
    assert (int(bits_shown), fingerprint) == (made.bits, made.fingerprint)
    assert rest == ["core", "routers", f"({word})"]
    assert keygen("-l", "-E", "md5", "-f", tmp_path / "netmon.pub").split()[1] == made.fingerprint_md5


def test_rsa_is_made_with_4096_bits_unless_told() -> None:
    made = keys.generate(type="rsa")
    assert (made.type, made.bits, made.warnings) == ("rsa", 4096, ())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"type": "rsa", "bits": 2048}, "bits"),
        ({"type": "rsa", "bits": 3071}, "bits"),
        ({"type": "rsa", "bits": 3073}, "bits"),
        ({"type": "rsa", "bits": 8448}, "bits"),
        ({"type": "ed25519", "bits": 4096}, "bits"),
        ({"type": "dsa"}, "type"),
        ({"type": "ecdsa"}, "type"),
    ],
)
def test_what_is_not_made_is_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}: "):
        keys.generate(**options)


# --- made by OpenSSH, read here ---------------------------------------------------------------------------------------

KINDS = [
    ("ed25519", 256, ["-t", "ed25519"]),
    ("rsa", 2048, ["-t", "rsa", "-b", "2048"]),
    ("rsa", 3072, ["-t", "rsa", "-b", "3072"]),
    ("ecdsa", 256, ["-t", "ecdsa", "-b", "256"]),
    ("ecdsa", 384, ["-t", "ecdsa", "-b", "384"]),
    ("ecdsa", 521, ["-t", "ecdsa", "-b", "521"]),
]


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE], ids=["bare", "with passphrase"])
@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
@pytest.mark.parametrize(("kind", "bits", "arguments"), KINDS, ids=lambda value: str(value)[:12])
def test_netmon_reads_what_openssh_makes(
    kind: str, bits: int, arguments: list[str], form: str, passphrase: str, tmp_path: Path
) -> None:
    path = made_by_openssh(tmp_path, *arguments, "-m", form, "-N", passphrase)
    read = keys.load(path.read_bytes(), passphrase=passphrase)
    public = path.with_suffix(".pub")
    assert (read.type, read.bits) == (kind, bits)
    assert read.fingerprint == keygen("-l", "-f", public).split()[1]
    assert read.fingerprint_md5 == keygen("-l", "-E", "md5", "-f", public).split()[1]
    assert read.public_key.split()[:2] == public.read_text().split()[:2]
    assert "OPENSSH PRIVATE KEY" in read.private and load_ssh_private_key(read.private.encode(), None)
    assert keygen("-y", "-P", "", "-f", written(tmp_path, read.private)).split()[1] == read.public_key.split()[1]
    assert bool(read.warnings) == (bits == 2048)
    if passphrase:
        for wrong, code in (("", "passphrase_missing"), ("wrong", "passphrase_wrong")):
            with pytest.raises(keys.KeyRefused) as refused:
                keys.load(path.read_bytes(), passphrase=wrong)
            assert (refused.value.code, refused.value.part) == (code, "passphrase")


@pytest.mark.parametrize("cipher", ["aes256-gcm@openssh.com", "aes128-cbc", "chacha20-poly1305@openssh.com"])
def test_other_ciphers_of_openssh_are_read_or_refused_by_name(cipher: str, tmp_path: Path) -> None:
    path = made_by_openssh(tmp_path, "-t", "ed25519", "-N", PASSPHRASE, "-Z", cipher)
    try:
        read = keys.load(path.read_text(), passphrase=PASSPHRASE)
    except keys.KeyRefused as refused:
        assert refused.code == "unsupported_key" and cipher in str(refused)
    else:
        assert read.fingerprint == keygen("-l", "-f", path).split()[1]


@pytest.mark.parametrize("arguments", [["-t", "ed25519"], ["-t", "rsa", "-b", "2048"], ["-t", "ecdsa"]])
def test_the_comment_in_the_file_is_kept_unless_another_is_given(arguments: list[str], tmp_path: Path) -> None:
    path = made_by_openssh(tmp_path, *arguments, "-N", "")
    assert keys.load(path.read_text()).comment == "ada@example.net"
    assert keys.load(path.read_text()).public_key == path.with_suffix(".pub").read_text().strip()
    assert keys.load(path.read_text(), comment="mine").public_key.endswith(" mine")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.rstrip("\n"),
        lambda text: f"\n\n  {text}\n \n",
        lambda text: "".join(f"    {line}  \n" for line in text.splitlines()),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", ""),
        lambda text: text.replace("\n", " "),
    ],
    ids=["CRLF", "CR", "no last line end", "blanks around", "indented", "BOM", "one line", "blanks for line ends"],
)
@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
def test_a_key_that_was_copied_badly_is_read(form: str, spoil: Callable[[str], str], tmp_path: Path) -> None:
    path = made_by_openssh(tmp_path, "-t", "rsa", "-b", "2048", "-m", form, "-N", "")
    good = keys.load(path.read_text())
    assert keys.load(spoil(path.read_text())).fingerprint == good.fingerprint
    assert keys.load(spoil(path.read_text()).encode()).fingerprint == good.fingerprint


def test_a_needless_passphrase_does_no_harm(pair: keys.KeyPair, rsa_key: rsa.RSAPrivateKey) -> None:
    assert keys.load(str(pair.private), passphrase="x").fingerprint == pair.fingerprint
    assert keys.load(pem(rsa_key), passphrase="x").bits == 2048


def test_an_ec_key_with_its_parameters_before_it_is_read() -> None:
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    key = pem(ec.generate_private_key(ec.SECP256R1()), PrivateFormat.TraditionalOpenSSL)
    assert keys.load(parameters + key).type == "ecdsa"


# --- refused ----------------------------------------------------------------------------------------------------------


def refused(data: str | bytes, passphrase: str = "") -> keys.KeyRefused:
    with pytest.raises(keys.KeyRefused) as caught:
        keys.load(data, passphrase=passphrase)
    return caught.value


def test_the_public_part_is_told_from_the_private(pair: keys.KeyPair, tmp_path: Path) -> None:
    path = made_by_openssh(tmp_path, "-t", "rsa", "-b", "2048", "-N", "")
    texts = [pair.public_key, path.with_suffix(".pub").read_text()]
    texts += [keygen("-e", "-m", form, "-f", path) for form in ("RFC4716", "PEM", "PKCS8")]
    for text in texts:
        assert "this is the public part" in str(refused(text)).lower(), text


def test_a_certificate_is_told_from_a_key(tmp_path: Path) -> None:
    path = made_by_openssh(tmp_path, "-t", "ed25519", "-N", "")
    keygen("-q", "-s", path, "-I", "ada", path.with_suffix(".pub"))
    assert "certificate" in str(refused((tmp_path / "key-cert.pub").read_text())).lower()
    assert "certificate" in str(refused("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----")).lower()


def test_putty_keys_come_with_the_remedy() -> None:
    text = "PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nComment: x\r\nPublic-Lines: 2\r\n"
    assert "puttygen FILE -O private-openssh" in str(refused(text)) and refused(text).code == "unsupported_key"


def test_other_old_formats_are_named() -> None:
    assert "version 1" in str(refused(b"SSH PRIVATE KEY FILE FORMAT 1.1\n\x00\x03\x00"))
    text = "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nAAAA\n---- END SSH2 ENCRYPTED PRIVATE KEY ----"
    assert "ssh-keygen -i" in str(refused(text))


def openssh_text(data: bytes) -> str:
    body = base64.b64encode(data).decode()
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n"


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def container(
    kind: bytes, *, count: int = 1, kdf: bytes = b"none", options: bytes = b"", cipher: bytes = b"none"
) -> str:
    head = b"openssh-key-v1\x00" + string(cipher) + string(kdf) + string(options) + count.to_bytes(4, "big")
    return openssh_text(head + string(string(kind) + string(b"x" * 32)) * count + string(b"x" * 64))


def test_dsa_is_refused_in_every_format() -> None:
    key = dsa.generate_private_key(1024)
    for form in (PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8):
        assert refused(pem(key, form)).code == "weak_key"
    assert refused(container(b"ssh-dss")).code == "weak_key"


def test_keys_on_hardware_and_several_keys_are_refused(pair: keys.KeyPair) -> None:
    assert "security key" in str(refused(container(b"sk-ssh-ed25519@openssh.com")))
    assert "Several keys" in str(refused(container(b"ssh-ed25519", count=2)))
    assert "Several keys" in str(refused(pair.private + pair.private))
    assert "more than the key" in str(refused(f"Here is my key:\n{pair.private}"))
    assert "more than the key" in str(refused(f"{pair.private}{pair.public_key}"))


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.BrainpoolP256R1()], ids=lambda curve: curve.name)
def test_curves_that_ssh_does_not_speak_are_refused(curve: ec.EllipticCurve) -> None:
    assert refused(pem(ec.generate_private_key(curve))).code == "unsupported_key"


@pytest.mark.parametrize("key", [ed448.Ed448PrivateKey, x25519.X25519PrivateKey], ids=["Ed448", "X25519"])
def test_keys_that_are_not_for_ssh_are_refused(key: Any) -> None:
    assert refused(pem(key.generate())).code == "unsupported_key"


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8, PrivateFormat.OpenSSH])
def test_short_rsa_is_refused_and_2048_bits_are_warned_of(form: PrivateFormat, rsa_key: rsa.RSAPrivateKey) -> None:
    assert refused(pem(rsa.generate_private_key(65537, 1024), form)).code == "weak_key"
    warned = keys.load(pem(rsa_key, form))
    assert warned.bits == 2048 and "112 bits" in warned.warnings[0]


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8, PrivateFormat.OpenSSH])
def test_a_small_public_exponent_is_refused(form: PrivateFormat) -> None:
    error = refused(pem(rsa.generate_private_key(3, 2048), form))
    assert error.code == "weak_key" and "exponent 3" in str(error)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 35, 65536, 65538, 2**300 + 1])
def test_unsafe_exponents_have_a_reason(exponent: int, rsa_key: rsa.RSAPrivateKey) -> None:
    assert "exponent" in keys.rsa_weakness(rsa_key.public_key().public_numbers().n, exponent)


def next_prime(number: int, step: int = 2) -> int:
    number |= 1
    while any(number % small == 0 for small in range(3, 2000, 2)) or any(
        pow(base, number - 1, number) != 1 for base in (2, 3, 5)
    ):
        number += step
    return number


def private_from(p: int, q: int) -> rsa.RSAPrivateKey:
    e = 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q))
    return numbers.private_key()


def test_primes_close_together_are_refused() -> None:
    low = next_prime(Random(1).getrandbits(1024) | 3 << 1022)
    key = private_from(next_prime(low + 2), low)
    error = refused(pem(key))
    assert error.code == "weak_key" and "close together" in str(error)
    assert not keys.rsa_weakness(key.private_numbers().public_numbers.n, 65537), "only the primes show it"


def test_keys_of_the_faulty_chips_are_refused_and_others_are_not(rsa_key: rsa.RSAPrivateKey) -> None:
    random, product = Random(2), 2
    for prime in range(3, 168, 2):
        if all(prime % divisor for divisor in range(3, prime, 2)):
            product *= prime

    def faulty_prime() -> int:  # k * M + (65537^a mod M), as the chips made them
        while True:
            number = (random.getrandbits(1024 - product.bit_length()) | 3 << 803) * product
            number += pow(65537, random.getrandbits(64), product)
            if number.bit_length() == 1024 and all(pow(base, number - 1, number) == 1 for base in (2, 3)):
                return number

    key = private_from(faulty_prime(), faulty_prime())
    error = refused(pem(key))
    assert error.code == "weak_key" and "ROCA" in str(error)
    assert not keys.is_roca(rsa_key.public_key().public_numbers().n)


def test_a_private_part_of_another_key_is_refused(pair: keys.KeyPair) -> None:
    other = keys.generate(type="ed25519")
    data = base64.b64decode("".join(pair.private.splitlines()[1:-1]))
    mine, theirs = keys.blob_of(pair.public_key)[-32:], keys.blob_of(other.public_key)[-32:]
    assert data.count(mine) == 3, "the header and twice in the private section"
    assert "does not belong" in str(refused(openssh_text(data.replace(mine, theirs))))
    swapped = data.replace(mine, theirs, 1)
    assert refused(openssh_text(swapped)).code == "invalid_key"


def test_a_damaged_key_is_refused(pair: keys.KeyPair, rsa_key: rsa.RSAPrivateKey) -> None:
    for text in (str(pair.private), pem(rsa_key), pem(rsa_key, PrivateFormat.TraditionalOpenSSL)):
        lines = text.splitlines()
        assert "damaged" in str(refused("\n".join([*lines[:2], *lines[3:]])))
        assert "end is missing" in str(refused("\n".join(lines[:-1])))
        assert "damaged" in str(refused(text.replace(lines[1], "!" + lines[1][1:])))


def der(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content


def test_what_would_take_minutes_to_open_is_not_opened() -> None:
    options = string(b"s" * 16) + (1 << 30).to_bytes(4, "big")
    text = container(b"ssh-ed25519", kdf=b"bcrypt", cipher=b"aes256-ctr", options=options)
    assert "fewer rounds" in str(refused(text, "x"))
    salt, cost = der(4, b"s" * 16), der(2, (1 << 30).to_bytes(4, "big"))
    pbkdf2 = der(0x30, bytes.fromhex("06092a864886f70d01050c") + der(0x30, salt + cost))
    aes = der(0x30, bytes.fromhex("060960864801650304012a") + der(4, b"i" * 16))
    pbes2 = der(0x30, bytes.fromhex("06092a864886f70d01050d") + der(0x30, pbkdf2 + aes))
    body = base64.b64encode(der(0x30, pbes2 + der(4, b"x" * 64))).decode()
    text = f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}\n-----END ENCRYPTED PRIVATE KEY-----"
    assert "fewer rounds" in str(refused(text, "x"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("", "Empty"),
        ("   \n", "Empty"),
        ("hello", "Not a private key"),
        ("x" * 16385, "Longer than"),
        (b"\xff\xfe-\x00-\x00", "Not a text file"),
        ("-\x00-\x00", "Null characters"),
        (b"\x30\x82\x01\x00\x02", "DER"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----", "damaged"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "damaged"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_key_gets_a_reason(data: str | bytes, words: str) -> None:
    assert words in str(refused(data))


def test_no_refusal_repeats_the_key(pair: keys.KeyPair) -> None:
    body = pair.private.splitlines()[2]
    text = pair.private.replace(body, body[::-1])
    assert body[::-1] not in str(refused(text))
    assert str(pair.private) not in repr(pair) and repr(pair.private) == "***"


NAMES = st.sampled_from(["OPENSSH PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY",
                         "ENCRYPTED PRIVATE KEY", "DSA PRIVATE KEY", "PUBLIC KEY", "X"])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(data=st.one_of(st.text(max_size=400), st.binary(max_size=400)), passphrase=st.text(max_size=10))
def test_garbage_is_refused_and_nothing_else_happens(data: str | bytes, passphrase: str) -> None:
    refused(data, passphrase)


@settings(max_examples=300, deadline=None)
@given(name=NAMES, body=st.binary(max_size=300), passphrase=st.text(max_size=10))
def test_garbage_in_a_frame_is_refused_too(name: str, body: bytes, passphrase: str) -> None:
    refused(f"-----BEGIN {name}-----\n{base64.b64encode(body).decode()}\n-----END {name}-----\n", passphrase)
    refused(openssh_text(b"openssh-key-v1\x00" + body), passphrase)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_key_with_one_byte_changed_is_refused_or_the_same_key(pair: keys.KeyPair, data: st.DataObject) -> None:
    raw = bytearray(base64.b64decode("".join(pair.private.splitlines()[1:-1])))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read = keys.load(openssh_text(bytes(raw)))
    except keys.KeyRefused:
        return
    assert read.fingerprint == pair.fingerprint


# --- comments and public lines ----------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text(max_size=400))
def test_a_comment_is_one_line_whatever_it_was(text: str) -> None:
    cleaned = keys.clean_comment(text)
    assert len(cleaned) <= 255 and cleaned.isprintable() and cleaned == keys.clean_comment(cleaned).strip()


def test_a_comment_adds_no_second_line(pair: keys.KeyPair) -> None:
    line = keys.with_comment(pair.public_key, "x\nssh-ed25519 AAAA evil")
    assert "\n" not in line and line.startswith(" ".join(pair.public_key.split()[:2]) + " x")
    assert keys.with_comment(line, "") == " ".join(pair.public_key.split()[:2])


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "ssh-ed25519 !!", "ssh-rsa AAAAC3NzaC1lZDI1NTE5", "a b c"])
def test_what_is_no_public_line_is_refused(line: str) -> None:
    with pytest.raises(keys.KeyRefused):
        keys.fingerprint_of(line)


def test_ssh2_public_format_is_not_needed(rsa_key: rsa.RSAPrivateKey) -> None:
    line = rsa_key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert keys.fingerprint_of(line).startswith("SHA256:") and len(keys.fingerprint_of(line)) == 50
