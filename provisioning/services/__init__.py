"""The verbs of provisioning."""
