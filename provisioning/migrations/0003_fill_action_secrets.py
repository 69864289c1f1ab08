"""Actions that are there already hold the credentials that they name, too."""

from typing import Any

from django.db import migrations


def fill(apps: Any, schema_editor: Any) -> None:
    Action, ActionSecret = apps.get_model("provisioning", "Action"), apps.get_model("provisioning", "ActionSecret")
    known = set(apps.get_model("inventory", "Credential").objects.values_list("pk", flat=True))
    for action in Action.objects.exclude(parameters=[]):
        named = {one.get("credential") for one in action.parameters if isinstance(one, dict)}
        ActionSecret.objects.bulk_create(
            ActionSecret(action=action, credential_id=number) for number in sorted(named & known, key=str)
        )


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0002_action_secrets")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
