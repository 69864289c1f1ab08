"""The Celery application. `NetmonConfig.ready()` imports it, so that `netmon/__init__.py` can stay empty and the
drivers importable without Django."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netmon.settings")
# kombu takes no module path in a URL: the embedded broker gets a scheme of its own.
TRANSPORT_ALIASES["netmonfs"] = "netmon.common.broker:Transport"

app = Celery("netmon")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
