from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from tests.daemons import wait_until
from tests.daemons.sshd import Sshd, sshd


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd"), host_keys=("ed25519", "ecdsa", "rsa")) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_stays_behind() -> Iterator[None]:
    """Watchdogs, transports and log filters end with their session, however it ended."""
    yield
    assert not logging.getLogger("netmiko").filters
    wait_until(lambda: not _watchdogs(), what=f"no watchdog left of {_watchdogs()}")


def _watchdogs() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if isinstance(one, threading.Timer)]
