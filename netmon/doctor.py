"""What is wrong with this installation, and how to mend it. Each check is a generator of findings."""

import json
import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Min
from django.utils import timezone

from monitoring.services import health
from netmon import rotation
from netmon.accounts.models import ApiKey, Totp, User
from netmon.accounts.services.keys import pepper_id
from netmon.accounts.services.totp import TotpUnreadable, clear_secret
from netmon.drivers import process
from netmon.drivers.errors import DriverError
from netmon.drivers.icmp import RECEIVE_BUFFER
from netmon.jobs.models import Job
from netmon.processes import RUNNER_QUEUES
from provisioning.services import scripts

OK, WARN, FAIL = "ok", "warn", "fail"
# Passwords that examples and other products document.
WELL_KNOWN = ("admin123", "changeme", "password", "testpass123", "mdpsecret", "admin", "netmon")
USERS_TRIED = 20  # a slow hash is slow here too
KEY_WARN, KEYS_NAMED = timedelta(days=14), 5
NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs"}
DISK_WARN_BYTES, DISK_FAIL_BYTES = 2 << 30, 200 << 20
RUNNER_LAG_SECONDS = 120
LOCAL_NAMES = {"127.0.0.1", "localhost", "[::1]", "testserver"}


@dataclass(frozen=True, slots=True)
class Finding:
    """`state` is ok, warn or fail; a remedy goes with the last two."""

    state: str
    name: str
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.state:4}  {self.name:11}  {self.detail}" + (f"  -> {self.remedy}" if self.remedy else "")


Findings = Iterator[Finding]


def database() -> Findings:
    for alias in connections:
        connection = connections[alias]
        try:
            connection.ensure_connection()
            executor = MigrationExecutor(connection)
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        except DatabaseError as error:
            yield Finding(FAIL, "database", f"{alias}: {error}", "start the database, or correct DATABASE_URL")
            continue
        if plan:
            migration = f"manage.py migrate --database {alias}"
            yield Finding(FAIL, "database", f"{alias}: {len(plan)} migrations are not applied", migration)
        else:
            yield Finding(OK, "database", f"{alias}: {connection.vendor} answers, all migrations are applied")
        if alias == DEFAULT_DB_ALIAS and not settings.BROKER_URL:
            table = settings.CACHES["default"]["LOCATION"]
            if table not in connection.introspection.table_names():
                yield Finding(FAIL, "database", f"the cache table {table} is missing", "manage.py createcachetable")


def sqlite() -> Findings:
    for alias in connections:
        connection = connections[alias]
        if connection.vendor != "sqlite":
            continue
        with connection.cursor() as cursor:
            mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        if mode != "wal":
            yield Finding(FAIL, "sqlite", f"{alias}: journal mode is {mode}", "use a local disk; WAL needs one")
        folder = Path(str(connection.settings_dict["NAME"])).parent
        kind = file_system(folder)
        if kind in NETWORK_FILE_SYSTEMS:
            yield Finding(FAIL, "sqlite", f"{alias}: {folder} is on {kind}", "move NETMON_VAR_DIR to a local disk")
        elif not os.access(folder, os.W_OK):
            yield Finding(FAIL, "sqlite", f"{alias}: {folder} is not writable", f"chown it to uid {os.getuid()}")
        else:
            yield Finding(OK, "sqlite", f"{alias}: WAL, on a local disk")


def file_system(path: Path) -> str:
    """The type of the file system that holds `path`; empty where the system does not say."""
    best, kind = "", ""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        _, mount, found, *_ = line.split()
        mount = mount.replace("\\040", " ")
        if path.resolve().is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, found
    return kind


def background() -> Findings:
    report = health.report()["checks"]
    broker = settings.BROKER_URL.split("@")[-1] or str(settings.BROKER_DIR)
    if report["broker"] == "ok":
        yield Finding(OK, "broker", f"{broker} answers")
    else:
        yield Finding(FAIL, "broker", f"{broker} does not answer", "start Redis, or correct BROKER_URL")
    for name in ("worker", "beat"):
        if report[name] == "ok":
            yield Finding(OK, name, "alive")
        else:
            yield Finding(FAIL, name, "no sign of life in the last 35 s", "start netmon, and see its log")
    lag = report["poller_lag_seconds"]
    if lag is None:
        return
    if lag > health.LAG_LIMIT_SECONDS:
        remedy = "start the worker; if it runs: more workers, NETMON_WORKER_THREADS, or longer intervals"
        yield Finding(FAIL, "poller", f"the oldest due check has waited for {lag:.0f} s", remedy)
    else:
        yield Finding(OK, "poller", f"{lag:.0f} s behind")


