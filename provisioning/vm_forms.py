"""The forms of machines. What is right the services decide; here stands how it is asked."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from monitoring.forms import QUIET
from provisioning.models import DhcpPool, PortPool, Vm, VyosRouter
from provisioning.services import wishes
from provisioning.services.refusals import Refusal
from provisioning.services.wishes import PortWish, VmWish

LONGER = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
FIRST_ROWS = 4
MORE_ROWS = 3
ANY = "the only one, or choose"
MONO = {**QUIET, "class": "mono"}


class Moment(forms.DateTimeField):
    """A point in time in the time zone of the site."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(widget=widget, **kwargs)


class EndForm(forms.Form):
    """When a machine, or one forward, ends."""

    expires_at = Moment(label="End", required=False)
    port = forms.CharField(required=False, max_length=63, widget=forms.HiddenInput)
    do = forms.CharField(required=False, max_length=10, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("do") not in ("none", *LONGER) and not given.get("expires_at") and not self.errors:
            raise ValidationError({"expires_at": "Choose a day and a time, or no end."})
        return given

    def moment(self, vm: Vm) -> datetime | None:
        """What was chosen; "longer" counts from the end that the machine has, if that is still to come."""
        how = self.cleaned_data["do"]
        if how in LONGER:
            now = timezone.now()
            return max(vm.expires_at or now, now) + LONGER[how]
        return None if how == "none" else self.cleaned_data["expires_at"]


class RefusingForm(forms.Form):
    """A form that shows what a service refused at the field that decides."""

    def take(self, error: Exception) -> None:
        if isinstance(error, Refusal):
            self._show(error.field, [error.detail])
        elif isinstance(error, ValidationError) and hasattr(error, "error_dict"):
            for name, texts in error.message_dict.items():
                self._show(name, texts)
        elif isinstance(error, ValidationError):
            self._show("", error.messages)
        else:
            self._show("", [str(getattr(error, "detail", error))])

    def _show(self, name: str, texts: list[str]) -> None:
        for text in texts:
            self.add_error(name if name in self.fields else None, text)


class PortForm(RefusingForm):
    """One port; without a name and a port there is none."""

    name = forms.CharField(label="Name", required=False, max_length=63, widget=forms.TextInput(attrs=QUIET))
    internal_port = forms.IntegerField(label="Port of the machine", required=False, min_value=1, max_value=65535)
    internal_port_end = forms.IntegerField(label="To, of a range", required=False, min_value=1, max_value=65535)
    external_port = forms.IntegerField(
        label="Port outside", required=False, min_value=1, max_value=65535,
        widget=forms.NumberInput(attrs={"placeholder": "lowest free"}),
    )  # fmt: skip
    protocol = forms.ChoiceField(
        label="Protocol", required=False, choices=[("tcp", "TCP"), ("udp", "UDP"), ("tcp_udp", "TCP and UDP")]
    )
    source = forms.CharField(
        label="Who may come in", required=False, max_length=40,
        widget=forms.TextInput(attrs={**MONO, "placeholder": "everybody"}),
    )  # fmt: skip
    expires_at = Moment(label="End", required=False)
    hairpin = forms.BooleanField(label="Also for those inside", required=False)

    @property
    def is_empty(self) -> bool:
        return not any(self.cleaned_data.get(name) for name in ("name", "internal_port", "external_port"))

    def entry(self) -> dict[str, Any]:
        """What the services read, without what was left empty."""
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "", False)}


class PortForms(forms.BaseFormSet):
    """Several ports. More rows are asked for with a button, so that it works without script."""

    def entries(self) -> list[dict[str, Any]]:
        """The rows that say something, each looked at on its own; what is wrong stands at its row."""
        found = []
        for row in self.forms:
            if not row.is_valid() or row.is_empty:
                continue
            entry = row.entry()
            try:
                wishes.read_port(entry)
            except ValidationError as error:
                row.take(error)
            else:
                found.append(entry)
        return found

    def is_right(self) -> bool:
        return self.is_valid() and not any(row.errors for row in self.forms)


