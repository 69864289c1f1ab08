import uuid
from typing import Any

from django.db import migrations


def fill(apps: Any, editor: Any) -> None:
    jobs = apps.get_model("jobs", "Job").objects.using(editor.connection.alias)
    for pk in jobs.filter(secret_ref=None).values_list("pk", flat=True).iterator():
        jobs.filter(pk=pk).update(secret_ref=uuid.uuid4())


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_payload")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
