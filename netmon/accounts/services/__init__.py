"""Verbs about people, keys and log-ins."""

from netmon.accounts.services.people import ensure_admin

__all__ = ["ensure_admin"]
