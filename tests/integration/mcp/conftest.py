"""netmon's web process on a free port, and the official client before it."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult

from netmon.lab.vyos import Server
from tests.daemons import free_port, wait_until
from tests.databases import REPOSITORY
from tests.product import PASSWORD, Product


@contextmanager
def web_process(product: Product, **environment: str) -> Iterator[str]:
    """Another web process on the product's data. Gives its address."""
    import socket

    port = free_port(socket.SOCK_STREAM)
    argv = (
        sys.executable, "-m", "gunicorn", "netmon.wsgi:application", "--bind", f"127.0.0.1:{port}",
        "--worker-class", "gthread", "--workers", "1", "--threads", "8", "--log-level", "warning",
        "--no-control-socket",
    )  # fmt: skip
    log_path = product.directory / f"web-{port}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=REPOSITORY, env={**product.environment, **environment}, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, log_path.read_text()
        try:
            return httpx2.get(f"{url}/api/v1/health/", timeout=20).status_code in (200, 503)
        except httpx2.HTTPError:
            return False

    try:
        wait_until(answers, seconds=60, what="a web process")
        yield url
    finally:
        process.terminate()
        assert process.wait(30) == 0, "it ends when it is told to, whatever the door has done"


@contextmanager
def worker(product: Product) -> Iterator[None]:
    """What tells routers."""
    argv = (
        sys.executable, "-m", "celery", "--quiet", "-A", "netmon.celery", "worker", "--queues", "poll,jobs",
        "--pool", "threads", "--concurrency", "2", "--loglevel", "WARNING", "--without-gossip", "--without-mingle",
    )  # fmt: skip
    (Path(product.environment["NETMON_VAR_DIR"]) / "tmp").mkdir(exist_ok=True)
    environment = {**product.environment, "TMPDIR": str(Path(product.environment["NETMON_VAR_DIR"]) / "tmp")}
    with (product.directory / "worker.log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=REPOSITORY, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(40)


class Site:
    """A netmon with people, their keys, and a tenant that is somebody else's."""

    def __init__(self, directory: Path) -> None:
        # Sites of several workers would count their log-ins together in one Redis database.
        worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
        self.product = Product(directory, is_migrated=True, redis_database=8 + int(worker) % 8)
        self.url = ""

    def fill(self) -> None:
        self.product.port = int(self.url.rpartition(":")[2])
        self.product.log_in()
        self.ours, self.theirs = (self.made("tenants/", {"name": name, "slug": name}) for name in ("ours", "theirs"))
        self.device = self.made("routers/", {"name": "core-1", "ip": "127.77.0.1", "tenant": self.ours["id"]})
        self.foreign = self.made("routers/", {"name": "their-1", "ip": "127.77.0.2", "tenant": self.theirs["id"]})
        self.keys = {role: self.key(role, ["read", "write"], tenants=[]) for role in ("viewer", "operator")}
        self.keys["inventory"] = self.key("scoped", ["inventory:read"], role="operator")
        self.keys["bound"] = self.key("bound", ["read", "write"], role="operator", tenants=[self.ours["id"]])

    def made(self, path: str, body: Any) -> Any:
        answer = self.product.post(f"/api/v1/{path}", body)
        assert answer.status == 201, answer
        return answer.body

    def add_router(self, server: Server) -> None:
        """The simulated router, with a pool of addresses and one of ports."""
        device = self.made("routers/", {"name": "vyos-1", "ip": server.host})
        key = self.made("credentials/", {"name": "vyos-1", "kind": "api_key", "secret": server.router.key})
        options = {"certificate_sha256": server.fingerprint, "deadline_seconds": 10, "read_timeout_seconds": 5}
        endpoint = self.made(
            "endpoints/",
            {
                "device": device["id"],
                "protocol": "vyos",
                "port": server.port,
                "credential": key["id"],
                "options": options,
            },
        )
        router = self.made("vyos-routers/", {"endpoint": endpoint["id"], "inbound_interface": "eth0"})
        prefix = self.made("prefixes/", {"cidr": "192.168.66.0/24"})
        pool = {"router": router["id"], "name": "lan", "shared_network": "LAN", "prefix": prefix["id"], "subnet_id": 1}
        self.made("dhcp-pools/", {**pool, "range_start": "192.168.66.10", "range_end": "192.168.66.199"})
        ports = {"router": router["id"], "name": "outside", "port_start": 32000, "port_end": 33000}
        self.made("port-pools/", ports)

    def key(self, name: str, scopes: list[str], *, role: str = "", tenants: Any = ()) -> str:
        person = {"username": name, "password": PASSWORD, "role": role or name, "tenants": list(tenants)}
        self.made("users/", {**person, "email": f"{name}@example.net"})
        answer = self.product.post("/api/v1/auth/token/", {"username": name, "password": PASSWORD}, token=None)
        body = {"name": "assistant", "scopes": scopes}
        made = self.product.post("/api/v1/api-keys/", body, token=answer.body["access"])
        assert made.status == 201, made
        return str(made.body["key"])

    def with_client(self, key: str, use: Callable[[Client], Awaitable[Any]], *, mode: Any = "auto") -> Any:
        """What `use` makes of the official client, connected with this key."""

        async def run() -> Any:
            http = httpx2.AsyncClient(headers={"X-API-Key": key} if key else {}, timeout=60)
            async with http, Client(streamable_http_client(f"{self.url}/mcp", http_client=http), mode=mode) as client:
                return await use(client)

        return anyio.run(run)

    def call(self, key: str, tool: str, **arguments: Any) -> CallToolResult:
        return self.with_client(key, lambda client: client.call_tool(tool, arguments))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("mcp"))
    with web_process(site.product) as site.url:
        site.fill()
        yield site
