"""What every network driver promises, tried on each of them.

Refused is Unreachable, silence is DeadlineExceeded in time, a wrong secret is AuthenticationFailed where the protocol
tells and silence where it does not, garbage is ProtocolError; and the secret is in no message, log or repr.
A driver joins by a class with the same methods and a line in DRIVERS.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import socket
import time
import traceback
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from netmon.drivers import http, smtp
from netmon.drivers.errors import AuthenticationFailed, DeadlineExceeded, DriverError, ProtocolError, Unreachable
from netmon.drivers.icmp import ping
from netmon.drivers.snmp import SnmpSession
from netmon.drivers.ssh import open_session
from netmon.drivers.targets import IcmpTarget, Secret, SnmpTarget, SshTarget, VyosTarget
from netmon.drivers.vyos import VyosClient
from netmon.lab.vyos import Router, Server
from tests.daemons import free_port, missing
from tests.daemons.bad_ssh import bad_ssh, talking
from tests.daemons.netns import lab
from tests.daemons.receivers import mail_server
from tests.daemons.snmpd import V3User, snmpd
from tests.daemons.udp import blackhole, replying

pytestmark = pytest.mark.integration

SECRET = "Zx9-very-secret-indeed"
SYS_UP_TIME = (1, 3, 6, 1, 2, 1, 1, 3, 0)


class Snmp:
    """v1 and v2c: a wrong community is silence."""

    wrong_secret_is = DeadlineExceeded
    budget_seconds = 0.5

    def __init__(self, version: str) -> None:
        self.version = version

    def target(self, port: int) -> SnmpTarget:
        return SnmpTarget(
            address="127.0.0.1",
            port=port,
            version=self.version,
            community=Secret(SECRET),
            timeout_seconds=0.2,
            retries=1,
        )

    async def call(self, target: SnmpTarget) -> object:
        async with SnmpSession(target) as session:
            return await session.get([SYS_UP_TIME])

    @contextlib.contextmanager
    def refused(self, directory: Path) -> Iterator[SnmpTarget]:
        yield self.target(free_port())

    @contextlib.contextmanager
    def blackhole(self, directory: Path) -> Iterator[SnmpTarget]:
        with blackhole() as port:
            yield self.target(port)

    @contextlib.contextmanager
    def wrong_secret(self, directory: Path) -> Iterator[SnmpTarget]:
        with snmpd(directory, users=[V3User("SHA-256", "AES")]) as agent:
            yield self.target(agent.port)

    @contextlib.contextmanager
    def garbage(self, directory: Path) -> Iterator[SnmpTarget]:
        with replying(lambda datagram: b"\x30\x82" + datagram[::-1]) as port:
            yield self.target(port)


class SnmpV3(Snmp):
    """v3: the agent reports a wrong passphrase."""

    wrong_secret_is = AuthenticationFailed

    def __init__(self) -> None:
        super().__init__("3")

    def target(self, port: int) -> SnmpTarget:
        return SnmpTarget(
            address="127.0.0.1",
            port=port,
            version="3",
            username="sha256_aes",
            auth_protocol="SHA-256",
            auth_key=Secret(SECRET),
            priv_protocol="AES",
            priv_key=Secret(SECRET),
            timeout_seconds=0.2,
            retries=1,
        )


class Icmp:
    """No secret, and what is no echo reply is dropped by kernel and driver."""

    wrong_secret_is = None
    budget_seconds = 0.6

    async def call(self, target: IcmpTarget) -> object:
        return await ping(target)

    @contextlib.contextmanager
    def refused(self, directory: Path) -> Iterator[IcmpTarget]:
        self._require_raw_sockets()
        with lab(directory) as network:
            yield IcmpTarget(address=network.unreachable_address(), timeout_seconds=2.0)

    @contextlib.contextmanager
    def blackhole(self, directory: Path) -> Iterator[IcmpTarget]:
        self._require_raw_sockets()
        with lab(directory) as network:
            network.set_sysctl("net.ipv4.icmp_echo_ignore_all", 1)
            yield IcmpTarget(address=network.address, timeout_seconds=0.2)

    def _require_raw_sockets(self) -> None:
        try:
            socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
        except PermissionError:
            missing("raw sockets are not allowed here")


class Ssh:
    """Without pins: what is tried here comes before or after the host key."""

    wrong_secret_is = AuthenticationFailed
    budget_seconds = 1.0

    def target(self, port: int) -> SshTarget:
        return SshTarget(
            address="127.0.0.1",
            port=port,
            username="netmon",
            password=Secret(SECRET),
            trusts_first_use=True,
            connect_timeout_seconds=1.0,
        )

    async def call(self, target: SshTarget) -> object:
        def ask() -> object:
            with open_session(target) as session:
                return session.execute("true")

        return await asyncio.to_thread(ask)

    @contextlib.contextmanager
    def refused(self, directory: Path) -> Iterator[SshTarget]:
        yield self.target(free_port(socket.SOCK_STREAM))

    @contextlib.contextmanager
    def blackhole(self, directory: Path) -> Iterator[SshTarget]:
        with talking() as port:
            yield self.target(port)

    @contextlib.contextmanager
    def wrong_secret(self, directory: Path) -> Iterator[SshTarget]:
        with bad_ssh() as server:
            # the server shares our two cores: only the silent one is held to its second
            yield dataclasses.replace(self.target(server.port), connect_timeout_seconds=20.0)

    @contextlib.contextmanager
    def garbage(self, directory: Path) -> Iterator[SshTarget]:
        with talking(b"HTTP/1.0 400 Bad Request\r\n" * 120) as port:
            yield dataclasses.replace(self.target(port), connect_timeout_seconds=20.0)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a message goes: these drivers have no targets, but a rule that judges addresses."""

    port: int
    seconds: float = 0.6


