"""Bringing every stored secret under the first key, while everything runs; and saying which keys are still needed."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connections, models, router, transaction
from django.db.models import Q

from netmon.audit.services import record
from netmon.common.secrets import (
    REF,
    Ciphertext,
    EncryptedTextField,
    Sealed,
    Undecryptable,
    encrypted_fields,
    key_id,
    models_with_secrets,
    seal,
    unseal,
)

PASSES = 5  # rows that somebody holds or changes are tried again
PAUSE_SECONDS = 0.2

Progress = Callable[[int, int], None]


@dataclass
class ModelReport:
    """What became of the secrets of one model. Numbers count values; a row may have several."""

    model: str
    rotated: int = 0
    current: int = 0
    changed: int = 0  # somebody else wrote it first: seen again at the next pass
    waiting: int = 0  # still under an older key: its row was busy or changed at every pass
    undecryptable: dict[Any, list[str]] = field(default_factory=dict)


@dataclass
class Report:
    models: list[ModelReport]
    keys: dict[str, int]  # key id -> values that name it, in the order of NETMON_FERNET_KEYS, then the unknown
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        return not any(one.waiting or one.undecryptable for one in self.models)

    @property
    def removable(self) -> list[str]:
        """Ids of keys in force, other than the first, that no stored value names."""
        return [one for one in key_ids()[1:] if not self.keys.get(one)]


@dataclass(frozen=True, slots=True)
class Work:
    """One value to be written anew."""

    pk: Any
    field: EncryptedTextField
    old: Sealed
    new: Ciphertext


def key_ids() -> list[str]:
    """The keys in force, by their ids, without twins."""
    return list(dict.fromkeys(key_id(key) for key in settings.FERNET_KEYS))


def _holding(model: type[models.Model]) -> models.QuerySet[Any]:
    """The rows that hold a secret."""
    holds_one = Q()
    for one in encrypted_fields(model):
        holds_one |= ~Q(**{one.attname: ""}) & Q(**{f"{one.attname}__isnull": False})
    return model._base_manager.using(router.db_for_write(model)).filter(holds_one)


def rows_of(model: type[models.Model], *, batch: int) -> Iterator[list[dict[str, Any]]]:
    """All rows that hold a secret, in pages by primary key: number, secret_ref and the sealed columns."""
    rows = _holding(model).order_by("pk")
    names = ["pk", REF, *(one.attname for one in encrypted_fields(model))]
    page = list(rows.values(*names)[:batch])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1]["pk"]).values(*names)[:batch])


def rotate(*, batch: int = 200, dry_run: bool = False, progress: Progress | None = None) -> Report:
    """Encrypt every stored secret under the first key; safe to run beside everything else, and to run again.

    A value is written only where the column still holds the ciphertext that was read, so nobody's change is lost, and
    rows locked by others are left for the next pass: rotation waits for nobody while it holds locks. `progress` is
    called with rows seen and rows in all.
    """
    started = time.monotonic()
    total = sum(_holding(model).count() for model in models_with_secrets()) if progress else 0
    seen = 0
    reports = []
    for model in models_with_secrets():
        report = ModelReport(model._meta.label)
        reports.append(report)
        try:
            for number in range(1 if dry_run else PASSES):
                report.waiting, report.undecryptable = 0, {}
                current_before = report.current
                for page in rows_of(model, batch=batch):
                    work = list(_work(model, page, report))
                    if not dry_run:
                        _write(model, work, report)
                    else:
                        report.waiting += len(work)
                    if progress and number == 0:
                        seen += len(page)
                        progress(seen, total)
                if number:
                    report.current = current_before  # what this run made current is told as rotated
                if not report.waiting:
                    break
                if number + 1 < PASSES and not dry_run:
                    time.sleep(PAUSE_SECONDS)
        finally:
            if report.rotated:
                record("rotate", object_type=model._meta.label_lower, after={"rotated": report.rotated})
    return Report(reports, keys_in_use(), time.monotonic() - started)


def _work(model: type[models.Model], page: list[dict[str, Any]], report: ModelReport) -> Iterator[Work]:
    first = key_ids()[0]
    for row in page:
        for column in encrypted_fields(model):
            sealed = row[column.attname]
            if not sealed:
                continue
            context = column.context(row[REF])
            try:
                text = unseal(sealed.ciphertext, context)
            except Undecryptable:
                report.undecryptable.setdefault(row["pk"], []).append(column.name)
                continue
            if sealed.key_id == first:
                report.current += 1
            else:
                yield Work(row["pk"], column, sealed, seal(text, context))


def _write(model: type[models.Model], work: list[Work], report: ModelReport) -> None:
    if not work:
        return
    connection = connections[router.db_for_write(model)]
    rows = model._base_manager.using(connection.alias).filter(pk__in={one.pk for one in work}).order_by("pk")
    statements = {one.attname: _update(model, one, connection) for one in encrypted_fields(model)}
    key = model._meta.pk
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        free = set(rows.select_for_update(skip_locked=True).values_list("pk", flat=True))
        for one in work:
            if one.pk not in free:
                report.waiting += 1
                continue
            pk = key.get_db_prep_value(one.pk, connection) if key else one.pk
            cursor.execute(statements[one.field.attname], [str(one.new), pk, one.old.ciphertext])
            if cursor.rowcount:
                report.rotated += 1
            else:
                report.changed += 1
                report.waiting += 1


def _update(model: type[models.Model], column: EncryptedTextField, connection: Any) -> str:
    # Written out once: the ORM takes longer to build the statement than the cipher and the database take together.
    quote = connection.ops.quote_name
    table, name, key = quote(model._meta.db_table), quote(column.column), quote(model._meta.pk.column)
    return f"UPDATE {table} SET {name} = %s WHERE {key} = %s AND {name} = %s"  # noqa: S608 - names of the model


def keys_in_use() -> dict[str, int]:
    """How many stored values name each key: those in force in their order, then others; "" for no known format."""
    found: Counter[str] = Counter()
    for model in models_with_secrets():
        for page in rows_of(model, batch=1000):
            found.update(row[one.attname].key_id for row in page for one in encrypted_fields(model) if row[one.attname])
    return {one: found[one] for one in dict.fromkeys([*key_ids(), *sorted(found)])}


def survey() -> Report:
    """What `rotate` would find: nothing is written."""
    return rotate(dry_run=True)
