import django.core.validators
import django.db.models.deletion
import netmon.common.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('inventory', '0002_tenant_members'),
    ]

    operations = [
        migrations.CreateModel(
            name='Tag',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('name', models.CharField(max_length=50, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('name_key', netmon.common.fields.FoldedField(max_length=50, source='name')),
                ('slug', models.SlugField()),
                ('description', models.CharField(blank=True, max_length=200, validators=[django.core.validators.ProhibitNullCharactersValidator()])),
                ('tenant', models.ForeignKey(blank=True, help_text="Empty: everybody's.", null=True, on_delete=django.db.models.deletion.CASCADE, related_name='tags', to='inventory.tenant')),
            ],
            options={
                'ordering': ['name_key'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('tenant__isnull', False)), fields=('tenant', 'name_key'), name='tag_name', violation_error_code='unique', violation_error_message='This tag exists.'), models.UniqueConstraint(condition=models.Q(('tenant__isnull', True)), fields=('name_key',), name='tag_name_null', violation_error_code='unique', violation_error_message='This tag exists.'), models.UniqueConstraint(condition=models.Q(('tenant__isnull', False)), fields=('tenant', 'slug'), name='tag_slug', violation_error_code='unique', violation_error_message='This slug is taken.'), models.UniqueConstraint(condition=models.Q(('tenant__isnull', True)), fields=('slug',), name='tag_slug_null', violation_error_code='unique', violation_error_message='This slug is taken.')],
            },
        ),
        migrations.AddField(
            model_name='device',
            name='tags',
            field=models.ManyToManyField(blank=True, related_name='devices', to='inventory.tag'),
        ),
        migrations.AddField(
            model_name='prefix',
            name='tags',
            field=models.ManyToManyField(blank=True, related_name='prefixes', to='inventory.tag'),
        ),
        migrations.AddField(
            model_name='site',
            name='tags',
            field=models.ManyToManyField(blank=True, related_name='sites', to='inventory.tag'),
        ),
    ]
