"""All settings, flat. Environment variables decide; `.env.example` names every one of them."""

import re
import secrets
from datetime import timedelta
from pathlib import Path

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from netmon import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
environ.Env.read_env(BASE_DIR / ".env") if (BASE_DIR / ".env").exists() else None

_heading = re.search(r"^## (\S+)", (BASE_DIR / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
VERSION = _heading[1] if _heading else "0"

# --- Where things are kept -------------------------------------------------------------------------------------------
VAR_DIR = Path(env.text("NETMON_VAR_DIR", str(BASE_DIR / "var"))).resolve()
VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

DEBUG = env.boolean("NETMON_DEBUG", False)
_database = env.database("DATABASE_URL")
BROKER_URL = env.broker("BROKER_URL")
# One machine, no servers: netmon makes its own secrets. With a database server they must be given, since several
# machines must agree on them.
EMBEDDED = _database is None or "sqlite" in _database["ENGINE"]


def _secret(name: str, file: str, make: "env.Callable[[], str]") -> str:
    value = env.text(name)
    if value:
        return value
    if EMBEDDED:
        return env.kept_secret(VAR_DIR / "secrets" / file, make)
    raise ImproperlyConfigured(f"Set {name} or {name}_FILE: with DATABASE_URL there is no default secret.")


SECRET_KEY = _secret("NETMON_SECRET_KEY", "secret_key", lambda: secrets.token_urlsafe(50))
if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured(f"NETMON_SECRET_KEY has {len(SECRET_KEY)} characters: give it 32 or more, at random.")
# First key encrypts, all decrypt: prepend a new one to rotate.
FERNET_KEYS = env.fernet_keys(
    [
        key.strip()
        for key in _secret("NETMON_FERNET_KEYS", "fernet_keys", lambda: Fernet.generate_key().decode()).split(",")
    ],
    "NETMON_FERNET_KEYS",
)
# What API keys are hashed with: the first makes, all verify; prepend a new one to rotate.
API_KEY_PEPPERS = [
    pepper.strip()
    for pepper in _secret("NETMON_API_KEY_PEPPERS", "api_key_peppers", lambda: secrets.token_urlsafe(50)).split(",")
]
if any(len(pepper) < 32 for pepper in API_KEY_PEPPERS):
    raise ImproperlyConfigured("NETMON_API_KEY_PEPPERS: give each 32 characters or more, at random.")

# --- Web -------------------------------------------------------------------------------------------------------------
ALLOWED_HOSTS = env.words("NETMON_ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("NETMON_CSRF_TRUSTED_ORIGINS")
CSRF_FAILURE_VIEW = "netmon.common.exception_handler.csrf_failure"
HTTPS = env.boolean("NETMON_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^api/v1/health/\Z"]  # asked by load balancers and containers, from inside, in clear
BEHIND_PROXY = env.boolean("NETMON_BEHIND_PROXY", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
# Whom the throttle and the lock-out of the login count: without a proxy X-Forwarded-For is only what a guesser writes.
PROXIES = env.integer("NETMON_PROXIES", 0, minimum=0, maximum=10)
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024  # a bulk request of 1000 devices has about 0.5 MB
WEB_THREADS = env.integer("NETMON_WEB_THREADS", 8, minimum=1, maximum=256)
WORKER_THREADS = env.integer("NETMON_WORKER_THREADS", 4, minimum=1, maximum=64)

INSTALLED_APPS = [
    "netmon",
    "netmon.audit",
    "netmon.accounts",
    "netmon.rest",
    "netmon.jobs",
    "inventory",
    "monitoring",
    "scanning",
    "provisioning",
    "pgwatch",
    "netmon.accounts.admin_config.NetmonAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
]
MIDDLEWARE = [
    "netmon.common.middleware.CharsetMiddleware",
    "netmon.common.middleware.RequestIdMiddleware",
    "netmon.common.throttling.RateLimitMiddleware",
    "netmon.audit.context.AuditMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "netmon.common.middleware.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "netmon.accounts.middleware.TotpMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "netmon.urls"
WSGI_APPLICATION = "netmon.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"

# --- Databases -------------------------------------------------------------------------------------------------------
_SQLITE_OPTIONS = {
    # IMMEDIATE: a transaction that reads and then writes must not lose its upgrade to another writer.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728;"
        "PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-20000"
    ),
}


def _sqlite(path: Path | str) -> dict[str, object]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": _SQLITE_OPTIONS,
        "TEST": {"NAME": str(path) + ".test"},  # a file, not memory: threads share it
    }


if EMBEDDED:
    _main = Path(_database["NAME"]).resolve() if _database else VAR_DIR / "netmon.sqlite3"
    # Samples have a file of their own: SQLite has one writer per file, and polling must never block the inventory.
    DATABASES = {"default": _sqlite(_main), "samples": _sqlite(_main.with_name(_main.stem + "-samples.sqlite3"))}
else:
    assert _database is not None
    DATABASES = {"default": {**_database, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}
DATABASE_ROUTERS = ["monitoring.store.router.SamplesRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People ----------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Who must have a second factor: none, admin or all.
REQUIRE_TOTP = env.choice("NETMON_REQUIRE_TOTP", "none", ["none", "admin", "all"])
API_KEY_MAX_DAYS = env.integer("NETMON_API_KEY_MAX_DAYS", 365, minimum=1, maximum=3650)
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.integer("NETMON_ACCESS_TOKEN_MINUTES", 10, minimum=1, maximum=60)),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=env.integer("NETMON_REFRESH_TOKEN_DAYS", 7, minimum=1, maximum=90)),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": True,
    "CHECK_REVOKE_TOKEN": True,  # a changed password ends every token made before
}

# --- API -------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    # Keys first: the token's class would refuse one. Its WWW-Authenticate header makes a missing credential 401.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "netmon.accounts.authentication.ApiKeyAuthentication",
        "netmon.accounts.authentication.FamilyJWTAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["netmon.common.permissions.RolePermission"],
    "DEFAULT_PARSER_CLASSES": [
        "netmon.common.parsers.BoundedJSONParser",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "netmon.common.negotiation.Negotiation",
    "DEFAULT_RENDERER_CLASSES": [
        "netmon.common.renderers.FastJSONRenderer",
        "netmon.common.renderers.BrowsableRenderer",
    ],
    "DEFAULT_PAGINATION_CLASS": "netmon.common.pagination.BoundedLimitOffset",
    "DEFAULT_FILTER_BACKENDS": ["netmon.common.filters.StrictFilterBackend", "netmon.common.filters.StrictOrdering"],
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "DEFAULT_METADATA_CLASS": "netmon.common.metadata.FieldMetadata",
    "DEFAULT_SCHEMA_CLASS": "netmon.common.schema.ProblemAutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["netmon.common.throttling.MinuteThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "login": "5/min",
        "test": "10/min",
        "rehearse": "10/min",
        "scan": "10/min",
        "action": "20/min",
    },
    "NUM_PROXIES": PROXIES,
    "EXCEPTION_HANDLER": "netmon.common.exception_handler.problem_response",
    "PAGE_SIZE": 50,
}
API_PER_MINUTE = {
    "reads": env.integer("NETMON_API_READS_PER_MINUTE", 600, minimum=0, maximum=1_000_000),
    "writes": env.integer("NETMON_API_WRITES_PER_MINUTE", 300, minimum=0, maximum=1_000_000),
}
# Model Context Protocol at /mcp, for the same keys and rights.
MCP = env.boolean("NETMON_MCP", True)
SPECTACULAR_SETTINGS = {
    "TITLE": "netmon",
    "VERSION": VERSION,
    "DESCRIPTION": "Inventory, monitoring, discovery, provisioning and PostgreSQL watch of a network.",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENFORCE_NON_BLANK_FIELDS": True,
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "netmon.common.openapi.finish",
        "netmon.examples.add",
    ],
    "SERVERS": [{"url": "/", "description": "This installation."}],
    "TAGS": [
        {"name": "inventory", "description": "Tenants, sites, devices, addresses, credentials, ways in."},
        {"name": "monitoring", "description": "Checks, what they measured, what is up and what is not."},
        {"name": "accounts", "description": "Log in, people, API keys, who did what."},
        {"name": "jobs", "description": "What people started and what goes on in the background."},
        {"name": "service", "description": "Whether netmon itself is well."},
    ],
    "ENUM_NAME_OVERRIDES": {
        "ApiKeyStateEnum": "netmon.accounts.models.ApiKey.State",
        "InviteStateEnum": "netmon.accounts.models.Invite.State",
        "RoleEnum": "netmon.accounts.models.User.Role",
        "CheckStatusEnum": "monitoring.models.Check.Status",
        "DeviceKindEnum": "inventory.models.Device.Kind",
        "DeviceStatusEnum": "inventory.models.Device.Status",
        "JobStatusEnum": "netmon.jobs.models.Job.Status",
        "AlertStateEnum": "monitoring.models.Alert.State",
        "SeverityEnum": "monitoring.models.Severity",
        "EventSeverityEnum": "monitoring.models.DeviceEvent.Severity",
        "AlertEventKindEnum": "monitoring.models.AlertEvent.Kind",
        "ChannelKindEnum": "monitoring.models.Channel.Kind",
        "NotificationKindEnum": "monitoring.models.Notification.Kind",
        "NotificationStatusEnum": "monitoring.models.Notification.Status",
        "DependencySourceEnum": "inventory.models.Dependency.Source",
        "ConfigKindEnum": "monitoring.models.ConfigVersion.Kind",
        "CredentialKindEnum": "inventory.models.Credential.Kind",
        "ScanKindEnum": "scanning.models.Scan.Kind",
        "ActionRunStatusEnum": "provisioning.models.ActionRun.Status",
        "AppliedEnum": "provisioning.models.vms.Applied",
        "ConfigChangeStatusEnum": "provisioning.models.ConfigChange.Status",
        "PortStateEnum": "provisioning.models.vms.PortState",
        "SnmpAuthProtocolEnum": "inventory.models.Credential.AuthProtocol",
        "SnmpPrivProtocolEnum": "inventory.models.Credential.PrivProtocol",
    },
}

