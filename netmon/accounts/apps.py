from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "netmon.accounts"
    label = "accounts"
    verbose_name = "People"

    def ready(self) -> None:
        from netmon.accounts import schema  # noqa: F401 - registers itself with drf-spectacular
        from netmon.common import schedules

        schedules.register(
            "Prune accounts",
            "netmon.accounts.tasks.prune",
            every_seconds=21_600,
            description="Delete old counts of failed log-ins, sessions that have ended, traces of old tokens.",
        )
