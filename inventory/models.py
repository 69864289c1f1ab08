"""The source of truth: what exists, where, under which address, and how to get in."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, ProhibitNullCharactersValidator
from django.db import models
from django.db.models import F, Q

from inventory.querysets import CredentialQuerySet, DeviceQuerySet
from netmon.common.addresses import address_key, canonical_prefixes, parse_address, parse_prefix, prefix_range
from netmon.common.constraints import unique
from netmon.common.fields import EncryptedTextField, FoldedField, MACAddressField, Undecryptable
from netmon.common.models import TimeStamped
from netmon.common.querysets import VisibleQuerySet

NO_NUL = [ProhibitNullCharactersValidator()]


class TenantQuerySet(VisibleQuerySet):
    tenant_path = "pk"


class SiteQuerySet(VisibleQuerySet):
    tenant_path = "tenant"


class DeviceChildQuerySet(VisibleQuerySet):
    tenant_path = "device__tenant"


class EndpointChildQuerySet(VisibleQuerySet):
    tenant_path = "endpoint__device__tenant"


class Tenant(TimeStamped):
    """Whose equipment it is: a company, a school, a customer."""

    name = models.CharField(max_length=100, validators=NO_NUL)
    name_key = FoldedField("name", max_length=100)
    slug = models.SlugField(max_length=100, unique=True)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="tenants",
        help_text="People bound to this tenant: they see and touch only what belongs to their tenants.",
    )

    objects: ClassVar[models.Manager["Tenant"]] = models.Manager.from_queryset(TenantQuerySet)()

    class Meta:
        ordering = ["name_key"]
        constraints = unique("tenant_name", ["name_key"], error_field="name", message="A tenant of this name exists.")

    def __str__(self) -> str:
        return self.name


class Site(TimeStamped):
    """A place: a building, a data centre, a campus."""

    name = models.CharField(max_length=100, validators=NO_NUL)
    name_key = FoldedField("name", max_length=100)
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.PROTECT, related_name="sites")

    objects: ClassVar[models.Manager["Site"]] = models.Manager.from_queryset(SiteQuerySet)()

    class Meta:
        ordering = ["name_key"]
        constraints = unique(
            "site_name",
            ["tenant", "name_key"],
            nullable="tenant",
            error_field="name",
            message="This tenant has a site of this name.",
        )

    def __str__(self) -> str:
        return self.name


class CidrModel(TimeStamped):
    """A range of addresses in its canonical text, with keys that sort."""

    cidr = models.CharField(max_length=43, help_text="Such as 192.0.2.0/24 or 2001:db8::/32.")
    first_key = models.CharField(max_length=32, editable=False)
    last_key = models.CharField(max_length=32, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.cidr

    def clean_fields(self, exclude: Any = None) -> None:
        super().clean_fields(exclude=exclude)
        try:
            self._canonicalise()
        except ValidationError as error:
            raise ValidationError({"cidr": error}) from None

    def _canonicalise(self) -> None:
        network = parse_prefix(self.cidr)
        self.cidr = str(network)
        self.first_key, self.last_key = prefix_range(network)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self._canonicalise()
        super().save(*args, **kwargs)


class PrefixQuerySet(VisibleQuerySet):
    tenant_path = "site__tenant"


class Prefix(CidrModel):
    """A range of addresses: what may be scanned, what DHCP pools lie in."""

    site = models.ForeignKey(Site, null=True, blank=True, on_delete=models.PROTECT, related_name="prefixes")
    description = models.CharField(max_length=200, blank=True, validators=NO_NUL)

    objects: ClassVar[models.Manager["Prefix"]] = models.Manager.from_queryset(PrefixQuerySet)()

    class Meta:
        ordering = ["first_key", "-last_key"]
        verbose_name_plural = "prefixes"
        constraints = unique(
            "prefix_cidr", ["site", "cidr"], nullable="site", error_field="cidr", message="This site has this prefix."
        )


class TargetRule(CidrModel):
    """Which addresses netmon may contact, for the whole site or for one tenant's devices."""

    class Action(models.TextChoices):
        ALLOW = "allow", "Allow"
        REFUSE = "refuse", "Refuse"

    tenant = models.ForeignKey(
        Tenant,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="target_rules",
        help_text="Empty: the whole site.",
    )
    action = models.CharField(max_length=8, choices=Action.choices)
    note = models.CharField(max_length=200, blank=True, validators=NO_NUL)

    objects: ClassVar[models.Manager["TargetRule"]] = models.Manager.from_queryset(SiteQuerySet)()

    class Meta:
        ordering = ["first_key", "-last_key"]
        constraints = [
            *unique(
                "target_rule_cidr",
                ["tenant", "cidr"],
                nullable="tenant",
                error_field="cidr",
                message="There is a rule for this range: change that one.",
            ),
            models.CheckConstraint(
                name="target_rule_action_known",
                condition=Q(action__in=["allow", "refuse"]),
                violation_error_message="A rule allows or refuses.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.cidr}"


class DeviceManager(models.Manager.from_queryset(DeviceQuerySet)):  # type: ignore[misc]
    pass


class Device(TimeStamped):
    """One piece of equipment. What it can do is its endpoints; `kind` is a label, an icon, a filter."""

    class Kind(models.TextChoices):
        ROUTER = "router", "Router"
        SWITCH = "switch", "Switch"
        FIREWALL = "firewall", "Firewall"
        SERVER = "server", "Server"
        COMPUTER = "computer", "Computer"
        CAMERA = "camera", "Camera"
        VM = "vm", "Virtual machine"
        OTHER = "other", "Other"

    class Status(models.TextChoices):
        PLANNED = "planned", "Planned"
        ACTIVE = "active", "Active"
        OFFLINE = "offline", "Offline"
        RETIRED = "retired", "Retired"

    name = models.CharField(max_length=100, validators=NO_NUL)
    name_key = FoldedField("name", max_length=100)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.OTHER)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACTIVE)
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.PROTECT, related_name="devices")
    site = models.ForeignKey(Site, null=True, blank=True, on_delete=models.PROTECT, related_name="devices")
    location = models.CharField(max_length=200, blank=True, validators=NO_NUL, help_text="Such as: rack B07, unit 12.")
    vendor = models.CharField(max_length=100, blank=True, validators=NO_NUL)
    model = models.CharField(max_length=100, blank=True, validators=NO_NUL)
    platform = models.CharField(max_length=100, blank=True, validators=NO_NUL)
    serial = models.CharField(max_length=100, blank=True, validators=NO_NUL)
    hypervisor = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="vms")
    primary_ip = models.OneToOneField(
        "IPAddress", null=True, blank=True, on_delete=models.SET_NULL, related_name="primary_of"
    )

    objects: ClassVar[DeviceManager] = DeviceManager()

    class Meta:
        ordering = ["name_key"]
        constraints = [
            *unique(
                "device_name",
                ["tenant", "name_key"],
                nullable="tenant",
                error_field="name",
                message="A device of this name exists already.",
            ),
            models.CheckConstraint(
                name="device_kind_known",
                condition=Q(kind__in=["router", "switch", "firewall", "server", "computer", "camera", "vm", "other"]),
                violation_error_message="This kind of device is not known.",
            ),
            models.CheckConstraint(
                name="device_status_known",
                condition=Q(status__in=["planned", "active", "offline", "retired"]),
                violation_error_message="The status is planned, active, offline or retired.",
            ),
            models.CheckConstraint(
                name="device_only_vm_has_hypervisor",
                condition=Q(hypervisor__isnull=True) | Q(kind="vm"),
                violation_error_message="Only a virtual machine has a hypervisor.",
            ),
            models.CheckConstraint(
                name="device_not_own_hypervisor",
                condition=Q(hypervisor__isnull=True) | ~Q(hypervisor=F("id")),
                violation_error_message="A virtual machine cannot be its own hypervisor.",
            ),
        ]
        indexes = [models.Index(fields=["kind", "name_key"], name="device_by_kind")]  # lists by kind, sorted by name

    def __str__(self) -> str:
        return self.name


