from provisioning.models.actions import Action, ActionRun

__all__ = ["Action", "ActionRun"]
