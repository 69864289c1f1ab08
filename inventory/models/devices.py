"""What exists: devices, their interfaces and addresses."""

from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from inventory.models.places import NO_NUL, Site, Tag, Tenant
from inventory.querysets import DeviceQuerySet
from netmon.common.addresses import address_key, parse_address, prefix_range
from netmon.common.constraints import unique
from netmon.common.fields import FoldedField, MACAddressField
from netmon.common.models import TimeStamped
from netmon.common.querysets import VisibleQuerySet


class DeviceChildQuerySet(VisibleQuerySet):
    tenant_path = "device__tenant"


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
    tags = models.ManyToManyField(Tag, blank=True, related_name="devices")

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

    @property
    def is_network(self) -> bool:
        """Whether it forwards other people's packets, and so has routing and a configuration worth a look."""
        return self.kind in (self.Kind.ROUTER, self.Kind.SWITCH, self.Kind.FIREWALL)

    def __str__(self) -> str:
        return self.name

    def audit_extra(self) -> dict[str, Any]:
        """What belongs to a device for people, though other rows hold it."""
        from inventory.representation import recorded

        return recorded(self)


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

    def audit_parent(self) -> Device:
        return self.device

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

    def audit_parent(self) -> Device | None:
        return self.interface.device if self.interface else None

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
