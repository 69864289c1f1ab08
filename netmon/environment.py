"""Typed readers of environment variables. A value that does not fit is refused with the variable's name and a remedy.

Every setting `NAME` may also be given as `NAME_FILE`, the path of a file that holds the value (the way container
platforms hand over secrets). django-environ does the parsing; this module adds the bounds and the refusals.
"""

import ipaddress
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = ("1", "true", "yes", "on")
FALSE_WORDS = ("0", "false", "no", "off", "")


def raw(name: str) -> str | None:
    """The text of NAME, or of the file that NAME_FILE points to; None when neither is set.

    Raises ImproperlyConfigured when both are set or the file cannot be read.
    """
    value, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if path is None or path == "":
        return value
    if value:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: keep one of them.")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}: {error}.") from None


def text(name: str, default: str = "") -> str:
    value = raw(name)
    return default if value is None or value == "" else value


def boolean(name: str, default: bool) -> bool:
    value = raw(name)
    if value is None:
        return default
    if value.lower() in TRUE_WORDS:
        return True
    if value.lower() in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is neither yes nor no: write 1 or 0.")


def integer(name: str, default: int, *, minimum: int, maximum: int) -> int:
    value = raw(name)
    if value is None or value == "":
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number.") from None
    if not minimum <= number <= maximum:
        raise ImproperlyConfigured(f"{name}={number} is outside {minimum} to {maximum}.")
    return number


def words(name: str, default: Sequence[str] = ()) -> list[str]:
    """A comma-separated list; one without a word is the default."""
    return [word.strip() for word in (raw(name) or "").split(",") if word.strip()] or list(default)


def addresses(name: str) -> list[str]:
    """IP addresses, with commas between them. Raises ImproperlyConfigured naming the one that is none."""
    found = []
    for word in words(name):
        try:
            found.append(str(ipaddress.ip_address(word)))
        except ValueError:
            raise ImproperlyConfigured(f"{name}: {word[:60]!r} is not an IP address.") from None
    return found


def choice(name: str, default: str, allowed: Sequence[str]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name}={value!r} is not one of {', '.join(allowed)}.")
    return value


def database(name: str) -> dict[str, Any] | None:
    """A database dictionary from a URL such as postgres://user:password@host:5432/name, or None when unset."""
    value = raw(name)
    if not value:
        return None
    scheme = value.split("://", 1)[0]
    if "://" not in value or scheme not in ("postgres", "postgresql", "psql", "pgsql", "sqlite"):
        # The value may hold a password: the message names the scheme only.
        raise ImproperlyConfigured(f"{name} must begin with postgres:// or sqlite:/// .")
    return dict(environ.Env.db_url_config(value))


def broker(name: str) -> str:
    """redis://, rediss:// or "" (the embedded filesystem broker)."""
    value = text(name)
    if value and value.split("://", 1)[0] not in ("redis", "rediss"):
        raise ImproperlyConfigured(f"{name} must begin with redis:// or rediss://, or be left out.")
    return value


def fernet_keys(values: list[str], name: str) -> list[str]:
    """The same keys, each proved to be 32 url-safe base64 bytes."""
    for position, key in enumerate(values, 1):
        try:
            Fernet(key)
        except ValueError:
            raise ImproperlyConfigured(
                f"{name}: key {position} is not a Fernet key. Make one with `python manage.py make_key`."
            ) from None
    return values


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """The secret kept in `path`; made and written (mode 0600) by whichever process comes first.

    The file is linked into place complete, so that a second process never reads half a secret.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(make())
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first: its secret is the one
        finally:
            draft.unlink()
    return path.read_text(encoding="utf-8").strip()
