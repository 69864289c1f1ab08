"""Which keys an SSH server showed, and which of them are believed."""

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from inventory.models.access import EndpointChildQuerySet, ManagementEndpoint
from inventory.models.devices import Device
from netmon.common.constraints import unique
from netmon.drivers.targets import HostKey as DriverHostKey


class HostKey(models.Model):
    """A host key that an SSH endpoint showed or that an admin entered. Only trusted ones let a session begin."""

    class State(models.TextChoices):
        PENDING = "pending", "Waits for approval"
        TRUSTED = "trusted", "Trusted"
        REVOKED = "revoked", "Revoked"

    class Reason(models.TextChoices):
        """Why the server's key was not simply the trusted one."""

        FIRST = "first", "First seen"
        CHANGED = "changed", "Not the trusted one"
        OTHER_TYPE = "other_type", "Of another type than the trusted one"
        ENTERED = "entered", "Entered by an admin"

    endpoint = models.ForeignKey(ManagementEndpoint, on_delete=models.CASCADE, related_name="host_keys")
    key_type = models.CharField(max_length=32)
    public_key = models.TextField(max_length=4096, help_text="Base64, as in known_hosts.")
    fingerprint = models.CharField(max_length=64, editable=False, help_text="SHA256:..., as ssh-keygen -lf prints it.")
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    reason = models.CharField(max_length=16, choices=Reason.choices, default=Reason.FIRST)
    first_seen_at = models.DateTimeField(null=True, blank=True, help_text="Empty: entered, and never seen yet.")
    last_seen_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who approved or revoked it; nobody where the tenant trusts the first key.",
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[models.Manager["HostKey"]] = models.Manager.from_queryset(EndpointChildQuerySet)()

    class Meta:
        ordering = ["endpoint_id", "-pk"]
        constraints = [
            *unique(
                "host_key_once",
                ["endpoint", "fingerprint"],
                error_field="public_key",
                message="This endpoint has this key already.",
            ),
            models.CheckConstraint(
                name="host_key_state_known",
                condition=Q(state__in=["pending", "trusted", "revoked"]),
                violation_error_message="The state is pending, trusted or revoked.",
            ),
            models.CheckConstraint(
                name="host_key_reason_known",
                condition=Q(reason__in=["first", "changed", "other_type", "entered"]),
                violation_error_message="The reason is not known.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key_type} {self.fingerprint}"

    def audit_parent(self) -> Device:
        return self.endpoint.device

    @property
    def known_hosts_line(self) -> str:
        """For a known_hosts file; the first word is the endpoint's own host or its device's address."""
        from inventory.scopes import host_of

        host, port = host_of(self.endpoint) or self.endpoint.device.name, self.endpoint.effective_port
        return f"{host if port == 22 else f'[{host}]:{port}'} {self.key_type} {self.public_key}"

    def as_pin(self) -> DriverHostKey:
        """As the driver takes it. Raises ValueError for a row that holds no key."""
        return DriverHostKey(self.key_type, self.public_key)

    def clean(self) -> None:
        try:
            key = self.as_pin()
        except ValueError as error:
            raise ValidationError({"public_key": str(error).partition(": ")[2] or str(error)}) from None
        self.public_key, self.fingerprint = key.public_key, key.fingerprint
        if self.endpoint.protocol != ManagementEndpoint.Protocol.SSH:
            raise ValidationError({"endpoint": "Only SSH endpoints have host keys."})


class KnownServer(models.Model):
    """A place where an SSH server's key was known once. It outlives key, endpoint and device.

    So neither who deletes and enters anew what was watched, nor who moves it, begins first use again.
    """

    place = models.CharField(max_length=1400, blank=True, help_text="Address or name and port; jump hosts behind it.")
    # No foreign key: the device may be gone, and numbers are not given twice.
    device_number = models.PositiveBigIntegerField()
    since = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["device_number"], name="known_server_device")]
        constraints = unique(
            "known_server_once", ["place", "device_number"], error_field="place", message="It is known already."
        )

    def __str__(self) -> str:
        return self.place or f"device {self.device_number}"
