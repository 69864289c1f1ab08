"""Where a request comes from."""

import ipaddress

from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle


def client_address(request: HttpRequest) -> str | None:
    """The caller's address: what the throttle, the lock-out and the audit count and name (see NETMON_PROXIES)."""
    # With fewer proxies than NETMON_PROXIES says, the header is what the caller wrote: the columns take addresses only.
    for text in (BaseThrottle().get_ident(request), request.META.get("REMOTE_ADDR")):  # type: ignore[arg-type]
        try:
            return str(ipaddress.ip_address((text or "").partition("%")[0]))
        except ValueError:
            continue
    return None
