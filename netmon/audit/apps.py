from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "netmon.audit"
    label = "audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        from netmon.common import schedules

        schedules.register(
            "Forget old audit events",
            "netmon.audit.tasks.prune_audit_events",
            every_seconds=86400,
            description="Drop audit events older than NETMON_AUDIT_DAYS.",
        )
