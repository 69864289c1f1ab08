"""What is watched, and what was seen."""

from monitoring.models.alerts import Alert, AlertEvent
from monitoring.models.checks import Check, CheckQuerySet, DeclinedCheck, DeviceState, Outage
from monitoring.models.delivery import Channel, Contact, EscalationPolicy, EscalationStep, Notification
from monitoring.models.facts import ConfigVersion, DeviceEvent, DeviceFact, ExpectedNeighbour
from monitoring.models.indicators import Indicator
from monitoring.models.processes import Heartbeat
from monitoring.models.rules import AlertRule, MaintenanceWindow, Severity, SeverityModifier, Silence
from monitoring.models.samples import COLUMN_COUNT, DeletedSeries, SampleChunk, SampleRow, Series

__all__ = [
    "COLUMN_COUNT",
    "Alert",
    "AlertEvent",
    "AlertRule",
    "Channel",
    "Check",
    "CheckQuerySet",
    "ConfigVersion",
    "Contact",
    "DeclinedCheck",
    "DeletedSeries",
    "DeviceEvent",
    "DeviceFact",
    "DeviceState",
    "EscalationPolicy",
    "EscalationStep",
    "ExpectedNeighbour",
    "Heartbeat",
    "Indicator",
    "MaintenanceWindow",
    "Notification",
    "Outage",
    "SampleChunk",
    "SampleRow",
    "Series",
    "Severity",
    "SeverityModifier",
    "Silence",
]
