"""The shipped actions in the demonstration: their files in a directory of its own, defined and approved."""

import shutil

from django.conf import settings

from netmon.accounts.models import User
from netmon.audit import services as audit
from netmon.audit.context import acting
from provisioning.models import Action
from provisioning.services import scripts

SHIPPED = settings.BASE_DIR / "actions"
PORT = {"name": "port", "kind": "integer", "label": "Port", "default": 443, "minimum": 1, "maximum": 65535}
NAME = {
    "name": "name", "kind": "string", "label": "Name that the server is asked for", "max_length": 253,
    "pattern": r"[A-Za-z0-9._-]*", "help": "Such as www.example.com; empty: its address.",
}  # fmt: skip
WARN = {"name": "warn_days", "kind": "integer", "label": "Warn days before its end", "default": 21, "minimum": 0}
ROUNDS = {"name": "rounds", "kind": "integer", "label": "Rounds", "default": 5, "minimum": 1, "maximum": 50}
PORTS = {
    "name": "ports", "kind": "string", "label": "TCP ports", "default": "22,80,443",
    "pattern": r"[0-9]{1,5}(,[0-9]{1,5}){0,19}",
}  # fmt: skip
TRACE = {"name": "trace", "kind": "boolean", "label": "Also show the way there", "default": False}
DEFINED = (
    ("Reachability report", "reachability_report", [ROUNDS, PORTS, TRACE], "Asks the device by ping and by TCP."),
    ("TLS check", "tls_check", [PORT, NAME, WARN], "Which certificate a server shows, and until when it holds."),
)


def populate() -> None:
    """Also of an older demonstration: what is there already stays as it is."""
    directory = scripts.directory()
    directory.mkdir(mode=0o755, exist_ok=True)
    directory.chmod(0o755)
    for _, executable, _, _ in DEFINED:
        shutil.copyfile(SHIPPED / executable, directory / executable)
        (directory / executable).chmod(0o755)
    admin = User.objects.filter(is_superuser=True).order_by("pk").first()
    with acting(admin, "command"):
        for name, executable, parameters, description in DEFINED:
            row = Action.objects.filter(tenant=None, executable=executable).first()
            if row is None:
                row = Action(name=name, executable=executable, parameters=parameters, description=description)
                row.remedy_source = "device.down" if executable == "reachability_report" else ""
                row.full_clean()
                row.save()
                audit.record("create", row, after=audit.snapshot(row))
            found = scripts.state_of(row)
            if found["state"] in ("unapproved", "changed"):
                scripts.approve(row, sha256=str(found["sha256"]), user=admin)
