import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '__first__'),
        ('inventory', '0010_known_servers'),
        ('monitoring', '0007_window_devices'),
    ]

    operations = [
        migrations.CreateModel(
            name='Indicator',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('kind', models.CharField(help_text='One word, such as smell or vulnerability.', max_length=48, validators=[django.core.validators.RegexValidator('^[a-z0-9]+(?:[_-][a-z0-9]+)*\\Z', 'Write one word such as smell or disk_temperature: a-z, 0-9, _ and -.')])),
                ('value', models.CharField(help_text='What was observed.', max_length=500, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('severity', models.CharField(choices=[('info', 'Info'), ('warning', 'Warning'), ('critical', 'Critical')], default='info', max_length=16)),
                ('source', models.CharField(help_text='Who or what says so.', max_length=150, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('note', models.TextField(blank=True, max_length=2000, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('observed_at', models.DateTimeField(default=django.utils.timezone.now, help_text='When it was observed; not in the future.')),
                ('expires_at', models.DateTimeField(blank=True, help_text='Holds until then; empty: until it is deleted.', null=True)),
                ('external_id', models.CharField(blank=True, help_text="The source's own number of it: sent again, the indicator is changed and not doubled.", max_length=200, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('cleared_at', models.DateTimeField(blank=True, editable=False, help_text='When netmon saw it expire.', null=True)),
                ('created_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='indicators', to='inventory.device')),
            ],
            options={
                'ordering': ['-observed_at', '-pk'],
                'indexes': [models.Index(fields=['device', '-observed_at'], name='indicator_by_device'), models.Index(fields=['observed_at'], name='indicator_by_age'), models.Index(condition=models.Q(('cleared_at', None)), fields=['expires_at'], name='indicator_to_expire')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('external_id', ''), _negated=True), fields=('device', 'source', 'external_id'), name='indicator_external_id', violation_error_code='unique', violation_error_message='This source has said this of the device already.'), models.CheckConstraint(condition=models.Q(('severity__in', ['info', 'warning', 'critical'])), name='indicator_severity_known', violation_error_message='The severity is info, warning or critical.'), models.CheckConstraint(condition=models.Q(('kind__in', ['', 'cleared']), _negated=True), name='indicator_kind_free', violation_error_message="Choose another kind: this word is netmon's own."), models.CheckConstraint(condition=models.Q(models.Q(('value', ''), _negated=True), models.Q(('source', ''), _negated=True)), name='indicator_is_said', violation_error_message='Say what was observed, and by whom.'), models.CheckConstraint(condition=models.Q(('expires_at', None), ('expires_at__gt', models.F('observed_at')), _connector='OR'), name='indicator_order', violation_error_message='It expires after it was observed.')],
            },
        ),
        migrations.RemoveConstraint(
            model_name='deviceevent',
            name='device_event_source_known',
        ),
        migrations.AlterField(
            model_name='deviceevent',
            name='kind',
            field=models.CharField(help_text='Such as bgp_down, ospf_gone, key_changed.', max_length=64),
        ),
        migrations.AlterField(
            model_name='deviceevent',
            name='source',
            field=models.CharField(choices=[('bgp', 'BGP'), ('ospf', 'OSPF'), ('bfd', 'BFD'), ('interface', 'Interface'), ('routing', 'Routing'), ('ntp', 'NTP'), ('host', 'Host'), ('host_key', 'Host key'), ('config', 'Configuration'), ('indicator', 'Indicator')], max_length=16),
        ),
        migrations.AddConstraint(
            model_name='deviceevent',
            constraint=models.CheckConstraint(condition=models.Q(('source__in', ['bgp', 'ospf', 'bfd', 'interface', 'routing', 'ntp', 'host', 'host_key', 'config', 'indicator'])), name='device_event_source_known'),
        ),
    ]
