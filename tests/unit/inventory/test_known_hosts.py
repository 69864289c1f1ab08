"""Importing known_hosts: which servers a line speaks of, what becomes of it, and who may do it."""

import base64
import hmac
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from inventory import host_keys, known_hosts
from inventory.models import HostKey, ManagementEndpoint
from inventory.services import update_device
from netmon.audit.models import AuditEvent
from netmon.drivers.targets import HostKey as DriverHostKey
from tests import factories, people
from tests.daemons import require

pytestmark = pytest.mark.django_db
URL = "/api/v1/host-keys/import/"
KEY, OTHER, ECDSA = (DriverHostKey.parse(line) for line in factories.HOST_KEY_LINES)


@pytest.fixture
def endpoint(db: None) -> ManagementEndpoint:
    return factories.make_ssh_endpoint()


def address(endpoint: ManagementEndpoint) -> str:
    assert endpoint.device.primary_ip is not None
    return endpoint.device.primary_ip.address


def take(text: str, cast: people.Cast, *, dry_run: bool = False) -> list[known_hosts.Outcome]:
    return known_hosts.take(text, user=cast.ada, rows=ManagementEndpoint.objects.all(), dry_run=dry_run)


def status(text: str, cast: people.Cast) -> str:
    (outcome,) = take(text, cast)
    return outcome.status


def hashed(name: str) -> str:
    salt = b"0123456789abcdefghij"
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


