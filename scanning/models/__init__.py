"""What was looked for, what answered, and what is expected to."""

from scanning.models.expected import ExpectedPort, ScanSchedule
from scanning.models.scans import OpenPort, Scan, ScanExclusion, ScanHost
from scanning.models.seen import PresencePeriod, SeenHost, SeenPort

__all__ = [
    "ExpectedPort",
    "OpenPort",
    "PresencePeriod",
    "Scan",
    "ScanExclusion",
    "ScanHost",
    "ScanSchedule",
    "SeenHost",
    "SeenPort",
]
