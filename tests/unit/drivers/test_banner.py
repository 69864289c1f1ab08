"""Banners of small servers on loopback, friendly and hostile."""

from __future__ import annotations

import contextlib
import itertools
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from netmon.drivers import banner
from netmon.drivers.banner import grab, printable, read_certificate
from tests.daemons import free_port


@contextlib.contextmanager
def server(talk) -> Iterator[int]:
    """The port of a server that calls `talk(connection)` for each connection, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def one(conn):
            with conn, contextlib.suppress(OSError):
                talk(conn)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def greeting(text):
    return lambda conn: (conn.sendall(text), conn.recv(100))


def grab_one(port, **over):
    (found,) = grab([("127.0.0.1", port)], **{"timeout_seconds": 2.0, **over})
    return found


@pytest.mark.parametrize(
    ("said", "protocol", "text"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "ssh", "SSH-2.0-OpenSSH_9.2p1 Debian-2"),
        (b"220 (vsFTPd 3.0.3)\r\n", "ftp", "220 (vsFTPd 3.0.3)"),
        (b"220 mail.example.org ESMTP\r\n", "smtp", "220 mail.example.org ESMTP"),
        (b"+OK ready\r\n", "pop3", "+OK ready"),
        (b"* OK IMAP4rev1\r\n", "imap", "* OK IMAP4rev1"),
        (b"\xff\xfd\x18\xff\xfd\x20", "text", ""),
        (b"\x00\x1b[31mred\x07\r\n", "text", "..[31mred."),
    ],
)
def test_who_speaks_first_is_read(said, protocol, text):
    with server(greeting(said)) as port:
        found = grab_one(port)
    assert (found.protocol, found.text, found.error) == (protocol, text, "")


def test_a_web_server_is_asked_for_its_head(monkeypatch):
    requests = []

    def talk(conn):
        requests.append(conn.recv(1000))
        conn.sendall(b"HTTP/1.1 301 Moved\r\nServer: nginx\r\nX-Other: 1\r\nLocation: https://a/\r\n\r\nbody")

    with server(talk) as port:
        monkeypatch.setattr(banner, "HTTP_PORTS", {port})
        found = grab_one(port)
    assert (found.protocol, found.text) == ("http", "HTTP/1.1 301 Moved; Server: nginx; Location: https://a/")
    assert requests[0].startswith(b"HEAD / HTTP/1.0\r\nHost: 127.0.0.1\r\n")


def test_nothing_is_sent_to_a_port_that_is_not_known():
    """A printer prints whatever it gets."""
    got = queue.Queue()

    def talk(conn):
        conn.settimeout(5)
        got.put(conn.recv(100))

    with server(talk) as port:
        found = grab_one(port, timeout_seconds=0.3)
        assert got.get(timeout=10) == b"" and (found.protocol, found.error) == ("", "timeout")


def tls_server(context):
    def talk(conn):
        with context.wrap_socket(conn, server_side=True) as wrapped:
            wrapped.recv(1000)
            wrapped.sendall(b"HTTP/1.0 200 OK\r\nServer: lab\r\n\r\n")

    return server(talk)


def test_a_certificate_is_read_and_not_verified(monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = trustme.CA(organization_name="A lab").issue_cert(
        "router.example.org", "192.0.2.1", not_after=datetime(2020, 1, 2, tzinfo=UTC), common_name="router"
    )
    issued.configure_cert(context)
    with tls_server(context) as port:
        monkeypatch.setattr(banner, "HTTPS_PORTS", {port})
        found = grab_one(port)
    assert (found.protocol, found.text) == ("https", "HTTP/1.0 200 OK; Server: lab")
    assert found.tls.startswith("TLSv1.")
    certificate = found.certificate
    assert (certificate.subject, certificate.names) == ("router", ("router.example.org", "192.0.2.1"))
    assert certificate.not_after == datetime(2020, 1, 2, tzinfo=UTC)
    assert certificate.issuer and not certificate.is_self_signed and len(certificate.sha256) == 64


def test_a_self_signed_certificate_is_known_as_such():
    authority = trustme.CA(organization_name="A lab")
    found = read_certificate(ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode()))
    assert found.is_self_signed and found.names == ()


def test_plain_text_on_a_port_for_tls_is_told(monkeypatch):
    with server(greeting(b"hello\r\n" * 20)) as port:
        monkeypatch.setattr(banner, "TLS_PORTS", {port})
        assert grab_one(port).error == "tls"


def test_a_drip_and_a_flood_that_never_end_and_a_hang_up_end():
    def drip(conn):
        while True:
            conn.sendall(b"x")
            time.sleep(0.05)

    def flood(conn):
        while True:
            conn.sendall(b"y" * 65536)

    with server(drip) as slow, server(flood) as fast, server(lambda conn: None) as gone:
        places = [("127.0.0.1", port) for port in (slow, fast, gone, free_port(socket.SOCK_STREAM))]
        found = {one.port: one for one in grab(places, timeout_seconds=0.6)}
    assert set(found[slow].text) == {"x"} and len(found[fast].text) == banner.TEXT_LENGTH
    assert [found[port].error for _, port in places[2:]] == ["closed", "closed"]


def test_many_at_once_and_cancelled():
    ended, looks = threading.Event(), itertools.count()
    with server(lambda conn: ended.wait(30)) as port:
        # not cancelled, each would be told as silent
        assert list(grab([("127.0.0.1", port)] * 100, is_cancelled=lambda: next(looks) > 0)) == []
        ended.set()


@given(st.binary(max_size=3000))
def test_what_is_shown_is_one_printable_line(data):
    text = printable(data)
    assert len(text) <= banner.TEXT_LENGTH and "\n" not in text
    assert not any(ord(one) < 32 or 0x202A <= ord(one) <= 0x202E or 0xD800 <= ord(one) <= 0xDFFF for one in text)


@given(st.binary(max_size=300))
def test_what_is_no_certificate_is_none(data):
    assert read_certificate(data) is None


def test_a_certificate_of_a_version_that_does_not_exist_is_none():
    der = ssl.PEM_cert_to_DER_cert(trustme.CA().cert_pem.bytes().decode())
    version = der.index(bytes.fromhex("a003020102"))
    assert read_certificate(der) is not None
    assert read_certificate(der[: version + 4] + b"\x07" + der[version + 5 :]) is None


def test_a_key_of_an_unknown_kind_signs_nothing():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "box")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, datetime(2026, 1, 1), datetime(2036, 1, 1))
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    curve = bytes.fromhex("06082a8648ce3d030107")  # prime256v1; the last number of the OID becomes another one's
    found = read_certificate(der.replace(curve, curve[:-1] + b"\x7f"))
    assert found is not None and found.subject == "box" and not found.is_self_signed
