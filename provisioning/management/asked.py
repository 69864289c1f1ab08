"""What the commands of machines share: what is asked for on a command line, and refusals in its words."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from inventory.models import Tenant
from monitoring.management import chosen
from netmon.accounts.models import User
from netmon.audit.context import acting
from netmon.common.errors import NetmonError
from netmon.common.fields import fold
from provisioning.models import Vm, VyosRouter
from provisioning.services import ports, requests, wishes
from provisioning.services.requests import Asked
from provisioning.services.routers import RouterBusy

OK, FAILED, USAGE, PARTLY, NOT_FOUND, DENIED, TRY_LATER = 0, 1, 2, 3, 4, 5, 75
CODES = "Exit codes: 0 ok, 1 failed or refused, 2 usage, 3 partly, 4 not found, 5 the router refuses the key, 75 later."
VIA = "command"
PORT_HELP = "ssh, http or https; NAME=INNER[:OUTER][/tcp|udp|tcp_udp]; or an object of JSON as the API takes it"
TEXTS = ("hostname", "mac_address", "ip_address", "dhcp_pool", "port_pool", "expires_at")


def add_arguments(parser: CommandParser) -> None:
    """What is to be done to which machine."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="WHAT")
    new = kinds.add_parser("provision", help="a machine with its address and forwards")
    new.add_argument("name", help="name of the machine")
    new.add_argument("--router", help="name of the VyOS router; needed when there are several")
    for text in TEXTS:
        new.add_argument(f"--{text.replace('_', '-')}", help="left out: chosen, or none")
    new.add_argument("--port", action="append", dest="ports", metavar="PORT", help=PORT_HELP)
    new.add_argument("--owner", help="user name of whose machine it is")
    new.add_argument("--tenant", help="slug of the tenant; default: the router's")
    off = kinds.add_parser("decommission", help="take a machine off its router")
    more = kinds.add_parser("ports", help="add forwards, or enable, disable, pause or delete them")
    more.add_argument("--add", action="append", metavar="PORT", help=PORT_HELP)
    more.add_argument("--action", choices=sorted(ports.ACTIONS))
    more.add_argument("--only", action="append", metavar="PORT", help="of these ports; default: of all")
    for one in (off, more):
        one.add_argument("name", help="name of the machine")
        one.add_argument("--router", help="where several routers have a machine of this name")
    for one in (new, off, more):
        one.add_argument("--json", action="store_true", help="one JSON document")


def router(name: str) -> VyosRouter:
    """The router of this name or number. Raises CommandError."""
    rows = VyosRouter.objects.select_related("endpoint__device__tenant", "endpoint__credential")
    return _one(rows, "endpoint__device__name_key", name, "VyOS router")


