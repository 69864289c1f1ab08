"""Certificates for simulated routers: an authority of one's own, and what it signs."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM texts, `ca_pem` that of the authority, and the SHA-256 fingerprint of the certificate, 64 hex digits."""

    pem: str
    key_pem: str
    ca_pem: str
    fingerprint: str


def kept_certificate(path: Path, *, addresses: tuple[str, ...]) -> Certificate:
    """The certificate of a file, made when it is missing, so that who pinned it meets the same one again."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(make_certificate(addresses=addresses, days=399))), encoding="ascii")
    return Certificate(**json.loads(path.read_text(encoding="ascii")))


def make_certificate(
    *, addresses: tuple[str, ...] = ("127.0.0.1", "::1"), names: tuple[str, ...] = ("localhost",), days: int = 30
) -> Certificate:
    """A certificate for these addresses and names. Negative `days`: it ran out so long ago."""
    now = datetime.now(UTC)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a simulated router")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    usage = {
        name: name in ("digital_signature", "key_cert_sign", "crl_sign")
        for name in (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
            "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
        )
    }  # fmt: skip
    root = (
        x509.CertificateBuilder()
        .subject_name(authority)
        .issuer_name(authority)
        .public_key(authority_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=400))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    places: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    places += [x509.DNSName(name) for name in names]
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulated router")]))
        .issuer_name(authority)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1 if days > 0 else 1 - days))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return Certificate(
        leaf.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        root.public_bytes(serialization.Encoding.PEM).decode(),
        leaf.fingerprint(hashes.SHA256()).hex(),
    )
