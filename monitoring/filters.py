from monitoring.models import Check, Series
from netmon.common.filters import FieldFilterSet, NumberFilter, TextFilter


class CheckFilter(FieldFilterSet):
    device = NumberFilter(field_name="endpoint__device_id")
    protocol = TextFilter(field_name="endpoint__protocol")

    class Meta(FieldFilterSet.Meta):
        model = Check
        hidden = ("recent",)


class SeriesFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = Series
        shown = ("id", "device", "interface", "metric_set", "labels", "period_seconds", "last_at")
