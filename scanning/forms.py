"""The forms of scans. What may be scanned is decided by the guard; forms ask, and carry its words to a field."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from inventory.models import Device, Prefix, Site, Tenant
from inventory.models.places import NO_NUL
from monitoring.forms import QUIET, DeviceField, SharedForm, zones
from scanning import guard, ports
from scanning.models import ExpectedPort, Scan, ScanExclusion, ScanSchedule
from scanning.services import starting

TARGET_HELP = (
    "An address, a prefix (192.0.2.0/24), a range (192.0.2.10-20), a name, device:7 or prefix:3; several with commas."
)
PORTS_HELP = f"Such as 22,80 or 1-1024, a service (ssh), or a list: {', '.join(ports.LISTS)}. Empty: {ports.DEFAULT}."
PORTS = {**QUIET, "class": "mono", "list": "port-lists"}
PREFIXES = 300


def port_lists() -> list[tuple[str, str]]:
    """The named lists as suggestions of a field."""
    return [(name, ports.LISTS_HELP.get(name, "")) for name in ports.LISTS]


class TakesWords(forms.Form):
    """A form that shows what a service refused."""

    def take(self, error: ValidationError) -> None:
        """At its field where the form has it, else above the form."""
        if not hasattr(error, "error_dict"):
            self.add_error(None, error)
            return
        for name, errors in error.error_dict.items():
            self.add_error(name if name in self.fields else None, errors)


class ScanForm(TakesWords):
    """A scan to be made."""

    prefix = forms.ModelChoiceField(  # type: ignore[assignment]  # the metaclass takes it out of the attributes
        queryset=Prefix.objects.none(), required=False, label="Prefix of the inventory", empty_label="none, as written"
    )
    target = forms.CharField(
        max_length=4000,
        required=False,
        validators=NO_NUL,
        help_text=TARGET_HELP,
        widget=forms.TextInput(attrs={**QUIET, "class": "mono"}),
    )
    kind = forms.ChoiceField(choices=Scan.Kind.choices, label="What is looked for", initial=Scan.Kind.NETWORK)
    ports = forms.CharField(
        max_length=4000, required=False, validators=NO_NUL, help_text=PORTS_HELP, widget=forms.TextInput(attrs=PORTS)
    )
    profile = forms.ChoiceField(choices=Scan.Profile.choices, label="How fast", initial=Scan.Profile.NORMAL)
    tenant = forms.ModelChoiceField(
        queryset=Tenant.objects.none(),
        required=False,
        empty_label="none",
        help_text="It keeps to this tenant's networks.",
    )
    packets_limit = forms.IntegerField(
        label="At most so many packets", required=False, min_value=1, max_value=1 << 40, help_text="Empty: no limit."
    )
    reason = forms.CharField(
        max_length=300, required=False, validators=NO_NUL, help_text="Who allowed it, and why. It goes on record."
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        prefix: Any = self.fields["prefix"]
        prefix.queryset = Prefix.objects.visible_to(user)
        prefix.label_from_instance = lambda row: f"{row.cidr} {row.description}".strip()
        rows = prefix.queryset.values_list("pk", "cidr", "description")[:PREFIXES]
        prefix.widget.choices = [
            ("", "none, as written"),
            *((pk, f"{cidr} {about}".strip()) for pk, cidr, about in rows),
        ]
        tenant: Any = self.fields["tenant"]
        tenant.queryset = Tenant.objects.visible_to(user)
        if user.tenant_ids and len(user.tenant_ids) == 1:
            del self.fields["tenant"]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        prefix, target = values.get("prefix"), (values.get("target") or "").strip()
        if prefix is not None:
            target = ", ".join(part for part in (f"prefix:{prefix.pk}", target) if part)
        if not target and "target" not in self.errors:
            self.add_error("target", "Write what to scan, or choose a prefix.")
        values["target"] = target
        if values.get("kind") == Scan.Kind.PING:
            values["ports"] = ""  # the field is not shown then
        return values

    def planned(self) -> guard.Plan:
        """What would be touched. Raises ValidationError, or what a name's resolution raises."""
        values = self.cleaned_data
        return guard.plan(
            values["kind"],
            values["target"],
            values["ports"],
            profile=values["profile"],
            tenant=starting.tenant_for(self.user, values.get("tenant")),
            user=self.user,
        )


