import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('inventory', '0003_tags'),
    ]

    operations = [
        migrations.AddField(
            model_name='credential',
            name='comment',
            field=models.CharField(blank=True, help_text='Of an SSH key, at the end of its public line.', max_length=255, validators=[django.core.validators.ProhibitNullCharactersValidator()], default=''),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='credential',
            name='key_bits',
            field=models.PositiveIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='credential',
            name='key_type',
            field=models.CharField(blank=True, default='', editable=False, help_text='ed25519, rsa or ecdsa.', max_length=16),
            preserve_default=False,
        ),
        # Unique only once every row has its own (the last of these three): a default is one value for all rows.
        migrations.AddField(
            model_name='credential',
            name='secret_ref',
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='credential',
            name='public_key',
            field=models.TextField(blank=True, help_text='Of an SSH key, made from the private key.'),
        ),
    ]
