"""What a service raises when it cannot do what was asked: the exception handler makes HTTP of it, commands print it."""

from typing import Any


class NetmonError(Exception):
    """`detail` is for people, `code` for programs, `data` goes along in the answer."""

    code = "error"
    http_status = 400

    def __init__(self, detail: str, **data: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.data = data


class Conflict(NetmonError):
    code = "conflict"
    http_status = 409


class AlreadyRunning(Conflict):
    code = "already_running"


class InUse(Conflict):
    code = "in_use"


class NotConfigured(NetmonError):
    code = "not_configured"
    http_status = 409


class NoEndpoint(NotConfigured):
    code = "no_endpoint"


class NoCredential(NotConfigured):
    code = "no_credential"


class ActionUnavailable(NotConfigured):
    code = "action_unavailable"


class UpstreamFailed(NetmonError):
    code = "upstream_failed"
    http_status = 502


class UpstreamTimeout(UpstreamFailed):
    code = "upstream_timeout"
    http_status = 504
