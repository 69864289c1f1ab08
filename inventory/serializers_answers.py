"""Shapes of answers that are no rows: what a search found, what an import did."""

from typing import Any

from rest_framework import serializers


class FoundSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    extra = serializers.CharField(allow_blank=True)
    url = serializers.CharField(help_text="The page it leads to.")
    kind = serializers.CharField()


class FoundGroupSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    results = FoundSerializer(many=True)


class SearchSerializer(serializers.Serializer[Any]):
    query = serializers.CharField()
    groups = FoundGroupSerializer(many=True)


class ImportFaultSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField(help_text="As an editor counts them; in JSON the position from 1.")
    column = serializers.CharField(allow_blank=True)
    code = serializers.CharField()
    detail = serializers.CharField()


class ImportSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    skipped = serializers.IntegerField()
    error_count = serializers.IntegerField()
    errors = ImportFaultSerializer(many=True, help_text="The first 100.")  # type: ignore[assignment]
    preview = serializers.ListField(child=serializers.DictField(), help_text="The first 50 devices.")
