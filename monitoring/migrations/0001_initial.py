import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('inventory', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='DeletedSeries',
            fields=[
                ('series_id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('deleted_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='DeviceState',
            fields=[
                ('device', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='state', serialize=False, to='inventory.device')),
                ('state', models.CharField(choices=[('unknown', 'No data'), ('up', 'Up'), ('degraded', 'Degraded'), ('down', 'Down')], default='unknown', max_length=16)),
                ('since', models.DateTimeField(default=django.utils.timezone.now)),
                ('cause', models.CharField(blank=True, help_text='Why it is not up.', max_length=200)),
                ('watched_since', models.DateTimeField(blank=True, help_text='First run of an availability check.', null=True)),
                ('last_poll_at', models.DateTimeField(blank=True, null=True)),
                ('is_reachable', models.BooleanField(blank=True, help_text='Did it answer the last time it was asked.', null=True)),
                ('response_time_ms', models.FloatField(blank=True, null=True)),
                ('loss_percent', models.FloatField(blank=True, null=True)),
                ('uptime_seconds', models.FloatField(blank=True, null=True)),
                ('booted_at', models.DateTimeField(blank=True, null=True)),
                ('expected_every_seconds', models.PositiveIntegerField(default=60, help_text='Silence beyond this is no data.')),
                ('version', models.PositiveBigIntegerField(default=0, help_text='Grows with every change: the ETag of live pages.')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['unknown', 'up', 'degraded', 'down'])), name='device_state_known')],
            },
        ),
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('process', models.CharField(max_length=32)),
                ('host', models.CharField(max_length=255)),
                ('pid', models.PositiveIntegerField()),
                ('started_at', models.DateTimeField()),
                ('at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('process', 'host', 'pid'), name='heartbeat_process', violation_error_code='unique', violation_error_message='Known already.')],
            },
        ),
        migrations.CreateModel(
            name='Series',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('metric_set', models.CharField(max_length=64)),
                ('labels', models.CharField(blank=True, help_text='Canonical text: sorted key=value, comma between.', max_length=255)),
                ('period_seconds', models.PositiveIntegerField(default=60)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('last_at', models.DateTimeField(blank=True, null=True)),
                ('counters', models.BinaryField(blank=True, help_text='Last raw counters, packed; see rates.', null=True)),
                ('v0', models.FloatField(blank=True, null=True)),
                ('v1', models.FloatField(blank=True, null=True)),
                ('v2', models.FloatField(blank=True, null=True)),
                ('v3', models.FloatField(blank=True, null=True)),
                ('v4', models.FloatField(blank=True, null=True)),
                ('v5', models.FloatField(blank=True, null=True)),
                ('v6', models.FloatField(blank=True, null=True)),
                ('v7', models.FloatField(blank=True, null=True)),
                ('v8', models.FloatField(blank=True, null=True)),
                ('v9', models.FloatField(blank=True, null=True)),
                ('v10', models.FloatField(blank=True, null=True)),
                ('v11', models.FloatField(blank=True, null=True)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='series', to='inventory.device')),
                ('interface', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='series', to='inventory.interface')),
            ],
            options={
                'verbose_name_plural': 'series',
                'ordering': ['device_id', 'metric_set', 'interface_id'],
                'indexes': [models.Index(fields=['metric_set'], name='series_by_metric_set')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('interface__isnull', False)), fields=('device', 'interface', 'metric_set', 'labels'), name='series_identity', violation_error_code='unique'), models.UniqueConstraint(condition=models.Q(('interface__isnull', True)), fields=('device', 'metric_set', 'labels'), name='series_identity_null', violation_error_code='unique')],
            },
        ),
        migrations.CreateModel(
            name='SampleRow',
            fields=[
                ('pk', models.CompositePrimaryKey('slot', 'series', blank=True, editable=False, primary_key=True, serialize=False)),
                ('slot', models.BigIntegerField(help_text='Start of the period, epoch seconds, a multiple of the period.')),
                ('payload', models.BinaryField()),
                ('series', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='monitoring.series')),
            ],
        ),
        migrations.CreateModel(
            name='SampleChunk',
            fields=[
                ('pk', models.CompositePrimaryKey('series', 'level', 'start', blank=True, editable=False, primary_key=True, serialize=False)),
                ('level', models.PositiveSmallIntegerField(choices=[(0, 'Every value of an hour'), (1, '5-minute points of an hour; its day is open'), (2, '5-minute points of a day'), (3, 'Hourly points of a day; its month is open'), (4, 'Hourly points of a month')])),
                ('start', models.BigIntegerField(help_text='Epoch seconds.')),
                ('data', models.BinaryField()),
                ('series', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='monitoring.series')),
            ],
        ),
        migrations.CreateModel(
            name='Check',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('module', models.CharField(max_length=64)),
                ('interval_seconds', models.PositiveIntegerField(default=60, validators=[django.core.validators.MinValueValidator(5), django.core.validators.MaxValueValidator(86400)])),
                ('retries', models.PositiveSmallIntegerField(default=3, help_text='How many of the last five runs must fail before the check is down.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(5)])),
                ('status', models.CharField(choices=[('unknown', 'Unknown'), ('up', 'Up'), ('down', 'Down'), ('paused', 'Paused')], default='unknown', max_length=16)),
                ('status_since', models.DateTimeField(default=django.utils.timezone.now)),
                ('next_run_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('claimed_until', models.DateTimeField(blank=True, null=True)),
                ('claim_token', models.CharField(blank=True, max_length=32)),
                ('last_run_at', models.DateTimeField(blank=True, null=True)),
                ('last_success_at', models.DateTimeField(blank=True, null=True)),
                ('failing_since', models.DateTimeField(blank=True, help_text='First failed run of the present series.', null=True)),
                ('answering_since', models.DateTimeField(blank=True, help_text='First good run of the present series.', null=True)),
                ('consecutive_failures', models.PositiveIntegerField(default=0)),
                ('consecutive_successes', models.PositiveIntegerField(default=0)),
                ('recent', models.PositiveSmallIntegerField(default=0, help_text='Last five runs, a bit each, 1 = failed.')),
                ('last_error_code', models.CharField(blank=True, max_length=64)),
                ('last_error_detail', models.CharField(blank=True, max_length=500)),
                ('last_duration_ms', models.FloatField(blank=True, null=True)),
                ('last_response_ms', models.FloatField(blank=True, null=True)),
                ('skipped', models.PositiveBigIntegerField(default=0, help_text='Slots skipped because a run was late or under way.')),
                ('memory', models.JSONField(blank=True, default=dict, help_text='What the module wants to know at its next run.')),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='checks', to='inventory.managementendpoint')),
            ],
            options={
                'ordering': ['endpoint_id', 'module'],
                'indexes': [models.Index(condition=models.Q(('status', 'paused'), _negated=True), fields=['next_run_at'], name='check_due')],
                'constraints': [models.UniqueConstraint(fields=('endpoint', 'module'), name='check_module', violation_error_code='unique', violation_error_message='This endpoint has this check already.'), models.CheckConstraint(condition=models.Q(('status__in', ['unknown', 'up', 'down', 'paused'])), name='check_status_known', violation_error_message='The status is unknown, up, down or paused.'), models.CheckConstraint(condition=models.Q(('interval_seconds__gte', 5), ('interval_seconds__lte', 86400)), name='check_interval_range', violation_error_message='An interval is 5 to 86400 seconds.'), models.CheckConstraint(condition=models.Q(('retries__gte', 1), ('retries__lte', 5)), name='check_retries_range', violation_error_message='Retries are 1 to 5.')],
            },
        ),
        migrations.CreateModel(
            name='DeviceFact',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=32)),
                ('data', models.JSONField(default=dict)),
                ('collected_at', models.DateTimeField()),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='facts', to='inventory.device')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('device', 'kind'), name='device_fact_kind', violation_error_code='unique', violation_error_message='This device has this fact already.')],
            },
        ),
        migrations.CreateModel(
            name='Outage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('down', 'Down'), ('unknown', 'Nothing was measured')], default='down', max_length=16)),
                ('started_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('cause', models.CharField(blank=True, max_length=200)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='outages', to='inventory.device')),
            ],
            options={
                'ordering': ['-started_at'],
                'indexes': [models.Index(fields=['device', 'started_at'], name='outage_by_device')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('device',), name='outage_one_open', violation_error_code='unique'), models.CheckConstraint(condition=models.Q(('ended_at__isnull', True), ('ended_at__gte', models.F('started_at')), _connector='OR'), name='outage_order'), models.CheckConstraint(condition=models.Q(('kind__in', ['down', 'unknown'])), name='outage_kind_known')],
            },
        ),
    ]
