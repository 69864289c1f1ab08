"""A real net-snmp agent on a loopback port."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from netmon.drivers.targets import Secret, SnmpTarget
from tests.daemons import end, free_port, require, wait_until

AUTH_PASSPHRASE = "auth-passphrase-1"
PRIV_PASSPHRASE = "priv-passphrase-1"
NET_SNMP_AUTH = {"MD5": "MD5", "SHA": "SHA", **{f"SHA-{n}": f"SHA-{n}" for n in (224, 256, 384, 512)}}


@dataclass(frozen=True)
class V3User:
    """A user of the agent; `priv` None means authNoPriv."""

    auth: str
    priv: str | None = None
    auth_passphrase: str = field(default=AUTH_PASSPHRASE, repr=False)
    priv_passphrase: str = field(default=PRIV_PASSPHRASE, repr=False)

    @property
    def name(self) -> str:
        return f"{self.auth}_{self.priv or 'none'}".replace("-", "").lower()


DEFAULT_USERS = (
    V3User("MD5"),
    V3User("MD5", "DES"),
    V3User("SHA", "AES"),
    V3User("SHA", "AES-256"),
    V3User("SHA-224", "AES-192"),
    V3User("SHA-256"),
    V3User("SHA-256", "AES"),
    V3User("SHA-384", "AES-192"),
    V3User("SHA-512", "AES-256"),
)


@dataclass
class Agent:
    """A running agent. `users` are its v3 users; `prefix` runs a client where the agent can be reached."""

    address: str
    port: int
    community: str
    users: Sequence[V3User]
    directory: Path
    prefix: Sequence[str] = ()
    options: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int | None:
        """The pid of the agent, None while it is stopped."""
        return self.process.pid if self.process else None

    def start(self) -> None:
        """Starts the agent and waits until it answers."""
        # the state holds engine ID and boots; the machine's own configuration must not be read
        state = str(self.directory / "state")
        environment = {"PATH": os.environ["PATH"], "MIBS": "", "SNMP_PERSISTENT_DIR": state, "SNMPCONFPATH": state}
        command = [*self.prefix, require("snmpd"), "-f", "-Lf", str(self.directory / "log")]
        command += ["-c", str(self.directory / "snmpd.conf"), *self.options]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.wait_until_it_answers()

    def wait_until_it_answers(self) -> None:
        """Returns when the agent answers; fails after ten seconds, or at once when it has ended."""
        wait_until(self._answers, what=f"snmpd on {self.address}:{self.port}")

    def stop(self) -> None:
        """Ends the agent by its pid; `start` brings it back with the same engine ID and one boot more."""
        if self.process:
            end(self.process)
            self.process = None

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.directory / "log").read_text(errors="replace")
        # sysUpTime.0, v2c, as bytes: no client program is needed to see that the agent is up
        community = self.community.encode()
        pdu = bytes.fromhex("a0 1c 02 04 01 02 03 04 02 01 00 02 01 00 30 0e 30 0c 06 08 2b 06 01 02 01 01 03 00 05 00")
        body = b"\x02\x01\x01\x04" + bytes((len(community),)) + community + pdu
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            sock.connect((self.address, self.port))
            try:
                sock.send(b"\x30" + bytes((len(body),)) + body)
                return bool(sock.recv(65535))
            except OSError:
                return False

    def target(self, version: str = "2c", user: V3User | None = None, **over: object) -> SnmpTarget:
        """A target for this agent; `over` replaces fields of it."""
        values: dict[str, object] = {"address": self.address, "port": self.port, "version": version}
        if version == "3":
            user = user or self.users[0]
            values |= {"username": user.name, "auth_protocol": user.auth, "auth_key": Secret(user.auth_passphrase)}
            if user.priv:
                values |= {"priv_protocol": user.priv, "priv_key": Secret(user.priv_passphrase)}
        else:
            values["community"] = Secret(self.community)
        return SnmpTarget(**(values | over))  # type: ignore[arg-type]

    def snmpget(self, *oids: str) -> list[str]:
        """What net-snmp's own client says: one "TYPE: value" for each numeric OID."""
        return [line.partition(" = ")[2] for line in self._client("snmpget", "-v2c", *oids)]

    def snmpbulkwalk(self, root: str) -> dict[str, str]:
        """What net-snmp's own client finds below a numeric OID: OID (leading dot) to "TYPE: value"."""
        lines = (line.partition(" = ") for line in self._client("snmpbulkwalk", "-v2c", root))
        return {oid: value for oid, _, value in lines}

    def _client(self, program: str, version: str, *oids: str) -> list[str]:
        command = [require(program), version, "-c", self.community, "-m", "", "-Ont", "-OU", "-Oe"]
        command += [f"{self.address}:{self.port}", *oids]
        done = subprocess.run(command, capture_output=True, timeout=20, check=True, env={"PATH": os.environ["PATH"]})
        entries: list[str] = []
        for line in done.stdout.decode("latin-1").split("\n"):
            if line.startswith("."):
                entries.append(line)
            elif line and entries:  # a text may have several lines
                entries[-1] += f"\n{line}"
        return entries


def configure(directory: Path, *, address: str, port: int, community: str, users: Sequence[V3User], name: str) -> None:
    """Writes snmpd.conf and the directory of the agent's state."""
    lines = [f"agentAddress udp:{address}:{port}", f"rocommunity {community} default", f"sysName {name}"]
    lines += ["sysLocation Rack 1", "sysContact noc@example.net"]
    for user in users:
        lines.append(f"createUser {user.name} {user.auth} {user.auth_passphrase}")
        if user.priv:
            lines[-1] += f" {user.priv} {user.priv_passphrase}"
        lines.append(f"rouser {user.name} {'priv' if user.priv else 'auth'}")
    (directory / "state").mkdir(parents=True, exist_ok=True)
    config = directory / "snmpd.conf"
    config.write_text("\n".join(lines) + "\n")
    config.chmod(0o600)


@contextmanager
def snmpd(
    directory: Path,
    *,
    port: int | None = None,
    address: str = "127.0.0.1",
    community: str = "public",
    users: Sequence[V3User] = DEFAULT_USERS,
    name: str = "snmpd-test",
) -> Iterator[Agent]:
    """A running net-snmp agent whose files are below `directory`; it needs no root and ends with the block."""
    require("snmpd")
    port = port or free_port(address=address)
    configure(directory, address=address, port=port, community=community, users=users, name=name)
    agent = Agent(address=address, port=port, community=community, users=users, directory=directory)
    try:
        agent.start()
        yield agent
    finally:
        agent.stop()
