"""The forms of people and ways: channels, contacts, escalation policies."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from inventory.models import Site, Tag, Tenant
from monitoring.forms import QUIET, DurationField, ScopedForm, SharedForm, zones
from monitoring.models import Channel, Contact, EscalationPolicy
from monitoring.models.delivery import MAX_STEPS
from monitoring.notifying import configs
from netmon.common.secrets import Undecryptable

CONFIG = "config_"
KIND_HELP = {
    "email": "Through a mail server.",
    "slack": "By an incoming webhook, or a bot that updates its messages.",
    "webhook": "JSON to an address of yours, signed.",
    "apprise": "Telegram, Teams, ntfy, Matrix and others, by apprise.",
}


def stored(row: Channel | None) -> dict[str, Any]:
    """What is there already; nothing where no key opens it, so that all of it is asked for anew."""
    try:
        return configs.opened(row) if row is not None and row.pk else {}
    except Undecryptable:
        return {}


class ChannelForm(SharedForm):
    """A channel of one kind. Secrets go in and never come back: an empty one stays as it is."""

    class Meta:
        model = Channel
        fields = ["name", "tenant", "min_severity", "max_per_minute", "late_minutes", "is_enabled"]
        labels = {
            "min_severity": "From severity",
            "max_per_minute": "Messages a minute",
            "late_minutes": "Late after minutes",
            "is_enabled": "Switched on",
        }
        widgets = {"name": forms.TextInput(attrs=QUIET)}

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        self.made_secret = ""
        self.before = stored(self.instance)
        self.fields["tenant"].help_text = "Empty: everybody's."
        for field in configs.FIELDS[kind]:
            self.fields[CONFIG + field.name] = self._field(field)
            if field.is_secret and not field.is_required and self.before.get(field.name):
                # A webhook is always signed: its secret is not taken away, but followed by another.
                is_signing = (kind, field.name) == ("webhook", "secret")
                label = "Make a new one; the old signs beside it" if is_signing else f"Remove: {field.label.lower()}"
                self.fields[f"{CONFIG}{field.name}_remove"] = forms.BooleanField(label=label, required=False)

    def _field(self, field: configs.Field) -> forms.Field:
        value = self.before.get(field.name, field.default)
        common: dict[str, Any] = {"label": field.label, "help_text": field.help, "required": False}
        if field.is_secret:
            if self.before.get(field.name):
                common["help_text"] = "Set. Write a new one to replace it."
            return forms.CharField(
                strip=True,
                max_length=configs.MAX_TEXT,
                widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
                **common,
            )
        if field.kind is bool:
            return forms.BooleanField(initial=value, **common)
        if field.kind is int:
            return forms.IntegerField(initial=value, **common)
        if field.choices:
            return forms.ChoiceField(initial=value, choices=[(one, one) for one in field.choices], **common)
        return forms.CharField(
            initial=value or "", max_length=configs.MAX_TEXT, widget=forms.TextInput(attrs=QUIET), **common
        )

    def config_fields(self) -> Iterator[Any]:
        for name in self.fields:
            if name.startswith(CONFIG):
                yield self[name]

    def common_fields(self) -> Iterator[Any]:
        for name in self.fields:
            if not name.startswith(CONFIG):
                yield self[name]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        given: dict[str, Any] = {}
        for field in configs.FIELDS[self.kind]:
            value = values.get(CONFIG + field.name)
            if field.is_secret:
                if value:
                    given[field.name] = value
                elif values.get(f"{CONFIG}{field.name}_remove"):
                    given[field.name] = ""
            elif value is not None:
                given[field.name] = value
        if self.kind == "webhook" and not given.get("secret", self.before.get("secret")):
            given["secret"] = self.made_secret = configs.make_secret()
            if self.before.get("secret"):
                given.setdefault("previous_secret", self.before["secret"])
        try:
            self.config = configs.merge(self.kind, given, self.before or None)
        except ValidationError as error:
            for name, texts in error.message_dict.items():
                field_name = CONFIG + name
                self.add_error(field_name if field_name in self.fields else None, texts)
        return values

    def save(self, commit: bool = True) -> Any:
        self.instance.kind = self.kind
        configs.seal(self.instance, self.config)
        return super().save(commit)


class AddressesField(forms.CharField):
    """Addresses of mail, one a line."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 2, **QUIET})
        super().__init__(widget=widget, max_length=6000, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(str(one) for one in value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return [part.strip() for part in text.replace(",", "\n").split("\n") if part.strip()]


class ContactForm(SharedForm):
    emails = AddressesField(label="Addresses", required=False, help_text="Where mail goes, one a line.")
    time_zone = forms.ChoiceField(label="Time zone", choices=zones)
    repeat_seconds = DurationField(
        label="Remind every", required=False, help_text="While nobody acknowledges; 0 is never."
    )

    class Meta:
        model = Contact
        fields = [
            "name", "tenant", "user", "is_enabled", "emails", "channels", "min_severity", "wants_resolved", "sites",
            "tags", "time_zone", "quiet_from", "quiet_to", "quiet_min_severity", "digest", "repeat_seconds",
            "repeat_min_severity", "summary_hour", "summary_only_news",
        ]  # fmt: skip
        labels = {
            "user": "Profile of", "is_enabled": "Switched on", "min_severity": "From severity",
            "wants_resolved": "Also told when it is over", "quiet_from": "Quiet from", "quiet_to": "Quiet until",
            "quiet_min_severity": "Comes through", "digest": "How often", "repeat_min_severity": "Reminders from",
            "summary_hour": "Daily summary at hour", "summary_only_news": "No summary on a day without news",
            "sites": "Only these sites", "tags": "Only devices with one of these tags",
        }  # fmt: skip
        help_texts = {"summary_only_news": "", "sites": "None: all.", "tags": "None: all."}
        widgets = {
            "channels": forms.CheckboxSelectMultiple,
            "sites": forms.CheckboxSelectMultiple,
            "tags": forms.CheckboxSelectMultiple,
            "quiet_from": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "quiet_to": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }

    OWN = ("name", "tenant", "user")  # which a profile's owner does not choose

    def __init__(self, *args: Any, is_own: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, model in (("channels", Channel), ("sites", Site), ("tags", Tag)):
            field: Any = self.fields[name]
            field.queryset = model.objects.visible_to(self.user)
        hour: Any = self.fields["summary_hour"]
        hour.widget.attrs |= {"min": 0, "max": 23}
        hour.help_text = "0 to 23, 0 is midnight. Empty: none."
        self.fields["tenant"].help_text = "Empty: everybody's."
        tenant: Any = self.fields["tenant"]
        tenant.queryset = Tenant.objects.visible_to(self.user)
        if is_own or self.user.tenant_ids:
            del self.fields["user"]
        if is_own:
            del self.fields["name"], self.fields["tenant"]

    def told(self) -> Iterator[Any]:
        yield from (self[name] for name in ("name", "tenant", "user", "emails", "is_enabled") if name in self.fields)


class PolicyForm(ScopedForm):
    """A policy with up to five steps, in one form."""

    class Meta:
        model = EscalationPolicy
        fields = ["name", "rank", "is_enabled", "tenant", "site", "kind", "tag", "device"]
        labels = {"rank": "Rank", "is_enabled": "Switched on"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        steps = list(self.instance.steps.prefetch_related("contacts")) if self.instance.pk else []
        contacts = Contact.objects.visible_to(self.user)
        for number in range(MAX_STEPS):
            step = steps[number] if number < len(steps) else None
            self.fields[f"after_{number}"] = DurationField(
                label="After", required=False, initial=step.after_seconds if step else 0
            )
            self.fields[f"contacts_{number}"] = forms.ModelMultipleChoiceField(
                label="Contacts",
                queryset=contacts,
                required=False,
                widget=forms.CheckboxSelectMultiple,
                initial=[one.pk for one in step.contacts.all()] if step else [],
            )

    def steps(self) -> Iterator[tuple[int, Any, Any]]:
        for number in range(MAX_STEPS):
            yield number + 1, self[f"after_{number}"], self[f"contacts_{number}"]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        self.planned = [
            (values.get(f"after_{number}") or 0, list(values.get(f"contacts_{number}") or ()))
            for number in range(MAX_STEPS)
            if values.get(f"contacts_{number}")
        ]
        if not self.planned:
            self.add_error("contacts_0", "A policy tells somebody: choose a contact for its first step.")
        if [after for after, _ in self.planned] != sorted(after for after, _ in self.planned):
            raise ValidationError("Each step comes after the one before.")
        if any(after > 7 * 86400 for after, _ in self.planned):
            raise ValidationError("The last step comes within a week.")
        return values

    def save(self, commit: bool = True) -> Any:
        row = super().save(commit)
        row.steps.all().delete()
        for number, (after, contacts) in enumerate(self.planned):
            row.steps.create(number=number, after_seconds=after).contacts.set(contacts)
        return row
