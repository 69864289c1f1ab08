"""Each failure of the libraries becomes one of ours, by what happened."""

from __future__ import annotations

import errno
import socket

import pytest

from netmon.drivers.errors import DeadlineExceeded, LocalFault, Unreachable
from netmon.drivers.ssh import failures


@pytest.mark.parametrize(
    ("error", "cls", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), Unreachable, "refused"),
        (OSError(errno.EHOSTUNREACH, "x"), Unreachable, "no-route"),
        (OSError(errno.ENETUNREACH, "x"), Unreachable, "no-route"),
        (ConnectionResetError(errno.ECONNRESET, "x"), Unreachable, "network"),
        (socket.gaierror(socket.EAI_NONAME, "x"), Unreachable, "dns"),
        (OSError("no number"), Unreachable, "network"),
        (TimeoutError(), DeadlineExceeded, "connect-timeout"),
        (OSError(errno.EMFILE, "x"), LocalFault, "no-socket"),
        (PermissionError(errno.EPERM, "x"), LocalFault, "forbidden"),
    ],
)
def test_of_tcp(error, cls, reason):
    told = failures.of_tcp(error, seconds=3.0)
    assert (type(told), told.reason) == (cls, reason) and told.detail.endswith(".")
