"""Discovers: ping sweeps, port scans, and what is found but not in the inventory."""

from django.apps import AppConfig


class ScanningConfig(AppConfig):
    name = "scanning"
