"""The forms of actions: what an admin defines, and what is asked before a run."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from monitoring.alerting import sources
from monitoring.forms import QUIET, SCOPE, DeviceField, ScopedForm
from monitoring.models import AlertRule
from provisioning import action_parameters
from provisioning.action_parameters import Parameter
from provisioning.models import Action
from provisioning.services import scripts

EXAMPLE = '[{"name": "port", "kind": "integer", "default": 443, "minimum": 1, "maximum": 65535}]'
PREFIX = "p_"


class SchemaField(forms.CharField):
    """A list of parameters as JSON, laid out to be read."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text.strip():
            return []
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValidationError(f"This is no JSON: {error}.") from None
        except RecursionError:
            raise ValidationError(
                "Lists and objects stand within each other too deep: write a list of objects."
            ) from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != data)


class ActionForm(ScopedForm):
    parameters = SchemaField(
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={**QUIET, "rows": 8, "class": "mono"}),
        help_text=f"A list such as {EXAMPLE}. Kinds: string, integer, choice, address, boolean, secret.",
    )

    class Meta:
        model = Action
        fields = [
            "name", "executable", "description", "parameters", "run_on", "role", "timeout_seconds",
            "output_limit_bytes", "parallel_limit", "is_risky", "confirmation", *SCOPE, "remedy_source", "remedies",
            "is_enabled",
        ]  # fmt: skip
        labels = {
            "executable": "Script",
            "run_on": "Where it runs",
            "role": "Who may run it",
            "timeout_seconds": "Time limit, seconds",
            "output_limit_bytes": "Output kept, bytes",
            "parallel_limit": "Runs at once",
            "is_risky": "A second person must approve each run",
            "confirmation": "To be confirmed before each run",
            "remedy_source": "Proposed at alerts of",
            "remedies": "Proposed at alerts of these rules",
            "is_enabled": "Switched on",
        }
        # Said by the label already.
        help_texts = dict.fromkeys(("role", "parallel_limit", "is_risky", "confirmation"), "")
        widgets = {
            "name": forms.TextInput(attrs=QUIET),
            "executable": forms.TextInput(attrs={**QUIET, "list": "script-names", "class": "mono"}),
            "description": forms.Textarea(attrs={"rows": 3}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", "none"), *((key, one.label) for key, one in sources.SOURCES.items())]
        self.fields["remedy_source"] = forms.ChoiceField(
            choices=choices, required=False, label="Proposed at alerts of", help_text=""
        )
        rules: Any = self.fields["remedies"]
        rules.queryset = AlertRule.objects.visible_to(self.user)
        rules.help_text = ""

    def save(self, commit: bool = True) -> Any:
        scripts.forget_approval(self.instance)
        return super().save(commit)


class RunForm(forms.Form):
    """A field for each parameter of an action. What is right is decided by the service."""

    device = DeviceField()
    alert = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=1, max_value=2**63 - 1)

    def __init__(self, *args: Any, action: Action, user: Any, device: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.schema = action_parameters.asked(action.schema)
        chosen: Any = self.fields["device"]
        chosen.user = user
        if device is not None:
            self.initial.setdefault("device", device.name)
        for one in self.schema:
            self.fields[PREFIX + one.name] = _field(one)
        if action.confirmation:
            # Whether it was confirmed the service asks, so that its words are the same everywhere.
            self.fields["confirm"] = forms.BooleanField(label=action.confirmation, required=False)

    @property
    def parameter_fields(self) -> list[Any]:
        return [self[PREFIX + one.name] for one in self.schema]

    def values(self) -> dict[str, Any]:
        return {one.name: self.cleaned_data.get(PREFIX + one.name) for one in self.schema}

    def take(self, error: ValidationError) -> None:
        """Show what the service refused at its field."""
        found = getattr(error, "error_dict", None)
        for name, errors in ({"__all__": [error]} if found is None else found).items():
            for one in errors:
                for text in one.messages:
                    head, is_named, rest = text.partition(": ")
                    field = PREFIX + head
                    if name == "arguments" and is_named and field in self.fields:
                        self.add_error(field, rest)
                    else:
                        self.add_error(name if name in self.fields else None, text)


def _field(one: Parameter) -> forms.Field:
    is_needed = one.required and one.default is None
    common: dict[str, Any] = {
        "label": one.title, "help_text": one.help, "required": is_needed, "initial": one.default,
    }  # fmt: skip
    if one.default is not None and one.kind in ("string", "integer", "address"):
        common["help_text"] = f"{one.help} Empty: {one.default}.".strip()
    if one.kind == "boolean":
        return forms.BooleanField(**{**common, "required": False})
    if one.kind == "choice":
        # What is left out takes the default, so with one there is no "none".
        nothing = [] if one.default is not None else [("", "choose" if is_needed else "none")]
        return forms.ChoiceField(choices=[*nothing, *((text, text) for text in one.choices)], **common)
    if one.kind == "integer":
        return forms.IntegerField(min_value=one.minimum, max_value=one.maximum, **common)
    return forms.CharField(max_length=one.max_length, strip=False, widget=forms.TextInput(attrs=QUIET), **common)
