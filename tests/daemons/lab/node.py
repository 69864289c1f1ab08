"""One node: a tree of processes with a network and files of its own, so that plain `vtysh` and `chronyc` work in it."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from netmon.drivers.ssh.answers import Answer
from tests.daemons import end, require

PASSWORD = "lab-password-1"
_PASSWORD_HASH = "$6$netmonlab$yVuldW2.TVmjeecjPS5QtsJsNM9z3DT2YXPwy3VziHGbM0Lj53zSasQbLRSc4aKb5G0a6jje5ReYLv96PjPPn."
FRR = Path("/usr/lib/frr")
# zebra first: the others connect to it
DAEMONS = ("zebra", "staticd", "ospfd", "ospf6d", "bgpd", "bfdd", "ripd")
# name: login shell, may ask FRR. `op` is the kind of account whose shell is the router's own.
USERS = {"lab": ("/bin/bash", True), "op": ("/usr/bin/vtysh", True), "guest": ("/bin/sh", False)}
_FIRST_UID = 64200

# Runs as process 1 of the node. /run is private, so the sockets and pid files of several nodes do not meet; bash reaps
# what the daemons leave behind. What a user has to read lies there too: the directory of a test is closed to others.
_INIT = """set -eu
cd {directory}
mount --make-rprivate /
hostname {name}
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=755 log /var/log
for file in passwd group shadow; do mount --bind $file /etc/$file; done
mkdir -p /run/sshd /run/frr /run/chrony
touch /run/utmp
for user in {users}; do install -d -o $user -g $user /run/home/$user; done
install -m 644 authorized_keys /run/authorized_keys
chown root:shadow shadow; chmod 640 shadow
chown _chrony:_chrony /run/chrony; chmod 750 /run/chrony
/usr/sbin/sshd -f "$PWD/sshd_config" -E /run/sshd.log
/usr/sbin/chronyd -x -f "$PWD/chrony.conf" -l /run/chrony/log
if [ -d frr ]; then
    mount --bind frr /etc/frr
    chown frr:frr /run/frr frr frr/*; chmod 750 frr; chmod 640 frr/*
    for daemon in {daemons}; do {frr}/$daemon -d -A 127.0.0.1 --log file:/run/frr/$daemon.log; done
    vtysh -b
fi
touch ready
while :; do sleep 3600 & wait $! || true; done
"""

_SSHD = """Port 22
ListenAddress 0.0.0.0
PidFile /run/sshd/sshd.pid
{host_keys}
UsePAM no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PermitRootLogin no
UseDNS no
MaxStartups 200:30:400
PrintMotd no
PrintLastLog no
StrictModes no
AuthorizedKeysFile /run/authorized_keys
"""


@dataclass
class Node:
    """A running node. `address` is reached from the machine; log in as `lab`, `op` (login shell vtysh) or `guest`.

    `host_keys` are lines "type base64", one a key type; `private_key` logs in as any of the users, `password` too.
    """

    name: str
    namespace: str
    address: str
    router_id: str
    directory: Path
    private_key: Path
    ssh_port: int = 22
    username: str = "lab"
    password: str = field(default=PASSWORD, repr=False)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def is_router(self) -> bool:
        """Whether FRR runs here."""
        return self.name.startswith("r")

    @property
    def host_keys(self) -> tuple[str, ...]:
        """Public host keys as "type base64"."""
        files = sorted(self.directory.glob("hostkey_*.pub"))
        return tuple(" ".join(file.read_text().split()[:2]) for file in files)

    def write(self, frr_conf: str, chrony_conf: str, public_key: str) -> None:
        """Writes the node's files below `directory`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "init").write_text(
            _INIT.format(
                directory=shlex.quote(str(self.directory)),
                name=self.name,
                users=" ".join(USERS),
                daemons=" ".join(self.daemons),
                frr=FRR,
            )
        )
        keys = "\n".join(f"HostKey {self.directory}/hostkey_{kind}" for kind in ("ed25519", "ecdsa", "rsa"))
        (self.directory / "sshd_config").write_text(_SSHD.format(host_keys=keys, directory=self.directory))
        (self.directory / "chrony.conf").write_text(chrony_conf)
        (self.directory / "authorized_keys").write_text(public_key)
        self._write_accounts()
        if self.is_router:
            (self.directory / "frr").mkdir(exist_ok=True)
            (self.directory / "frr" / "frr.conf").write_text(frr_conf)
            (self.directory / "frr" / "vtysh.conf").write_text("service integrated-vtysh-config\n")

    @property
    def daemons(self) -> tuple[str, ...]:
        """FRR's daemons of this node: RIP runs between r1 and r2 only."""
        if not self.is_router:
            return ()
        return DAEMONS if self.name != "r3" else tuple(daemon for daemon in DAEMONS if daemon != "ripd")

    def _write_accounts(self) -> None:
        passwd, group, shadow = (Path(f"/etc/{name}").read_text() for name in ("passwd", "group", "shadow"))
        members = ",".join(user for user, (_, asks_frr) in USERS.items() if asks_frr)
        group = "".join(
            f"{line}{',' if line[-1] != ':' else ''}{members}\n" if line.startswith("frrvty:") else f"{line}\n"
            for line in group.splitlines()
        )
        for number, (user, (shell, _)) in enumerate(USERS.items(), start=_FIRST_UID):
            passwd += f"{user}:x:{number}:{number}::/run/home/{user}:{shell}\n"
            group += f"{user}:x:{number}:\n"
            shadow += f"{user}:{_PASSWORD_HASH}:20000:0:99999:7:::\n"
        for name, text in (("passwd", passwd), ("group", group), ("shadow", shadow)):
            (self.directory / name).write_text(text)

    def start(self) -> None:
        """Starts the node; `wait_until_ready` tells when its daemons run."""
        (self.directory / "ready").unlink(missing_ok=True)
        command = [require("setpriv"), "--pdeathsig", "KILL", require("ip"), "netns", "exec", self.namespace]
        command += [require("unshare"), "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc", "--kill-child"]
        with (self.directory / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, require("bash"), str(self.directory / "init")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
                start_new_session=True,
            )

    def wait_until_ready(self, seconds: float = 30.0) -> None:
        """Returns when all daemons were started; fails with the node's log."""
        deadline = time.monotonic() + seconds
        while not (self.directory / "ready").exists():
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(
                    f"{self.name} did not start:\n{(self.directory / 'log').read_text(errors='replace')[-3000:]}"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends the node and all in it: `unshare` ignores TERM, and takes the node along when it is killed."""
        if self.process is not None:
            self.process.kill()
            end(self.process)
            self.process = None

    def run(self, *command: str, user: str | None = None, seconds: float = 20.0) -> Answer:
        """Runs a command inside the node, as root or as one of its users; status None where it took too long."""
        assert self.process is not None, f"{self.name} is not running"
        pid = self.process.pid
        first = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        prefix = [require("nsenter"), "-t", first, "-m", "-u", "-i", "-n", "-p", "--"]
        if user is not None:
            prefix += [require("setpriv"), f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
        try:
            done = subprocess.run(
                [*prefix, *command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
                cwd="/",
                env={"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired:
            return Answer("", "", None)
        return Answer(done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"), done.returncode)
