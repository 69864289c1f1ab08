"""Where a request comes from."""

import ipaddress

from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle

# In the environment of a request that another door of netmon makes to the API, within the process: that door's name.
# No caller can set it: the name of a header begins with HTTP_.
INNER = "netmon.door"


def inner_door(request: HttpRequest) -> str:
    """Through which door a request came that netmon makes to itself; empty for one that came over the network."""
    return str(request.META.get(INNER, ""))


def client_address(request: HttpRequest) -> str | None:
    """The caller's address: what the throttle, the lock-out and the audit count and name (see NETMON_PROXIES)."""
    # With fewer proxies than NETMON_PROXIES says, the header is what the caller wrote: the columns take addresses only.
    for text in (BaseThrottle().get_ident(request), request.META.get("REMOTE_ADDR")):  # type: ignore[arg-type]
        try:
            return str(ipaddress.ip_address((text or "").partition("%")[0]))
        except ValueError:
            continue
    return None
