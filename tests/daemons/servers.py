"""PostgreSQL and Redis of the suite's own: throw-away data, a free loopback port, ended by pid."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


class Missing(RuntimeError):
    pass


def _find(binary: str, *folders: str) -> str:
    path = shutil.which(binary, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin", *folders]))
    if path is None:
        raise Missing(f"{binary} is not installed: run sh .ci/packages")
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not start within {seconds:g} s")
        time.sleep(0.05)


class _Server:
    process: "subprocess.Popen[bytes] | None" = None

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = _free_port()

    def _listens(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError((self.directory / "log").read_text(errors="replace")[-2000:])
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        shutil.rmtree(self.directory, ignore_errors=True)


class Postgres(_Server):
    """A cluster owned by the user `postgres` when we are root: the server refuses to run as root."""

    user = "netmon"

    def start(self) -> None:
        folders = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
        initdb, postgres = _find("initdb", *folders), _find("postgres", *folders)
        self.directory.mkdir(parents=True, exist_ok=True)
        owner = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        if owner:
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
            for parent in self.directory.parents:
                if parent != Path("/") and parent.stat().st_mode & 0o001 == 0:
                    parent.chmod(parent.stat().st_mode | 0o011)
        who = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
        data = self.directory / "data"
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        arguments = ["-D", str(data), "-U", self.user, "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8", "-N"]
        subprocess.run([initdb, *arguments], check=True, capture_output=True, env=environment, cwd="/", **who)
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": 200,
            "shared_buffers": "256MB",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.directory / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [postgres, "-D", str(data), *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env=environment, **who,
            )  # fmt: skip
        _wait(self._listens, "postgres")
        _wait(self._accepts, "postgres")

    def _accepts(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, name: str) -> str:
        return f"postgres://{self.user}@127.0.0.1:{self.port}/{name}"


class Redis(_Server):
    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        arguments += ["--dir", str(self.directory), "--databases", "64"]
        with (self.directory / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [_find("redis-server"), *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        _wait(self._listens, "redis-server")

    def url(self, database: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"
