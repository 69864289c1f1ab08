"""The migrated databases of a run, made once and copied: for each worker, and for products that need no first start."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.once import made_once
from tests.stack import ROOT, WORKER, is_production

REPOSITORY = Path(__file__).resolve().parent.parent
TEMPLATE = "template"  # of PostgreSQL the name, of SQLite the folder
FILES = ("netmon.sqlite3", "netmon-samples.sqlite3")


def use_copy() -> None:
    """Point Django's connections at a copy of this worker's own."""
    from django.db import connections

    if is_production():
        name = f"test_netmon_{WORKER or 'main'}"
        copy_database(name)
        names = {"default": name}
    else:
        directory = ROOT / (WORKER or "main") / "databases"
        copy_files(directory)
        names = dict(zip(("default", "samples"), map(str, (directory / file for file in FILES)), strict=True))
    for alias, name in names.items():
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name


def copy_files(directory: Path) -> None:
    """Both files, under their usual names. SQLite only."""
    made = made_once(TEMPLATE, _make)
    directory.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(made / name, directory / name)


def copy_database(name: str) -> None:
    """PostgreSQL only."""
    made_once(TEMPLATE, _make)
    create_database(name, f'TEMPLATE "{TEMPLATE}"')


def create_database(name: str, options: str = "") -> None:
    import psycopg

    with psycopg.connect(os.environ["NETMON_TEST_POSTGRES"], autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" {options}')


def database_url(name: str) -> str:
    return os.environ["NETMON_TEST_POSTGRES"].rsplit("/", 1)[0] + f"/{name}"


def _make(directory: Path) -> None:
    """In a process of its own: the databases of this one are the tests'. It ends with every file checkpointed."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "netmon.settings", "NETMON_VAR_DIR": str(directory)}
    if is_production():
        create_database(TEMPLATE)
        environment["DATABASE_URL"] = database_url(TEMPLATE)
    code = "import django; django.setup(); from netmon import first_start; first_start.update_schema()"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=environment, check=True)
