from typing import Any


def open_secret(instance: Any, name: str) -> str:
    return str(getattr(instance, name))
