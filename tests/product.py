"""The product itself, as a process tree with data of its own, used over HTTP like a user would."""

import http.cookiejar
import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import databases
from tests.daemons import free_port, wait_until
from tests.databases import REPOSITORY
from tests.stack import FERNET_KEY, is_production

PASSWORD = "a long pass phrase 1"


@dataclass
class Answer:
    status: int
    body: Any
    headers: Any


@dataclass
class Product:
    """`manage.py run` on a free port. On the production stack it gets a database and a Redis of its own."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    token: str = ""
    redis_database: int = 1
    is_migrated: bool = False  # begin with a copied schema; without it the first start makes everything

    def __post_init__(self) -> None:
        import socket

        self.port = self.port or free_port(socket.SOCK_STREAM)
        self.directory.mkdir(parents=True, exist_ok=True)
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("NETMON_", "DJANGO_", "PYTEST_"))
        }
        for name in ("DATABASE_URL", "BROKER_URL"):
            kept.pop(name, None)
        self.environment = {
            **kept,
            "NETMON_VAR_DIR": str(self.directory / "var"),
            "NETMON_VYOS_PING": "0",  # the networks of its pools may be somebody's
            "NETMON_ALLOW_LOOPBACK": "1",
            "NETMON_POLL_INTERVAL_SECONDS": "5",
            "NETMON_API_READS_PER_MINUTE": "0",  # tests wait for a condition by asking many times a second
            "NETMON_SECRET_KEY": "a-key-of-the-tests-only-" + "y" * 40,
            "NETMON_FERNET_KEYS": FERNET_KEY,
            "NETMON_API_KEY_PEPPERS": "a-pepper-of-the-tests-only-" + "z" * 40,
            **(self._servers() if is_production() else {}),
            **self.environment,
        }
        if self.is_migrated and not is_production():
            databases.copy_files(Path(self.environment["NETMON_VAR_DIR"]))

    def _servers(self) -> dict[str, str]:
        name = f"product_{secrets.token_hex(6)}"
        (databases.copy_database if self.is_migrated else databases.create_database)(name)
        redis = os.environ["NETMON_TEST_REDIS"].rsplit("/", 1)[0]
        return {"DATABASE_URL": databases.database_url(name), "BROKER_URL": f"{redis}/{self.redis_database}"}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # --- life ---------------------------------------------------------------------------------------------------------

    def manage(self, *arguments: str, stdin: str = "", check: bool = True) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=check,
        )

    def start(self) -> None:
        self.launch("run")
        wait_until(self.is_well, seconds=120, what="a well product")

    def launch(self, command: str) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", command, "--bind", f"127.0.0.1:{self.port}"],
                cwd=REPOSITORY,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def is_well(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            return self.get("/api/v1/health/", token=None).status == 200
        except OSError:
            return False

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def stop(self) -> int:
        """Ctrl-C. Returns the exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(40)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.process = None
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)

    def pids(self, name: str = "") -> list[int]:
        """This product's processes, by the data directory in their environment; `name`: those of one child."""
        mark = f"NETMON_VAR_DIR={self.environment['NETMON_VAR_DIR']}".encode()
        role = f"NETMON_SUPERVISED={name}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if mark in variables and state != "Z" and (not name or role in variables):
                found.append(int(entry.name))
        return sorted(found)

    # --- use ----------------------------------------------------------------------------------------------------------

    def log_in(self) -> None:
        self.manage("create_admin", "--username", "ada", "--password-stdin", stdin=PASSWORD + "\n")
        answer = self.post("/api/v1/auth/token/", {"username": "ada", "password": PASSWORD}, token=None)
        assert answer.status == 200, answer
        self.token = answer.body["access"]

    def get(self, path: str, *, token: str | None = "") -> Answer:
        return self.call("GET", path, None, token)

    def post(self, path: str, body: Any = None, *, token: str | None = "") -> Answer:
        return self.call("POST", path, body, token)

    def call(self, method: str, path: str, body: Any = None, token: str | None = "") -> Answer:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token or self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        try:
            with opener.open(request, timeout=40) as response:
                return Answer(response.status, _read(response), response.headers)
        except urllib.error.HTTPError as error:
            return Answer(error.code, _read(error), error.headers)

    def state(self, device_id: int) -> dict[str, Any]:
        lines = self.get("/api/v1/monitoring/overview/").body["devices"]
        return next(line for line in lines if line["id"] == device_id)


@contextmanager
def running(directory: Path, **options: Any) -> Iterator[Product]:
    """A product that is well, with ada logged in."""
    product = Product(directory, **options)
    try:
        product.start()
        product.log_in()
        yield product
    finally:
        product.stop()


def _read(response: Any) -> Any:
    text = response.read().decode()
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