class Smtp:
    wrong_secret_is = AuthenticationFailed
    budget_seconds = 0.6

    async def call(self, target: Place) -> object:
        server = smtp.MailServer(
            host="127.0.0.1", port=target.port, security="none", username="netmon", password=Secret(SECRET)
        )
        mail = EmailMessage()
        mail.set_content("text")
        return await asyncio.to_thread(
            lambda: smtp.send(
                server, mail, sender="a@example.org", recipients=["b@example.org"], refuse=lambda address: "",
                deadline_seconds=target.seconds,
            )
        )  # fmt: skip

    @contextlib.contextmanager
    def refused(self, directory: Path) -> Iterator[Place]:
        yield Place(free_port(socket.SOCK_STREAM))

    @contextlib.contextmanager
    def blackhole(self, directory: Path) -> Iterator[Place]:
        with talking() as port:
            yield Place(port)

    @contextlib.contextmanager
    def wrong_secret(self, directory: Path) -> Iterator[Place]:
        with mail_server(auth=True) as box:
            yield Place(box.port, 20.0)

    @contextlib.contextmanager
    def garbage(self, directory: Path) -> Iterator[Place]:
        with talking(b"HTTP/1.0 400 Bad Request\r\n" * 120) as port:
            yield Place(port, 20.0)


class Http(Smtp):
    """The secret stands in the path, as Slack's does. A refused one is a status, which the caller reads."""

    wrong_secret_is = None

    async def call(self, target: Place) -> object:
        url = f"http://127.0.0.1:{target.port}/services/{SECRET}"
        headers = {"Authorization": f"Bearer {SECRET}"}
        return await asyncio.to_thread(
            lambda: http.post(
                url, body=b"x", headers=headers, refuse=lambda address: "", deadline_seconds=target.seconds
            )
        )


