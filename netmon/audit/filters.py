from netmon.audit.models import AuditEvent
from netmon.common.filters import FieldFilterSet


class AuditEventFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = AuditEvent
