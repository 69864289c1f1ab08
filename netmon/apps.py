from django.apps import AppConfig
from django.db.models.signals import post_migrate


class NetmonConfig(AppConfig):
    name = "netmon"

    def ready(self) -> None:
        from netmon import celery, checks  # noqa: F401
        from netmon.common import schedules

        post_migrate.connect(schedules.seed, dispatch_uid="netmon.schedules.seed")
