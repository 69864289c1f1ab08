"""SSH keys in requests and answers: the private key goes in and never comes out."""

from typing import Any

from rest_framework import serializers

from inventory import keys, ssh_keys
from inventory.models import Credential, Device
from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer

LEAVE_OUT = (
    "Leave it out: a generated private key never leaves netmon, so a passphrase would protect nothing. "
    "It is stored encrypted like every secret."
)


def _checked_comment(text: str) -> str:
    if keys.clean_comment(text) != text.strip():
        raise serializers.ValidationError("A comment is one line without control characters or double blanks.")
    return text.strip()


def _comment() -> serializers.CharField:
    return serializers.CharField(
        required=False, allow_blank=True, max_length=keys.MAX_COMMENT, help_text="At the end of the public line."
    )


def _name() -> serializers.CharField:
    return serializers.CharField(max_length=100, help_text="Unique among all credentials.")


def _username() -> serializers.CharField:
    return serializers.CharField(required=False, allow_blank=True, max_length=100, help_text="Who logs in with it.")


class SSHKeySerializer(ValidatedModelSerializer):
    """An SSH key. Name, user name and comment may be changed; another key is another import."""

    type = serializers.CharField(source="key_type", read_only=True, help_text="ed25519, rsa or ecdsa.")
    bits = serializers.IntegerField(source="key_bits", read_only=True, allow_null=True)
    fingerprint = serializers.CharField(read_only=True, help_text="As `ssh-keygen -l` shows it.")
    fingerprint_md5 = serializers.SerializerMethodField(help_text="As old equipment shows it.")
    warnings = serializers.SerializerMethodField()
    devices_count = serializers.IntegerField(read_only=True, help_text="Devices you may see that log in with it.")

    class Meta:
        model = Credential
        fields = [
            "id", "name", "username", "type", "bits", "fingerprint", "fingerprint_md5", "public_key", "comment",
            "warnings", "secret_changed_at", "devices_count", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["public_key", "secret_changed_at"]

    def get_fingerprint_md5(self, credential: Credential) -> str:
        try:
            return keys.fingerprint_md5_of(credential.public_key)
        except keys.KeyRefused:  # stored before keys were read
            return ""

    def get_warnings(self, credential: Credential) -> list[str]:
        return keys.warnings_of(credential.key_type, credential.key_bits)

    def validate_comment(self, text: str) -> str:
        return _checked_comment(text)

    def update(self, instance: Credential, validated_data: dict[str, Any]) -> Credential:
        return ssh_keys.update_key(instance, fields=validated_data)


class GenerateKeySerializer(StrictSerializer):
    """What to make. The answer shows the public part; the private one is never shown."""

    name = _name()
    type = serializers.ChoiceField(choices=keys.TYPES)
    bits = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=keys.RSA_BITS[1],
        help_text="RSA: a multiple of 256 from 3072 to 8192; 4096 when left out. Ed25519: leave it out.",
    )
    comment = _comment()
    username = _username()
    passphrase = serializers.CharField(
        required=False, allow_blank=True, write_only=True, max_length=1024, help_text=LEAVE_OUT
    )

    def validate_comment(self, text: str) -> str:
        return _checked_comment(text)

    def validate_passphrase(self, text: str) -> str:
        if text:
            raise serializers.ValidationError(LEAVE_OUT)
        return text

    def create(self, validated_data: dict[str, Any]) -> Credential:
        validated_data.pop("passphrase", None)
        return ssh_keys.generate_key(**validated_data)


class _OpenedSerializer(StrictSerializer):
    passphrase = serializers.CharField(
        required=False,
        allow_blank=True,
        write_only=True,
        max_length=1024,
        trim_whitespace=False,
        help_text="Of the file, if it has one. It opens the key now and is not kept.",
    )
    comment = _comment()
    username = _username()

    def validate_comment(self, text: str) -> str:
        return _checked_comment(text)


class ImportKeySerializer(_OpenedSerializer):
    """A private key as text: OpenSSH, PEM (PKCS#1, SEC1) or PKCS#8."""

    name = _name()
    private_key = serializers.CharField(write_only=True, max_length=keys.MAX_BYTES, trim_whitespace=False)

    def create(self, validated_data: dict[str, Any]) -> Credential:
        return ssh_keys.import_key(data=validated_data.pop("private_key"), **validated_data)


class ImportKeyFileSerializer(_OpenedSerializer):
    """The same as a file."""

    name = _name()
    file = serializers.FileField(write_only=True, max_length=255)

    def validate_file(self, file: Any) -> Any:
        if file.size > keys.MAX_BYTES:
            raise serializers.ValidationError(f"Longer than {keys.MAX_BYTES} bytes: no private key is.")
        return file

    def create(self, validated_data: dict[str, Any]) -> Credential:
        return ssh_keys.import_key(data=validated_data.pop("file").read(), key_field="file", **validated_data)


class NewSSHKeySerializer(SSHKeySerializer):
    """One of many new keys: with a `private_key` it is brought in, with a `type` it is made."""

    type = serializers.ChoiceField(  # type: ignore[assignment]
        choices=["ed25519", "rsa", "ecdsa"],
        source="key_type",
        required=False,
        help_text="Of a key to make: ed25519. RSA takes seconds and is made alone, at generate/.",
    )
    private_key = serializers.CharField(
        write_only=True, required=False, max_length=keys.MAX_BYTES, trim_whitespace=False
    )
    passphrase = serializers.CharField(
        write_only=True, required=False, allow_blank=True, max_length=1024, trim_whitespace=False
    )

    class Meta(SSHKeySerializer.Meta):
        fields = [*SSHKeySerializer.Meta.fields, "private_key", "passphrase"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        kind = attrs.get("key_type")
        if "private_key" in attrs and kind:
            raise serializers.ValidationError({"private_key": "It says its type itself: leave the type out."})
        if "private_key" not in attrs and not kind:
            raise serializers.ValidationError("Write a private_key to bring a key in, or a type to make one.")
        if kind and kind != "ed25519":
            raise serializers.ValidationError(
                {"bits": "Of many keys only ed25519 is made: make this one at generate/."}
            )
        if kind and attrs.get("passphrase"):
            raise serializers.ValidationError({"passphrase": LEAVE_OUT})
        return attrs  # the model's rules come with the key, which is read or made first

    def create(self, validated_data: dict[str, Any]) -> Credential:
        values = dict(validated_data)
        kind, private = values.pop("key_type", None), values.pop("private_key", None)
        if private is None:
            values.pop("passphrase", None)
            return ssh_keys.generate_key(type=kind, **values)
        return ssh_keys.import_key(data=private, **values)


class KeyDeviceSerializer(serializers.Serializer[Any]):
    """A device that logs in with a key."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=Device.Kind.choices)
    status = serializers.ChoiceField(choices=Device.Status.choices)
    ip = serializers.SerializerMethodField()

    def get_ip(self, device: Device) -> str | None:
        return device.primary_ip.address if device.primary_ip else None
