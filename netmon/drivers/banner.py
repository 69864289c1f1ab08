"""What a service says of itself: a few bytes it sends, the head of a web page, the names in a certificate.

Light and harmless: one connection a port, one short wait. Something is sent only to ports that are known for HTTP or
TLS: a printer prints whatever comes in on port 9100. All of it is written by a stranger, and comes out as plain
printable text of bounded length.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from netmon.drivers.dialing import Deadline, cut_at

HTTP_PORTS = frozenset(
    {80, 81, 591, 3000, 5985, 8000, 8008, 8080, 8081, 8086, 8088, 8888, 9000, 9090, 9093, 9200, 10000}
)
HTTPS_PORTS = frozenset({443, 4443, 5986, 6443, 8006, 8443, 9443, 10250})
TLS_PORTS = frozenset({465, 563, 636, 853, 989, 990, 992, 993, 995, 2376, 5061, 6514, 8883})
READ_BYTES, TEXT_LENGTH, NAME_LENGTH, MOST_NAMES = 4096, 300, 120, 50
TICK_SECONDS = 0.25
IAC = 0xFF  # telnet's commands (RFC 854): this byte, a verb, an option


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says; nothing of it was verified. `names`: DNS names and addresses it is for."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    is_self_signed: bool
    sha256: str


@dataclass(frozen=True, slots=True)
class Banner:
    """`protocol`: "ssh", "ftp", "smtp", "pop3", "imap", "http", "https", "tls", "text", or "" where nothing came.

    `text` is one line, `tls` such as "TLSv1.3". `error` says why there is no banner: "closed", "timeout", "tls".
    """

    address: str
    port: int
    protocol: str = ""
    text: str = ""
    tls: str = ""
    certificate: Certificate | None = None
    error: str = ""


def grab(
    places: Iterable[tuple[str, int]],
    *,
    timeout_seconds: float = 3.0,
    parallel: int = 16,
    is_cancelled: Callable[[], bool] | None = None,
) -> Iterator[Banner]:
    """One banner for each (literal address, open port), in the order in which they come; never raises for a peer.

    `timeout_seconds` bounds each with everything that is done there; `parallel` threads work at once. `is_cancelled`
    is asked four times a second; then no more are begun, and those under way are dropped.
    """
    waiting = iter(places)
    running: set[Future[Banner]] = set()
    pool = ThreadPoolExecutor(parallel, thread_name_prefix="netmon-banner")
    try:
        while True:
            for address, port in islice(waiting, parallel - len(running)):
                running.add(pool.submit(_grab_one, address, port, timeout_seconds))
            if not running or (is_cancelled is not None and is_cancelled()):
                return
            ended, running = wait(running, TICK_SECONDS, return_when=FIRST_COMPLETED)
            for future in ended:
                yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def printable(data: bytes, length: int = TEXT_LENGTH) -> str:
    """One line of text that is safe to show: no control, format or bidirectional characters, no half ones."""
    text = data[: 4 * length].decode("utf-8", errors="replace")
    shown = ["." if unicodedata.category(one)[0] == "C" else one for one in " ".join(text.split())]
    return "".join(shown)[:length]


def read_certificate(der: bytes) -> Certificate | None:
    """What a certificate in DER says, or None for what is none."""
    try:
        found = x509.load_der_x509_certificate(der)
        return Certificate(
            subject=_common_name(found.subject),
            issuer=_common_name(found.issuer),
            names=_names(found),
            not_before=found.not_valid_before_utc.astimezone(UTC),
            not_after=found.not_valid_after_utc.astimezone(UTC),
            is_self_signed=_is_self_signed(found),
            sha256=found.fingerprint(SHA256()).hex(),
        )
    # the library's own word for broken DER; an extension may break it later than the certificate
    except (
        ValueError, TypeError, OverflowError, x509.InvalidVersion, x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):  # fmt: skip
        return None


def _common_name(name: x509.Name) -> str:
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(oid):
            value = found[0].value
            return printable(value if isinstance(value, bytes) else value.encode(errors="replace"), NAME_LENGTH)
    return printable(name.rfc4514_string().encode(errors="replace"), NAME_LENGTH)


def _names(found: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    names = [*extension.get_values_for_type(x509.DNSName)[:MOST_NAMES]]
    names += [str(address) for address in extension.get_values_for_type(x509.IPAddress)[:MOST_NAMES]]
    return tuple(printable(name.encode(errors="replace"), NAME_LENGTH) for name in names[:MOST_NAMES])


def _is_self_signed(found: x509.Certificate) -> bool:
    if found.issuer != found.subject:
        return False
    try:
        found.verify_directly_issued_by(found)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _grab_one(address: str, port: int, seconds: float) -> Banner:
    deadline = Deadline(seconds)
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(seconds)
            place = socket.getaddrinfo(address, port, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0][4]
            sock.connect(place)
            with cut_at(deadline, sock):
                return _listen(sock, address, port, deadline)
    except TimeoutError:
        return Banner(address, port, error="timeout")
    except ssl.SSLError:
        return Banner(address, port, error="tls")
    except OSError:
        return Banner(address, port, error=_why_nothing(deadline))


def _listen(sock: socket.socket, address: str, port: int, deadline: Deadline) -> Banner:
    if port in HTTPS_PORTS or port in TLS_PORTS:
        with _tls_context().wrap_socket(sock) as wrapped:
            der = wrapped.getpeercert(binary_form=True)
            certificate = read_certificate(der) if der else None
            version = wrapped.version() or ""
            is_web = port in HTTPS_PORTS
            data = b""
            with contextlib.suppress(OSError):  # the certificate is what was wanted
                data = _ask_web(wrapped, address, deadline) if is_web else _read(wrapped, deadline)
        protocol = ("https" if data.startswith(b"HTTP/") else "tls") if is_web else _protocol(data, port) or "tls"
        return Banner(address, port, protocol, _text(data), version, certificate)
    data = _ask_web(sock, address, deadline) if port in HTTP_PORTS else _read(sock, deadline)
    return Banner(address, port, _protocol(data, port), _text(data), error="" if data else _why_nothing(deadline))


def _why_nothing(deadline: Deadline) -> str:
    # what ends a connection at the deadline may be a little early
    return "timeout" if deadline.remaining < 0.05 else "closed"


def _tls_context() -> ssl.SSLContext:
    """Takes every certificate and every version: it reads a name off a door, and sends nothing that is secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLError, ValueError):  # a system policy may forbid it
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _ask_web(sock: socket.socket, address: str, deadline: Deadline) -> bytes:
    host = f"[{address.partition('%')[0]}]" if ":" in address else address
    sock.sendall(f"HEAD / HTTP/1.0\r\nHost: {host}\r\nUser-Agent: netmon\r\nConnection: close\r\n\r\n".encode())
    return _read(sock, deadline, until=b"\r\n\r\n")


