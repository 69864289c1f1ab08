from provisioning.models.actions import Action, ActionRun, ActionSecret

__all__ = ["Action", "ActionRun", "ActionSecret"]