class NmapForm(TakesWords):
    file = forms.FileField(label="File", help_text="What `nmap -oX FILE` wrote: XML, up to 64 MB.")
    tenant = forms.ModelChoiceField(queryset=Tenant.objects.none(), required=False, empty_label="none")
    reason = forms.CharField(max_length=300, required=False, validators=NO_NUL, help_text="Where it comes from.")

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tenant: Any = self.fields["tenant"]
        tenant.queryset = Tenant.objects.visible_to(user)
        if user.tenant_ids and len(user.tenant_ids) == 1:
            del self.fields["tenant"]


class AdoptForm(TakesWords):
    """The device that a discovery becomes."""

    name = forms.CharField(max_length=100, validators=NO_NUL, widget=forms.TextInput(attrs=QUIET))
    kind = forms.ChoiceField(choices=Device.Kind.choices)
    site = forms.ModelChoiceField(queryset=Site.objects.none(), required=False, empty_label="none")
    location = forms.CharField(max_length=200, required=False, validators=NO_NUL)
    tcp_ports = forms.CharField(
        label="TCP ports to watch",
        max_length=200,
        required=False,
        validators=NO_NUL,
        help_text="Each becomes a check. With commas; empty: none. Ping is always there.",
        widget=forms.TextInput(attrs={**QUIET, "class": "mono"}),
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        site: Any = self.fields["site"]
        site.queryset = Site.objects.visible_to(user).order_by("name_key")

    def clean_tcp_ports(self) -> list[int]:
        text = self.cleaned_data["tcp_ports"]
        found = ports.parse(text) if text.strip() else ports.Ports()
        if len(found) > 20:
            raise ValidationError("At most 20 ports of a device are watched this way.")
        return list(found)

    def fields_of_device(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("name", "kind", "site", "location")}


class AttachForm(TakesWords):
    device = DeviceField(label="It is this device", help_text="Of the inventory, by its name.")

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["device"]
        field.user = user


class IgnoreForm(TakesWords):
    reason = forms.CharField(
        max_length=300, validators=NO_NUL, help_text="Such as: a visitor's telephone. It goes on record."
    )


class ScheduleForm(SharedForm):
    time_zone = forms.ChoiceField(label="Time zone of the window", choices=zones)

    class Meta:
        model = ScanSchedule
        fields = [
            "name", "tenant", "kind", "target", "ports", "profile", "every_minutes", "jitter_minutes", "window_start",
            "window_end", "time_zone", "is_enabled", "reason",
        ]  # fmt: skip
        labels = {
            "kind": "What is looked for",
            "profile": "How fast",
            "every_minutes": "Every so many minutes",
            "jitter_minutes": "By chance up to so many later",
            "window_start": "Only from",
            "window_end": "until",
            "is_enabled": "It is on",
        }
        help_texts = {
            "target": TARGET_HELP,
            "ports": PORTS_HELP,
            "every_minutes": "1440 is a day, 10080 a week.",
            "window_start": "A time of day; both empty: at any time.",
            "window_end": "It may be past midnight.",
        }
        widgets = {
            "target": forms.TextInput(attrs={**QUIET, "class": "mono"}),
            "ports": forms.TextInput(attrs=PORTS),
            "window_start": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "window_end": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind: Any = self.fields["kind"]
        kind.choices = list(Scan.Kind.choices)
        if not self.instance.pk:
            self.initial.setdefault("time_zone", settings.TIME_ZONE)
        if "tenant" in self.fields:
            tenant: Any = self.fields["tenant"]
            tenant.empty_label = None if self.user.tenant_ids and len(self.user.tenant_ids) == 1 else "none"

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("kind") == Scan.Kind.PING:
            values["ports"] = ""
        return values


class ExclusionForm(SharedForm):
    class Meta:
        model = ScanExclusion
        fields = ["cidr", "tenant", "note"]
        labels = {"cidr": "Address or prefix", "note": "Why"}
        help_texts = {"cidr": "Such as 192.0.2.7 or 192.0.2.64/26.", "note": "A fragile machine, a neighbour's range."}
        widgets = {"cidr": forms.TextInput(attrs={**QUIET, "class": "mono"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tenant: Any = self.fields["tenant"]
        if not self.user.tenant_ids:
            tenant.empty_label = "everybody"


class ExpectForm(forms.ModelForm):
    class Meta:
        model = ExpectedPort
        fields = ["port", "state", "note"]

    def __init__(self, *args: Any, device: Device, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.device = device

    def _get_validation_exclusions(self) -> set[str]:
        # The device is given: its uniqueness with the port is asked as well.
        return {name for name in super()._get_validation_exclusions() if name not in ("device", "protocol")}  # type: ignore[misc]


def device_names(user: Any) -> list[str]:
    """Suggestions; whoever has more writes the name."""
    return list(Device.objects.visible_to(user).order_by("name_key").values_list("name", flat=True)[:300])
