"""The lab's links, addresses and routers' configurations, and what can be done to them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from netmon.drivers.ssh.answers import Answer
from tests.daemons import missing, require
from tests.daemons.lab.node import FRR, Node

ROUTERS = ("r1", "r2", "r3")
LAST_OCTET = {"r1": 11, "r2": 12, "r3": 13, "s1": 21}
# (one end, other end): third octet of the network; the ends are .1 and .2
LINKS = {("r1", "r2"): 12, ("r1", "r3"): 13, ("r2", "r3"): 23, ("r1", "s1"): 101}
AS = {"r1": 65001, "r2": 65001, "r3": 65003}
# 10.200.0.0/16 to 10.254.0.0/16: one for each lab of this machine
_OCTETS = range(200, 255)


def is_permitted() -> str | None:
    """None where a lab can be built, else the reason why not."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    path = "/usr/sbin:/sbin:/usr/bin:/bin"
    for program, package in (("ip", "iproute2"), ("unshare", "util-linux"), ("sshd", "openssh-server")):
        if shutil.which(program, path=path) is None:
            return f"{program} ({package}) is not installed"
    for file, package in ((FRR / "bgpd", "frr"), (Path("/usr/sbin/chronyd"), "chrony")):
        if not file.exists():
            return f"{file} ({package}) is not installed"
    trial = ["unshare", "--net", "--mount", "--pid", "--fork", "ip", "link", "add", "trial", "type", "bridge"]
    done = subprocess.run(trial, capture_output=True, timeout=20, check=False, env={"PATH": path})
    if done.returncode:
        return f"namespaces are not permitted here: {done.stderr.decode(errors='replace').strip()}"
    return None


