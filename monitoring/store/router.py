"""On SQLite the samples live in a file of their own (alias `samples`), on PostgreSQL beside everything else."""

from typing import Any

from django.conf import settings
from django.db import models

SAMPLE_MODELS = {"samplerow", "samplechunk"}


def samples_alias() -> str:
    return "samples" if "samples" in settings.DATABASES else "default"


class SamplesRouter:
    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        meta = model._meta
        return samples_alias() if meta.app_label == "monitoring" and meta.model_name in SAMPLE_MODELS else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        is_sample = app_label == "monitoring" and model_name in SAMPLE_MODELS
        if db == "samples":
            return is_sample
        return db == samples_alias() if is_sample else None
