"""The form of a maintenance window: wall times of a zone, and one device, several, or a scope."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from inventory.models import Device
from monitoring.forms import QUIET, SCOPE, ScopedForm, zones
from monitoring.models import MaintenanceWindow
from monitoring.models.rules import MOST_LISTED
from netmon.common.fields import fold

MOMENT = "%Y-%m-%dT%H:%M"
WEEKDAYS = [("1", "Mon"), ("2", "Tue"), ("3", "Wed"), ("4", "Thu"), ("5", "Fri"), ("6", "Sat"), ("7", "Sun")]


class DevicesField(forms.CharField):
    """Several devices by their names, one a line or with commas between."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MOST_LISTED * 80, widget=forms.Textarea(attrs={"rows": 3, **QUIET}), **kwargs)
        self.user: Any = None

    def clean(self, value: Any) -> Any:
        lines = str(super().clean(value)).replace(",", "\n").split("\n")
        names = {fold(name): name.strip() for name in lines if name.strip()}
        if len(names) > MOST_LISTED:
            raise ValidationError(f"At most {MOST_LISTED} devices: take a site, a kind or a tag.")
        found: dict[str, list[Device]] = {name: [] for name in names}
        for device in Device.objects.visible_to(self.user).filter(name_key__in=names):
            found[device.name_key].append(device)
        for said, wrong in (("There is no device", 0), ("Several devices are", 2)):
            these = [names[key] for key, rows in found.items() if min(len(rows), 2) == wrong]
            if these:
                named = ", ".join(these[:5]) + (f" and {len(these) - 5} more" if len(these) > 5 else "")
                raise ValidationError(f"{said} of the name {named}.")
        return [rows[0] for rows in found.values()]


class LocalMoment(forms.DateTimeField):
    """A wall time, whose zone another field says."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT)
        super().__init__(widget=widget, input_formats=[MOMENT, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"], **kwargs)

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        for pattern in self.input_formats or ():
            try:
                return datetime.strptime(str(value).strip(), pattern)  # noqa: DTZ007  # the zone is another field's
            except ValueError:
                continue
        raise ValidationError("Write a date and a time.")

    def prepare_value(self, value: Any) -> Any:
        return value


class WindowForm(ScopedForm):
    devices = DevicesField(label="Several devices", required=False, help_text="By name, one a line.")
    starts_at = LocalMoment(label="From")
    ends_at = LocalMoment(label="Until")
    time_zone = forms.ChoiceField(label="Time zone", choices=zones)
    weekdays = forms.MultipleChoiceField(
        label="On these days", required=False, choices=WEEKDAYS, widget=forms.CheckboxSelectMultiple
    )
    until = forms.DateField(
        label="Last day",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Empty: without end.",
    )

    class Meta:
        model = MaintenanceWindow
        fields = [
            "name", "reason", *SCOPE, "starts_at", "ends_at", "time_zone", "recurrence", "weekdays", "until",
            "include_children", "ends_when_back",
        ]  # fmt: skip
        labels = {
            "include_children": "Also what is reached only through these devices",
            "ends_when_back": "End it as soon as all is back",
            "recurrence": "How often",
        }
        help_texts = {"include_children": "", "ends_when_back": "After it was down and is up again."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row = self.instance
        devices: Any = self.fields["devices"]
        devices.user = self.user
        if row.pk and row.is_listed:
            names = Device.objects.visible_to(self.user).filter(pk__in=row.listed)
            self.initial["devices"] = "\n".join(names.order_by("name_key").values_list("name", flat=True))
        if row.pk:
            zone = ZoneInfo(row.time_zone)
            self.initial["starts_at"] = row.starts_at.astimezone(zone).strftime(MOMENT)
            self.initial["ends_at"] = row.ends_at.astimezone(zone).strftime(MOMENT)
            self.initial["weekdays"] = row.weekdays.split(",") if row.weekdays else []
            self.initial["until"] = row.until.astimezone(zone).date() if row.until else None
        else:
            now = timezone.localtime() + timedelta(minutes=1)
            self.initial.setdefault("time_zone", settings.TIME_ZONE)
            self.initial.setdefault("starts_at", now.strftime(MOMENT))
            self.initial.setdefault("ends_at", (now + timedelta(hours=1)).strftime(MOMENT))

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        zone = ZoneInfo(values.get("time_zone") or "UTC")
        for name in ("starts_at", "ends_at"):
            if values.get(name):
                values[name] = values[name].replace(tzinfo=zone)
        last = values.get("until")
        values["until"] = datetime.combine(last, datetime.max.time(), tzinfo=zone) if last else None
        weekly = values.get("recurrence") == MaintenanceWindow.Recurrence.WEEKLY
        values["weekdays"] = ",".join(values.get("weekdays") or []) if weekly else ""
        self._list(values)
        return values

    def _list(self, values: dict[str, Any]) -> None:
        """One device is the scope's; of several a list is kept. Those that the person does not see stay in it."""
        row = self.instance
        chosen = {one.pk: one for one in [*(values.get("devices") or []), values.get("device")] if one is not None}
        if row.pk and row.is_listed:
            unseen = Device.objects.filter(pk__in=row.listed).exclude(pk__in=Device.objects.visible_to(self.user))
            chosen |= {one.pk: one for one in unseen}
        if row.pk and row.is_listed and not chosen and not any(values.get(name) for name in SCOPE):
            # Else a list that its devices were deleted from would become everything by being opened and saved.
            self.add_error("devices", "No device is named any more: name one, or choose a site, a kind or a tag.")
        row.is_listed = len(chosen) > 1
        values["device"] = None if row.is_listed else next(iter(chosen.values()), None)
        self.listed = list(chosen.values()) if row.is_listed else []
        row.planned = frozenset(one.pk for one in self.listed)

    def save(self, commit: bool = True) -> Any:
        row = super().save(commit)
        row.write_devices(self.listed)
        return row
