"""Storage parameters that suit the sample tables. PostgreSQL only; SQLite has none of them."""

from django.db import migrations

FORWARDS = [
    # The data is compressed already.
    "ALTER TABLE monitoring_samplechunk ALTER COLUMN data SET STORAGE EXTERNAL",
    # Every poll updates a row in place when its page has room: half the CPU of an update that has to move.
    "ALTER TABLE monitoring_series SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)",
    # Each seal deletes an hour of rows.
    "ALTER TABLE monitoring_samplerow SET (autovacuum_vacuum_scale_factor = 0.05,"
    " autovacuum_vacuum_cost_limit = 2000)",
]
BACKWARDS = [
    "ALTER TABLE monitoring_samplerow RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_cost_limit)",
    "ALTER TABLE monitoring_series RESET (fillfactor, autovacuum_vacuum_scale_factor)",
    "ALTER TABLE monitoring_samplechunk ALTER COLUMN data SET STORAGE EXTENDED",
]


def _run(statements):
    def on_postgresql(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            for statement in statements:
                schema_editor.execute(statement)

    return on_postgresql


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0001_initial")]

    operations = [migrations.RunPython(_run(FORWARDS), _run(BACKWARDS))]
