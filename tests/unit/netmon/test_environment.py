"""Settings come from the environment, and a value that does not fit is refused with its name."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from netmon import checks
from netmon import environment as env

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("word", ["1", "true", "YES", "on"])
def test_yes(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("X", word)
    assert env.boolean("X", False) is True


@pytest.mark.parametrize("word", ["maybe", "2", "tru", "-1"])
def test_neither_yes_nor_no_is_refused(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("X", word)
    with pytest.raises(ImproperlyConfigured, match="X="):
        env.boolean("X", False)


@pytest.mark.parametrize("word", ["x", "0", "101", "1.5", "1e3", "٣٣٣"])
def test_numbers_have_bounds(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("X", word)
    with pytest.raises(ImproperlyConfigured, match="X="):
        env.integer("X", 5, minimum=1, maximum=100)


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from the file\n")
    monkeypatch.setenv("X_FILE", str(tmp_path / "key"))
    assert env.text("X") == "from the file"
    monkeypatch.setenv("X", "and from the variable")
    with pytest.raises(ImproperlyConfigured, match="both set"):
        env.text("X")


def test_a_file_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("X_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ImproperlyConfigured, match="X_FILE"):
        env.text("X")


@pytest.mark.parametrize("url", ["mysql://root:hunter2@h/d", "nonsense-hunter2", "postgres"])
def test_a_database_url_is_refused_without_showing_its_password(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("X", url)
    with pytest.raises(ImproperlyConfigured) as caught:
        env.database("X")
    assert "hunter2" not in str(caught.value)


def test_a_key_that_is_none_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="key 1"):
        env.fernet_keys(["short"], "NETMON_FERNET_KEYS")


def settings_with(tmp_path: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    code = "from django.conf import settings as s; print(bool(s.SECRET_KEY), len(s.FERNET_KEYS), s.EMBEDDED)"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**kept, "DJANGO_SETTINGS_MODULE": "netmon.settings", "NETMON_VAR_DIR": str(tmp_path / "var"), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_embedded_first_start_makes_private_secrets_and_keeps_them(tmp_path: Path) -> None:
    assert settings_with(tmp_path).stdout == "True 1 True\n"
    secrets = tmp_path / "var" / "secrets"
    first = {path.name: path.read_text() for path in secrets.iterdir()}
    assert set(first) == {"secret_key", "fernet_keys", "api_key_peppers"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in secrets.iterdir())
    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
    settings_with(tmp_path)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == first


def test_with_a_database_server_there_is_no_default_secret(tmp_path: Path) -> None:
    done = settings_with(tmp_path, DATABASE_URL="postgres://u:p@127.0.0.1/d", BROKER_URL="redis://127.0.0.1/0")
    assert done.returncode != 0 and "Set NETMON_SECRET_KEY" in done.stderr


def test_many_first_starts_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: env.kept_secret(tmp_path / "s" / "key", lambda: f"secret {n}"), range(8)))
    assert len(set(made)) == 1 and [path.name for path in (tmp_path / "s").iterdir()] == ["key"]


def test_system_checks_have_ids_and_find_what_is_wrong(settings: object) -> None:
    settings.CELERY_BEAT_SCHEDULE = {"x": {}}  # type: ignore[attr-defined]
    assert [message.id for message in checks.beat_schedule(None)] == ["netmon.E004"]
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {}}}  # type: ignore[attr-defined]
    assert [message.id for message in checks.sqlite_options(None)] == ["netmon.E003"]
    settings.DEBUG, settings.ALLOWED_HOSTS = True, ["netmon.example"]  # type: ignore[attr-defined]
    assert [message.id for message in checks.public_debug(None)] == ["netmon.W001"]
    settings.FERNET_KEYS = []  # type: ignore[attr-defined]
    assert [message.id for message in checks.encryption_key(None)] == ["netmon.E001"]
    settings.BROKER_URL, settings.EMBEDDED = "", False  # type: ignore[attr-defined]
    assert [message.id for message in checks.broker(None)] == ["netmon.E002"]


def test_https_without_a_proxy_is_warned_of(settings: Any) -> None:
    settings.HTTPS, settings.BEHIND_PROXY = True, False
    assert [message.id for message in checks.endless_redirect(None)] == ["netmon.W002"]
    settings.BEHIND_PROXY = True
    assert checks.endless_redirect(None) == []


@pytest.mark.parametrize(("text", "expected"), [("", ["a"]), (" , ", ["a"]), ("b, c", ["b", "c"])])
def test_an_empty_list_is_the_default(monkeypatch: pytest.MonkeyPatch, text: str, expected: list[str]) -> None:
    monkeypatch.setenv("X", text)
    assert env.words("X", ["a"]) == expected


def test_a_short_secret_key_is_refused_without_showing_it(tmp_path: Path) -> None:
    done = settings_with(tmp_path, NETMON_SECRET_KEY="hunter2" * 4)
    assert done.returncode != 0 and "NETMON_SECRET_KEY has 28 characters" in done.stderr
    assert "hunter2" not in done.stderr.splitlines()[-1]