def runner() -> Findings:
    if health.is_alive("runner"):
        yield Finding(OK, "runner", "alive")
    else:
        detail = "no sign of life in the last 35 s: scans and actions wait"
        yield Finding(FAIL, "runner", detail, "start netmon, or its service runner, and see its log")
    routes: dict[str, dict[str, str]] = settings.CELERY_TASK_ROUTES
    tasks = [name for name, route in routes.items() if route["queue"] in RUNNER_QUEUES]
    # One that another runner goes on with has begun already.
    rows = Job.objects.filter(status=Job.Status.QUEUED, started_at=None, task__in=tasks)
    waiting = rows.aggregate(number=Count("pk"), oldest=Min("created_at"))
    if not waiting["number"]:
        return
    seconds = (timezone.now() - waiting["oldest"]).total_seconds()
    detail = f"{waiting['number']} scans and actions wait, the oldest for {max(0.0, seconds):.0f} s"
    if seconds > RUNNER_LAG_SECONDS:
        remedy = "start the runner; if it runs, look at jobs/ for what keeps it, or start another one"
        yield Finding(WARN, "queue", detail, remedy)
    else:
        yield Finding(OK, "queue", detail)


def encryption() -> Findings:
    report = rotation.survey()
    older = sum(one.waiting for one in report.models)
    lost = sum(len(names) for one in report.models for names in one.undecryptable.values())
    total = older + lost + sum(one.current for one in report.models)
    if lost:
        names = ", ".join(_named(report)[:5])
        remedy = "put the key back that they were written with (NETMON_FERNET_KEYS), or enter the secrets anew"
        yield Finding(FAIL, "secrets", f"{lost} of {total} secrets do not decrypt: {names}", remedy)
    if older:
        remedy = "manage.py rotate_secrets, and keep the older key in NETMON_FERNET_KEYS until it says otherwise"
        yield Finding(WARN, "secrets", f"{older} of {total} secrets are encrypted with an older key", remedy)
    if not lost and not older:
        yield Finding(OK, "secrets", f"{total} secrets decrypt")


def _named(report: rotation.Report) -> list[str]:
    """The rows with secrets that do not decrypt, by what people call them."""
    names = []
    for one in report.models:
        rows = apps.get_model(one.model)._base_manager.in_bulk(list(one.undecryptable)[:5])
        names += [f"{row._meta.verbose_name} {row}" for row in rows.values()]
    return names


def icmp() -> Findings:
    for kind, word in ((socket.SOCK_DGRAM, "unprivileged"), (socket.SOCK_RAW, "raw")):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except OSError:
            continue
        yield Finding(OK, "ping", f"{word} ICMP sockets are allowed")
        break
    else:
        remedy = f"sysctl -w net.ipv4.ping_group_range='{os.getgid()} {os.getgid()}', or CAP_NET_RAW"
        yield Finding(WARN, "ping", "this process may open no ICMP socket: no device is pinged", remedy)


def actions() -> Findings:
    if settings.ACTIONS_DIR is None:
        yield Finding(OK, "actions", "switched off: NETMON_ACTIONS_DIR is not set")
        return
    try:
        confined = process.confinement(settings.ACTIONS_USER)
    except DriverError as error:
        yield Finding(FAIL, "actions", error.detail, "correct NETMON_ACTIONS_USER")
        return
    names = len(scripts.names())
    space = "a process namespace" if confined.has_namespace else "no process namespace"
    detail = f"{names} scripts in {settings.ACTIONS_DIR}; they run as {confined.account.name}, with {space}"
    if confined.has_namespace and not confined.account.notes:
        yield Finding(OK, "actions", detail)
    else:
        remedy = "name an account of its own (NETMON_ACTIONS_USER), and run the runner with CAP_SYS_ADMIN or apart"
        if confined.account.uid is None:  # only root may change to another
            remedy = "run the runner apart, as an account that owns nothing else and stands in NETMON_ACTIONS_USER"
        yield Finding(WARN, "actions", detail, remedy)


def receive_buffer(path: Path = Path("/proc/sys/net/core/rmem_max")) -> Findings:
    try:
        limit = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return
    if limit < RECEIVE_BUFFER:
        remedy = f"sysctl -w net.core.rmem_max={RECEIVE_BUFFER}"
        yield Finding(WARN, "buffers", f"net.core.rmem_max is {limit}: replies of many pings at once get lost", remedy)
    else:
        yield Finding(OK, "buffers", f"net.core.rmem_max is {limit}")


def disk() -> Findings:
    usage = shutil.disk_usage(settings.VAR_DIR)
    detail = f"{usage.free / 2**30:.1f} GiB free under {settings.VAR_DIR}"
    remedy = "make room, or keep samples for less long (NETMON_SAMPLES_*_DAYS, manage.py prune)"
    if usage.free < DISK_FAIL_BYTES:
        yield Finding(FAIL, "disk", detail, remedy)
    elif usage.free < DISK_WARN_BYTES:
        yield Finding(WARN, "disk", detail, remedy)
    else:
        yield Finding(OK, "disk", detail)


