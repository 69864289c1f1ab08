import pytest


@pytest.fixture(autouse=True)
def loopback(settings: object) -> None:
    """The simulated routers listen on loopback."""
    settings.ALLOW_LOOPBACK = True  # type: ignore[attr-defined]