def _read(sock: socket.socket, deadline: Deadline, until: bytes = b"\n") -> bytes:
    data = b""
    while len(data) < READ_BYTES and until not in data:
        sock.settimeout(max(deadline.remaining, 0.001))
        try:
            more = sock.recv(READ_BYTES - len(data))
        except OSError:
            if data:  # a prompt has no end of line
                break
            raise
        if not more:
            break
        data += more
        if data[0] == IAC:
            break  # it negotiates, and waits for our answers before it says more
    return data


def _text(data: bytes) -> str:
    if data.startswith(b"HTTP/"):
        lines = data.replace(b"\r", b"").split(b"\n")
        wanted = [
            line for line in lines[1:] if line.lower().startswith((b"server:", b"location:", b"www-authenticate:"))
        ]
        return printable(b"; ".join([lines[0], *wanted]))
    while data[:1] == bytes([IAC]) and len(data) >= 3:
        data = data[3:]
    return printable(data)


def _protocol(data: bytes, port: int) -> str:
    if data.startswith(b"SSH-"):
        return "ssh"
    if data.startswith(b"HTTP/"):
        return "http"
    if data.startswith(b"220"):
        return "ftp" if port in (21, 990) or b"ftp" in data.lower() else "smtp"
    if data.startswith(b"+OK"):
        return "pop3"
    if data.startswith(b"* OK"):
        return "imap"
    return "text" if data else ""