def _one(rows: Any, column: str, name: str, what: str) -> Any:
    found = list(rows.filter(**{column: fold(name)})[:2])
    if not found and name.isascii() and name.isdigit() and len(name) <= 18:
        found = list(rows.filter(pk=int(name)))
    if not found:
        raise CommandError(f"No such {what}: {name[:100]}.", returncode=chosen.NOT_FOUND)
    if len(found) > 1:
        raise CommandError(f"Several are named {name[:100]}: give --router, or the number.", returncode=USAGE)
    return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a command line asks for: `send(dry_run=..., digest=...)`."""

    send: Callable[..., Asked]


def read(options: dict[str, Any]) -> Request:
    """Raises CommandError."""
    with refusals():
        if options["kind"] == "provision":
            return _provision(options)
        rows = Vm.objects.select_related("device__tenant", "router__endpoint__device__tenant")
        if options["router"]:
            rows = rows.filter(router=router(options["router"]))
        vm = _one(rows, "device__name_key", options["name"], "machine")
        if options["kind"] == "decommission":
            return Request(send=lambda **how: requests.decommission(vm, via=VIA, **how))
        return _ports(vm, options)


def _provision(options: dict[str, Any]) -> Request:
    fields = {name: options[name] for name in TEXTS if options[name]} | {"vm_name": options["name"]}
    if options["router"]:
        fields["router"] = router(options["router"]).pk
    if options["ports"]:
        fields["ports"] = [port_of(text) for text in options["ports"]]
    wish = wishes.read_vm(fields)
    owner = tenant = None
    if options["owner"]:
        owner = User.objects.filter(username=options["owner"]).first()
        if owner is None:
            raise CommandError("No such person: give a user name.", returncode=NOT_FOUND)
    if options["tenant"]:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError("No such tenant: give its slug.", returncode=NOT_FOUND)
    return Request(send=lambda **how: requests.provision(wish, via=VIA, owner=owner, tenant=tenant, **how))


def _ports(vm: Vm, options: dict[str, Any]) -> Request:
    if bool(options["add"]) == bool(options["action"]):
        raise CommandError("Write --add or --action, one of them.", returncode=USAGE)
    if options["add"]:
        if options["only"]:
            raise CommandError("--only goes with --action: with --add name each port there.", returncode=USAGE)
        given = wishes.read_ports([port_of(text) for text in options["add"]])
        return Request(send=lambda **how: requests.create_ports(vm, given, via=VIA, **how))
    names = wishes.read_names(options["only"]) if options["only"] else None
    return Request(send=lambda **how: requests.act_on_ports(vm, options["action"], names, via=VIA, **how))


def port_of(text: str) -> Any:
    """ "web=8080:32010/udp" as a port is asked for elsewhere. Raises ValidationError."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ValidationError({"port": f"{text[:40]!r} is no JSON: write an object, or NAME=PORT."}) from None
    name, is_there, rest = text.partition("=")
    if not is_there:
        return name
    rest, _, protocol = rest.partition("/")
    inner, _, outer = rest.partition(":")
    found: dict[str, Any] = {"name": name, "internal_port": _number(inner, text)}
    if outer:
        found["external_port"] = _number(outer, text)
    return found | ({"protocol": protocol} if protocol else {})


def _number(word: str, text: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= 5):
        raise ValidationError({"port": f"{text[:40]!r}: write NAME=INNER[:OUTER][/PROTOCOL], such as web=8080:32010."})
    return int(word)


@contextmanager
def refusals() -> Iterator[None]:
    """What services refuse becomes a CommandError with the exit code of its kind; all is done as the command."""
    try:
        with acting(None, VIA):
            yield
    except ValidationError as error:
        known = error.message_dict if hasattr(error, "error_dict") else {"ports": error.messages}
        raise CommandError(
            " ".join(f"{name}: {' '.join(texts)}" for name, texts in known.items()), returncode=USAGE
        ) from None
    except RouterBusy as error:
        raise CommandError(error.detail, returncode=TRY_LATER) from None
    except NetmonError as error:
        code = DENIED if error.data.get("reason") == "auth_failed" else FAILED
        raise CommandError(error.detail, returncode=code) from None


def as_dict(asked: Asked) -> dict[str, Any]:
    """A plan for `--json`."""
    plan = asked.plan
    made = asked.made
    return {
        "machine": asked.vm.name,
        "router": str(asked.vm.router),
        "address": made.reservation.address if made is not None else None,
        "external_ports": made.external_ports if made is not None else None,
        "lines": plan.lines if plan is not None else None,
        "undo": plan.undo_lines if plan is not None else None,
        "diff": list(plan.diff) if plan is not None else None,
        "remarks": list(plan.remarks) if plan is not None else None,
        "digest": plan.digest if plan is not None else "",
    }


def lines_of(found: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    yield f"{found['machine']} at {found['router']}" + (f": {found['address']}" if found["address"] else "")
    for name, port in (found["external_ports"] or {}).items():
        yield f"  {name}: outside port {port}"
    if not found["lines"]:
        yield "Nothing is to be sent: it is so already."
        return
    for heading, name in (("To be sent", "lines"), ("What would take it back", "undo"), ("What changes", "diff")):
        yield f"\n{heading}:"
        yield from (f"  {line}" for line in found[name])
    yield from found["remarks"]
    yield f"\ndigest {found['digest']}"
