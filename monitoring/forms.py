"""The forms of alerting. What is right is decided by the models; forms ask, and carry their words to a field."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from inventory.models import Device, Site, Tag, Tenant
from monitoring import metrics
from monitoring.alerting import derived, sources, wording
from monitoring.models import AlertRule, EscalationPolicy, SeverityModifier, Silence
from netmon.common.fields import fold

QUIET = {"autocomplete": "off", "spellcheck": "false"}
SCOPE = ["tenant", "site", "kind", "tag", "device"]
LENGTHS = (("s", "seconds", 1), ("m", "minutes", 60), ("h", "hours", 3600))


def zones() -> list[tuple[str, str]]:
    return [(name, name) for name in sorted(available_timezones()) if "/" in name or name == "UTC"]


class DeviceField(forms.CharField):
    """A device by its name: a list of ten thousand is no choice."""

    def __init__(self, **kwargs: Any) -> None:
        attributes = {**QUIET, "list": "device-names"}
        super().__init__(max_length=255, widget=forms.TextInput(attrs=attributes), **kwargs)
        self.user: Any = None

    def clean(self, value: Any) -> Any:
        name = super().clean(value)
        if not name:
            return None
        rows = Device.objects.visible_to(self.user).filter(name_key=fold(name))[:2]
        if not rows:
            raise ValidationError("There is no device of this name.")
        if len(rows) > 1:
            raise ValidationError("Several devices have this name.")
        return rows[0]


class Duration(forms.MultiWidget):
    """A length of time as a number and its unit."""

    def __init__(self) -> None:
        choices = [(key, label) for key, label, _ in LENGTHS]
        super().__init__([forms.NumberInput(attrs={"min": 0}), forms.Select(choices=choices)])

    def decompress(self, value: Any) -> list[Any]:
        seconds = int(value or 0)
        key, _, factor = next(one for one in reversed(LENGTHS) if seconds % one[2] == 0 or one[2] == 1)
        return [seconds // factor, key] if seconds else [0, "m"]

    def id_for_label(self, id_: str) -> str:
        return f"{id_}_0"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        label = self.attrs.get("aria-label", name.replace("_", " "))
        context["widget"]["subwidgets"][1]["attrs"]["aria-label"] = f"Unit of {label}"
        return context


class DurationField(forms.MultiValueField):
    def __init__(self, **kwargs: Any) -> None:
        fields = (forms.IntegerField(min_value=0, max_value=10_000_000), forms.ChoiceField(choices=list_of_lengths()))
        super().__init__(fields, widget=Duration(), require_all_fields=False, **kwargs)

    def compress(self, values: Any) -> int:
        if not values or values[0] in (None, ""):
            return 0
        factor = next((factor for key, _, factor in LENGTHS if key == values[1]), 1)
        return int(values[0]) * factor


def list_of_lengths() -> list[tuple[str, str]]:
    return [(key, label) for key, label, _ in LENGTHS]


class SharedForm(forms.ModelForm):
    """Of rows that belong to a tenant or to everybody: every choice is of what the person may see.

    Who is bound to tenants makes rows of theirs.
    """

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)
        for name, model in (("tenant", Tenant), ("site", Site), ("tag", Tag)):
            if name in self.fields:
                field: Any = self.fields[name]
                field.queryset = model.objects.visible_to(user)
                field.empty_label = "any"
                field.help_text = ""
        if user.tenant_ids and "tenant" in self.fields:
            self.fields["tenant"].required = True
            tenant: Any = self.fields["tenant"]
            tenant.empty_label = None if len(user.tenant_ids) == 1 else "choose"
        if "kind" in self.fields:
            self.fields["kind"].help_text = ""
            kind: Any = self.fields["kind"]
            kind.choices = [("", "any"), *Device.Kind.choices]
        if "device" in self.fields:
            device: Any = self.fields["device"]
            device.user = user
            chosen = getattr(self.instance, "device", None)
            if chosen is not None:
                self.initial["device"] = chosen.name

    def names_of_devices(self) -> list[str]:
        """Suggestions; whoever has more writes the name."""
        return list(Device.objects.visible_to(self.user).order_by("name_key").values_list("name", flat=True)[:300])

    def take(self, error: ValidationError) -> None:
        """Show what a service refused, at its field where the form has it."""
        if not hasattr(error, "error_dict"):
            self.add_error(None, error)
            return
        for name, errors in error.error_dict.items():
            self.add_error(name if name in self.fields else None, errors)

    def _update_errors(self, errors: Any) -> None:  # Django's own way in, by which the model's words come
        """What the model refuses at a column without a field here is said above the form."""
        found = getattr(errors, "error_dict", None)
        if found is not None:
            moved = {name: texts for name, texts in found.items() if name in self.fields or name == "__all__"}
            for name, texts in found.items():
                if name not in moved:
                    moved.setdefault("__all__", []).extend(texts)
            errors = ValidationError(moved)
        super()._update_errors(errors)  # type: ignore[misc]  # the stubs do not know it


class ScopedForm(SharedForm):
    """Of rows with a scope."""

    device = DeviceField(required=False, help_text="One device, by its name.")


# --- rules


class Hinted(forms.Select):
    """Options that say more of themselves."""

    hints: dict[str, str]

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        option: Any = super().create_option(name, value, *args, **kwargs)
        if hint := self.hints.get(str(value)):
            option["attrs"]["data-hint"] = hint
        return option


def source_choices() -> list[tuple[str, str]]:
    return [(key, one.label) for key, one in sources.SOURCES.items() if key != "manual"]


def metric_choices() -> list[tuple[str, Any]]:
    """By metric set, with units; derived ones among their set."""
    groups: list[tuple[str, Any]] = [("", "choose a metric")]
    for one in metrics.SETS.values():
        names = [f"{one.key}.{column.name}" for column in one.columns]
        names += [name for name in derived.DERIVED if name.rpartition(".")[0] == one.key]
        groups.append((one.label, [(name, f"{one.label}: {_metric_label(name)}") for name in names]))
    return groups


def _metric_label(name: str) -> str:
    label, unit = wording.metric_words(name)
    return f"{label} ({unit})" if unit else label


def sources_with(test: Any) -> str:
    return " ".join(key for key, one in sources.SOURCES.items() if test(one))


class RuleForm(ScopedForm):
    source = forms.ChoiceField(label="What is looked at", choices=source_choices, widget=Hinted)
    metric = forms.ChoiceField(label="Metric", required=False, choices=metric_choices)
    raise_value = forms.FloatField(label="Limit", required=False, help_text="Bad when beyond this.")
    clear_value = forms.FloatField(label="Good again at", required=False, help_text="Empty: at the limit itself.")
    for_seconds = DurationField(label="Bad for", required=False, help_text="So long before it is an alert.")
    clear_seconds = DurationField(
        label="Over after", required=False, help_text="Good for so long; of events, so long without another."
    )

    class Meta:
        model = AlertRule
        fields = [
            "name", "source", "metric", "comparator", "raise_value", "clear_value", "match", "interface_pattern",
            "for_seconds", "for_checks", "clear_seconds", "clear_checks", "severity", "policy", "note", "is_enabled",
            *SCOPE,
        ]  # fmt: skip
        labels = {
            "match": "Only these",
            "interface_pattern": "Interfaces",
            "for_checks": "Seen bad in a row",
            "clear_checks": "Seen good in a row",
            "policy": "Escalation",
            "note": "What to do",
            "is_enabled": "Switched on",
            "comparator": "Bad when",
        }
        widgets = {"note": forms.Textarea(attrs={"rows": 3}), "name": forms.TextInput(attrs=QUIET)}

    # Which sources a field belongs to: elsewhere it is not shown, and what it holds is not taken.
    WHEN = {
        "metric": lambda one: one.shape == "metric",
        "comparator": lambda one: one.shape == "metric",
        "raise_value": lambda one: one.shape == "metric",
        "clear_value": lambda one: one.shape == "metric",
        "match": lambda one: bool(one.matches),
        "interface_pattern": lambda one: one.has_interfaces,
        "for_seconds": lambda one: one.shape != "event",
        "for_checks": lambda one: one.shape != "event",
        "clear_checks": lambda one: one.shape != "event",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        policy: Any = self.fields["policy"]
        policy.queryset = EscalationPolicy.objects.visible_to(self.user)
        policy.empty_label = "the policy that fits the device"
        widget: Any = self.fields["source"].widget
        widget.hints = {key: _hint(one) for key, one in sources.SOURCES.items()}

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        source = sources.SOURCES.get(values.get("source", ""))
        if source is None:
            return values
        for name, belongs in self.WHEN.items():
            if not belongs(source):
                column: Any = AlertRule._meta.get_field(name)
                values[name] = column.get_default()
                self.errors.pop(name, None)
        return values

    def parts(self) -> Iterator[tuple[Any, str]]:
        """Each field that belongs to some sources only, with those."""
        for name, belongs in self.WHEN.items():
            yield self[name], sources_with(belongs)


def _hint(source: sources.Source) -> str:
    return f"{source.help} Only these: {source.matches}." if source.matches else source.help


class ModifierForm(ScopedForm):
    delta = forms.TypedChoiceField(
        label="Alerts there are",
        coerce=int,
        choices=[
            (steps, f"{abs(steps)} step{'' if abs(steps) == 1 else 's'} {'graver' if steps > 0 else 'milder'}")
            for steps in (4, 3, 2, 1, -1, -2, -3, -4)
        ],
    )

    class Meta:
        model = SeverityModifier
        fields = ["name", "delta", *SCOPE]
        widgets = {"name": forms.TextInput(attrs=QUIET)}


class SilenceForm(ScopedForm):
    minutes = DurationField(label="For", help_text="At most 30 days.")

    class Meta:
        model = Silence
        fields = ["rule", "reason", *SCOPE]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule: Any = self.fields["rule"]
        rule.queryset = AlertRule.objects.visible_to(self.user)
        rule.empty_label = "any"
        self.initial.setdefault("minutes", 3600)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        seconds = values.get("minutes") or 0
        if not 0 < seconds <= 30 * 86400:
            self.add_error("minutes", "Between a minute and 30 days.")
        elif not any(values.get(name) for name in ("rule", "site", "kind", "tag", "device", "tenant")):
            raise ValidationError("Say what is to be silent: a rule, a device, a site ... Everything cannot be.")
        self.instance.starts_at = timezone.now()
        self.instance.ends_at = self.instance.starts_at + timedelta(seconds=max(1, seconds))
        return values
