"""Chooses what the suite runs on, before Django reads its settings (pytest loads this plugin first).

NETMON_TEST_STACK=embedded (default): SQLite and the filesystem broker. =production: PostgreSQL and Redis, started here
on free loopback ports and ended with the run; xdist's workers inherit where they are.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

STACK = os.environ.get("NETMON_TEST_STACK", "embedded")
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
FERNET_KEY = "bmV0bW9uLXRlc3RzLW9ubHktbmV0bW9uLXRlc3RzLW8="  # of the tests only


def _prepare() -> Path:
    if "NETMON_TEST_ROOT" not in os.environ:
        root = tempfile.mkdtemp(prefix="netmon-tests-")
        os.environ["NETMON_TEST_ROOT"] = root
        atexit.register(shutil.rmtree, root, ignore_errors=True)
    root_path = Path(os.environ["NETMON_TEST_ROOT"])
    for name in [name for name in os.environ if name.startswith("NETMON_") and not name.startswith("NETMON_TEST_")]:
        del os.environ[name]
    if not WORKER:
        for name in ("DATABASE_URL", "DATABASE_URL_FILE", "BROKER_URL", "BROKER_URL_FILE"):
            os.environ.pop(name, None)
    os.environ["NETMON_VAR_DIR"] = str(root_path / (WORKER or "main"))
    os.environ["NETMON_ALLOW_LOOPBACK"] = "1"
    os.environ["NETMON_ALLOWED_HOSTS"] = "127.0.0.1,localhost,testserver"
    os.environ["NETMON_SECRET_KEY"] = "a-key-of-the-tests-only-" + "x" * 40
    os.environ["NETMON_FERNET_KEYS"] = FERNET_KEY
    os.environ["NETMON_API_KEY_PEPPERS"] = "a-pepper-of-the-tests-only-" + "y" * 40
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    return root_path


ROOT = _prepare()

if STACK == "production" and not WORKER:
    from tests.daemons import servers

    _postgres = servers.Postgres(ROOT / "postgres")
    atexit.register(_postgres.stop)
    _redis = servers.Redis(ROOT / "redis")
    atexit.register(_redis.stop)
    _postgres.start()
    _redis.start()
    os.environ["NETMON_TEST_POSTGRES"] = _postgres.url("postgres")
    os.environ["NETMON_TEST_REDIS"] = _redis.url()
    os.environ["DATABASE_URL"] = _postgres.url("netmon")
    os.environ["BROKER_URL"] = _redis.url()
elif STACK == "production":
    # A Redis database per worker: one worker's test must not clear another one's throttle. 0 to 9 are the products'.
    number = 10 + int(WORKER.removeprefix("gw"))
    os.environ["BROKER_URL"] = os.environ["NETMON_TEST_REDIS"].rsplit("/", 1)[0] + f"/{number}"
elif STACK not in ("embedded", "production"):
    raise SystemExit(f"NETMON_TEST_STACK={STACK}: write embedded or production.")


def is_production() -> bool:
    return STACK == "production"
