"""The scripts that netmon ships, run as it runs them."""

import os
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from django.conf import settings

from netmon.drivers import process

SHIPPED = settings.BASE_DIR / "actions"


def go(tmp_path: Path, name: str, *arguments: str) -> tuple[int | None, str]:
    folder = tmp_path / "actions"
    folder.mkdir(mode=0o755)
    (folder / name).write_bytes((SHIPPED / name).read_bytes())
    (folder / name).chmod(0o755)
    pieces: list[bytes] = []

    with process.open_script(folder, name, owners=(0, os.geteuid())) as script:
        outcome = process.run(
            script, arguments, account=process.account_of(""), environment={}, timeout_seconds=60,
            on_output=pieces.append,
        )  # fmt: skip
    return outcome.exit_code, b"".join(pieces).decode()


def test_reachability_tells_open_from_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code, text = go(tmp_path, "reachability_report", "127.0.0.1", "--rounds=2", f"--ports={port},1")
    assert code == 0, text
    assert f"tcp {port:<6} open, 2 of 2" in text and "tcp 1      refused" in text and text.endswith("Reached.\n")


@pytest.mark.parametrize("name", ["reachability_report", "tls_check"])
def test_nonsense_is_refused(tmp_path: Path, name: str) -> None:
    assert go(tmp_path, name, "192.0.2.1; id")[0] == 2


def test_a_certificate_is_shown_and_judged(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
         "-subj", "/CN=shop.example.com", "-addext", "subjectAltName=DNS:shop.example.com", "-keyout", str(key), "-out",
         str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(server: socket.socket) -> None:
        while True:
            try:
                plain, _ = server.accept()
            except OSError:
                return
            with plain:
                try:
                    context.wrap_socket(plain, server_side=True).close()
                except OSError:
                    continue

    server = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, args=(server,))
    thread.start()
    try:
        code, text = go(
            tmp_path, "tls_check", "127.0.0.1", f"--port={server.getsockname()[1]}", "--name=shop.example.com"
        )
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
    assert code == 1, text
    assert "names      shop.example.com" in text and "TLSv1.3" in text
    assert "expires in" in text and "does not trust it" in text