class Vyos:
    """A read: what a change may end with besides is in tests/unit/drivers/vyos/test_faults.py."""

    wrong_secret_is = AuthenticationFailed
    budget_seconds = 0.6

    def target(self, port: int, **options: Any) -> VyosTarget:
        return VyosTarget(
            address="127.0.0.1", port=port, key=Secret(SECRET), **{"connect_timeout_seconds": 0.6, **options}
        )

    async def call(self, target: VyosTarget) -> object:
        return await asyncio.to_thread(lambda: VyosClient(target).show_config(["nat"]))

    @contextlib.contextmanager
    def refused(self, directory: Path) -> Iterator[VyosTarget]:
        yield self.target(free_port(socket.SOCK_STREAM))

    @contextlib.contextmanager
    def blackhole(self, directory: Path) -> Iterator[VyosTarget]:
        with talking() as port:
            yield self.target(port)

    @contextlib.contextmanager
    def wrong_secret(self, directory: Path) -> Iterator[VyosTarget]:
        with Server(Router(key="another-key-entirely")) as server:
            yield self.target(server.port, ca_pem=server.ca_pem, connect_timeout_seconds=20.0)

    @contextlib.contextmanager
    def garbage(self, directory: Path) -> Iterator[VyosTarget]:
        with talking(b"HTTP/1.0 400 Bad Request\r\n" * 120) as port:
            yield self.target(port, connect_timeout_seconds=20.0)


DRIVERS = [
    pytest.param(Http(), id="http"),
    pytest.param(Smtp(), id="smtp"),
    pytest.param(Icmp(), id="icmp"),
    pytest.param(Snmp("1"), id="snmp-v1"),
    pytest.param(Snmp("2c"), id="snmp-v2c"),
    pytest.param(SnmpV3(), id="snmp-v3"),
    pytest.param(Ssh(), id="ssh"),
    pytest.param(Vyos(), id="vyos"),
]
WITH_SECRET = [one for one in DRIVERS if one.values[0].wrong_secret_is]


class TestDriverContract:
    @pytest.fixture(autouse=True)
    def _log_everything(self, caplog):
        caplog.set_level(logging.DEBUG)
        self.caplog = caplog

    def failure(self, driver, target) -> DriverError:
        """The error of a call, checked for secrets."""
        with pytest.raises(DriverError) as raised:
            asyncio.run(driver.call(target))
        error = raised.value
        shown = [str(error), repr(error), error.detail, repr(target), f"{target}", self.caplog.text]
        shown += traceback.format_exception(error)
        assert not any(SECRET in text for text in shown)
        assert error.detail and error.code.isidentifier()
        return error

    @pytest.mark.parametrize("driver", DRIVERS)
    def test_refused_is_unreachable(self, driver, tmp_path):
        with driver.refused(tmp_path) as target:
            error = self.failure(driver, target)
        assert type(error) is Unreachable and error.retryable

    @pytest.mark.parametrize("driver", DRIVERS)
    def test_silence_is_a_timeout_within_its_budget(self, driver, tmp_path):
        with driver.blackhole(tmp_path) as target:
            started = time.monotonic()
            error = self.failure(driver, target)
            elapsed = time.monotonic() - started
        assert type(error) is DeadlineExceeded and error.retryable
        # a tenth of a second for a machine that is busy with other tests
        assert driver.budget_seconds * 0.95 <= elapsed <= driver.budget_seconds * 1.2 + 0.1

    @pytest.mark.parametrize("driver", WITH_SECRET)
    def test_a_wrong_secret_is_told_where_the_protocol_tells(self, driver, tmp_path):
        with driver.wrong_secret(tmp_path) as target:
            error = self.failure(driver, target)
        assert type(error) is driver.wrong_secret_is

    @pytest.mark.parametrize("driver", WITH_SECRET)
    def test_garbage_is_a_protocol_error(self, driver, tmp_path):
        with driver.garbage(tmp_path) as target:
            error = self.failure(driver, target)
        assert type(error) is ProtocolError and not error.retryable
