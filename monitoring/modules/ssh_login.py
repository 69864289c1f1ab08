"""One SSH login, and what the server turned out to be: for tests of a way in, no check of its own."""

import time
from collections.abc import Mapping
from typing import Any

from monitoring.modules import Collected
from netmon.drivers.ssh import detect
from netmon.drivers.targets import SshTarget


def collect(target: SshTarget, context: Mapping[str, Any]) -> Collected:
    """The fact "login": platform, evidence, server_version, and shown_keys, which are the driver's host keys.

    Raises DriverError as `detect` does.
    """
    started = time.monotonic()
    found = detect(target)
    ended = time.monotonic()
    login = {
        "platform": found.platform,
        "evidence": found.evidence,
        "server_version": found.server_version,
        "shown_keys": found.shown_keys,
    }
    return Collected(
        collected_at=time.time(),
        monotonic_at=ended,
        response_ms=round((ended - started) * 1000, 3),
        facts={"login": login},
    )
