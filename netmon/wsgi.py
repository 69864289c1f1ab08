"""The WSGI door: gunicorn loads `netmon.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netmon.settings")
application = get_wsgi_application()