PortRows = forms.formset_factory(
    PortForm, formset=PortForms, extra=0, max_num=wishes.MAX_PORTS, absolute_max=wishes.MAX_PORTS
)


def port_rows(data: Any = None, *, template: bool = True) -> Any:
    """The rows of ports: at the start those of the template and an empty one, later as many as were sent."""
    if data is None:
        first = [{"name": name, "internal_port": port} for name, port in wishes.TEMPLATE.items()] if template else []
        return PortRows(prefix="ports", initial=[*first, *({} for _ in range(FIRST_ROWS - 3))])
    return PortRows(data, prefix="ports")


def with_more(data: Any) -> Any:
    """What was sent, with more rows."""
    data = data.copy()
    try:
        known = int(data.get("ports-TOTAL_FORMS", "0"))
    except ValueError:
        known = 0
    data["ports-TOTAL_FORMS"] = str(min(max(known, 0) + MORE_ROWS, wishes.MAX_PORTS))
    return data


class ProvisionForm(RefusingForm):
    vm_name = forms.CharField(label="Name", max_length=63, widget=forms.TextInput(attrs=QUIET))
    hostname = forms.CharField(
        label="Host name",
        required=False,
        max_length=63,
        widget=forms.TextInput(attrs={**QUIET, "placeholder": "as its name"}),
    )
    router = forms.ModelChoiceField(VyosRouter.objects.none(), label="Router", required=False, empty_label=ANY)
    dhcp_pool = forms.ModelChoiceField(
        DhcpPool.objects.none(), label="Pool of addresses", required=False, empty_label=ANY
    )
    port_pool = forms.ModelChoiceField(PortPool.objects.none(), label="Pool of ports", required=False, empty_label=ANY)
    ip_address = forms.CharField(
        label="Address", required=False, max_length=15,
        widget=forms.TextInput(attrs={**MONO, "placeholder": "lowest free"}),
    )  # fmt: skip
    mac_address = forms.CharField(
        label="MAC address", required=False, max_length=40,
        widget=forms.TextInput(attrs={**MONO, "placeholder": "one is made"}),
    )  # fmt: skip
    expires_at = Moment(label="End", required=False, help_text="Its forwards are switched off then.")

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        routers = VyosRouter.objects.visible_to(user).select_related("endpoint__device")
        for name, rows in (
            ("router", routers),
            ("dhcp_pool", DhcpPool.objects.visible_to(user).filter(is_enabled=True)),
            ("port_pool", PortPool.objects.visible_to(user).filter(is_enabled=True)),
        ):
            field: Any = self.fields[name]
            field.queryset = rows
            if name != "router":
                field.queryset = rows.select_related("router__endpoint__device")
                field.label_from_instance = _pool_words
        self.port_errors: list[str] = []

    def _show(self, name: str, texts: list[str]) -> None:
        if name in ("ports", "port_range", "external_port", "internal_port"):
            self.port_errors += texts
            self.add_error(None, "Correct the ports.")
        else:
            super()._show({"ip_range": "ip_address"}.get(name, name), texts)

    def wish(self, entries: list[dict[str, Any]]) -> VmWish | None:
        """What is asked for; None, with the errors at their fields, when it cannot be read."""
        given = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        for name in ("router", "dhcp_pool", "port_pool"):
            if name in given:
                given[name] = given[name].pk
        try:
            return wishes.read_vm({**given, "ports": entries})
        except ValidationError as error:
            self.take(error)
            return None


def _pool_words(pool: Any) -> str:
    return f"{pool.name} at {pool.router}"


def wanted_ports(rows: Any, entries: list[dict[str, Any]]) -> tuple[PortWish, ...]:
    """The ports that are asked for. Raises ValidationError."""
    if not entries:
        raise ValidationError("Give a port a name and a number.")
    return wishes.read_ports(entries)