class Interface(TimeStamped):
    """A network interface, kept by name; its ifIndex is an attribute that may change (RFC 2863 section 3.1.5)."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="interfaces")
    name = models.CharField(max_length=255, validators=NO_NUL)
    if_index = models.PositiveBigIntegerField(null=True, blank=True)
    if_alias = models.CharField(max_length=255, blank=True, validators=NO_NUL)
    if_descr = models.CharField(max_length=255, blank=True, validators=NO_NUL)
    if_type = models.PositiveIntegerField(null=True, blank=True)
    mac_address = MACAddressField(blank=True)
    mtu = models.PositiveBigIntegerField(null=True, blank=True)
    if_speed_bps = models.PositiveBigIntegerField(null=True, blank=True)
    if_admin_status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1 up, 2 down, 3 testing")
    if_oper_status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1 up, 2 down, ... (IF-MIB)")
    gone_since = models.DateTimeField(null=True, blank=True, help_text="When the device stopped reporting it.")

    objects: ClassVar[models.Manager["Interface"]] = models.Manager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        ordering = ["device_id", "if_index", "name"]
        constraints = [
            *unique(
                "interface_name",
                ["device", "name"],
                error_field="name",
                message="This device has an interface of this name.",
            ),
            models.UniqueConstraint(
                fields=["device", "if_index"],
                name="interface_if_index",
                condition=Q(if_index__isnull=False),
                violation_error_code="unique",
                violation_error_message="This device has an interface of this ifIndex.",
            ),
        ]
        indexes = [models.Index(fields=["mac_address"], name="interface_by_mac")]  # devices/?mac=

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.pk and Device.objects.filter(primary_ip__interface=self).exclude(pk=self.device_id).exists():
            reason = "It holds the address by which its device is reached: give that device another address first."
            raise ValidationError({"device": reason})


class IPAddressQuerySet(VisibleQuerySet):
    tenant_path = "tenant"

    def inside(self, network: Any) -> Self:
        """Addresses within a prefix."""
        first, last = prefix_range(network)
        return self.filter(address_key__gte=first, address_key__lte=last)


class IPAddress(TimeStamped):
    """An address. It belongs to an interface, an interface to a device: no third place can disagree."""

    address = models.CharField(max_length=39, help_text="Such as 192.0.2.1 or 2001:db8::1.")
    address_key = models.CharField(max_length=32, editable=False, db_index=True)
    prefix_length = models.PositiveSmallIntegerField(null=True, blank=True)
    dns_name = models.CharField(max_length=253, blank=True, validators=NO_NUL)
    interface = models.ForeignKey(
        Interface, null=True, blank=True, on_delete=models.CASCADE, related_name="ip_addresses"
    )
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.PROTECT, related_name="ip_addresses")

    objects: ClassVar[models.Manager["IPAddress"]] = models.Manager.from_queryset(IPAddressQuerySet)()

    class Meta:
        ordering = ["address_key"]
        verbose_name = "IP address"
        verbose_name_plural = "IP addresses"
        constraints = [
            *unique(
                "ip_address",
                ["tenant", "address"],
                nullable="tenant",
                error_field="address",
                message="This address is in the inventory already.",
            ),
            models.CheckConstraint(
                name="ip_address_prefix_length",
                condition=Q(prefix_length__isnull=True) | Q(prefix_length__lte=128),
                violation_error_message="A prefix length is at most 32 (IPv4) or 128 (IPv6).",
            ),
        ]

    def __str__(self) -> str:
        return self.address

    def clean_fields(self, exclude: Any = None) -> None:
        super().clean_fields(exclude=exclude)
        try:
            self._canonicalise()
        except ValidationError as error:
            raise ValidationError({"address": error}) from None
        if self.prefix_length is not None and ":" not in self.address and self.prefix_length > 32:
            raise ValidationError({"prefix_length": "An IPv4 prefix length is at most 32."})

    def _canonicalise(self) -> None:
        address = parse_address(self.address)
        self.address, self.address_key = str(address), address_key(address)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self._canonicalise()
        super().save(*args, **kwargs)


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
    public_key = models.TextField(blank=True)
    fingerprint = models.CharField(max_length=100, blank=True)
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
        errors: dict[str, str] = {}
        if self.device and self.tenant_id and self.device.tenant_id != self.tenant_id:
            errors["tenant"] = "The device that it belongs to is not of this tenant."
        for name in ("secret", "priv_secret"):
            if "\x00" in (getattr(self, name) or ""):
                errors[name] = "Null characters are not allowed."
        if self.kind == self.Kind.SNMP_COMMUNITY:
            if not 1 <= len(self.secret or "") <= 255:
                errors["secret"] = "A community has 1 to 255 characters."  # noqa: S105
        elif self.kind == self.Kind.SNMP_USM:
            errors |= self._usm_errors()
        elif not self.secret:
            errors["secret"] = "This kind of credential needs a secret."  # noqa: S105
        # Nobody can say what is wrong with a text that does not decrypt; the row must still be editable.
        errors = {name: text for name, text in errors.items() if not isinstance(getattr(self, name), Undecryptable)}
        if errors:
            raise ValidationError(errors)

    def _usm_errors(self) -> dict[str, str]:
        errors = {}
        if not 1 <= len(self.username) <= 32:
            errors["username"] = "An SNMP v3 user name has 1 to 32 characters (RFC 3414)."
        # RFC 3414 section 11.2: passphrases shorter than 8 characters are refused by agents.
        if self.auth_protocol and len(self.secret or "") < 8:
            errors["secret"] = "An SNMP v3 authentication passphrase has 8 characters or more."  # noqa: S105
        if self.priv_protocol and len(self.priv_secret or "") < 8:
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