class TestWhoIsMeant:
    @pytest.mark.parametrize("form", ["address", "name", "dns", "bracketed", "hashed", "hashed name", "several"])
    def test_a_server_by_any_of_its_names(self, form: str, endpoint: ManagementEndpoint, cast: people.Cast) -> None:
        update_device(endpoint.device, fields={"name": "Core-R1", "hostname": "r1.example.net"})
        own = address(endpoint)
        host = {
            "address": own, "name": "core-r1", "dns": "R1.example.net", "bracketed": f"[{own}]:22",
            "hashed": hashed(own), "hashed name": hashed("r1.example.net"), "several": f"elsewhere,core-r1,{own}",
        }[form]  # fmt: skip
        (outcome,) = take(f"{host} {KEY.line} a comment\n", cast)
        assert (outcome.status, outcome.endpoint, outcome.device) == ("imported", endpoint.pk, "Core-R1")
        row = HostKey.objects.get()
        assert (row.state, row.reason, row.decided_by, row.as_pin()) == ("trusted", "entered", cast.ada, KEY)
        assert host_keys.pins_of(endpoint) == (KEY,)

    def test_the_port_counts(self, cast: people.Cast) -> None:
        endpoint = factories.make_ssh_endpoint(port=2222)
        own = address(endpoint)
        assert status(f"{own} {KEY.line}", cast) == "unmatched"
        assert status(f"[{own}]:22 {KEY.line}", cast) == "unmatched"
        assert status(f"[{own}]:x {KEY.line}", cast) == "unmatched"
        assert status(f"[{own}]:2222 {KEY.line}", cast) == "imported"
        assert status(f"{hashed(f'[{own}]:2222')} {ECDSA.line}", cast) == "imported"

    def test_a_host_of_its_own_goes_before_the_address(self, cast: people.Cast) -> None:
        endpoint = factories.make_ssh_endpoint(options={"host": "2001:DB8::1"})
        assert status(f"{address(endpoint)} {KEY.line}", cast) == "unmatched"
        assert status(f"2001:db8:0::1 {KEY.line}", cast) == "imported"

    def test_one_address_behind_two_jump_hosts_is_two_servers(self, cast: people.Cast) -> None:
        hops = [factories.make_ssh_endpoint() for _ in range(2)]
        for hop in hops:
            factories.make_ssh_endpoint(options={"jump": hop.pk, "host": "192.0.2.7"})
        assert status(f"192.0.2.7 {KEY.line}", cast) == "ambiguous"
        assert not HostKey.objects.exists()

    def test_what_ssh_keygen_hashed(self, endpoint: ManagementEndpoint, cast: people.Cast, tmp_path: Path) -> None:
        file = tmp_path / "known_hosts"
        file.write_text(f"{address(endpoint)} {KEY.line}\n")
        subprocess.run([require("ssh-keygen"), "-H", "-f", str(file)], check=True, capture_output=True, timeout=20)
        assert "|1|" in file.read_text() and address(endpoint) not in file.read_text()
        assert status(file.read_text(), cast) == "imported"

    def test_more_comparisons_than_it_takes_are_said(
        self, endpoint: ManagementEndpoint, cast: people.Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(known_hosts, "MAX_COMPARISONS", 2)
        (outcome,) = take(f"{hashed('a')},{hashed('b')} {KEY.line}", cast)
        assert outcome.status == "unsupported" and "fewer lines" in outcome.detail


class TestWhatIsDecidedStays:
    def test_a_key_that_waits_is_approved(self, endpoint: ManagementEndpoint, cast: people.Cast) -> None:
        host_keys.note_refused(endpoint.pk, KEY, "unknown")
        assert status(f"{address(endpoint)} {KEY.line}", cast) == "imported"
        row = HostKey.objects.get()
        assert (row.state, row.reason, row.decided_by) == ("trusted", "first", cast.ada)

    def test_a_trusted_one_is_known_and_another_of_its_type_is_left_alone(
        self, endpoint: ManagementEndpoint, cast: people.Cast
    ) -> None:
        host_keys.enter(endpoint, KEY, user=cast.ada)
        own = address(endpoint)
        events = AuditEvent.objects.count()
        found = take(f"{own} {KEY.line}\n{own} {OTHER.line}\n{own} {ECDSA.line}\n{own} {ECDSA.line}", cast)
        assert [outcome.status for outcome in found] == ["known", "differs", "imported", "known"]
        assert set(host_keys.pins_of(endpoint)) == {KEY, ECDSA}
        assert AuditEvent.objects.count() == events + 1

    def test_a_revoked_one_does_not_come_back(self, endpoint: ManagementEndpoint, cast: people.Cast) -> None:
        host_keys.revoke(host_keys.enter(endpoint, KEY, user=cast.ada), user=cast.ada)
        assert status(f"{address(endpoint)} {KEY.line}", cast) == "revoked"
        assert host_keys.pins_of(ManagementEndpoint.objects.get()) == ()


class TestLines:
    @pytest.mark.parametrize(
        ("line", "expected", "says"),
        [
            ("@cert-authority *.example.net {key}", "unsupported", "Certificates"),
            ("@revoked {host} {key}", "unsupported", "revoke the key"),
            ("@else {host} {key}", "invalid", "marker"),
            ("*.example.net {key}", "unsupported", "pattern"),
            ("!{host},192.0.2.? {key}", "unsupported", "pattern"),
            ("{host} ssh-ed25519", "invalid", "Too short"),
            ("{host} ssh-dss AAAAB3NzaC1kc3M=", "invalid", "type"),
            ("{host} ssh-ed25519 AAAA", "invalid", "whole line"),
            ("{host} 1024 35 1234567", "invalid", "type"),
            ("|1|nonsense {key}", "unmatched", "No SSH endpoint"),
            ("|1|a|b {key}", "unmatched", "No SSH endpoint"),
        ],
    )
    def test_what_is_not_taken_says_why(
        self, line: str, expected: str, says: str, endpoint: ManagementEndpoint, cast: people.Cast
    ) -> None:
        (outcome,) = take(line.format(host=address(endpoint), key=KEY.line), cast)
        assert outcome.status == expected and says in outcome.detail
        assert not HostKey.objects.exists()

    def test_comments_and_empty_lines_count_only_for_the_numbers(self, endpoint: Any, cast: people.Cast) -> None:
        (outcome,) = take(f"# mine\r\n\r\n  \n{address(endpoint)} {KEY.line}\r\n", cast)
        assert (outcome.line, outcome.status) == (4, "imported")
        assert take("", cast) == []

    def test_too_much_is_refused_whole(self, cast: people.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(known_hosts, "MAX_LINES", 2)
        with pytest.raises(known_hosts.TooMuch):
            take("#\n#\n#\n", cast)


class TestTheApi:
    def test_an_admin_looks_first_and_imports_then(self, endpoint: ManagementEndpoint, cast: people.Cast) -> None:
        client, own = people.client_for(cast.ada), address(endpoint)
        body = {"text": f"{own} {KEY.line}\n192.0.2.200 {OTHER.line}\n", "dry_run": True}
        answer = client.post(URL, body, format="json").json()
        assert answer["dry_run"] and (answer["counts"]["imported"], answer["counts"]["unmatched"]) == (1, 1)
        assert not HostKey.objects.exists()
        answer = client.post(URL, {**body, "dry_run": False}, format="json").json()
        assert [row["status"] for row in answer["results"]] == ["imported", "unmatched"]
        event = AuditEvent.objects.get(object_type="inventory.hostkey")
        assert (event.action, event.username, event.detail) == ("create", "ada", known_hosts.AUDITED)

    @pytest.mark.parametrize("name", ["omar", "vera"])
    def test_nobody_else_does(self, name: str, endpoint: ManagementEndpoint, cast: people.Cast) -> None:
        body = {"text": f"{address(endpoint)} {KEY.line}"}
        assert people.client_for(getattr(cast, name)).post(URL, body, format="json").status_code == 403
        assert not HostKey.objects.exists()

    def test_an_admin_bound_to_a_tenant_is_none(self, endpoint: ManagementEndpoint, cast: people.Cast) -> None:
        factories.make_tenant().members.add(cast.ada)
        body = {"text": f"{address(endpoint)} {KEY.line}"}
        assert people.client_for(cast.ada).post(URL, body, format="json").status_code == 403

    def test_what_is_wrong_is_named(self, cast: people.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        client = people.client_for(cast.ada)
        for body in ({}, {"text": ""}, {"text": "x", "colour": 1}, {"text": "\n" * (known_hosts.MAX_LINES + 1)}):
            assert client.post(URL, body, format="json").status_code == 400, body
        assert client.get(URL).status_code == 405

    def test_many_lines_cost_few_queries(self, cast: people.Cast) -> None:
        def queries(count: int) -> int:
            text = "\n".join(f"192.0.2.{number} {KEY.line}" for number in range(count))
            with CaptureQueriesContext(connection) as seen:
                take(text, cast)
            return len(seen)

        factories.make_ssh_endpoint()
        assert queries(1) == queries(50)


class TestThePage:
    def test_an_admin_checks_and_imports(self, endpoint: ManagementEndpoint, cast: people.Cast) -> None:
        client, url = people.client_for(cast.ada), reverse("known-hosts-import")
        page = client.get(reverse("host-keys")).content.decode()
        assert f'action="{url}"' in page
        body = {"text": f"{address(endpoint)} {KEY.line}\n"}
        answer = client.post(url, body | {"check": "1"})
        assert "What would be done" in answer.content.decode() and not HostKey.objects.exists()
        answer = client.post(url, body)
        assert answer.status_code == 200 and KEY.fingerprint in answer.content.decode()
        assert HostKey.objects.get().state == "trusted"
        assert client.post(url, {"text": ""}).status_code == 400

    def test_an_operator_is_not_offered_it(self, cast: people.Cast) -> None:
        client, url = people.client_for(cast.omar), reverse("known-hosts-import")
        assert url not in client.get(reverse("host-keys")).content.decode()
        assert client.post(url, {"text": "x"}).status_code == 403


class TestTheCommand:
    def run(self, *args: str) -> tuple[int, str]:
        out = io.StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("import_known_hosts", *args, stdout=out)
        return int(ended.value.code or 0), out.getvalue()

    def test_it_says_what_became_of_each_line(
        self, endpoint: ManagementEndpoint, cast: people.Cast, tmp_path: Path
    ) -> None:
        file = tmp_path / "known_hosts"
        file.write_text(f"{address(endpoint)} {KEY.line}\n192.0.2.200 {OTHER.line}\n")
        code, text = self.run(str(file), "--dry-run", "--user", "ada")
        assert code == 3 and "would be trusted" in text and not HostKey.objects.exists()
        code, text = self.run(str(file), "--json", "--user", "ada")
        assert (code, json.loads(text)["counts"]["imported"]) == (3, 1)
        assert HostKey.objects.get().decided_by == cast.ada
        file.write_text(f"{address(endpoint)} {KEY.line}\n")
        assert self.run(str(file), "--user", "ada")[0] == 0
        file.write_text(f"192.0.2.200 {KEY.line}\n")
        assert self.run(str(file), "--user", "ada")[0] == 1

    @pytest.mark.parametrize(("content", "code"), [(None, 2), (b"\xff\xfe", 1)])
    def test_usage(self, content: bytes | None, code: int, cast: people.Cast, tmp_path: Path) -> None:
        file = tmp_path / "known_hosts"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(CommandError) as refused:
            call_command("import_known_hosts", str(file), "--user", "ada")
        assert refused.value.returncode == code
