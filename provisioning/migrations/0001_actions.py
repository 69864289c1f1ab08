import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import netmon.common.fields
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '__first__'),
        ('inventory', '0010_known_servers'),
        ('jobs', '0005_leases'),
        ('monitoring', '0006_declined_checks'),
    ]

    operations = [
        migrations.CreateModel(
            name='Action',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('kind', models.CharField(blank=True, choices=[('router', 'Router'), ('switch', 'Switch'), ('firewall', 'Firewall'), ('server', 'Server'), ('computer', 'Computer'), ('camera', 'Camera'), ('vm', 'Virtual machine'), ('other', 'Other')], help_text='Only devices of this kind.', max_length=16)),
                ('name', models.CharField(max_length=100, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('name_key', netmon.common.fields.FoldedField(max_length=100, source='name')),
                ('executable', models.CharField(help_text='Its file in the actions directory.', max_length=100, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\\Z', 'Write the bare name of a file in the actions directory: letters, digits, dot, underscore and hyphen, no slash.')])),
                ('description', models.TextField(blank=True, max_length=2000, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('parameters', models.JSONField(blank=True, default=list, help_text='What is asked for: a list of typed parameters.')),
                ('run_on', models.CharField(choices=[('local', "Here, with the device's address"), ('ssh', 'On the device, over SSH')], default='local', max_length=8)),
                ('timeout_seconds', models.PositiveSmallIntegerField(default=60, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1800)])),
                ('output_limit_bytes', models.PositiveIntegerField(default=65536, validators=[django.core.validators.MinValueValidator(1024), django.core.validators.MaxValueValidator(1048576)])),
                ('parallel_limit', models.PositiveSmallIntegerField(default=2, help_text='Runs of it at once.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(50)])),
                ('confirmation', models.CharField(blank=True, help_text='What must be confirmed before each run.', max_length=300, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('is_risky', models.BooleanField(default=False, help_text='A second person must approve each run.')),
                ('role', models.CharField(choices=[('operator', 'Operators'), ('admin', 'Admins only')], default='operator', help_text='Who may run it.', max_length=8)),
                ('remedy_source', models.CharField(blank=True, help_text='Proposed at alerts of this source, such as device.down.', max_length=48)),
                ('approved_sha256', models.CharField(blank=True, editable=False, max_length=64)),
                ('approved_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('is_enabled', models.BooleanField(default=True)),
                ('approved_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('device', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='inventory.device')),
                ('remedies', models.ManyToManyField(blank=True, help_text='Proposed at alerts of these rules.', related_name='+', to='monitoring.alertrule')),
                ('site', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='inventory.site')),
                ('tag', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='inventory.tag')),
                ('tenant', models.ForeignKey(blank=True, help_text="Empty: every tenant's.", null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='inventory.tenant')),
            ],
            options={
                'ordering': ['name_key'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('tenant__isnull', False)), fields=('tenant', 'name_key'), name='action_name', violation_error_code='unique', violation_error_message='An action of this name exists.'), models.UniqueConstraint(condition=models.Q(('tenant__isnull', True)), fields=('name_key',), name='action_name_null', violation_error_code='unique', violation_error_message='An action of this name exists.'), models.CheckConstraint(condition=models.Q(models.Q(('executable', ''), _negated=True), models.Q(('executable__contains', '/'), _negated=True), models.Q(('executable__startswith', '.'), _negated=True), models.Q(('executable__startswith', '-'), _negated=True)), name='action_executable_bare', violation_error_message='The executable is the bare name of a file.'), models.CheckConstraint(condition=models.Q(('run_on__in', ['local', 'ssh'])), name='action_run_on_known'), models.CheckConstraint(condition=models.Q(('role__in', ['operator', 'admin'])), name='action_role_known'), models.CheckConstraint(condition=models.Q(('output_limit_bytes__gte', 1), ('parallel_limit__gte', 1), ('timeout_seconds__gte', 1)), name='action_limits'), models.CheckConstraint(condition=models.Q(('kind__in', ['', 'router', 'switch', 'firewall', 'server', 'computer', 'camera', 'vm', 'other'])), name='action_kind_known', violation_error_message='This kind of device is not known.')],
            },
        ),
        migrations.CreateModel(
            name='ActionRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('device_name', models.CharField(max_length=255)),
                ('arguments', models.JSONField(blank=True, default=dict)),
                ('executable', models.CharField(max_length=100)),
                ('run_on', models.CharField(choices=[('local', "Here, with the device's address"), ('ssh', 'On the device, over SSH')], max_length=8)),
                ('argv', models.JSONField(blank=True, default=list, help_text='What the script got, its own name first.')),
                ('sha256', models.CharField(help_text='Of the script, as it was approved.', max_length=64)),
                ('decision', models.CharField(blank=True, help_text='What the second person said.', max_length=300, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('status', models.CharField(choices=[('waiting', 'Waits for approval'), ('queued', 'Queued'), ('running', 'Running'), ('succeeded', 'Succeeded'), ('failed', 'Failed'), ('timed_out', 'Timed out'), ('cancelled', 'Cancelled'), ('refused', 'Refused'), ('lost', 'Lost')], default='queued', max_length=16)),
                ('exit_code', models.IntegerField(blank=True, null=True)),
                ('output', models.TextField(blank=True)),
                ('output_bytes', models.PositiveBigIntegerField(default=0, help_text='What it wrote in all.')),
                ('is_truncated', models.BooleanField(default=False)),
                ('killed_why', models.CharField(blank=True, help_text='timeout, cancelled, cpu, or a signal.', max_length=64)),
                ('confinement', models.JSONField(blank=True, default=list, help_text='What was not as it should be, in sentences.')),
                ('error_code', models.CharField(blank=True, max_length=64)),
                ('error_detail', models.TextField(blank=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('action', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='provisioning.action')),
                ('alert', models.ForeignKey(blank=True, help_text='As whose remedy it ran.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='monitoring.alert')),
                ('approved_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('device', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='action_runs', to='inventory.device')),
                ('job', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='action_run', to='jobs.job')),
                ('requested_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='inventory.tenant')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(condition=models.Q(('status__in', ['waiting', 'queued', 'running'])), fields=['status'], name='action_run_active'), models.Index(fields=['finished_at'], name='action_run_by_end')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('status__in', ['waiting', 'queued', 'running'])), fields=('action', 'device'), name='action_run_one_active', violation_error_code='unique', violation_error_message='This action is under way at this device.'), models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'queued', 'running', 'succeeded', 'failed', 'timed_out', 'cancelled', 'refused', 'lost'])), name='action_run_status_known'), models.CheckConstraint(condition=models.Q(('approved_by', None), ('requested_by', None), models.Q(('approved_by', models.F('requested_by')), _negated=True), _connector='OR'), name='action_run_second_person', violation_error_message='Who asked for a run cannot approve it.')],
            },
        ),
    ]
