"""Real listeners on loopback, and the networks that hold them."""

import socket
from collections.abc import Iterator

import pytest

from inventory.models import Prefix
from tests.daemons.claims import loopback_network


@pytest.fixture(scope="session")
def network() -> Iterator[str]:
    """Of this test process alone: another one's listeners would be found, too."""
    with loopback_network() as network:
        yield network


@pytest.fixture
def listener(network: str) -> Iterator[int]:
    """A port of the network's host 7 that says what an SSH server says."""
    import threading

    with socket.create_server((f"{network}7", 0), backlog=64) as server:
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
def ours(db: None, network: str) -> Prefix:
    """The network that may be scanned."""
    return Prefix.objects.create(cidr=f"{network}0/24", description="loopback")
