import uuid

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('inventory', '0005_secret_bind'),
    ]

    operations = [
        migrations.AlterField(
            model_name='credential',
            name='secret_ref',
            field=models.UUIDField(default=uuid.uuid4, editable=False, unique=True),
        ),
        migrations.AddConstraint(
            model_name='credential',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'ssh_key'), models.Q(('fingerprint', ''), _negated=True)), fields=('fingerprint',), name='credential_fingerprint', violation_error_code='unique', violation_error_message='This SSH key is in netmon already.'),
        ),
    ]
