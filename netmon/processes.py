"""The processes of netmon, named once: the supervisor starts them, the compose file is held against them."""

import sys
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

RUNNER_QUEUES = ("scans", "actions")


@dataclass(frozen=True, slots=True)
class Process:
    """A long-running command. `stop_order`: lower stops first, so that nothing is handed to who is gone."""

    name: str
    argv: tuple[str, ...]
    stop_order: int


def web(bind: str) -> Process:
    argv = (
        sys.executable, "-m", "gunicorn", "netmon.wsgi:application", "--bind", bind, "--worker-class", "gthread",
        "--workers", "1", "--threads", str(settings.WEB_THREADS), "--timeout", "60", "--graceful-timeout", "10",
        "--log-level", "warning", "--no-control-socket",
    )  # fmt: skip
    return Process("web", argv, stop_order=3)


def worker() -> Process:
    argv = (
        sys.executable, "-m", "celery", "--quiet", "-A", "netmon.celery",
        "worker", "--queues", "poll,jobs", "--pool", "threads",
        "--concurrency", str(settings.WORKER_THREADS), "--loglevel", "WARNING", "--without-gossip",
        "--without-mingle",
    )  # fmt: skip
    return Process("worker", argv, stop_order=2)


def runner() -> Process:
    """Long work that people start, scans and actions: it takes minutes, and polls must not wait for it."""
    argv = (
        sys.executable, "-m", "celery", "--quiet", "-A", "netmon.celery",
        "worker", "--queues", ",".join(RUNNER_QUEUES), "--pool", "threads", "--concurrency", "2",
        "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat",
    )  # fmt: skip
    return Process("runner", argv, stop_order=2)


def beat() -> Process:
    argv = (
        sys.executable, "-m", "celery", "--quiet", "-A", "netmon.celery", "beat", "--loglevel", "WARNING",
        "--pidfile", "", "--scheduler", settings.CELERY_BEAT_SCHEDULER,
    )  # fmt: skip
    return Process("beat", argv, stop_order=1)


def fleet(port: int, community: str) -> Process:
    """The simulated network of `manage.py demo`; no part of the product."""
    argv = (
        sys.executable, "-m", "netmon.lab.snmp_fleet", "--port", str(port), "--community", community, "--quiet",
    )  # fmt: skip
    return Process("fleet", argv, stop_order=4)


def ssh_hosts(port: int, password: str) -> Process:
    """The hosts of the simulated network that take SSH; no part of the product."""
    argv = (
        sys.executable, "-m", "netmon.lab.ssh_hosts", "--port", str(port), "--password", password,
        "--directory", str(settings.VAR_DIR / "ssh_hosts"),
    )  # fmt: skip
    return Process("hosts", argv, stop_order=4)


def mailbox(mail_port: int, web_port: int) -> Process:
    """Where the messages of `manage.py demo` end; no part of the product."""
    argv = (
        sys.executable, "-m", "netmon.lab.mailbox", "--mail-port", str(mail_port), "--web-port", str(web_port),
        "--directory", str(settings.VAR_DIR / "mail"),
    )  # fmt: skip
    return Process("mailbox", argv, stop_order=4)


def vyos_router(address: str, port: int, directory: Path) -> Process:
    """The simulated VyOS router of `manage.py demo`; no part of the product."""
    argv = (
        sys.executable, "-m", "netmon.lab.vyos", "--host", address, "--port", str(port), "--forwards",
        "--key-file", str(directory / "key"), "--certificate-file", str(directory / "certificate.json"),
        "--state-file", str(directory / "state.json"),
    )  # fmt: skip
    return Process("vyos", argv, stop_order=4)


def all_processes(bind: str) -> list[Process]:
    return [web(bind), worker(), runner(), beat()]


def working_dir() -> Path:
    """A folder on the broker's file system: kombu moves each message it takes there, atomically when it can rename."""
    path = settings.VAR_DIR / "tmp"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(path)
