import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="TenantMember",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inventory.tenant"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "user"),
                        name="tenant_member",
                        violation_error_code="unique",
                        violation_error_message="This person is bound to it already.",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="tenant",
            name="members",
            field=models.ManyToManyField(
                blank=True,
                help_text="People bound to this tenant: they see and touch only what belongs to their tenants.",
                related_name="tenants",
                through="inventory.TenantMember",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
