"""The endpoints: what a request means, and the status and body that each version answers."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from netmon.lab.vyos.configuration import Words
from netmon.lab.vyos.router import Refusal, Router

ENDPOINTS = ("retrieve", "configure", "config-file", "image", "show", "generate", "reset")
NEWER = ("configure-section", "container-image", "reboot", "poweroff")


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back. JSON comes as text/html, as the real thing sends it."""

    status: int
    body: bytes
    content_type: str = "text/html; charset=utf-8"
    location: str = ""


def handle(router: Router, method: str, path: str, content_type: str, body: bytes) -> Reply:
    """One request to the API."""
    endpoint = path.partition("?")[0].strip("/")
    if endpoint == "info" and method == "GET" and router.behaviour.info:
        version = router.behaviour.banner.removeprefix("VyOS ")
        data = {"version": version, "hostname": router.hostname, "banner": "Welcome to VyOS"}
        return _good(data)
    known = ENDPOINTS + (NEWER if router.behaviour.configure_section else ())
    if method != "POST" or endpoint not in known:
        return Reply(404, b'{"detail":"Not Found"}', "application/json")
    try:
        request = _request(router, content_type, body)
        with router.session(changes=is_change(path)):
            return _good(_dispatch(router, endpoint, request))
    except _Status as status:
        return status.reply
    except Refusal as refusal:
        return _bad(router, 400, str(refusal))


def is_change(path: str) -> bool:
    """Whether the endpoint changes something."""
    return path.partition("?")[0].strip("/") in ("configure", "config-file", "configure-section")


class _Status(Exception):
    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def _request(router: Router, content_type: str, body: bytes) -> Any:
    """The operation or operations, once the key was right. A form counts as one by its content type."""
    if content_type.startswith("application/x-www-form-urlencoded"):
        form = parse_qs(body.decode(errors="replace"))
        missing = router.behaviour.missing_key_status
        if "data" not in form:
            raise _Status(_bad(router, missing, "Non-empty data field is required"))
        if "key" not in form:
            raise _Status(_bad(router, missing, "Valid API key is required"))
        key, request = form["key"][0], _json(router, form["data"][0].encode())
    else:
        request = _json(router, body)
        if not isinstance(request, dict) or "key" not in request:
            raise _Status(_bad(router, 400, f"[{{'type': 'missing', 'loc': ('body', 'key'), 'input': {request!r}}}]"))
        key = request["key"]
    if not isinstance(key, str) or not router.accepts(key):
        raise _Status(_bad(router, 401, "Valid API key is required"))
    return request


def _json(router: Router, body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise _Status(_bad(router, 400, f"[{{'type': 'json_invalid', 'msg': '{error}'}}]")) from None


def _dispatch(router: Router, endpoint: str, request: Any) -> Any:
    match endpoint:
        case "configure":
            return _configure(router, request)
        case "retrieve":
            router.counts["reads"] += 1
            return _retrieve(router, request)
        case "config-file":
            if request.get("op") == "save":
                return router.save()
            if request.get("op") == "load" and request.get("file"):
                return router.load()
        case "configure-section":
            return _section(router, request)
        case "show":
            router.counts["reads"] += 1
            if request.get("op") == "show":
                return router.show(_words(request))
    raise Refusal(f"{request.get('op')!r} is not a valid operation")


def _configure(router: Router, request: Any) -> str | None:
    minutes = None
    if isinstance(request, dict):
        if request.get("op") == "confirm" and router.behaviour.confirm:
            return router.confirm()
        minutes = request.get("confirm_time")
        commands = request.get("commands", [request])
    else:
        commands = request  # a bare list of a form: confirm_time has no place in it
    if not isinstance(commands, list) or not commands:
        raise Refusal("Input should be a valid list")
    return router.configure([_operation(router, command) for command in commands], minutes)


def _operation(router: Router, command: Any) -> tuple[str, Words]:
    op = command.get("op") if isinstance(command, dict) else None
    if op not in ("set", "delete", "comment"):
        raise Refusal(f"{op!r} is not a valid operation")
    try:
        words = _words(command)
    except Refusal:
        if router.behaviour.confirm:  # a malformed operation is taken for a confirmation
            raise Refusal(f"{op!r} is not a valid operation") from None
        raise
    if not words:
        raise Refusal("Malformed command: path must be non-empty")
    value = command.get("value")
    return op, (*words, value) if value else words


def _retrieve(router: Router, request: Any) -> Any:
    words = _words(request)
    match request.get("op"):
        case "showConfig":
            return router.show_config(words)
        case "exists":
            return router.exists(words)
        case "returnValue":
            found = router.values(words)
            return found[0] if found else None
        case "returnValues":
            return router.values(words)
    raise Refusal(f"{request.get('op')!r} is not a valid operation")


def _section(router: Router, request: Any) -> str | None:
    words, section = _words(request), request.get("section")
    if request.get("op") not in ("set", "load") or not isinstance(section, dict):
        raise Refusal("Input should be a valid section")
    operations: list[tuple[str, Words]] = [("delete", words)] if request["op"] == "load" else []
    return router.configure(operations + [("set", path) for path in _flat(section, words)])


def _flat(section: Any, above: Words) -> list[Words]:
    if isinstance(section, dict) and section:
        return [path for name, below in section.items() for path in _flat(below, (*above, name))]
    if isinstance(section, list):
        return [(*above, str(item)) for item in section]
    return [(*above, section)] if isinstance(section, str) else [above]


def _words(request: Any) -> Words:
    words = request.get("path") if isinstance(request, dict) else None
    good = isinstance(words, list) and all(isinstance(word, str) and word and "\n" not in word for word in words)
    if not good:
        raise Refusal(f"[{{'type': 'list_type', 'loc': ('body', 'path'), 'input': {words!r}}}]")
    return tuple(words or ())


def _good(data: Any) -> Reply:
    return Reply(200, json.dumps({"success": True, "data": data, "error": None}).encode())


def _bad(router: Router, status: int, text: str) -> Reply:
    error = html.escape(text, quote=False) if router.behaviour.escapes_html else text
    return Reply(status, json.dumps({"success": False, "data": None, "error": error}).encode())
