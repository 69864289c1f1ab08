"""Private keys are read in every usual form, and what is none is named before anybody is asked."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from netmon.drivers.errors import AuthenticationFailed
from netmon.drivers.ssh.userkeys import private_key_of
from netmon.drivers.targets import Secret, SshTarget

PASSPHRASE = "the passphrase"
KEYS = {
    "ssh-ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ecdsa-sha2-nistp256": ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-sha2-nistp521": ec.generate_private_key(ec.SECP521R1()),
    "ssh-rsa": rsa.generate_private_key(65537, 2048),
}
FORMS = {
    "openssh": serialization.PrivateFormat.OpenSSH,
    "pkcs8": serialization.PrivateFormat.PKCS8,
    "pem": serialization.PrivateFormat.TraditionalOpenSSL,
}


def target(text: str, passphrase: str = "") -> SshTarget:
    return SshTarget(address="192.0.2.1", username="u", private_key=Secret(text), passphrase=Secret(passphrase))


def written(key, form, passphrase: str = "") -> str:
    lock = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, FORMS[form], lock).decode()


# OpenSSL's older form came before ed25519
@pytest.mark.parametrize(
    ("name", "form"), [(name, form) for name in KEYS for form in FORMS if (name, form) != ("ssh-ed25519", "pem")]
)
def test_every_kind_in_every_form(name, form):
    assert private_key_of(target(written(KEYS[name], form))).get_name() == name


@pytest.mark.parametrize("form", ["openssh", "pkcs8"])
@pytest.mark.parametrize("name", KEYS)
def test_locked_keys(name, form):
    text = written(KEYS[name], form, PASSPHRASE)
    assert private_key_of(target(text, PASSPHRASE)).get_name() == name
    for wrong in ("", "another"):
        with pytest.raises(AuthenticationFailed) as raised:
            private_key_of(target(text, wrong))
        assert raised.value.reason == "key-unusable" and PASSPHRASE not in str(raised.value)


@pytest.mark.parametrize("text", ["x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "é\0" * 40])
def test_what_is_no_key(text):
    with pytest.raises(AuthenticationFailed) as raised:
        private_key_of(target(text))
    assert raised.value.reason == "key-unusable" and text not in str(raised.value)


def test_a_kind_that_nobody_takes_any_more():
    with pytest.raises(AuthenticationFailed):
        private_key_of(target(written(dsa.generate_private_key(1024), "pem")))


def test_no_key_at_all():
    assert private_key_of(SshTarget(address="192.0.2.1", username="u", password=Secret("p"))) is None
