from rest_framework import serializers

from netmon.audit.models import AuditEvent


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    before = serializers.DictField(allow_null=True, read_only=True)
    after = serializers.DictField(allow_null=True, read_only=True)

    class Meta:
        model = AuditEvent
        fields = [
            "id", "at", "action", "user_id", "username", "via", "ip", "request_id", "object_type", "object_id",
            "object_name", "parent_type", "parent_id", "before", "after", "detail",
        ]  # fmt: skip
        read_only_fields = fields
