"""Computers watched over SSH from end to end: endpoint, credential, host key, check, facts, samples, events, API."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone

from inventory import host_keys, ssh_keys
from inventory.models import Credential, CredentialUse, HostKey, ManagementEndpoint
from inventory.services import create_device, save_endpoint
from monitoring.models import Check, DeviceEvent, DeviceFact, DeviceState, Series
from monitoring.services import polling, scheduling
from monitoring.store.read import read, top
from monitoring.store.write import SampleWrite, write_many
from netmon.drivers.targets import HostKey as DriverHostKey
from tests import factories, people
from tests.daemons.bad_ssh import PASSWORD, bad_ssh
from tests.daemons.sshd import Sshd

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


def endpoint_at(server: Any, *, trusted: DriverHostKey | None, password: str = "", **over: Any) -> ManagementEndpoint:
    """An SSH endpoint of a computer of its own, at a server; `trusted` is approved for it."""
    device = create_device(fields={"name": f"host {server.port}", "kind": "computer", "ip": server.address})
    device.endpoints.all().delete()
    username = getattr(server, "username", "netmon")
    if password:
        credential = Credential(name="login", kind="password", username=username, secret=password)
    else:
        key = ssh_keys.import_key(name="key", data=server.private_key, username=username)
        credential = Credential.objects.get(pk=key.pk)
    credential.full_clean()
    credential.save()
    endpoint = ManagementEndpoint(device=device, protocol="ssh", port=server.port, credential=credential, **over)
    save_endpoint(endpoint, may_redirect=True)
    if trusted is not None:
        factories.make_host_key(endpoint, trusted, state="trusted")
    return endpoint


def poll(endpoint: ManagementEndpoint) -> dict[str, Any]:
    """Poll now; the entry of the check ssh.host."""
    (entry,) = [one for one in polling.poll_device(endpoint.device) if one["module"] == "ssh.host"]
    return entry


def run_due(endpoint: ManagementEndpoint) -> None:
    """A scheduled run, as the dispatcher hands it out."""
    now = timezone.now()
    Check.objects.filter(endpoint=endpoint).update(next_run_at=now)
    for shard in scheduling.claim_due_checks(now):
        polling.run_shard(shard.protocol, shard.check_ids, shard.token, shard.deadline)


class TestAComputer:
    def test_it_is_up_with_everything_that_proc_says(self, server: Sshd, cast: people.Cast) -> None:
        endpoint = endpoint_at(server, trusted=server.host_keys["ed25519"])
        assert poll(endpoint)["ok"], poll(endpoint)
        device = endpoint.device
        assert DeviceState.objects.get(device=device).state == "up"
        client = people.client_for(cast.vera)
        memory = client.get(f"/api/v1/computers/{device.pk}/memory/").json()
        lines = Path("/proc/meminfo").read_text().splitlines()
        total = int(next(line for line in lines if line.startswith("MemTotal")).split()[1]) * 1024
        assert (memory["data"]["total_bytes"], memory["stale"], memory["error_code"]) == (total, False, "")
        release = client.get(f"/api/v1/computers/{device.pk}/os-release/?raw=1").json()
        assert release["raw"] == Path("/etc/os-release").read_text()
        assert f'PRETTY_NAME="{release["data"]["PRETTY_NAME"]}"' in release["raw"]
        uptime = client.get(f"/api/v1/computers/{device.pk}/uptime/").json()["data"]["uptime_seconds"]
        assert abs(uptime - float(Path("/proc/uptime").read_text().split()[0])) < 120
        disks = client.get(f"/api/v1/computers/{device.pk}/disks/").json()["data"]["disks"]
        assert [disk["mount_point"] for disk in disks if disk["mount_point"] == "/"] == ["/"]

    def test_cpu_is_the_difference_of_two_runs(self, server: Sshd) -> None:
        endpoint = endpoint_at(server, trusted=server.host_keys["ed25519"])
        poll(endpoint)
        first = DeviceFact.objects.get(device=endpoint.device, kind="cpu").data
        assert first["cpu_percent"] is None, "one reading tells nothing of now"
        poll(endpoint)
        second = DeviceFact.objects.get(device=endpoint.device, kind="cpu").data
        assert 0 <= second["cpu_percent"] <= 100
        row = Series.objects.get(device=endpoint.device, metric_set="host")
        assert (row.v0, row.v11) == (second["cpu_percent"], 1.0)
        assert Series.objects.filter(device=endpoint.device, metric_set="host.disk", labels="mount=/").exists()

    def test_a_disk_that_was_unmounted_lapses_and_keeps_its_history(self, server: Sshd) -> None:
        endpoint = endpoint_at(server, trusted=server.host_keys["ed25519"])
        poll(endpoint)
        before = timezone.now() - timedelta(minutes=1)
        gone = factories.make_series(
            endpoint.device, metric_set="host.disk", labels="mount=/mnt/gone", v0=99.0, v1=1e12, last_at=before
        )
        slot = int(before.timestamp()) // 60 * 60
        write_many([SampleWrite(gone.pk, slot, [99.0, 1e12, None, None, None])])
        good_port, endpoint.port = endpoint.port, 9
        endpoint.save()
        assert not poll(endpoint)["ok"]
        gone.refresh_from_db()
        assert gone.v0 == 99.0, "a poll that failed says nothing of its disks"

        endpoint.port = good_port
        endpoint.save()
        assert poll(endpoint)["ok"]
        gone.refresh_from_db()
        assert (gone.v0, gone.v1, gone.last_at) == (None, None, before)
        root = Series.objects.get(device=endpoint.device, labels="mount=/")
        assert root.v0 is not None
        assert gone not in top("host.disk", "used_percent", 500) and root in top("host.disk", "used_percent", 500)
        frame = read(gone, slot, slot + 300)
        assert 99.0 in frame.average[:, 0], "what was measured stays"

    def test_an_endpoint_gets_its_checks_by_itself(self, server: Sshd) -> None:
        endpoint = endpoint_at(server, trusted=None)
        modules = set(Check.objects.filter(endpoint=endpoint).values_list("module", flat=True))
        assert "ssh.host" in modules
        assert "ssh.routing" not in modules, "a computer has no routing worth a look"

    def test_a_second_endpoint_of_the_device_does_not_write_the_same_series(self, server: Sshd) -> None:
        first = endpoint_at(server, trusted=None)
        second = ManagementEndpoint(device=first.device, protocol="ssh", port=2222, credential=first.credential)
        save_endpoint(second, may_redirect=True)
        assert not Check.objects.filter(endpoint=second).exists()
        with pytest.raises(ValidationError, match="at another endpoint"):
            Check(endpoint=second, module="ssh.host").full_clean()

    def test_a_restart_of_the_host_is_told(self, server: Sshd) -> None:
        endpoint = endpoint_at(server, trusted=server.host_keys["ed25519"])
        poll(endpoint)
        fact = DeviceFact.objects.get(device=endpoint.device, kind="uptime")
        fact.data = {**fact.data, "boot_time": "2020-01-01T00:00:00Z"}
        fact.collected_at -= timedelta(days=365)  # it was up all the time between only if it was not off
        fact.save()
        poll(endpoint)
        assert DeviceEvent.objects.get(device=endpoint.device).kind == "rebooted"


class TestHostKeys:
    def test_an_unknown_key_waits_for_approval_and_then_all_is_well(self, server: Sshd, cast: people.Cast) -> None:
        endpoint = endpoint_at(server, trusted=None)
        entry = poll(endpoint)
        assert (entry["ok"], entry["error_code"], entry["status"]) == (False, "untrusted_peer", "down")
        row = HostKey.objects.get(endpoint=endpoint)
        assert (row.state, row.reason) == ("pending", "first")
        assert row.as_pin() in server.host_keys.values()
        assert DeviceEvent.objects.get(device=endpoint.device).kind == "key_waits"
        host_keys.approve(row, user=cast.ada)
        assert poll(endpoint)["ok"]

    def test_first_use_is_trusted_where_the_tenant_says_so(self, server: Sshd) -> None:
        endpoint = endpoint_at(server, trusted=None)
        endpoint.device.tenant = factories.make_tenant(host_key_policy="first_use")
        endpoint.device.save()
        assert poll(endpoint)["ok"]
        row = HostKey.objects.get(endpoint=endpoint)
        assert (row.state, row.decided_by) == ("trusted", None)

    def test_the_keys_of_jump_hosts_are_kept_with_them(self, server: Sshd) -> None:
        """Trusted on first use and then not kept, a jump host could be another one at every poll."""
        tenant = factories.make_tenant(host_key_policy="first_use")
        hop = endpoint_at(server, trusted=None)
        device = create_device(fields={"name": "behind", "kind": "computer", "ip": "127.0.0.2", "tenant": tenant})
        hop.device.tenant = tenant
        hop.device.save()
        options = {"jump": hop.pk, "host": "127.0.0.1"}
        behind = ManagementEndpoint(
            device=device, protocol="ssh", port=server.port, credential=hop.credential, options=options
        )
        save_endpoint(behind, may_redirect=True)
        assert poll(behind)["ok"], poll(behind)
        states = {(row.endpoint_id, row.state) for row in HostKey.objects.all()}
        assert states == {(hop.pk, "trusted"), (behind.pk, "trusted")}

    def test_a_changed_key_gets_no_password_and_is_told_once(self, db: None) -> None:
        with bad_ssh() as impostor:
            endpoint = endpoint_at(
                impostor, trusted=DriverHostKey.parse(factories.HOST_KEY_LINES[0]), password="hunter2"
            )
            entry = poll(endpoint)
            poll(endpoint)
            assert entry["error_code"] == "untrusted_peer"
            assert factories.HOST_KEY_FINGERPRINT in entry["error_detail"]
            assert impostor.host_key.fingerprint in entry["error_detail"]
            assert not impostor.attempts, "nothing may be sent to it"
        events = DeviceEvent.objects.filter(device=endpoint.device)
        assert [(event.kind, event.severity) for event in events] == [("key_changed", "critical")]
        assert HostKey.objects.get(state="pending").reason == "changed"
        assert "hunter2" not in str(list(events.values())) + str(entry)


class TestARefusedPassword:
    def test_it_is_down_at_once_and_not_tried_again(self, db: None) -> None:
        with bad_ssh() as server:
            endpoint = endpoint_at(server, trusted=server.host_key, password="wrong")
            run_due(endpoint)
            check = Check.objects.get(endpoint=endpoint, module="ssh.host")
            assert (check.status, check.last_error_code) == ("down", "auth_failed")
            tried = len(server.attempts)
            assert tried >= 1
            for _ in range(3):
                run_due(endpoint)
            assert len(server.attempts) == tried, "an account is locked after a few"
            assert CredentialUse.objects.get(endpoint=endpoint).last_error_code == "auth_failed"

            credential = endpoint.credential
            assert credential is not None
            credential.secret = PASSWORD
            credential.save()
            run_due(endpoint)
            assert len(server.attempts) > tried, "another password is another matter"

    def test_a_person_may_try_again(self, db: None) -> None:
        with bad_ssh() as server:
            endpoint = endpoint_at(server, trusted=server.host_key, password="wrong")
            run_due(endpoint)
            tried = len(server.attempts)
            assert poll(endpoint)["error_code"] == "auth_failed"
            assert len(server.attempts) > tried


class TestReadingFacts:
    def test_old_facts_say_that_they_are_old(self, server: Sshd, cast: people.Cast) -> None:
        endpoint = endpoint_at(server, trusted=server.host_keys["ed25519"])
        poll(endpoint)
        DeviceFact.objects.filter(device=endpoint.device, kind="memory").update(
            collected_at=timezone.now() - timedelta(minutes=10)
        )
        url = f"/api/v1/computers/{endpoint.device_id}/"
        client = people.client_for(cast.vera)
        assert client.get(url + "memory/").json()["stale"] is True
        assert client.get(url + "disks/").json()["stale"] is False

    def test_what_was_never_read_is_said_and_why(self, cast: people.Cast) -> None:
        device = factories.make_device(kind="computer")
        answer = people.client_for(cast.vera).get(f"/api/v1/computers/{device.pk}/memory/")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_collected")
        assert "SSH endpoint" in answer.json()["detail"]

    def test_only_operators_ask_a_device(self, cast: people.Cast) -> None:
        device = factories.make_device(kind="computer")
        answer = people.client_for(cast.vera).get(f"/api/v1/computers/{device.pk}/memory/?refresh=1")
        assert answer.status_code == 403


class TestTheCommand:
    def run(self, *args: str) -> tuple[int, str]:
        out = io.StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("ssh_facts", *args, stdout=out)
        return int(ended.value.code or 0), out.getvalue()

    def test_it_reads_and_prints(self, server: Sshd) -> None:
        endpoint = endpoint_at(server, trusted=server.host_keys["ed25519"])
        code, text = self.run(endpoint.device.name, "--kind", "os_release", "--kind", "uptime", "--json")
        (entry,) = json.loads(text)["devices"]
        assert (code, set(entry["facts"])) == (0, {"os_release", "uptime"})
        assert entry["facts"]["uptime"]["data"]["uptime_seconds"] > 0
        assert [result["module"] for result in entry["results"] if result["ok"]] == ["ssh.host"]
        code, text = self.run(endpoint.device.name, "--stored", "--raw", "--kind", "os_release")
        assert (code, "PRETTY_NAME=" in text) == (0, True)

    def test_a_refused_login_has_its_own_exit_code(self, db: None) -> None:
        with bad_ssh() as server:
            endpoint = endpoint_at(server, trusted=server.host_key, password="wrong")
            code, text = self.run(endpoint.device.name)
            assert code == 5 and "ssh.host" in text and "wrong" not in text

    @pytest.mark.parametrize(("args", "code"), [((), 2), (("nobody",), 4), (("--all", "nobody"), 2), (("--all",), 4)])
    def test_usage(self, args: tuple[str, ...], code: int, db: None) -> None:
        with pytest.raises(CommandError) as refused:
            call_command("ssh_facts", *args)
        assert refused.value.returncode == code
