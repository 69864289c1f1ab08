from typing import Any

import pytest

from tests import people


@pytest.fixture
def admin(cast: people.Cast, _clean_cache: None) -> Any:
    """A client logged in as the admin."""
    return people.client_for(cast.ada)
