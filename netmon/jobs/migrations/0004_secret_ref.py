import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_fill_secret_ref")]
    operations = [
        migrations.AlterField("job", "secret_ref", models.UUIDField(default=uuid.uuid4, unique=True, editable=False)),
    ]
