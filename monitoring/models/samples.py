"""What was measured: the identity of each series, and where its values are kept."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from inventory.models import Device, DeviceChildQuerySet, Interface
from monitoring.metrics import MAX_COLUMNS

COLUMN_COUNT = MAX_COLUMNS  # value columns on a series: what is ranked must be a real column


class Series(models.Model):
    """One measured object and one metric set: its identity, its present values, its last raw counters.

    `v0`, `v1`, ... are the present values in the order of the set's columns.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="series")
    interface = models.ForeignKey(Interface, null=True, blank=True, on_delete=models.CASCADE, related_name="series")
    metric_set = models.CharField(max_length=64)
    labels = models.CharField(max_length=255, blank=True, help_text="Canonical text: sorted key=value, comma between.")
    period_seconds = models.PositiveIntegerField(default=60)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_at = models.DateTimeField(null=True, blank=True)
    counters = models.BinaryField(null=True, blank=True, help_text="Last raw counters, packed; see rates.")
    v0 = models.FloatField(null=True, blank=True)
    v1 = models.FloatField(null=True, blank=True)
    v2 = models.FloatField(null=True, blank=True)
    v3 = models.FloatField(null=True, blank=True)
    v4 = models.FloatField(null=True, blank=True)
    v5 = models.FloatField(null=True, blank=True)
    v6 = models.FloatField(null=True, blank=True)
    v7 = models.FloatField(null=True, blank=True)
    v8 = models.FloatField(null=True, blank=True)
    v9 = models.FloatField(null=True, blank=True)
    v10 = models.FloatField(null=True, blank=True)
    v11 = models.FloatField(null=True, blank=True)

    objects: ClassVar[models.Manager["Series"]] = models.Manager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        ordering = ["device_id", "metric_set", "interface_id"]
        verbose_name_plural = "series"
        constraints = [
            models.UniqueConstraint(
                fields=["device", "interface", "metric_set", "labels"],
                condition=Q(interface__isnull=False),
                name="series_identity",
                violation_error_code="unique",
            ),
            models.UniqueConstraint(
                fields=["device", "metric_set", "labels"],
                condition=Q(interface__isnull=True),
                name="series_identity_null",
                violation_error_code="unique",
            ),
        ]
        # No index on a value: it would be written with every poll, and PostgreSQL could not update in place.
        indexes = [models.Index(fields=["metric_set"], name="series_by_metric_set")]

    def __str__(self) -> str:
        return f"{self.metric_set} of {self.device_id}" + (f"/{self.interface_id}" if self.interface_id else "")


class SampleRow(models.Model):
    """A hot row: one slot of one series, float64 values packed little-endian, NaN for a gap.

    The key begins with the slot: with the series first, inserts become eight times slower within a day.
    """

    pk = models.CompositePrimaryKey("slot", "series")
    slot = models.BigIntegerField(help_text="Start of the period, epoch seconds, a multiple of the period.")
    # No constraint: on SQLite the series stand in another file.
    series = models.ForeignKey(
        Series, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    payload = models.BinaryField()

    def __str__(self) -> str:
        return f"series {self.series_id} at {self.slot}"


class SampleChunk(models.Model):
    """Sealed time of one series; see `store/packing.py` for the format of `data`.

    Roll-ups of an open day or month are short chunks of their own, which the close of the day or month merges: a long
    chunk that is rewritten every hour would cost more than all the rest.
    """

    class Level(models.IntegerChoices):
        FULL = 0, "Every value of an hour"
        FIVE_MINUTES_OPEN = 1, "5-minute points of an hour; its day is open"
        FIVE_MINUTES = 2, "5-minute points of a day"
        HOURS_OPEN = 3, "Hourly points of a day; its month is open"
        HOURS = 4, "Hourly points of a month"

    pk = models.CompositePrimaryKey("series", "level", "start")
    series = models.ForeignKey(
        Series, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    level = models.PositiveSmallIntegerField(choices=Level.choices)
    start = models.BigIntegerField(help_text="Epoch seconds.")
    data = models.BinaryField()

    def __str__(self) -> str:
        return f"series {self.series_id}, level {self.level}, from {self.start}"


class DeletedSeries(models.Model):
    """A series whose samples still take space. Written in the transaction that deletes the series."""

    series_id = models.BigIntegerField(primary_key=True)
    deleted_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.series_id)
