from netmon.common.filters import FieldFilterSet
from netmon.jobs.models import Job


class JobFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = Job
