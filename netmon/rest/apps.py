from django.apps import AppConfig


class RestConfig(AppConfig):
    name = "netmon.rest"
    label = "rest"

    def ready(self) -> None:
        from netmon.common import schedules

        schedules.register(
            "Forget idempotency keys",
            "netmon.rest.tasks.forget_idempotency_keys",
            every_seconds=3600,
            description="Drop the answers kept for repeated requests after 24 hours.",
        )
