"""Channels in the admin: the fields of their kind, as on their page; secrets go in and never come back."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from monitoring.delivery_forms import CONFIG, KIND_HELP, ChannelForm
from monitoring.models import Channel
from monitoring.notifying import configs
from netmon.audit.admin_mixin import AuditedAdmin
from netmon.common.badges import yes

SECRET = f"{CONFIG}secret"
WIDGETS = {"text": "vTextField", "password": "vTextField", "number": "vIntegerField"}


class ChannelAdminForm(ChannelForm):
    """The page's form. A signing secret is written here: the page makes one and shows it once, which a list cannot."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.kind = self.kind
        if self.kind == Channel.Kind.WEBHOOK:
            self.fields.pop(f"{SECRET}_remove", None)
            if not self.before.get("secret"):
                self.fields[SECRET].help_text = "24 characters or more."
        for name, field in self.fields.items():
            css = WIDGETS.get(getattr(field.widget, "input_type", ""))
            if name.startswith(CONFIG) and css:
                field.widget.attrs["class"] = css

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if self.made_secret:
            self.made_secret = ""
            self.add_error(SECRET, "Write one of 24 characters or more.")
        return values


@admin.register(Channel)
class ChannelAdmin(AuditedAdmin):
    list_display = ["name", "kind", "shown", "switched", "min_severity", "tenant", "last_sent_at", "dead_in_a_row"]
    list_filter = ["kind", "is_enabled", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["name_key"]
    autocomplete_fields = ["tenant"]
    readonly_fields = ["of_kind", "shown", "last_sent_at", "last_error", "last_error_at", "dead_in_a_row"]

    @admin.display(ordering="is_enabled", description="state")
    def switched(self, channel: Channel) -> SafeString:
        return yes(channel.is_enabled, "On", "Off")

    @admin.display(description="kind")
    def of_kind(self, channel: Channel) -> SafeString | str:
        """It stays what it was made as; a new one may still become another."""
        if channel.pk:
            return channel.get_kind_display()
        others = [(kind, label) for kind, label in Channel.Kind.choices if kind != channel.kind]
        links = format_html_join(", ", '<a href="?kind={}">{}</a>', others)
        said = KIND_HELP.get(channel.kind, "")
        return format_html("<b>{}</b>. {} Instead: {}", channel.get_kind_display(), said, links)

    def _kind(self, request: HttpRequest, channel: Channel | None) -> str:
        if channel is not None:
            return str(channel.kind)
        asked = request.GET.get("kind", "")
        return asked if asked in configs.FIELDS else str(Channel.Kind.EMAIL)

    def get_form(self, request: HttpRequest, obj: Channel | None = None, change: bool = False, **kwargs: Any) -> Any:
        kind, user = self._kind(request, obj), request.user

        class Form(ChannelAdminForm):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, kind=kind, user=user, **kwargs)

        # What is no column of the model comes with the form, whatever the fieldsets say.
        return super().get_form(request, obj, change, form=Form, fields=ChannelForm.Meta.fields)

    def get_fieldsets(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        common: list[Any] = ["name", "of_kind", *ChannelForm.Meta.fields[1:]]
        seen = [name for name in self.readonly_fields if name != "of_kind"] if obj else []
        parts: list[Any] = [(None, {"fields": common})]
        may_write = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        if may_write:
            form = self.get_form(request, obj)(instance=obj)
            parts.append(("Configuration", {"fields": [one.name for one in form.config_fields()]}))
        return [*parts, ("What became of it", {"fields": seen})] if seen else parts
