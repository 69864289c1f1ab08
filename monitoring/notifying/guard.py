"""Where messages may go: stricter than where devices may be asked. `docs/adr/0031-channel-targets.md` tells why.

What is built into the target policy as refused stays refused, whatever rules say. Refusing rules hold, and private
addresses must be in the allow-list where there is one; the receivers on the internet need no rule.
"""

from ipaddress import IPv6Address, ip_network

from django.conf import settings

from inventory import policy as policies
from inventory.policy import Policy
from netmon.common.addresses import Address, address_key
from netmon.drivers.dialing import Refuse

TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
EXACT = policies.BITS


def check_host(host: str) -> None:
    """Refuse what is neither an address in its plain form nor a name: 2130706433, 0x7f.1. Raises ValidationError."""
    policies.parse_host(host)


def refuser(*, tenant_id: int | None, port: int, is_mail: bool = False) -> Refuse:
    """What judges the addresses of one message. One query.

    A site-wide mail server may be on netmon's own machine, as most are.
    """
    policy = Policy.load()
    own = policies.own_services()
    admits_loopback = settings.ALLOW_LOOPBACK or (is_mail and tenant_id is None)

    def refuse(address: Address) -> str:
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        forms = policies.forms_of(address)
        for form in forms:
            if reason := _never(form, admits_loopback):
                return reason if form == address else f"It leads to {form}. {reason}"
        if address.is_loopback:  # admitted, but for what listens there of netmon's own
            is_own = any(own_port == port for _, own_port in own)
            return "netmon's own database, broker or web server listens there." if is_own else ""
        is_private = any(not form.is_global for form in forms)
        decision = policy.decide(address, tenant_id=tenant_id, port=port, is_listed=is_private)
        if not decision.is_allowed:
            return decision.reason
        # Their other ports manage them: one is as bad as the other.
        is_exact = decision.rule is not None and decision.rule.length == EXACT
        if not is_exact and any(form == one for one, _ in own for form in forms):
            return "netmon's own database or broker is there."
        return ""

    return refuse


def _never(form: Address, admits_loopback: bool) -> str:
    if form.is_loopback and admits_loopback:
        return ""
    for rule in policies.BUILT_IN:
        if rule.covers(int(address_key(form), 16)):
            return rule.reason
    if isinstance(form, IPv6Address) and form.is_reserved and not any(form in network for network in TRANSLATED):
        return "Reserved addresses belong to nobody."
    return ""
