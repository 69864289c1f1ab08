"""What `manage.py run` does before the first process: schema, cache table, static files, and the very first admin."""

import secrets

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import transaction

from netmon.accounts import services
from netmon.accounts.models import User


def prepare() -> str | None:
    """Bring everything up to date. Returns a one-time admin password at the very first start, else None."""
    update_schema()
    collect_static()
    return first_admin()


def update_schema() -> None:
    call_command("migrate", interactive=False, verbosity=0)
    if "samples" in settings.DATABASES:
        call_command("migrate", database="samples", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)


def collect_static() -> None:
    """Collect static files when any is newer than the last collection."""
    stamp = settings.STATIC_ROOT / "staticfiles.json"
    made_at = stamp.stat().st_mtime if stamp.exists() else 0.0
    for finder in get_finders():
        for path, storage in finder.list([]):
            if storage.get_modified_time(path).timestamp() > made_at:
                call_command("collectstatic", interactive=False, verbosity=0)
                return


@transaction.atomic
def first_admin() -> str | None:
    """An admin with a random password, if there is nobody at all."""
    if User.objects.exists():
        return None
    password = secrets.token_urlsafe(12)
    services.ensure_admin(username="admin", password=password)
    return password