# --- Background ------------------------------------------------------------------------------------------------------
BROKER_DIR = VAR_DIR / "broker"
CELERY_BROKER_URL = BROKER_URL or "netmonfs://localhost"
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        # A killed worker's messages come back after about 12 s, not 100 s (kombu sweeps every interval x throttle).
        "visibility_timeout": 3600,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
    }
    if BROKER_URL
    else {
        "data_folder_in": str(BROKER_DIR / "queue"),
        "data_folder_out": str(BROKER_DIR / "queue"),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.1,
    }
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "jobs"
CELERY_TASK_ROUTES = {
    "monitoring.tasks.*": {"queue": "poll"},
    "scanning.tasks.run_scan_job": {"queue": "scans"},
    "provisioning.tasks.run_action_job": {"queue": "actions"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_TIMEZONE = "UTC"
DJANGO_CELERY_BEAT_TZ_AWARE = True

JOBS_DAYS = env.integer("NETMON_JOBS_DAYS", 30, minimum=1, maximum=3650)
ALERTS_DAYS = env.integer("NETMON_ALERTS_DAYS", 365, minimum=1, maximum=36500)
# Where people find netmon, such as https://netmon.example.com: links in messages lead there.
PUBLIC_URL = env.text("NETMON_PUBLIC_URL", "")
# Addresses that answer whenever this machine sees the network: its gateway, a name server.
CANARIES = env.addresses("NETMON_CANARIES")
# Posted to once a minute while netmon is well: who listens there learns of its silence.
HEARTBEAT_URL = env.text("NETMON_HEARTBEAT_URL", "")
# How long the first message of a fault waits for others of the same cause.
GROUP_WAIT_SECONDS = env.integer("NETMON_GROUP_WAIT_SECONDS", 30, minimum=0, maximum=600)
# The end of a fault that was shorter is told when it has kept for so long: it may come back.
SETTLE_SECONDS = env.integer("NETMON_SETTLE_SECONDS", 300, minimum=0, maximum=3600)
# Scans and what they found; who was where since when, and discoveries, are kept.
SCANS_DAYS = env.integer("NETMON_SCANS_DAYS", 90, minimum=1, maximum=36500)
# Whether scans ask the system's name servers for the names of what they find.
SCAN_REVERSE_DNS = env.boolean("NETMON_SCAN_REVERSE_DNS", True)
SCAN_MAX_ADDRESSES = env.integer("NETMON_SCAN_MAX_ADDRESSES", 4096, minimum=1, maximum=1 << 20)
# How many probes one address may get within a day, by all scans of its tenant; 0: no limit.
SCAN_HOST_PROBES_DAY = env.integer("NETMON_SCAN_HOST_PROBES_DAY", 500_000, minimum=0, maximum=1 << 40)
SCAN_MAX_PROBES = env.integer("NETMON_SCAN_MAX_PROBES", 20_000_000, minimum=1, maximum=1 << 40)
# Where the scripts of actions are; unset, there are none. Its owner is root, or somebody else who is not netmon.
_actions = env.text("NETMON_ACTIONS_DIR")
ACTIONS_DIR = Path(_actions) if _actions else None
# Whose rights they have where netmon runs as root. An account of its own: the limit of processes counts per account.
ACTIONS_USER = env.text("NETMON_ACTIONS_USER")
# Take scripts that belong to netmon's own user, who could change them: for development and the demo.
# Off where netmon cannot reach the machines, or knows another network by the same addresses.
VYOS_PING = env.boolean("NETMON_VYOS_PING", True)
ACTIONS_TRUST_OWNER = env.boolean("NETMON_ACTIONS_TRUST_OWNER", False)
ACTIONS_DAYS = env.integer("NETMON_ACTIONS_DAYS", 90, minimum=1, maximum=36500)
EVENTS_DAYS = env.integer("NETMON_EVENTS_DAYS", 365, minimum=1, maximum=36500)
AUDIT_DAYS = env.integer("NETMON_AUDIT_DAYS", 730, minimum=30, maximum=36500)

REDIS_CACHE = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": BROKER_URL,
    "KEY_PREFIX": "netmon",
}
CACHES = {
    # Shared between processes: throttles and lock-outs count for all of them together.
    "default": REDIS_CACHE
    if BROKER_URL
    else {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "netmon_cache"},
    # Counted on every request of the API: see netmon/common/throttling.py.
    "rates": REDIS_CACHE
    if BROKER_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 50_000}},
}

