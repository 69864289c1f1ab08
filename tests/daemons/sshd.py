"""A real OpenSSH server on a loopback port, with keys, configuration and authorized keys of its own."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from netmon.drivers.targets import HostKey, Secret, SshTarget
from tests.daemons import end, free_port, require, wait_until

KEY_TYPES = {"ed25519": ("ed25519", None), "ecdsa": ("ecdsa", "256"), "rsa": ("rsa", "2048")}


def make_key(path: Path, name: str = "ed25519", *, passphrase: str = "") -> str:
    """A new key pair at `path` and `path`.pub; returns the private text."""
    kind, bits = KEY_TYPES[name]
    command = [require("ssh-keygen"), "-q", "-t", kind, "-N", passphrase, "-f", str(path)]
    subprocess.run([*command, *(["-b", bits] if bits else [])], check=True, capture_output=True, timeout=60)
    return path.read_text()


def fingerprint(path: Path) -> str:
    """What ssh-keygen says of a public key."""
    done = subprocess.run([require("ssh-keygen"), "-lf", str(path)], check=True, capture_output=True, timeout=20)
    return done.stdout.decode().split()[1]


@dataclass
class Sshd:
    """A running server; `private_key` logs in as the user the suite runs as."""

    address: str
    port: int
    directory: Path
    host_keys: dict[str, HostKey]
    private_key: str = field(repr=False)
    username: str = field(default_factory=getpass.getuser)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Starts the server and waits until it listens."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where its unprivileged half is locked up
        command = [require("sshd"), "-D", "-e", "-f", str(self.directory / "sshd_config")]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._listens, what=f"sshd on {self.address}:{self.port}")

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with socket.socket(family) as probe:
            return probe.connect_ex((self.address, self.port)) == 0

    @property
    def log(self) -> str:
        """What the server wrote so far."""
        return (self.directory / "log").read_text(errors="replace")

    def stop(self) -> None:
        """Ends the server by its pid."""
        if self.process:
            end(self.process)
            self.process = None

    def target(self, **over: object) -> SshTarget:
        """A target for this server with all of its keys pinned; `over` replaces fields of it."""
        values: dict[str, object] = {
            "address": self.address,
            "port": self.port,
            "username": self.username,
            "private_key": Secret(self.private_key),
            "pins": tuple(self.host_keys.values()),
        }
        return SshTarget(**(values | over))  # type: ignore[arg-type]


@contextmanager
def sshd(
    directory: Path,
    *,
    address: str = "127.0.0.1",
    host_keys: Sequence[str] = ("ed25519",),
    key_options: str = "",
    settings: Sequence[str] = (),
    path: str = "",
) -> Iterator[Sshd]:
    """A running sshd whose files are below `directory`; it ends with the block.

    `key_options` stand before the user's authorized key, `settings` are lines of sshd_config, before all others.
    `path` is the PATH of what is run.
    """
    require("sshd")
    port = free_port(socket.SOCK_STREAM, address)
    directory.mkdir(parents=True, exist_ok=True)
    user_key = make_key(directory / "user")
    keys = {}
    for name in host_keys:
        make_key(directory / f"host_{name}", name)
        keys[name] = HostKey.parse((directory / f"host_{name}.pub").read_text())
    authorized = directory / "authorized_keys"
    authorized.write_text(f"{key_options} {(directory / 'user.pub').read_text()}".lstrip())
    # start files of whoever runs the suite would be run by each command, and may take longer than it
    environment = f"SetEnv HOME={directory}" + (f" PATH={path}" if path else "")
    lines = [*settings, environment, f"Port {port}", f"ListenAddress {address}", f"AuthorizedKeysFile {authorized}"]
    lines += [f"HostKey {directory / f'host_{name}'}" for name in host_keys]
    lines += ["PidFile none", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no"]
    lines += ["PermitRootLogin yes", "StrictModes no", "PrintMotd no", "LogLevel VERBOSE"]
    if not any(line.startswith("MaxStartups") for line in settings):  # of this one the last counts
        lines.append("MaxStartups 200")
    (directory / "sshd_config").write_text("\n".join(lines) + "\n")
    server = Sshd(address, port, directory, keys, user_key)
    try:
        server.start()
        yield server
    finally:
        server.stop()
