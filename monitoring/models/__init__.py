"""What is watched, and what was seen."""

from monitoring.models.checks import Check, CheckQuerySet, DeclinedCheck, DeviceState, Outage
from monitoring.models.facts import ConfigVersion, DeviceEvent, DeviceFact, ExpectedNeighbour
from monitoring.models.processes import Heartbeat
from monitoring.models.samples import COLUMN_COUNT, DeletedSeries, SampleChunk, SampleRow, Series

__all__ = [
    "COLUMN_COUNT",
    "Check",
    "CheckQuerySet",
    "ConfigVersion",
    "DeclinedCheck",
    "DeletedSeries",
    "DeviceEvent",
    "DeviceFact",
    "DeviceState",
    "ExpectedNeighbour",
    "Heartbeat",
    "Outage",
    "SampleChunk",
    "SampleRow",
    "Series",
]
