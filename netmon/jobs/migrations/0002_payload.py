from django.db import migrations, models

import netmon.common.fields


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]
    operations = [
        migrations.AddField("job", "secret_ref", models.UUIDField(null=True, editable=False)),
        migrations.AddField(
            "job",
            "payload",
            netmon.common.fields.EncryptedTextField(
                blank=True,
                default="",
                help_text="What the job works on; may hold secrets, dropped at its end.",
            ),
            preserve_default=False,
        ),
    ]
