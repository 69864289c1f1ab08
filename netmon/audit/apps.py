from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "netmon.audit"
    label = "audit"
    verbose_name = "Audit"