def file_modes() -> Findings:
    open_ones = []
    for path in [settings.VAR_DIR, *sorted((settings.VAR_DIR / "secrets").glob("*"))]:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            open_ones.append(str(path))
    if open_ones:
        remedy = f"chmod go-rwx {' '.join(open_ones)}"
        yield Finding(FAIL, "files", f"others may read {', '.join(open_ones)}", remedy)
    else:
        yield Finding(OK, "files", "data and secrets are this user's alone")


def passwords() -> Findings:
    weak, tried = [], 0
    for user in User.objects.filter(is_active=True).order_by("-is_superuser", "-role", "pk")[:USERS_TRIED]:
        if not user.has_usable_password():
            continue
        tried += 1
        if any(user.check_password(text) for text in (*WELL_KNOWN, user.username)):
            weak.append(user.username)
    if weak:
        remedy = "manage.py changepassword " + weak[0]
        yield Finding(FAIL, "passwords", f"a well-known password: {', '.join(weak)}", remedy)
    else:
        yield Finding(OK, "passwords", f"none of {tried} accounts has a well-known password")


def api_keys() -> Findings:
    now = timezone.now()
    usable = ApiKey.objects.filter(revoked_at__isnull=True, expires_at__gt=now, user__is_active=True)
    ending = usable.filter(expires_at__lt=now + KEY_WARN).select_related("user").order_by("expires_at")
    for key in ending[:KEYS_NAMED]:
        detail = f"the key {key.name} ({key.prefix}) of {key.user.username} expires on {key.expires_at:%Y-%m-%d}"
        yield Finding(WARN, "api keys", detail, "make another one, hand it over, then revoke this one")
    if (rest := ending.count() - KEYS_NAMED) > 0:
        yield Finding(WARN, "api keys", f"{rest} more expire within 14 days", "see api-keys/?expires_at__lt=")
    known = [pepper_id(pepper) for pepper in settings.API_KEY_PEPPERS]
    if lost := usable.exclude(pepper_id__in=known).count():
        remedy = "put the pepper back (NETMON_API_KEY_PEPPERS), or make the keys anew"
        yield Finding(WARN, "api keys", f"{lost} keys were made with a pepper that is gone: none opens", remedy)
    elif not ending:
        yield Finding(OK, "api keys", f"{usable.count()} in use, none expires within 14 days")


def mcp() -> Findings:
    if not settings.MCP:
        yield Finding(OK, "mcp", "switched off: NETMON_MCP")
        return
    try:
        from netmon.mcp import server  # most of a second, which other commands need not wait for
    except ImportError as error:
        yield Finding(FAIL, "mcp", f"the door at /mcp does not open: {error}", "install requirements/base.txt anew")
        return
    yield Finding(OK, "mcp", f"{len(server.ENTRIES)} tools at /mcp, for the same keys and rights as the API")


def second_factors() -> Findings:
    lost = [row.user.username for row in Totp.objects.select_related("user") if not _opens(row)]
    if lost:
        remedy = "put the key back (NETMON_FERNET_KEYS), or take them away: users/{id}/reset-totp/"
        yield Finding(FAIL, "factors", f"{len(lost)} second factors do not decrypt: {', '.join(lost[:5])}", remedy)
    else:
        yield Finding(OK, "factors", f"{Totp.objects.filter(confirmed_at__isnull=False).count()} second factors in use")


def _opens(row: Totp) -> bool:
    try:
        return bool(clear_secret(row))
    except TotpUnreadable:
        return False


def configuration() -> Findings:
    found = [message for message in checks.run_checks() if not message.is_silenced()]
    for message in found:
        state = FAIL if message.level >= checks.ERROR else WARN
        yield Finding(state, "settings", f"{message.id}: {message.msg}", message.hint or "")
    if not set(settings.ALLOWED_HOSTS) <= LOCAL_NAMES and not settings.HTTPS:
        remedy = "put a TLS proxy in front, and set NETMON_HTTPS=1 and NETMON_BEHIND_PROXY=1"
        yield Finding(WARN, "settings", "a public host name without HTTPS: passwords travel in clear", remedy)
    elif not found:
        yield Finding(OK, "settings", "nothing to object to")


CHECKS: tuple[Callable[[], Findings], ...] = (
    configuration,
    database,
    sqlite,
    background,
    runner,
    encryption,
    passwords,
    api_keys,
    second_factors,
    mcp,
    icmp,
    receive_buffer,
    actions,
    disk,
    file_modes,
)


def examine() -> Findings:
    """All findings, in order. A check that the database fails is one finding, and the rest go on."""
    for check in CHECKS:
        try:
            yield from check()
        except DatabaseError as error:
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            yield Finding(WARN, check.__name__, f"not examined: {text}", "mend the database first")


def as_json(findings: list[Finding]) -> str:
    document = {"ok": not any(f.state == FAIL for f in findings), "findings": [asdict(f) for f in findings]}
    return json.dumps(document, indent=2)
