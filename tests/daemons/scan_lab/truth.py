"""What a correct scanner must say about each host. Read by the servers, by the firewall and by the tests.

Standard library only: the servers run it as a script.
"""

from __future__ import annotations

from dataclasses import dataclass

# 198.18.0.0/15 is for tests between networks (RFC 2544). The second is reached through the relay, late and with loss.
NET4, WAN4, NET6 = "198.18.7.", "198.18.8.", "fd00:198:18:7::"
HOSTS = range(1, 51)
SCANNER = 254
EXTRA = {
    1: [21, 8080], 2: [25, 110, 143], 3: [3306], 4: [5432], 5: [23], 6: [8443, 9100], 7: [554], 8: [111, 139, 445],
    9: [1000], 10: [1, 1024],
}  # fmt: skip

LIMITED = (29, 30)
DROPPED = range(31, 41)
MUTE_CLOSED = range(41, 46)
MUTE_DROPPED = range(46, 49)
REJECTED = (49, 50)


@dataclass(frozen=True)
class Host:
    """`rest`: the state of every port that is not open. `answers_ping`: whether ICMP echo is answered."""

    answers_ping: bool
    open: tuple[int, ...]
    rest: str


def host(number: int) -> Host:
    if number <= 10:
        return Host(True, tuple(sorted([22, 80, 443, *EXTRA[number]])), "closed")
    if number <= 30:  # the last two send no more than 200 RST a second
        return Host(True, (), "closed")
    if number in DROPPED:
        return Host(True, (), "filtered")
    if number in MUTE_CLOSED:
        return Host(False, (443,), "closed")
    if number in MUTE_DROPPED:
        return Host(False, (22,), "filtered")
    return Host(True, (80,), "filtered")  # rejected with ICMP port unreachable: `connect` says "refused" here


def truth(net: str = NET4) -> dict[str, Host]:
    """All hosts of a network by address; addresses that are not in it do not exist."""
    return {f"{net}{number}": host(number) for number in HOSTS}


def firewall() -> str:
    """The same for nft: one table for both families."""
    lines = ["table inet lab {", "chain input {", "type filter hook input priority 0;"]
    outgoing = ["chain output {", "type filter hook output priority 0;"]
    for family, net in (("ip", NET4), ("ip", WAN4), ("ip6", NET6)):

        def those(numbers: object, net: str = net) -> str:
            return "{ " + ", ".join(f"{net}{n}" for n in numbers) + " }"  # type: ignore[attr-defined]

        echo = "icmp type echo-request" if family == "ip" else "icmpv6 type echo-request"
        lines.append(f"{family} daddr {those([*MUTE_CLOSED, *MUTE_DROPPED])} {echo} drop")
        lines.append(f"{family} daddr {those(MUTE_DROPPED)} tcp dport 22 accept")
        lines.append(f"{family} daddr {those([*DROPPED, *MUTE_DROPPED])} meta l4proto tcp drop")
        lines.append(f"{family} daddr {those(REJECTED)} tcp dport 80 accept")
        reject = "icmp type port-unreachable" if family == "ip" else "icmpv6 type port-unreachable"
        lines.append(f"{family} daddr {those(REJECTED)} meta l4proto tcp reject with {reject}")
        for number in LIMITED:
            rst = f"{family} saddr {net}{number} tcp flags & rst == rst"
            outgoing += [f"{rst} limit rate 200/second burst 20 packets accept", f"{rst} drop"]
    return "\n".join([*lines, "}", *outgoing, "}", "}", ""])
