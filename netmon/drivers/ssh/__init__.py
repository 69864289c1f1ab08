"""SSH: commands over exec channels, vendors' shells, host keys. What to ask is the caller's business."""

from netmon.drivers.ssh.answers import Answer
from netmon.drivers.ssh.detect import Detection, detect
from netmon.drivers.ssh.errors import OutputTooLarge, UntrustedHostKey
from netmon.drivers.ssh.link import read_host_keys
from netmon.drivers.ssh.script import Command, Vtysh
from netmon.drivers.ssh.session import Habits, SshSession, open_session
from netmon.drivers.ssh.shell import ShellSession, open_shell

__all__ = [
    "Answer",
    "Command",
    "Detection",
    "Habits",
    "OutputTooLarge",
    "ShellSession",
    "SshSession",
    "UntrustedHostKey",
    "Vtysh",
    "detect",
    "open_session",
    "open_shell",
    "read_host_keys",
]
