"""`manage.py check`: what is wrong with this installation, with an id and a remedy."""

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from netmon.common import secrets
from netmon.drivers import process
from netmon.drivers.errors import DriverError


@register(Tags.security)
def encryption_key(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.FERNET_KEYS:
        return []
    return [Error("There is no encryption key.", hint="Set NETMON_FERNET_KEYS (manage.py make_key).", id="netmon.E001")]


@register()
def broker(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.CELERY_BROKER_URL and (settings.BROKER_URL or settings.EMBEDDED):
        return []
    return [
        Error(
            "DATABASE_URL is set but BROKER_URL is not: workers on other machines would never see a message.",
            hint="Set BROKER_URL=redis://HOST:6379/0.",
            id="netmon.E002",
        )
    ]


@register(Tags.database)
def sqlite_options(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    databases: dict[str, Any] = settings.DATABASES
    for alias, database in databases.items():
        if "sqlite" not in database["ENGINE"]:
            continue
        options = database.get("OPTIONS", {})
        if options.get("transaction_mode") != "IMMEDIATE" or "journal_mode=WAL" not in options.get("init_command", ""):
            hint = "Keep transaction_mode IMMEDIATE and PRAGMA journal_mode=WAL: without them writers fail."
            found.append(Error(f"SQLite database {alias} lacks WAL or IMMEDIATE.", hint=hint, id="netmon.E003"))
    return found


@register()
def beat_schedule(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not getattr(settings, "CELERY_BEAT_SCHEDULE", None):
        return []
    hint = "Register schedules with netmon.common.schedules: entries here overwrite the rows at every start of beat."
    return [Error("CELERY_BEAT_SCHEDULE is not empty.", hint=hint, id="netmon.E004")]


@register(Tags.security)
def public_debug(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    local = {"127.0.0.1", "localhost", "[::1]", "testserver"}
    if not settings.DEBUG or set(settings.ALLOWED_HOSTS) <= local:
        return []
    hint = "Set NETMON_DEBUG=0: debug pages show settings to everybody."
    return [Warning("Debug mode with a public host name.", hint=hint, id="netmon.W001")]


@register(Tags.security)
def endless_redirect(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not settings.HTTPS or settings.BEHIND_PROXY:
        return []
    hint = "Set NETMON_BEHIND_PROXY=1: netmon speaks HTTP and redirects all that no proxy declares to be HTTPS."
    return [Warning("HTTPS without a proxy: every page redirects to itself.", hint=hint, id="netmon.W002")]


@register(Tags.models)
def bound_secrets(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    hint = "Add secret_ref = UUIDField(default=uuid.uuid4, unique=True, editable=False): secrets are bound to it."
    return [
        Error(f"{model._meta.label} has an encrypted column but no unique secret_ref.", hint=hint, id="netmon.E005")
        for model in secrets.models_with_secrets()
        if not secrets.has_bound_ref(model)
    ]


@register(Tags.security)
def actions_directory(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Scripts that netmon can change are scripts of whoever breaks into it."""
    directory = settings.ACTIONS_DIR
    if directory is None:
        return []
    uid = os.geteuid()
    hint = f"Let root own it and nobody else write it: chown -R root {directory}; chmod -R go-w {directory}"
    found: list[CheckMessage] = []
    try:
        owner = directory.lstat().st_uid
        process.check_directory(directory, owners=(0, owner, uid))
    except (DriverError, OSError) as error:
        found.append(Error(f"The actions directory is not safe: {error}", hint=hint, id="netmon.E006"))
    else:
        is_writable = uid != 0 and os.access(directory, os.W_OK)
        if (is_writable or (uid != 0 and owner == uid)) and not settings.ACTIONS_TRUST_OWNER:
            text = f"netmon itself can write the actions directory {directory}."
            found.append(Error(text, hint=hint, id="netmon.E006"))
        elif settings.ACTIONS_TRUST_OWNER:
            text = "Scripts of actions may belong to netmon's own user (NETMON_ACTIONS_TRUST_OWNER)."
            found.append(Warning(text, hint="For development and the demo only.", id="netmon.W003"))
    try:
        account = process.account_of(settings.ACTIONS_USER)
    except DriverError as error:
        found.append(Error(error.detail, hint="Correct NETMON_ACTIONS_USER.", id="netmon.E006"))
    else:
        if account.uid is None and not account.is_own:
            text = "Actions run as netmon's own user: a script can read what netmon can, its keys too."
            hint = "Run the runner in a container of its own, with an account that owns nothing (NETMON_ACTIONS_USER)."
            found.append(Warning(text, hint=hint, id="netmon.W003"))
        elif account.uid is not None and not account.is_own:
            hint = "Create one and name it in NETMON_ACTIONS_USER: useradd --system --no-create-home netmon-actions"
            found.append(Warning("Actions run as nobody, which others use too.", hint=hint, id="netmon.W003"))
    return found
