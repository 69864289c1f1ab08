from pathlib import Path
from typing import Any

import pytest

from inventory.models import Device
from provisioning.models import Action
from provisioning.services import scripts
from tests import factories

HELLO = '#!/bin/sh\necho "hello $*"\n'


class Place:
    """An actions directory of a test's own, and what stands in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o755)

    def put(self, name: str = "hello", text: str = HELLO) -> None:
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o755)

    def action(self, text: str = HELLO, *, user: Any = None, **over: Any) -> Action:
        """An approved action with this script."""
        name = over.setdefault("executable", "hello")
        self.put(name, text)
        action = factories.make_action(**over)
        scripts.approve(action, sha256=str(scripts.state_of(action)["sha256"]), user=user)
        return action


@pytest.fixture
def place(tmp_path: Path, settings: Any) -> Place:
    settings.ACTIONS_DIR = tmp_path / "actions"
    settings.ACTIONS_USER = ""
    settings.ACTIONS_TRUST_OWNER = True
    settings.ALLOW_LOOPBACK = True
    return Place(tmp_path / "actions")


@pytest.fixture
def device(db: Any, settings: Any) -> Device:
    settings.ALLOW_LOOPBACK = True
    return factories.make_flat(name="core")
