"""What an endpoint of the protocol vyos may say beside its address, port and key: whom to trust at the other end."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from cryptography import x509

MAX_PEM = 65536
FINGERPRINT = re.compile(r"[0-9a-f]{64}")
TIMES = ("connect_timeout_seconds", "read_timeout_seconds", "deadline_seconds")
SERVER_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class VyosOptions:
    """How the router's certificate is judged. TLS is always verified.

    With nothing said, by the system's authorities; with `ca_pem`, by these alone; with `certificate_sha256` it must be
    exactly that certificate. `server_name` is the name it is made out to, when that is not the address.
    """

    ca_pem: str = ""
    certificate_sha256: str = ""
    server_name: str = ""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Of an endpoint's options; others are the driver's. Raises ValueError ("<option>: reason; remedy")."""
        known = sorted(field.name for field in fields(cls))
        for name, value in options.items():
            if name not in known and name not in TIMES:
                raise ValueError(f"{name}: unknown option; known are {', '.join((*known, *TIMES))}")
            if name in known and not isinstance(value, str):
                raise ValueError(f"{name}: write a text")
        return cls(**{name: value for name, value in options.items() if name in known})

    def __post_init__(self) -> None:
        if self.ca_pem:
            self._check_pem()
        pin = self.certificate_sha256.replace(":", "").lower()
        if pin and not FINGERPRINT.fullmatch(pin):
            raise ValueError("certificate_sha256: is no SHA-256 fingerprint; give 64 hex digits")
        object.__setattr__(self, "certificate_sha256", pin)
        if pin and self.ca_pem:
            raise ValueError("certificate_sha256: given beside ca_pem; give one of them")
        if self.server_name and not SERVER_NAME.fullmatch(self.server_name):
            raise ValueError("server_name: is no name of a host; give it as the certificate has it")

    def _check_pem(self) -> None:
        if len(self.ca_pem) > MAX_PEM or "PRIVATE KEY" in self.ca_pem:
            raise ValueError("ca_pem: is too long or holds a private key; paste the certificate alone")
        try:
            x509.load_pem_x509_certificates(self.ca_pem.encode())
        except ValueError:
            raise ValueError("ca_pem: holds no certificate; paste the PEM text, from BEGIN to END") from None
