"""Shapes of the answers about configurations, for the schema."""

from typing import Any

from rest_framework import serializers

from monitoring.models import ConfigVersion
from monitoring.serializers import DeviceBriefSerializer


class ConfigVersionSerializer(serializers.ModelSerializer[ConfigVersion]):
    class Meta:
        model = ConfigVersion
        fields = [
            "id", "kind", "number", "platform", "lines", "size_bytes", "collected_at", "last_seen_at", "summary",
            "changed_by", "is_saved",
        ]  # fmt: skip
        read_only_fields = fields


class ConfigListSerializer(serializers.Serializer[Any]):
    device = DeviceBriefSerializer()
    is_saved = serializers.BooleanField(
        allow_null=True, help_text="Whether what runs now is what the next start would read; null: not known."
    )
    count = serializers.IntegerField()
    configs = ConfigVersionSerializer(many=True)


class ConfigTextSerializer(serializers.Serializer[Any]):
    device = DeviceBriefSerializer()
    version = ConfigVersionSerializer()
    is_masked = serializers.BooleanField(help_text="Whether secrets are masked, which they are unless `raw=1`.")
    text = serializers.CharField()


class ConfigRowSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["equal", "added", "removed", "changed"])
    before_number = serializers.IntegerField(allow_null=True, help_text="Line of the older text; null: it has none.")
    after_number = serializers.IntegerField(allow_null=True)
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)
    before_spans = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="[start, end) of the characters that differ, in changed lines.",
    )
    after_spans = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))


class ConfigHunkSerializer(serializers.Serializer[Any]):
    before_start = serializers.IntegerField()
    after_start = serializers.IntegerField()
    section = serializers.CharField(allow_blank=True, help_text="The block it is in; empty at the top level.")
    rows = ConfigRowSerializer(many=True)


class ConfigDiffSerializer(serializers.Serializer[Any]):
    device = DeviceBriefSerializer()
    before = ConfigVersionSerializer()
    after = ConfigVersionSerializer()
    is_equal = serializers.BooleanField()
    is_cut = serializers.BooleanField(help_text="Whether there are more than 5000 rows, of which these are the first.")
    added = serializers.IntegerField()
    removed = serializers.IntegerField()
    changed = serializers.IntegerField()
    summary = serializers.CharField()
    hunks = ConfigHunkSerializer(many=True)


class BackedUpSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=ConfigVersion.Kind.choices)
    number = serializers.IntegerField()
    is_new = serializers.BooleanField()
    summary = serializers.CharField(allow_blank=True)
    changed_by = serializers.CharField(allow_blank=True)


class BackupSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    ran = serializers.BooleanField(help_text="False when time was up or another run was under way.")
    changed = serializers.BooleanField(help_text="Whether there is a new version.")
    is_saved = serializers.BooleanField(allow_null=True)
    nothing = serializers.CharField(allow_blank=True, help_text="Why there is nothing to keep of this device.")
    error_code = serializers.CharField(allow_blank=True)
    error_detail = serializers.CharField(allow_blank=True)
    duration_ms = serializers.FloatField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True)
    versions = BackedUpSerializer(many=True)
    device = DeviceBriefSerializer()
