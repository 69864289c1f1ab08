#!/usr/bin/env python
"""The command door of netmon: `python manage.py help` lists what it can do."""

import os
import sys

MINIMUM_PYTHON = (3, 11)

if __name__ == "__main__":
    if sys.version_info < MINIMUM_PYTHON:
        sys.exit("netmon needs Python {}.{} or newer; this is {}.".format(*MINIMUM_PYTHON, sys.version.split()[0]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netmon.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
