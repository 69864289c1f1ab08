"""A simulated VyOS router: its HTTP API over TLS, with the answers and the quirks of four versions."""

from netmon.lab.vyos.faults import Fault
from netmon.lab.vyos.router import Router
from netmon.lab.vyos.server import Server
from netmon.lab.vyos.versions import VERSIONS

__all__ = ["VERSIONS", "Fault", "Router", "Server"]
