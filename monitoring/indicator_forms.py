"""The form of an observation, on the page of its device and, where it was refused, on one of its own."""

from typing import Any

from django import forms

from monitoring.models import Indicator


class IndicatorForm(forms.ModelForm):
    class Meta:
        model = Indicator
        fields = ["kind", "value", "severity", "note"]
        labels = {"kind": "Kind, one word", "value": "What was observed"}
        help_texts = {"kind": "", "value": ""}
        widgets = {
            "kind": forms.TextInput(
                attrs={
                    "pattern": r"[a-z0-9]+([_\-][a-z0-9]+)*", "autocomplete": "off", "autocapitalize": "none",
                    "spellcheck": "false", "title": "a-z, 0-9, _ and -, such as smell or disk_temperature",
                }
            ),
            "value": forms.TextInput(attrs={"autocomplete": "off"}),
            "note": forms.Textarea(attrs={"rows": 2}),
        }  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "indicator-%s"
