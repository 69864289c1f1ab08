from provisioning.models.actions import Action, ActionRun, ActionSecret
from provisioning.models.changes import ChangeItem, ConfigChange
from provisioning.models.drift import DriftItem
from provisioning.models.pools import DhcpPool, PortPool, Quota
from provisioning.models.routers import RunningConfig, VyosRouter
from provisioning.models.vms import DhcpReservation, PortClaim, PortForward, RuleClaim, Vm

__all__ = [
    "Action",
    "ActionRun",
    "ActionSecret",
    "ChangeItem",
    "ConfigChange",
    "DhcpPool",
    "DhcpReservation",
    "DriftItem",
    "PortClaim",
    "PortForward",
    "PortPool",
    "Quota",
    "RuleClaim",
    "RunningConfig",
    "Vm",
    "VyosRouter",
]
