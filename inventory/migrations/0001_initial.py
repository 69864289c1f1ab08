import django.core.validators
import django.db.models.deletion
import netmon.common.fields
import netmon.common.secrets
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Tenant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('name', models.CharField(max_length=100, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('name_key', netmon.common.fields.FoldedField(max_length=100, source='name')),
                ('slug', models.SlugField(max_length=100, unique=True)),
            ],
            options={
                'ordering': ['name_key'],
                'constraints': [models.UniqueConstraint(fields=('name_key',), name='tenant_name', violation_error_code='unique', violation_error_message='A tenant of this name exists.')],
            },
        ),
        migrations.CreateModel(
            name='Site',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('name', models.CharField(max_length=100, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('name_key', netmon.common.fields.FoldedField(max_length=100, source='name')),
                ('tenant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='sites', to='inventory.tenant')),
            ],
            options={
                'ordering': ['name_key'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('tenant__isnull', False)), fields=('tenant', 'name_key'), name='site_name', violation_error_code='unique', violation_error_message='This tenant has a site of this name.'), models.UniqueConstraint(condition=models.Q(('tenant__isnull', True)), fields=('name_key',), name='site_name_null', violation_error_code='unique', violation_error_message='This tenant has a site of this name.')],
            },
        ),
        migrations.CreateModel(
            name='Prefix',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('cidr', models.CharField(help_text='Such as 192.0.2.0/24 or 2001:db8::/32.', max_length=43)),
                ('first_key', models.CharField(editable=False, max_length=32)),
                ('last_key', models.CharField(editable=False, max_length=32)),
                ('description', models.CharField(blank=True, max_length=200, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('site', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='prefixes', to='inventory.site')),
            ],
            options={
                'verbose_name_plural': 'prefixes',
                'ordering': ['first_key', '-last_key'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('site__isnull', False)), fields=('site', 'cidr'), name='prefix_cidr', violation_error_code='unique', violation_error_message='This site has this prefix.'), models.UniqueConstraint(condition=models.Q(('site__isnull', True)), fields=('cidr',), name='prefix_cidr_null', violation_error_code='unique', violation_error_message='This site has this prefix.')],
            },
        ),
        migrations.CreateModel(
            name='Device',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('name', models.CharField(max_length=100, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('name_key', netmon.common.fields.FoldedField(max_length=100, source='name')),
                ('kind', models.CharField(choices=[('router', 'Router'), ('switch', 'Switch'), ('firewall', 'Firewall'), ('server', 'Server'), ('computer', 'Computer'), ('camera', 'Camera'), ('vm', 'Virtual machine'), ('other', 'Other')], default='other', max_length=16)),
                ('status', models.CharField(choices=[('planned', 'Planned'), ('active', 'Active'), ('offline', 'Offline'), ('retired', 'Retired')], default='active', max_length=16)),
                ('location', models.CharField(blank=True, help_text='Such as: rack B07, unit 12.', max_length=200, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('vendor', models.CharField(blank=True, max_length=100, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('model', models.CharField(blank=True, max_length=100, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('platform', models.CharField(blank=True, max_length=100, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('serial', models.CharField(blank=True, max_length=100, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('hypervisor', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='vms', to='inventory.device')),
                ('site', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='devices', to='inventory.site')),
                ('tenant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='devices', to='inventory.tenant')),
            ],
            options={
                'ordering': ['name_key'],
                'indexes': [models.Index(fields=['kind', 'name_key'], name='device_by_kind')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('tenant__isnull', False)), fields=('tenant', 'name_key'), name='device_name', violation_error_code='unique', violation_error_message='A device of this name exists already.'), models.UniqueConstraint(condition=models.Q(('tenant__isnull', True)), fields=('name_key',), name='device_name_null', violation_error_code='unique', violation_error_message='A device of this name exists already.'), models.CheckConstraint(condition=models.Q(('kind__in', ['router', 'switch', 'firewall', 'server', 'computer', 'camera', 'vm', 'other'])), name='device_kind_known', violation_error_message='This kind of device is not known.'), models.CheckConstraint(condition=models.Q(('status__in', ['planned', 'active', 'offline', 'retired'])), name='device_status_known', violation_error_message='The status is planned, active, offline or retired.'), models.CheckConstraint(condition=models.Q(('hypervisor__isnull', True), ('kind', 'vm'), _connector='OR'), name='device_only_vm_has_hypervisor', violation_error_message='Only a virtual machine has a hypervisor.'), models.CheckConstraint(condition=models.Q(('hypervisor__isnull', True), models.Q(('hypervisor', models.F('id')), _negated=True), _connector='OR'), name='device_not_own_hypervisor', violation_error_message='A virtual machine cannot be its own hypervisor.')],
            },
        ),
        migrations.CreateModel(
            name='Credential',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('name', models.CharField(max_length=100, unique=True, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('kind', models.CharField(choices=[('snmp_community', 'SNMP community (v1, v2c)'), ('snmp_usm', 'SNMP user (v3)'), ('password', 'User and password'), ('ssh_key', 'SSH key'), ('api_key', 'API key')], max_length=16)),
                ('username', models.CharField(blank=True, max_length=100, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('secret', netmon.common.secrets.EncryptedTextField(blank=True, help_text='Community, authentication passphrase (v3), password, private key or API key.')),
                ('auth_protocol', models.CharField(blank=True, choices=[('MD5', 'Md5'), ('SHA', 'SHA-1'), ('SHA-224', 'Sha224'), ('SHA-256', 'Sha256'), ('SHA-384', 'Sha384'), ('SHA-512', 'Sha512')], max_length=16)),
                ('priv_protocol', models.CharField(blank=True, choices=[('DES', 'Des'), ('3DES', 'Des3'), ('AES', 'AES-128'), ('AES-192', 'Aes192'), ('AES-256', 'Aes256'), ('AES-192-C', 'AES-192, key extension of Cisco'), ('AES-256-C', 'AES-256, key extension of Cisco')], max_length=16)),
                ('priv_secret', netmon.common.secrets.EncryptedTextField(blank=True, help_text='Privacy passphrase (v3) or passphrase of the private key.')),
                ('public_key', models.TextField(blank=True)),
                ('fingerprint', models.CharField(blank=True, max_length=100)),
                ('secret_changed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('device', models.ForeignKey(blank=True, help_text='Set when the credential was made with this device and goes with it.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='own_credentials', to='inventory.device')),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ['snmp_community', 'snmp_usm', 'password', 'ssh_key', 'api_key'])), name='credential_kind_known', violation_error_message='This kind of credential is not known.'), models.CheckConstraint(condition=models.Q(models.Q(('kind', 'ssh_key'), _negated=True), models.Q(('public_key', ''), _negated=True), _connector='OR'), name='credential_ssh_key_has_public_key', violation_error_message='An SSH key needs its public key.'), models.CheckConstraint(condition=models.Q(('priv_protocol', ''), models.Q(('auth_protocol', ''), _negated=True), _connector='OR'), name='credential_priv_needs_auth', violation_error_message='SNMP v3 privacy needs an authentication protocol.')],
            },
        ),
        migrations.CreateModel(
            name='Interface',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('name', models.CharField(max_length=255, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('if_index', models.PositiveBigIntegerField(blank=True, null=True)),
                ('if_alias', models.CharField(blank=True, max_length=255, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('if_descr', models.CharField(blank=True, max_length=255, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('if_type', models.PositiveIntegerField(blank=True, null=True)),
                ('mac_address', netmon.common.fields.MACAddressField(blank=True, max_length=17)),
                ('mtu', models.PositiveBigIntegerField(blank=True, null=True)),
                ('if_speed_bps', models.PositiveBigIntegerField(blank=True, null=True)),
                ('if_admin_status', models.PositiveSmallIntegerField(blank=True, help_text='1 up, 2 down, 3 testing', null=True)),
                ('if_oper_status', models.PositiveSmallIntegerField(blank=True, help_text='1 up, 2 down, ... (IF-MIB)', null=True)),
                ('gone_since', models.DateTimeField(blank=True, help_text='When the device stopped reporting it.', null=True)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='interfaces', to='inventory.device')),
            ],
            options={
                'ordering': ['device_id', 'if_index', 'name'],
                'indexes': [models.Index(fields=['mac_address'], name='interface_by_mac')],
                'constraints': [models.UniqueConstraint(fields=('device', 'name'), name='interface_name', violation_error_code='unique', violation_error_message='This device has an interface of this name.'), models.UniqueConstraint(condition=models.Q(('if_index__isnull', False)), fields=('device', 'if_index'), name='interface_if_index', violation_error_code='unique', violation_error_message='This device has an interface of this ifIndex.')],
            },
        ),
        migrations.CreateModel(
            name='IPAddress',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('address', models.CharField(help_text='Such as 192.0.2.1 or 2001:db8::1.', max_length=39)),
                ('address_key', models.CharField(db_index=True, editable=False, max_length=32)),
                ('prefix_length', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('dns_name', models.CharField(blank=True, max_length=253, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('interface', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='ip_addresses', to='inventory.interface')),
                ('tenant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='ip_addresses', to='inventory.tenant')),
            ],
            options={
                'verbose_name': 'IP address',
                'verbose_name_plural': 'IP addresses',
                'ordering': ['address_key'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('tenant__isnull', False)), fields=('tenant', 'address'), name='ip_address', violation_error_code='unique', violation_error_message='This address is in the inventory already.'), models.UniqueConstraint(condition=models.Q(('tenant__isnull', True)), fields=('address',), name='ip_address_null', violation_error_code='unique', violation_error_message='This address is in the inventory already.'), models.CheckConstraint(condition=models.Q(('prefix_length__isnull', True), ('prefix_length__lte', 128), _connector='OR'), name='ip_address_prefix_length', violation_error_message='A prefix length is at most 32 (IPv4) or 128 (IPv6).')],
            },
        ),
        migrations.CreateModel(
            name='ManagementEndpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('protocol', models.CharField(choices=[('icmp', 'ICMP'), ('tcp', 'TCP'), ('snmp', 'SNMP'), ('ssh', 'SSH'), ('rtsp', 'RTSP'), ('vyos', 'VyOS API'), ('postgresql', 'PostgreSQL')], max_length=16)),
                ('port', models.PositiveIntegerField(blank=True, help_text="Empty: the protocol's default.", null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(65535)])),
                ('options', models.JSONField(blank=True, default=dict, help_text='Protocol options, such as {"version": "2c"}.')),
                ('is_enabled', models.BooleanField(default=True)),
                ('credential', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.RESTRICT, related_name='endpoints', to='inventory.credential')),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='endpoints', to='inventory.device')),
            ],
            options={
                'ordering': ['device_id', 'protocol', 'port'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('port__isnull', False)), fields=('device', 'protocol', 'port'), name='endpoint_port', violation_error_code='unique', violation_error_message='This device has this endpoint already.'), models.UniqueConstraint(condition=models.Q(('port__isnull', True)), fields=('device', 'protocol'), name='endpoint_port_null', violation_error_code='unique', violation_error_message='This device has this endpoint already.'), models.CheckConstraint(condition=models.Q(('port__isnull', True), models.Q(('port__gte', 1), ('port__lte', 65535)), _connector='OR'), name='endpoint_port_range', violation_error_message='A port is 1 to 65535.'), models.CheckConstraint(condition=models.Q(models.Q(('protocol', 'tcp'), _negated=True), ('port__isnull', False), _connector='OR'), name='endpoint_tcp_has_port', violation_error_message='A TCP endpoint needs a port.'), models.CheckConstraint(condition=models.Q(('protocol__in', ['icmp', 'tcp', 'snmp', 'ssh', 'rtsp', 'vyos', 'postgresql'])), name='endpoint_protocol_known', violation_error_message='This protocol is not known.')],
            },
        ),
        migrations.AddField(
            model_name='device',
            name='primary_ip',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='primary_of', to='inventory.ipaddress'),
        ),
    ]
