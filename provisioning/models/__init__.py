from provisioning.models.actions import Action, ActionRun, ActionSecret
from provisioning.models.changes import ConfigChange
from provisioning.models.pools import DhcpPool, PortPool, Quota
from provisioning.models.routers import VyosRouter
from provisioning.models.vms import DhcpReservation, PortClaim, PortForward, RuleClaim, Vm

__all__ = [
    "Action",
    "ActionRun",
    "ActionSecret",
    "ConfigChange",
    "DhcpPool",
    "DhcpReservation",
    "PortClaim",
    "PortForward",
    "PortPool",
    "Quota",
    "RuleClaim",
    "Vm",
    "VyosRouter",
]
