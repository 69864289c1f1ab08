"""A row becomes a frozen driver target here, and only here is a credential opened."""

from inventory.models import ManagementEndpoint


def check_endpoint(endpoint: ManagementEndpoint) -> None:
    """Refuse an endpoint whose options or credential do not fit its protocol. Raises ValidationError."""
