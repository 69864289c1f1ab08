"""Looks inside PostgreSQL: who waits for whom, statements, sizes and replication."""

from django.apps import AppConfig


class PgwatchConfig(AppConfig):
    name = "pgwatch"