# --- Monitoring ------------------------------------------------------------------------------------------------------
ALLOW_LOOPBACK = env.boolean("NETMON_ALLOW_LOOPBACK", False)
SSH_TRUST_FIRST_KEY = env.boolean("NETMON_SSH_TRUST_FIRST_KEY", False)
SAMPLES_FULL_DAYS = env.integer("NETMON_SAMPLES_FULL_DAYS", 30, minimum=1, maximum=3650)
SAMPLES_5MIN_DAYS = env.integer("NETMON_SAMPLES_5MIN_DAYS", 180, minimum=1, maximum=3650)
SAMPLES_HOUR_DAYS = env.integer("NETMON_SAMPLES_HOUR_DAYS", 1825, minimum=1, maximum=36500)
CONFIG_VERSIONS = env.integer("NETMON_CONFIG_VERSIONS", 200, minimum=2, maximum=100_000)
POLL_INTERVAL_SECONDS = env.integer("NETMON_POLL_INTERVAL_SECONDS", 60, minimum=5, maximum=86400)

# --- Language, files, logs -------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.text("NETMON_TIME_ZONE", "UTC")
USE_TZ = True
USE_I18N = False
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
LOG_LEVEL = env.choice("NETMON_LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR"])
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname:7} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "django_celery_beat": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
    },
}
