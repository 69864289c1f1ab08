"""Whom the endpoint of a VyOS router trusts."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.exceptions import ValidationError

from inventory.models import ManagementEndpoint
from inventory.vyos_options import VyosOptions
from tests import factories

PIN = "ab" * 32


def certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "router.example.com")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"verify": False}, "verify: unknown option"),
        ({"ca_pem": 7}, "ca_pem: write a text"),
        ({"ca_pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "holds no certificate"),
        ({"ca_pem": "-----BEGIN PRIVATE KEY-----"}, "private key"),
        ({"certificate_sha256": "ab"}, "64 hex digits"),
        ({"server_name": "a b"}, "no name of a host"),
    ],
)
@pytest.mark.django_db
def test_a_wrong_option_is_named(options: dict[str, object], words: str) -> None:
    row = ManagementEndpoint(device=factories.make_device(), protocol="vyos", options=options)
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    assert words in caught.value.message_dict["options"][0]


def test_authorities_or_a_fingerprint_but_not_both() -> None:
    assert VyosOptions.of({}) == VyosOptions()
    assert VyosOptions.of({"certificate_sha256": "AB:" * 31 + "AB"}).certificate_sha256 == PIN
    assert VyosOptions.of({"ca_pem": certificate(), "server_name": "router.example.com"}).ca_pem
    with pytest.raises(ValueError, match="give one of them"):
        VyosOptions.of({"ca_pem": certificate(), "certificate_sha256": PIN})
