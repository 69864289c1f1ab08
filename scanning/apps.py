"""Discovers: ping sweeps, port scans, and what is found but not in the inventory."""

from django.apps import AppConfig


class ScanningConfig(AppConfig):
    name = "scanning"

    def ready(self) -> None:
        from scanning import registrations

        registrations.register_all()
