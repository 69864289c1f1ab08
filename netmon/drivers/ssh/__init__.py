"""SSH: commands over exec channels, vendors' shells, host keys. What to ask is the caller's business."""

from netmon.drivers.ssh.answers import Answer
from netmon.drivers.ssh.errors import OutputTooLarge, UntrustedHostKey
from netmon.drivers.ssh.link import read_host_keys
from netmon.drivers.ssh.script import Command, Vtysh
from netmon.drivers.ssh.session import Habits, SshSession, open_session

__all__ = [
    "Answer",
    "Command",
    "Habits",
    "OutputTooLarge",
    "SshSession",
    "UntrustedHostKey",
    "Vtysh",
    "open_session",
    "read_host_keys",
]
