"""How to get in: credentials, ways in, and when they were used."""

import uuid
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from inventory.models.devices import Device, DeviceChildQuerySet
from inventory.models.places import NO_NUL, Tenant
from inventory.querysets import CredentialQuerySet
from netmon.common.addresses import canonical_prefixes
from netmon.common.constraints import unique
from netmon.common.fields import EncryptedTextField
from netmon.common.models import TimeStamped
from netmon.common.querysets import VisibleQuerySet
from netmon.common.secrets import Undecryptable, open_secret


class EndpointChildQuerySet(VisibleQuerySet):
    tenant_path = "endpoint__device__tenant"


class Credential(TimeStamped):
    """A secret and what goes with it. The secret is written, never shown."""

    class Kind(models.TextChoices):
        SNMP_COMMUNITY = "snmp_community", "SNMP community (v1, v2c)"
        SNMP_USM = "snmp_usm", "SNMP user (v3)"
        PASSWORD = "password", "User and password"
        SSH_KEY = "ssh_key", "SSH key"
        API_KEY = "api_key", "API key"

    class AuthProtocol(models.TextChoices):
        MD5 = "MD5"
        SHA = "SHA", "SHA-1"
        SHA224 = "SHA-224"
        SHA256 = "SHA-256"
        SHA384 = "SHA-384"
        SHA512 = "SHA-512"

    class PrivProtocol(models.TextChoices):
        DES = "DES"
        DES3 = "3DES"
        AES = "AES", "AES-128"
        AES192 = "AES-192"
        AES256 = "AES-256"
        AES192C = "AES-192-C", "AES-192, key extension of Cisco"
        AES256C = "AES-256-C", "AES-256, key extension of Cisco"

    name = models.CharField(max_length=100, unique=True, validators=NO_NUL)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    username = models.CharField(max_length=100, blank=True, validators=NO_NUL)
    secret = EncryptedTextField(
        blank=True, help_text="Community, authentication passphrase (v3), password, private key or API key."
    )
    auth_protocol = models.CharField(max_length=16, blank=True, choices=AuthProtocol.choices)
    priv_protocol = models.CharField(max_length=16, blank=True, choices=PrivProtocol.choices)
    priv_secret = EncryptedTextField(blank=True, help_text="Privacy passphrase (v3) or passphrase of the private key.")
    device = models.ForeignKey(
        Device,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="own_credentials",
        help_text="Set when the credential was made with this device and goes with it.",
    )
    secret_ref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    tenant = models.ForeignKey(
        Tenant,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="credentials",
        help_text="Used for devices of this tenant only, and seen by its people.",
    )
    allowed_prefixes = models.JSONField(
        default=list, blank=True, help_text='Sent to addresses within these only, such as ["192.0.2.0/24"].'
    )
    public_key = models.TextField(blank=True, help_text="Of an SSH key, made from the private key.")
    fingerprint = models.CharField(max_length=100, blank=True)
    key_type = models.CharField(max_length=16, blank=True, editable=False, help_text="ed25519, rsa or ecdsa.")
    key_bits = models.PositiveIntegerField(null=True, blank=True, editable=False)
    comment = models.CharField(
        max_length=255, blank=True, validators=NO_NUL, help_text="Of an SSH key, at the end of its public line."
    )
    secret_changed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[models.Manager["Credential"]] = models.Manager.from_queryset(CredentialQuerySet)()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="credential_kind_known",
                condition=Q(kind__in=["snmp_community", "snmp_usm", "password", "ssh_key", "api_key"]),
                violation_error_message="This kind of credential is not known.",
            ),
            models.CheckConstraint(
                name="credential_ssh_key_has_public_key",
                condition=~Q(kind="ssh_key") | ~Q(public_key=""),
                violation_error_message="An SSH key needs its public key.",
            ),
            models.UniqueConstraint(
                name="credential_fingerprint",
                fields=["fingerprint"],
                condition=Q(kind="ssh_key") & ~Q(fingerprint=""),
                violation_error_code="unique",
                violation_error_message="This SSH key is in netmon already.",
            ),
            models.CheckConstraint(
                name="credential_priv_needs_auth",
                condition=Q(priv_protocol="") | ~Q(auth_protocol=""),
                violation_error_message="SNMP v3 privacy needs an authentication protocol.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def holds_secret(self) -> bool:
        return bool(self.secret or self.priv_secret)

    def clean_fields(self, exclude: Any = None) -> None:
        super().clean_fields(exclude=exclude)
        try:
            self.allowed_prefixes = canonical_prefixes(self.allowed_prefixes or [])
        except ValidationError as error:
            raise ValidationError({"allowed_prefixes": error}) from None

    def clean(self) -> None:
        texts = {name: self._readable(name) for name in ("secret", "priv_secret")}
        errors = {name: "Null characters are not allowed." for name, text in texts.items() if text and "\x00" in text}
        if self.device and self.tenant_id and self.device.tenant_id != self.tenant_id:
            errors["tenant"] = "The device that it belongs to is not of this tenant."
        if self.kind == self.Kind.SNMP_COMMUNITY:
            if not 1 <= len(texts["secret"] or "") <= 255:
                errors["secret"] = "A community has 1 to 255 characters."  # noqa: S105
        elif self.kind == self.Kind.SNMP_USM:
            errors |= self._usm_errors(texts)
        elif not self.secret:
            errors["secret"] = "This kind of credential needs a secret."  # noqa: S105
        # Nobody can say what is wrong with a text that does not decrypt; the row must still be editable.
        errors = {name: text for name, text in errors.items() if texts.get(name, "") is not None}
        if errors:
            raise ValidationError(errors)
        from inventory import ssh_keys

        if self.kind == self.Kind.SSH_KEY:
            ssh_keys.complete(self)
        elif self.fingerprint:
            ssh_keys.forget(self)

    def _readable(self, name: str) -> str | None:
        """The text of a secret; None when it does not decrypt."""
        try:
            return open_secret(self, name)
        except Undecryptable:
            return None

    def _usm_errors(self, texts: dict[str, str | None]) -> dict[str, str]:
        errors = {}
        if not 1 <= len(self.username) <= 32:
            errors["username"] = "An SNMP v3 user name has 1 to 32 characters (RFC 3414)."
        # RFC 3414 section 11.2: passphrases shorter than 8 characters are refused by agents.
        if self.auth_protocol and len(texts["secret"] or "") < 8:
            errors["secret"] = "An SNMP v3 authentication passphrase has 8 characters or more."  # noqa: S105
        if self.priv_protocol and len(texts["priv_secret"] or "") < 8:
            errors["priv_secret"] = "An SNMP v3 privacy passphrase has 8 characters or more."  # noqa: S105
        if self.priv_protocol and not self.auth_protocol:
            errors["auth_protocol"] = "Privacy needs an authentication protocol."
        return errors


class ManagementEndpoint(TimeStamped):
    """A way to get at a device: a protocol, a port, a credential. A device is SNMP-able because it has such a row."""

    class Protocol(models.TextChoices):
        ICMP = "icmp", "ICMP"
        TCP = "tcp", "TCP"
        SNMP = "snmp", "SNMP"
        SSH = "ssh", "SSH"
        RTSP = "rtsp", "RTSP"
        VYOS = "vyos", "VyOS API"
        POSTGRESQL = "postgresql", "PostgreSQL"

    DEFAULT_PORTS: ClassVar[dict[str, int]] = {"snmp": 161, "ssh": 22, "rtsp": 554, "vyos": 443, "postgresql": 5432}

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="endpoints")
    protocol = models.CharField(max_length=16, choices=Protocol.choices)
    port = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(65535)],
        help_text="Empty: the protocol's default.",
    )
    # RESTRICT: refused while used, but a device takes its own credentials along.
    credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.RESTRICT, related_name="endpoints"
    )
    options = models.JSONField(default=dict, blank=True, help_text='Protocol options, such as {"version": "2c"}.')
    is_enabled = models.BooleanField(default=True)

    objects: ClassVar[models.Manager["ManagementEndpoint"]] = models.Manager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        ordering = ["device_id", "protocol", "port"]
        constraints = [
            *unique(
                "endpoint_port",
                ["device", "protocol", "port"],
                nullable="port",
                error_field="protocol",
                message="This device has this endpoint already.",
            ),
            models.CheckConstraint(
                name="endpoint_port_range",
                condition=Q(port__isnull=True) | Q(port__gte=1, port__lte=65535),
                violation_error_message="A port is 1 to 65535.",
            ),
            models.CheckConstraint(
                name="endpoint_tcp_has_port",
                condition=~Q(protocol="tcp") | Q(port__isnull=False),
                violation_error_message="A TCP endpoint needs a port.",
            ),
            models.CheckConstraint(
                name="endpoint_protocol_known",
                condition=Q(protocol__in=["icmp", "tcp", "snmp", "ssh", "rtsp", "vyos", "postgresql"]),
                violation_error_message="This protocol is not known.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.protocol}{f':{self.port}' if self.port else ''}"

    def audit_parent(self) -> Device:
        return self.device

    @property
    def effective_port(self) -> int | None:
        return self.port or self.DEFAULT_PORTS.get(self.protocol)

    def clean(self) -> None:
        from inventory.targets import check_endpoint

        check_endpoint(self)


class CredentialUse(models.Model):
    """When a credential was last sent to an endpoint, and what came of it."""

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="uses")
    endpoint = models.ForeignKey(ManagementEndpoint, on_delete=models.CASCADE, related_name="uses")
    day = models.DateField(null=True, help_text="The last day (UTC) whose first use is in the audit log.")
    first_used_at = models.DateTimeField()
    last_used_at = models.DateTimeField()
    last_ok_at = models.DateTimeField(null=True)
    last_error_code = models.CharField(max_length=64, blank=True)

    objects: ClassVar[models.Manager["CredentialUse"]] = models.Manager.from_queryset(EndpointChildQuerySet)()

    class Meta:
        ordering = ["-last_used_at", "pk"]
        constraints = unique(
            "credential_use_once", ["credential", "endpoint"], error_field="endpoint", message="It is noted already."
        )

    def __str__(self) -> str:
        return f"{self.credential} at {self.endpoint}"
