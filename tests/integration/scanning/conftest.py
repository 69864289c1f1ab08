"""Real listeners on loopback, and the networks that hold them."""

import socket
from collections.abc import Iterator

import pytest

from inventory.models import Prefix

# One address of loopback for each test process, so that two of them do not meet.
NETWORK = "127.64.0.0/16"


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of 127.64.0.7 that says what an SSH server says."""
    import threading

    with socket.create_server(("127.64.0.7", 0), backlog=64) as server:
        stopped = threading.Event()

        def serve() -> None:
            while not stopped.is_set():
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    try:
                        peer.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")
                    except OSError:
                        continue  # the scan's own connection was reset

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        stopped.set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture
def ours(db: None) -> Prefix:
    """The network that may be scanned."""
    return Prefix.objects.create(cidr=NETWORK, description="loopback")
