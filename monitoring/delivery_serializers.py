"""Channels, contacts and policies, as the API takes and shows them."""

from itertools import pairwise
from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.core.validators import MaxValueValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from inventory.models import Tag
from inventory.serializers import TagsField
from monitoring.models import Channel, Contact, EscalationPolicy, EscalationStep
from monitoring.models.delivery import MAX_ADDRESSES, MAX_STEPS
from monitoring.notifying import configs
from monitoring.rule_serializers import SCOPE
from netmon.common.permissions import has_role
from netmon.common.secrets import Undecryptable
from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer, VisibleRelatedField, asker

WEEK = 7 * 86400


class ConfigField(serializers.DictField):
    """Goes in as it is given; admins see it without its secrets, others not at all."""

    def get_attribute(self, instance: Channel) -> Any:
        return instance

    def to_representation(self, value: Any) -> Any:
        if not has_role(getattr(self.context.get("request"), "user", None), "admin"):
            return None
        try:
            return configs.public(value.kind, configs.opened(value))
        except Undecryptable as error:  # one channel whose key is lost must not hide the others
            return {"error": error.detail}


class ChannelSerializer(ValidatedModelSerializer):
    """`config` is what its kind needs: secrets go in and never come out, `password_set` says that one is there.

    email: host, port, security, username, password, from_address, verify. slack: webhook_url, or token and channel.
    webhook: url, secret, previous_secret, verify. apprise: url.
    """

    config = ConfigField(
        required=False,
        allow_null=True,
        help_text="By kind. Only admins see it; in a change, what is left out stays.",
    )
    shown = serializers.CharField(read_only=True, help_text="What may be seen of it by those who use it.")
    made_secret = serializers.SerializerMethodField(
        help_text="Of a webhook made without a secret: the one made for it, shown this once."
    )

    class Meta:
        model = Channel
        fields = [
            "id", "name", "kind", "tenant", "config", "shown", "made_secret", "min_severity", "is_enabled",
            "max_per_minute", "late_minutes", "dead_in_a_row", "last_sent_at", "last_error", "last_error_at",
            "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["dead_in_a_row", "last_sent_at", "last_error", "last_error_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        row: Channel | None = self.instance
        if row is not None and attrs.get("kind", row.kind) != row.kind:
            raise serializers.ValidationError({"kind": "It cannot be changed: make another channel."})
        given = attrs.pop("config", None)
        if row is None and given is None:
            raise serializers.ValidationError({"config": "This field is required."}, code="required")
        attrs = super().validate(attrs)
        if given is not None:
            attrs["config"] = self._merged(attrs.get("kind") or row.kind, given, row)  # type: ignore[union-attr]
        return attrs

    def _merged(self, kind: str, given: dict[str, Any], row: Channel | None) -> dict[str, Any]:
        shown_only = {f"{field.name}_set" for field in configs.FIELDS[kind] if field.is_secret}
        wanted = {name: value for name, value in given.items() if name not in shown_only}
        try:
            merged = configs.merge(kind, wanted, _stored(row))
        except ModelValidationError as error:
            raise serializers.ValidationError({"config": serializers.as_serializer_error(error)}) from None
        if kind == Channel.Kind.WEBHOOK and not merged["secret"]:
            merged["secret"] = self.new_secret = configs.make_secret()
        return merged

    def get_made_secret(self, channel: Channel) -> str | None:
        return getattr(self, "new_secret", None)

    def create(self, validated_data: dict[str, Any]) -> Channel:
        config = validated_data.pop("config")
        row = Channel(**validated_data)
        configs.seal(row, config)
        row.save()
        return row

    def update(self, instance: Channel, validated_data: dict[str, Any]) -> Channel:
        config = validated_data.pop("config", None)
        for name, value in validated_data.items():
            setattr(instance, name, value)
        if config is not None:
            configs.seal(instance, config)
        instance.save()
        return instance

    def to_representation(self, instance: Channel) -> dict[str, Any]:
        answer = super().to_representation(instance)
        if not has_role(asker(self), "admin"):  # what the other side answers may quote where it is
            answer["last_error"] = ""
        return answer


def _stored(row: Channel | None) -> dict[str, Any] | None:
    """What is there already; nothing where no key opens it, so that all of it is asked for anew."""
    try:
        return configs.opened(row) if row else None
    except Undecryptable:
        return None


class TestChannelSerializer(StrictSerializer):
    __test__ = False  # pytest takes the name for a test's

    emails = serializers.ListField(
        child=serializers.EmailField(max_length=254),
        required=False,
        allow_empty=False,
        max_length=MAX_ADDRESSES,
        help_text="Where a test mail goes; left out: to your own address.",
    )


class ChannelTestSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    code = serializers.CharField(allow_blank=True, help_text="What the other side answered, such as 250 or 200.")
    detail = serializers.CharField(allow_blank=True)
    seconds = serializers.FloatField()


@extend_schema_field({"type": "string", "pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"})
class WallTimeField(serializers.TimeField):
    """A time of the day without a zone, which is the contact's: OpenAPI's `time` has one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="%H:%M", input_formats=["%H:%M", "%H:%M:%S"], **kwargs)


class ContactSerializer(ValidatedModelSerializer):
    # Only operators change these; everybody else, in the contact that is their own, the rest.
    OPERATORS_ONLY = ("name", "tenant", "user", "channels")

    emails = serializers.ListField(
        child=serializers.EmailField(max_length=254),
        required=False,
        max_length=MAX_ADDRESSES,
        help_text="Where mail goes. Shown to operators and to whose contact it is.",
    )
    quiet_from = WallTimeField(
        required=False, allow_null=True, help_text="Local time from which messages wait, such as 22:00."
    )
    quiet_to = WallTimeField(required=False, allow_null=True)
    tags = TagsField(
        many=True, required=False, queryset=Tag.objects.all(), help_text="Only devices with one of these: slugs."
    )

    class Meta:
        model = Contact
        fields = [
            "id", "name", "tenant", "user", "emails", "channels", "is_enabled", "min_severity", "sites", "tags",
            "wants_resolved", "time_zone", "quiet_from", "quiet_to", "quiet_min_severity", "digest", "repeat_seconds",
            "repeat_min_severity", "summary_hour", "summary_only_news", "created_at", "updated_at",
        ]  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is not None and not has_role(asker(self), "operator"):
            for name in self.OPERATORS_ONLY:
                if name in attrs and attrs[name] != self._stored(name):
                    raise serializers.ValidationError({name: "Only operators change this."}, code="operators_only")
        return super().validate(attrs)

    def _stored(self, name: str) -> Any:
        value = getattr(self.instance, name)
        return list(value.all()) if name == "channels" else value

    def to_representation(self, instance: Contact) -> dict[str, Any]:
        answer = super().to_representation(instance)
        person = asker(self)
        if not has_role(person, "operator") and instance.user_id != getattr(person, "pk", 0):
            answer["emails"] = []
        return answer


class StepSerializer(StrictSerializer):
    after_seconds = serializers.IntegerField(
        min_value=0, max_value=WEEK, help_text="After the alert began to fire; 0 for the first step."
    )
    contacts = serializers.ListField(child=VisibleRelatedField(queryset=Contact.objects.all()), allow_empty=False)

    def to_representation(self, instance: EscalationStep) -> dict[str, Any]:
        contacts = sorted(contact.pk for contact in instance.contacts.all())
        return {"after_seconds": instance.after_seconds, "contacts": contacts}


class StepsField(serializers.ListField):
    def to_representation(self, data: Any) -> Any:
        rows = sorted(data.all(), key=lambda step: step.number)
        return [StepSerializer(step).data for step in rows]


class EscalationPolicySerializer(ValidatedModelSerializer):
    steps = StepsField(
        child=StepSerializer(),
        allow_empty=False,
        max_length=MAX_STEPS,
        help_text="In order of time: the first is told at once, each further one when nobody acknowledged until then.",
    )

    class Meta:
        model = EscalationPolicy
        fields = ["id", "name", "rank", "is_enabled", *SCOPE, "steps", "created_at", "updated_at"]
        extra_kwargs = {"rank": {"validators": [MaxValueValidator(32767)], "max_value": 32767, "min_value": 0}}

    def validate_steps(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        times = [step["after_seconds"] for step in value]
        if times[0] != 0:
            raise serializers.ValidationError("The first step is told at once: write after_seconds 0.")
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise serializers.ValidationError("Each step comes later than the one before it.")
        return value

    def create(self, validated_data: dict[str, Any]) -> EscalationPolicy:
        steps = validated_data.pop("steps")
        row: EscalationPolicy = super().create(validated_data)
        row.write_steps([(step["after_seconds"], step["contacts"]) for step in steps])
        return row

    def update(self, instance: EscalationPolicy, validated_data: dict[str, Any]) -> EscalationPolicy:
        steps = validated_data.pop("steps", None)
        row: EscalationPolicy = super().update(instance, validated_data)
        if steps is not None:
            row.write_steps([(step["after_seconds"], step["contacts"]) for step in steps])
        return row
