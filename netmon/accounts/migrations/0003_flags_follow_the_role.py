from django.db import migrations


def flags_follow_the_role(apps, schema_editor):
    users = apps.get_model("accounts", "User").objects
    users.filter(is_superuser=True).update(role="admin")
    users.filter(role="admin").update(is_superuser=True, is_staff=True)
    users.exclude(role="admin").update(is_superuser=False, is_staff=False)


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0002_keys_and_factors"),
    ]

    operations = [
        migrations.RunPython(flags_follow_the_role, migrations.RunPython.noop),
    ]
