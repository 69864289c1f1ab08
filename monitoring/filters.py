import django_filters

from monitoring.models import Check, Series


class CheckFilter(django_filters.FilterSet):
    device = django_filters.NumberFilter(field_name="endpoint__device_id", min_value=0, max_value=2**63 - 1)
    endpoint = django_filters.NumberFilter(field_name="endpoint_id", min_value=0, max_value=2**63 - 1)
    protocol = django_filters.CharFilter(field_name="endpoint__protocol")

    class Meta:
        model = Check
        fields = ["module", "status", "last_error_code"]


class SeriesFilter(django_filters.FilterSet):
    device = django_filters.NumberFilter(field_name="device_id", min_value=0, max_value=2**63 - 1)
    interface = django_filters.NumberFilter(field_name="interface_id", min_value=0, max_value=2**63 - 1)

    class Meta:
        model = Series
        fields = ["metric_set", "labels"]
