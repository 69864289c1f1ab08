"""Lists of ports as people write them: numbers, ranges, services, and lists that have a name. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from netmon.drivers import tcp

MAX_TEXT = 400_000  # every other port, one by one; forms and the API take less
DEFAULT = "1-1024"

# Names as in the IANA registry of services where it has one; what people call it where that is another word.
SERVICES = {
    7: "echo", 13: "daytime", 20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 37: "time", 43: "whois",
    49: "tacacs", 53: "domain", 70: "gopher", 79: "finger", 80: "http", 88: "kerberos", 102: "iso-tsap", 110: "pop3",
    111: "sunrpc", 113: "ident", 119: "nntp", 135: "msrpc", 139: "netbios-ssn", 143: "imap", 179: "bgp", 199: "smux",
    264: "bgmp", 389: "ldap", 427: "svrloc", 443: "https", 444: "snpp", 445: "microsoft-ds", 465: "submissions",
    502: "modbus", 512: "exec", 513: "login", 514: "shell", 515: "printer", 543: "klogin", 548: "afpovertcp",
    554: "rtsp", 587: "submission", 593: "http-rpc-epmap", 623: "ipmi", 631: "ipp", 636: "ldaps", 646: "ldp",
    853: "domain-s", 873: "rsync", 902: "vmware-auth", 990: "ftps", 993: "imaps", 995: "pop3s", 1080: "socks",
    1194: "openvpn", 1433: "ms-sql-s", 1521: "oracle", 1701: "l2tp", 1723: "pptp", 1883: "mqtt", 1900: "ssdp",
    2000: "cisco-sccp", 2049: "nfs", 2121: "ftp-alt", 2181: "zookeeper", 2222: "ssh-alt", 2375: "docker",
    2376: "docker-s", 2379: "etcd-client", 2380: "etcd-server", 2601: "zebra", 3000: "http-dev", 3128: "squid",
    3260: "iscsi", 3268: "globalcat", 3306: "mysql", 3389: "ms-wbt-server", 3690: "svn", 4369: "epmd",
    4786: "smart-install", 4840: "opcua", 5000: "http-alt-5000", 5060: "sip", 5061: "sips", 5222: "xmpp-client",
    5269: "xmpp-server",
    5357: "wsdapi", 5432: "postgresql", 5555: "adb", 5601: "kibana", 5666: "nrpe", 5671: "amqps", 5672: "amqp",
    5900: "vnc", 5938: "teamviewer", 5984: "couchdb", 5985: "winrm", 5986: "winrm-s", 6000: "x11", 6379: "redis",
    6443: "kubernetes", 6667: "irc", 7001: "weblogic", 8000: "http-alt-8000", 8006: "proxmox", 8008: "http-alt-8008",
    8080: "http-alt", 8081: "http-alt-8081", 8086: "influxdb", 8291: "winbox", 8443: "https-alt", 8554: "rtsp-alt",
    8728: "mikrotik-api", 8729: "mikrotik-api-s", 8883: "mqtt-s", 8888: "http-alt-8888", 9000: "http-alt-9000",
    9042: "cassandra", 9090: "prometheus", 9092: "kafka", 9100: "jetdirect", 9200: "elasticsearch", 9418: "git",
    9443: "https-alt-9443", 10000: "webmin", 10050: "zabbix-agent", 10051: "zabbix-trapper", 10250: "kubelet",
    11211: "memcached", 15672: "rabbitmq-web", 25565: "minecraft", 27017: "mongodb", 32400: "plex", 37777: "dahua",
    49152: "dynamic-first", 51413: "bittorrent", 55443: "yeelight",
}  # fmt: skip
NUMBERS = {name: port for port, name in SERVICES.items()}

# Lists that have a name: what people look for together.
LISTS = {
    "common": ",".join(str(port) for port in SERVICES),
    "web": "80,443,3000,5000,8000,8008,8080,8081,8443,8888,9000,9443",
    "mail": "25,110,143,465,587,993,995",
    "remote": "22,23,2222,3389,5900,5938,5985,5986",
    "databases": "1433,1521,3306,5432,5984,6379,8086,9042,9200,11211,27017",
    "network": "22,23,53,80,161,179,443,830,2601,4786,8291,8728,8729",
    "cameras": "80,443,554,8000,8554,37777",
    "system": "1-1024",
    "all": f"1-{tcp.MOST_PORT}",
}
LISTS_HELP = {
    "common": "What is most often open",
    "web": "Web servers",
    "mail": "Mail servers",
    "remote": "Remote access",
    "databases": "Databases and caches",
    "network": "Routers and switches",
    "cameras": "Cameras and recorders",
    "system": "1 to 1024",
    "all": "All 65,535",
}
_SEPARATORS = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True)
class Ports:
    """A set of ports, as ranges in order that do not touch each other."""

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, numbers: Iterable[int]) -> "Ports":
        """The set of these numbers."""
        return cls(_merged((number, number) for number in numbers))

    @classmethod
    def of_ranges(cls, pairs: Iterable[tuple[int, int]]) -> "Ports":
        """The set of the ports from the first to the last of each pair."""
        return cls(_merged(pairs))

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        return (port for first, last in self.ranges for port in range(first, last + 1))

    def __contains__(self, port: int) -> bool:
        return any(first <= port <= last for first, last in self.ranges)

    def __str__(self) -> str:
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in self.ranges)


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def parse(text: Any) -> Ports:
    """`22`, `22,80`, `1-1024`, `ssh`, `web` and any mix. Raises ValidationError that quotes the part which is wrong."""
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text)
    if not isinstance(text, str):
        raise ValidationError("Write the ports as a text, such as 22,80 or 1-1024.", code="invalid_ports")
    if len(text) > MAX_TEXT:
        raise ValidationError(f"At most {MAX_TEXT} characters of ports.", code="invalid_ports")
    parts = [part for part in _SEPARATORS.split(text.lower()) if part]
    if not parts:
        raise ValidationError("Name at least one port, such as 22,80 or 1-1024.", code="invalid_ports")
    ranges: list[tuple[int, int]] = []
    for part in parts:
        ranges.extend(_read(part))
    return Ports(_merged(ranges))


def _read(part: str) -> tuple[tuple[int, int], ...]:
    shown = "".join(character if character.isprintable() else "?" for character in part[:40])
    if part in LISTS:
        return _merged(pair for item in LISTS[part].split(",") for pair in _numbers(item, item))
    if part in NUMBERS:
        return ((NUMBERS[part], NUMBERS[part]),)
    if part[0].isdigit() or part[0] in "+-":
        return _numbers(part, shown)
    raise ValidationError(
        f"{shown}: no such service or list. Write a number, or one of the lists {', '.join(LISTS)}.",
        code="invalid_ports",
    )


def _numbers(part: str, shown: str) -> tuple[tuple[int, int], ...]:
    try:
        return (tcp.parse_range(part),)
    except ValueError as error:
        raise ValidationError(f"{shown}: {error}", code="invalid_ports") from None


def service_name(port: int) -> str:
    """What usually listens there; empty where nothing does in particular."""
    return SERVICES.get(port, "")
