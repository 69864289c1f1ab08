"""What runs netmon."""

from django.db import models

from netmon.common.constraints import unique


class Heartbeat(models.Model):
    """When a background process was last seen alive."""

    process = models.CharField(max_length=32)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    at = models.DateTimeField()

    class Meta:
        constraints = unique(
            "heartbeat_process", ["process", "host", "pid"], error_field="pid", message="Known already."
        )

    def __str__(self) -> str:
        return f"{self.process} {self.host}:{self.pid}"
