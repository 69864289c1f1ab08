"""The database itself refuses to change an audit event. Deleting stays possible: retention needs it."""

from typing import Any

from django.db import migrations

TABLE = "audit_auditevent"


def protect(apps: Any, editor: Any) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(
            "CREATE FUNCTION audit_refuse_update() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'audit events are never changed'; END $$"
        )
        editor.execute(
            f"CREATE TRIGGER audit_append_only BEFORE UPDATE ON {TABLE} "
            "FOR EACH ROW EXECUTE FUNCTION audit_refuse_update()"
        )
    elif editor.connection.alias == "default":
        editor.execute(
            f"CREATE TRIGGER audit_append_only BEFORE UPDATE ON {TABLE} "
            "BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END"
        )


def release(apps: Any, editor: Any) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(f"DROP TRIGGER audit_append_only ON {TABLE}")
        editor.execute("DROP FUNCTION audit_refuse_update()")
    elif editor.connection.alias == "default":
        editor.execute("DROP TRIGGER audit_append_only")


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunPython(protect, release)]
