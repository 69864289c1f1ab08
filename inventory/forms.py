"""The forms of the inventory's pages. What is right is decided by the services; forms carry their words to a field."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from inventory import keys, known_hosts
from netmon.drivers.targets import HostKey

QUIET = {"autocomplete": "off", "spellcheck": "false"}


class UnshownTextarea(forms.Textarea):
    """A text to be sent that no page gives back, not even when the form was refused."""

    def format_value(self, value: Any) -> str:
        return ""


class KeyForm(forms.Form):
    """What every SSH key has, and how the words of a service come to its fields."""

    name = forms.CharField(max_length=100, widget=forms.TextInput(attrs=QUIET), help_text="Unique among credentials.")
    username = forms.CharField(
        label="User", required=False, max_length=100, widget=forms.TextInput(attrs=QUIET), help_text="Who logs in."
    )
    comment = forms.CharField(
        required=False,
        max_length=keys.MAX_COMMENT,
        widget=forms.TextInput(attrs=QUIET),
        help_text="At the end of the public line.",
    )

    def take(self, error: ValidationError) -> None:
        """Show what a service refused."""
        for name, texts in error.message_dict.items():
            self.add_error(name if name in self.fields else None, texts)


class EnterHostKeyForm(forms.Form):
    line = forms.CharField(
        label="Public line",
        max_length=4096,
        widget=forms.TextInput(attrs={**QUIET, "class": "mono", "placeholder": "ssh-ed25519 AAAA..."}),
        help_text="As in a .pub file of /etc/ssh, read at the device's own console.",
    )

    def clean_line(self) -> HostKey:
        try:
            return HostKey.parse(self.cleaned_data["line"])
        except ValueError as error:
            text = str(error).partition(": ")[2] or str(error)
            raise ValidationError(f"{text[:1].upper()}{text[1:]}.", code="invalid_key") from None


class ImportKnownHostsForm(forms.Form):
    text = forms.CharField(
        label="Lines of a known_hosts file",
        strip=False,
        max_length=known_hosts.MAX_CHARACTERS,
        widget=forms.Textarea(
            attrs={**QUIET, "rows": 6, "class": "mono", "placeholder": "192.0.2.1 ssh-ed25519 AAAA..."}
        ),
        help_text="Hashed names too. A key that differs from a trusted one is told and left alone.",
    )


class GenerateKeyForm(KeyForm):
    type = forms.ChoiceField(choices=[("ed25519", "Ed25519 (take this)"), ("rsa", "RSA, for old equipment")])
    bits = forms.TypedChoiceField(
        label="RSA bits",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "4096"), ("3072", "3072"), ("8192", "8192 (takes seconds)")],
    )
    field_order = ["name", "type", "bits", "username", "comment"]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("type") == "ed25519":
            values["bits"] = None
        return values


class ImportKeyForm(KeyForm):
    private_key = forms.CharField(
        label="Private key",
        required=False,
        strip=False,
        max_length=keys.MAX_BYTES,
        widget=UnshownTextarea(attrs={**QUIET, "rows": 5, "class": "mono"}),
        help_text="OpenSSH, PEM or PKCS#8. It is kept encrypted and never shown again.",
    )
    file = forms.FileField(label="Or its file", required=False)
    passphrase = forms.CharField(
        required=False,
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Opens the key now and is not kept.",
    )
    field_order = ["name", "username", "private_key", "file", "passphrase", "comment"]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        file = values.pop("file", None)
        if file is not None and file.size > keys.MAX_BYTES:
            raise ValidationError({"file": f"Longer than {keys.MAX_BYTES} bytes: no private key is."})
        values["data"] = file.read() if file is not None else values.get("private_key")
        if not values["data"]:
            raise ValidationError({"private_key": "Paste the key or choose its file."})
        values.pop("private_key", None)
        return values
