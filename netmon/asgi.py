"""The ASGI door, for servers that want one; every page works under WSGI alone."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netmon.settings")
application = get_asgi_application()
