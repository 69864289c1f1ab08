"""Programs of this machine, run as if they were hostile: what they may be, what they get, how they end."""

from netmon.drivers.process.confinement import Account, Confinement, account_of, confinement
from netmon.drivers.process.files import NAME, Refused, Script, check_directory, open_script
from netmon.drivers.process.running import Limits, Outcome, run

__all__ = [
    "NAME",
    "Account",
    "Confinement",
    "Limits",
    "Outcome",
    "Refused",
    "Script",
    "account_of",
    "check_directory",
    "confinement",
    "open_script",
    "run",
]
