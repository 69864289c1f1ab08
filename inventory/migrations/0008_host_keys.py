import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '__first__'),
        ('inventory', '0007_scope_targets_and_uses'),
    ]

    operations = [
        migrations.CreateModel(
            name='HostKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key_type', models.CharField(max_length=32)),
                ('public_key', models.TextField(help_text='Base64, as in known_hosts.', max_length=4096)),
                ('fingerprint', models.CharField(editable=False, help_text='SHA256:..., as ssh-keygen -lf prints it.', max_length=64)),
                ('state', models.CharField(choices=[('pending', 'Waits for approval'), ('trusted', 'Trusted'), ('revoked', 'Revoked')], default='pending', max_length=16)),
                ('reason', models.CharField(choices=[('first', 'First seen'), ('changed', 'Not the trusted one'), ('other_type', 'Of another type than the trusted one'), ('entered', 'Entered by an admin')], default='first', max_length=16)),
                ('first_seen_at', models.DateTimeField(blank=True, help_text='Empty: entered, and never seen yet.', null=True)),
                ('last_seen_at', models.DateTimeField(blank=True, null=True)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('decided_by', models.ForeignKey(blank=True, help_text='Who approved or revoked it; nobody where the tenant trusts the first key.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='host_keys', to='inventory.managementendpoint')),
            ],
            options={
                'ordering': ['endpoint_id', '-pk'],
                'constraints': [models.UniqueConstraint(fields=('endpoint', 'fingerprint'), name='host_key_once', violation_error_code='unique', violation_error_message='This endpoint has this key already.'), models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'trusted', 'revoked'])), name='host_key_state_known', violation_error_message='The state is pending, trusted or revoked.'), models.CheckConstraint(condition=models.Q(('reason__in', ['first', 'changed', 'other_type', 'entered'])), name='host_key_reason_known', violation_error_message='The reason is not known.')],
            },
        ),
        migrations.AddField(
            model_name='tenant',
            name='host_key_policy',
            field=models.CharField(choices=[('approve', 'An admin approves every host key'), ('first_use', 'The first host key of a server is trusted')], default='approve', help_text='Of SSH servers. A changed key is refused under both.', max_length=16),
        ),
        migrations.AddConstraint(
            model_name='tenant',
            constraint=models.CheckConstraint(condition=models.Q(('host_key_policy__in', ['approve', 'first_use'])), name='tenant_host_key_policy_known', violation_error_message='The policy is approve or first_use.'),
        ),
    ]
