from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        from monitoring import registrations
        from monitoring.alerting import templates

        registrations.register_all()
        post_migrate.connect(templates.seed, dispatch_uid="monitoring.alerting.templates.seed")
