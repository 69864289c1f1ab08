"""What the commands of alerting share: finding what is named, and printing what is found."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from monitoring.management.chosen import NOT_FOUND, USAGE
from netmon.common.fields import fold


def named(rows: QuerySet[Any], name: str, what: str) -> Any:
    """The row of this name or number. Raises CommandError when there is none, or several tenants have one."""
    found = list(rows.filter(name_key=fold(name))[:2])
    if not found and name.isascii() and name.isdigit() and len(name) <= 18:
        found = list(rows.filter(pk=int(name)))
    if not found:
        raise CommandError(f"No such {what}: {name}.", returncode=NOT_FOUND)
    if len(found) > 1:
        raise CommandError(f"Several are named {name}: give the number of one.", returncode=USAGE)
    return found[0]


def write_json(command: BaseCommand, document: Any) -> None:
    command.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def write_lines(command: BaseCommand, lines: list[str]) -> None:
    for line in lines:
        command.stdout.write(line)