def _ip(*arguments: str, batch: list[str] | None = None) -> str:
    command = [require("ip"), *arguments, *(["-batch", "-"] if batch else [])]
    text = "\n".join(batch or []).encode()
    done = subprocess.run(command, input=text, capture_output=True, timeout=20, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")


@dataclass
class RoutedLab:
    """A running lab. All its addresses are in 10.`octet`.0.0/16 and fd00:`octet`::/32."""

    octet: int
    directory: Path
    prefix: str
    nodes: dict[str, Node] = field(default_factory=dict)
    _cuts: set[tuple[str, str]] = field(default_factory=set)

    def node(self, name: str) -> Node:
        """r1, r2, r3 or s1."""
        return self.nodes[name]

    def run(self, node: str, *command: str, user: str | None = None) -> Answer:
        """Runs a command inside a node, as root or as one of its users."""
        return self.nodes[node].run(*command, user=user)

    def vtysh(self, node: str, *lines: str, user: str | None = None) -> Answer:
        """What one vtysh answers to the lines."""
        return self.run(node, "vtysh", *(word for line in lines for word in ("-c", line)), user=user)

    def configure(self, node: str, *lines: str) -> None:
        """Changes the running configuration of a router."""
        answer = self.vtysh(node, "configure terminal", *lines)
        assert answer.status == 0, answer

    def stop(self, node: str, daemon: str) -> None:
        """Ends one daemon of a router by its pid, and waits until it is gone."""
        script = f"pid=$(cat /run/frr/{daemon}.pid); kill -9 $pid; while [ -d /proc/$pid ]; do sleep 0.02; done"
        answer = self.run(node, "sh", "-c", script)
        assert answer.status == 0, answer

    def start(self, node: str, daemon: str) -> None:
        """Starts a daemon that was stopped, with its part of the configuration."""
        command = f"{FRR}/{daemon} -d -A 127.0.0.1 --log file:/run/frr/{daemon}.log && vtysh -b"
        answer = self.run(node, "sh", "-c", command)
        assert answer.status == 0, answer

    def link_address(self, a: str, b: str) -> str:
        """The address of `a` on its link to `b`."""
        third, last = (LINKS[a, b], 1) if (a, b) in LINKS else (LINKS[b, a], 2)
        return f"10.{self.octet}.{third}.{last}"

    def cut(self, a: str, b: str, how: Literal["carrier", "silent"] = "carrier") -> None:
        """Cuts a link: both ends lose their carrier, or keep it and receive nothing any more."""
        assert (a, b) in LINKS or (b, a) in LINKS
        for one, other in ((a, b), (b, a)):
            change = "down" if how == "carrier" else "nomaster"
            _ip("-n", self._name("wires"), "link", "set", f"{one}-{other}", change)
        self._cuts.add((a, b))

    def repair(self) -> None:
        """Mends all cuts; `wait_converged` waits for the routers to notice."""
        for a, b in self._cuts:
            third = LINKS.get((a, b)) or LINKS[b, a]
            for one, other in ((a, b), (b, a)):
                _ip("-n", self._name("wires"), "link", "set", f"{one}-{other}", "master", f"br{third}", "up")
        self._cuts.clear()

    def wait_converged(self, seconds: float = 60.0) -> None:
        """Returns when every OSPF adjacency and BGP session that should be up is up; fails otherwise."""
        deadline = time.monotonic() + seconds
        while state := self._not_converged():
            if time.monotonic() > deadline:
                pytest.fail(f"the lab did not converge within {seconds:g} s: {state}")
            time.sleep(0.1)

    def _not_converged(self) -> str:
        lines = ("show ip ospf neighbor json", "show ipv6 ospf6 neighbor json", "show bgp summary json")
        for name in ROUTERS:
            wanted = {"r1": (2, 2, 3), "r2": (2, 2, 3), "r3": (2, 2, 4)}[name]
            answers = [self.vtysh(name, line).stdout for line in lines]
            found = (answers[0].count('"nbrState":"Full'), answers[1].count('"state":"Full'))
            found += (answers[2].count('"state":"Established"'),)
            if found != wanted:
                return f"{name} has OSPF, OSPFv3, BGP {found} of {wanted}"
        # A session is up before all that it tells stands in the table.
        loopbacks = {f"10.{self.octet}.255.{number}/32" for number in (1, 2, 3)}
        for name in ROUTERS:
            known = json.loads(self.vtysh(name, "show ip route json").stdout or "{}")
            if missing := loopbacks - set(known):
                return f"{name} has no route to {', '.join(sorted(missing))}"
        route = self.vtysh("r2", f"show ip route 10.{self.octet}.101.0/24 json").stdout or "{}"
        if not any(row.get("selected") for rows in json.loads(route).values() for row in rows):
            return "r2 has no route to the network of s1"
        return ""

    def _name(self, node: str) -> str:
        return f"{self.prefix}{node}"

    def build(self) -> None:
        """Makes the namespaces, links and addresses, and starts the nodes."""
        wires = self._name("wires")
        root = f"nml{self.octet}"
        key = self.directory / "id_ed25519"
        keys = [_keygen("ed25519", key)]
        for name in LAST_OCTET:
            folder = self.directory / name
            folder.mkdir(parents=True)
            keys += [_keygen(kind, folder / f"hostkey_{kind}") for kind in ("ed25519", "ecdsa", "rsa")]
        _ip("link", "add", root, "type", "veth", "peer", "name", "root", "netns", wires)
        _ip("addr", "add", f"10.{self.octet}.0.1/24", "dev", root)
        _ip("link", "set", root, "up")
        bridges = ["mgmt", *(f"br{third}" for third in LINKS.values())]
        _ip("-n", wires, batch=[f"link add {bridge} type bridge forward_delay 0 stp_state 0" for bridge in bridges])
        _ip("-n", wires, batch=[f"link set {bridge} up" for bridge in bridges] + ["link set root master mgmt up"])
        for name in LAST_OCTET:
            self._add_node(name, wires)
        for (a, b), third in LINKS.items():
            for last, (one, other) in enumerate(((a, b), (b, a)), start=1):
                port = f"{one}-{other}"
                _ip("-n", wires, batch=[f"link add {port} type veth peer name to-{other} netns {self._name(one)}"])
                _ip("-n", wires, batch=[f"link set {port} master br{third} up"])
                changes = [
                    f"addr add 10.{self.octet}.{third}.{last}/24 dev to-{other}",
                    f"addr add fd00:{self.octet}:{third}::{last}/64 dev to-{other} nodad",
                    f"link set to-{other} up",
                ]
                _ip("-n", self._name(one), batch=changes)
        _ip("-n", self._name("s1"), "route", "add", f"10.{self.octet}.0.0/16", "via", self.link_address("r1", "s1"))
        for process in keys:
            assert process.wait(60) == 0
        public = key.with_suffix(".pub").read_text()
        for name, node in self.nodes.items():
            node.write(self._frr(name) if node.is_router else "", self._chrony(name), public)
            node.start()
        for node in self.nodes.values():
            node.wait_until_ready()

    def _add_node(self, name: str, wires: str) -> None:
        namespace, address = self._name(name), f"10.{self.octet}.0.{LAST_OCTET[name]}"
        _ip("netns", "add", namespace)
        _ip("-n", wires, "link", "add", f"m-{name}", "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("-n", wires, "link", "set", f"m-{name}", "master", "mgmt", "up")
        changes = ["link set lo up", f"addr add {address}/24 dev eth0", "link set eth0 up"]
        number = name[1:]
        if name in ROUTERS:
            changes.append(f"addr add 10.{self.octet}.255.{number}/32 dev lo")
            changes.append(f"addr add fd00:{self.octet}:255::{number}/128 dev lo")
        _ip("-n", namespace, batch=changes)
        forward = "for f in ipv4/ip_forward ipv6/conf/all/forwarding; do echo 1 > /proc/sys/net/$f; done"
        _ip("netns", "exec", namespace, "sh", "-c", forward)
        self.nodes[name] = Node(
            name=name,
            namespace=namespace,
            address=address,
            router_id=f"10.{self.octet}.255.{number}",
            directory=self.directory / name,
            private_key=self.directory / "id_ed25519",
        )

    def _chrony(self, name: str) -> str:
        # only s1 has a clock to follow: its own
        server = f"server 10.{self.octet}.0.{LAST_OCTET['s1']} iburst minpoll 0 maxpoll 2\n"
        first = "local stratum 8\n" if name == "s1" else server
        return f"{first}allow 10.{self.octet}.0.0/16\ncmdport 323\nbindcmdaddress 127.0.0.1\npidfile /run/chrony/pid\n"

    def _frr(self, name: str) -> str:
        """frr.conf with short timers: silence is seen in about 4 s by OSPF, in about 1 s by BGP through BFD.

        The `exit` lines matter: without them `interface lo` after `router ospf6` is read as an old command of ospf6.
        """
        o, n = self.octet, name[1:]
        others = [other for other in ROUTERS if other != name]
        text = ["frr defaults traditional", f"hostname {name}", "service integrated-vtysh-config"]
        text += [f"ip route 198.18.{n}.0/24 Null0", f"ipv6 route fd00:198:18:{n}::/64 Null0"]
        text += ["router ospf", f" ospf router-id 10.{o}.255.{n}", f" network 10.{o}.255.{n}/32 area 0"]
        text += [f" network 10.{o}.{third}.0/24 area 0" for third in (12, 13, 23)]
        text += ["exit", "router ospf6", f" ospf6 router-id 10.{o}.255.{n}", "exit"]
        text += ["interface lo", " ip ospf passive", " ipv6 ospf6 area 0", "exit"]
        for other in others:
            text += [f"interface to-{other}", f" description link to {other}", " ipv6 ospf6 area 0"]
            for version in ("ip ospf", "ipv6 ospf6"):
                text += [f" {version} network point-to-point", f" {version} hello-interval 1"]
                text.append(f" {version} dead-interval 4")
            text.append("exit")
        if name != "r3":
            text += ["router rip", f" network 10.{o}.12.0/24", " redistribute static", " timers basic 5 15 10", "exit"]
        return "\n".join([*text, *self._bgp(name, others), "line vty", ""])

    def _bgp(self, name: str, others: list[str]) -> list[str]:
        o, n = self.octet, name[1:]
        text = [f"router bgp {AS[name]}", f" bgp router-id 10.{o}.255.{n}", " no bgp ebgp-requires-policy"]
        four, six = [], []
        for other in others:
            if AS[other] == AS[name]:
                peer = f"10.{o}.255.{other[1:]}"
                text += [*self.peer(peer, AS[other], f"ibgp-{other}"), f" neighbor {peer} update-source lo"]
                four.append(f"  neighbor {peer} next-hop-self")
                continue
            peer = self.link_address(other, name)
            peer6 = f"fd00:{o}:{peer.split('.')[2]}::{peer.split('.')[3]}"
            text += [*self.peer(peer, AS[other], f"ebgp-{other}"), f" neighbor {peer} bfd"]
            text += [*self.peer(peer6, AS[other], f"ebgp6-{other}"), f" neighbor {peer6} bfd"]
            four.append(f"  no neighbor {peer6} activate")
            six.append(f"  neighbor {peer6} activate")
        if name == "r1":
            text += self.peer(f"10.{o}.99.9", 65099, "never-up")
            four.append(f"  network 10.{o}.101.0/24")
        text += [" address-family ipv4 unicast", f"  network 198.18.{n}.0/24", *four, " exit-address-family"]
        text += [
            " address-family ipv6 unicast",
            f"  network fd00:198:18:{n}::/64",
            *six,
            " exit-address-family",
            "exit",
        ]
        return text

    @staticmethod
    def peer(peer: str, remote_as: int, description: str) -> list[str]:
        """The lines of `router bgp` that make a neighbor, the same at first and after a test took it away."""
        lines = [f"remote-as {remote_as}", f"description {description}", "timers 3 9", "timers connect 1"]
        return [f" neighbor {peer} {line}" for line in lines]

    def clear(self) -> None:
        """Ends the nodes and removes the namespaces; the kernel frees those later, so the machine's link goes first."""
        for node in self.nodes.values():
            node.stop()
        _forget(f"nml{self.octet}", [self._name(name) for name in (*LAST_OCTET, "wires")])


def _forget(link: str, namespaces: list[str]) -> None:
    for command in [("link", "del", link), *(("netns", "del", name) for name in namespaces)]:
        with suppress(RuntimeError):  # it may never have been made
            _ip(*command)


def _keygen(kind: str, file: Path) -> subprocess.Popen[bytes]:
    bits = ["-b", "2048"] if kind == "rsa" else []
    command = [require("ssh-keygen"), "-q", "-t", kind, *bits, "-N", "", "-C", "lab", "-f", str(file)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _claim() -> tuple[int, str]:
    """An octet no other lab of this machine uses, and the prefix of this lab's namespaces.

    A namespace whose name holds octet and pid is the claim. What a killed test process left behind is cleared first.
    """
    for line in _ip("netns", "list").splitlines():
        name = line.split()[0]
        if (match := re.fullmatch(r"nml(\d+)-(\d+)-wires", name)) and not Path(f"/proc/{match[2]}").exists():
            prefix = name.removesuffix("wires")
            _forget(f"nml{match[1]}", [f"{prefix}{node}" for node in (*LAST_OCTET, "wires")])
    for step in range(len(_OCTETS)):
        octet = _OCTETS[(os.getpid() + step) % len(_OCTETS)]
        taken = any(line.startswith(f"nml{octet}-") for line in _ip("netns", "list").splitlines())
        if taken:
            continue
        prefix = f"nml{octet}-{os.getpid()}-"
        _ip("netns", "add", f"{prefix}wires")
        # two processes may have looked at the same moment: the lower pid keeps it
        rivals = [line.split()[0] for line in _ip("netns", "list").splitlines() if line.startswith(f"nml{octet}-")]
        if min(int(name.split("-")[1]) for name in rivals) == os.getpid():
            return octet, prefix
        _ip("netns", "del", f"{prefix}wires")
    return missing("all 10.200.0.0/16 to 10.254.0.0/16 are taken by other labs")


@contextmanager
def routed_lab(directory: Path) -> Iterator[RoutedLab]:
    """A running lab (not yet converged), skipped with a reason where it cannot be; nothing of it stays behind."""
    reason = is_permitted()
    if reason:
        missing(reason)
    octet, prefix = _claim()
    lab = RoutedLab(octet=octet, directory=directory, prefix=prefix)
    try:
        lab.build()
        yield lab
    finally:
        lab.clear()
