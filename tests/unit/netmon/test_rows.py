"""Many rows in one statement: every kind of column, and rows that are gone."""

from datetime import UTC, datetime, timedelta

import pytest

from monitoring.models import Alert
from netmon.common.rows import update_rows
from tests import factories as make

pytestmark = pytest.mark.django_db


def make_alert(n: int) -> Alert:
    return Alert.objects.create(source="manual", fingerprint=f"{n:064}", summary=f"alert {n}")


def test_every_kind_of_column_arrives() -> None:
    device, moment = make.make_device(), datetime(2026, 3, 1, 2, 3, 4, 567890, tzinfo=UTC)
    rows = [make_alert(n) for n in range(300)]
    for n, row in enumerate(rows):
        row.device, row.data, row.transitions = device, {"n": n, "text": "ü'\"%s"}, [1.5, n]
        row.value, row.due_at = n / 3, moment + timedelta(seconds=n)
        row.is_bad, row.summary, row.version = bool(n % 2), "100 %s; DROP", n
    columns = ["device", "data", "transitions", "value", "due_at", "is_bad", "summary", "version"]
    assert update_rows(rows, columns) == 300
    for n, row in enumerate(Alert.objects.order_by("pk")):
        assert (row.device, row.data, row.transitions) == (device, {"n": n, "text": "ü'\"%s"}, [1.5, n])
        assert (row.value, row.due_at) == (n / 3, moment + timedelta(seconds=n))
        assert (row.is_bad, row.summary, row.version) == (bool(n % 2), "100 %s; DROP", n)


def test_null_is_null_and_other_columns_stay() -> None:
    row = make_alert(1)
    row.value, row.summary = None, "not written"
    update_rows([row], ["value"])
    row.refresh_from_db()
    assert (row.value, row.summary) == (None, "alert 1")


def test_what_is_gone_stays_gone() -> None:
    row, other = make_alert(1), make_alert(2)
    Alert.objects.filter(pk=row.pk).delete()
    other.version = 7
    update_rows([row, other], ["version"])
    assert list(Alert.objects.values_list("pk", "version")) == [(other.pk, 7)]


def test_no_rows_are_no_statement(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert update_rows([], ["version"]) == 0
