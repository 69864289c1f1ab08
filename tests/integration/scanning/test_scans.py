"""Scans as people run them: asked for over the API, run by a worker's task, against real listeners on loopback."""

import pytest
from rest_framework.test import APIClient

from inventory.models import Prefix
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from scanning.models import Scan, ScanHost, SeenHost
from scanning.services import running

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


def run(answer: object) -> Scan:
    """The scan of an answer 202, run as the worker does."""
    body = answer.json()  # type: ignore[attr-defined]
    assert answer.status_code == 202, body  # type: ignore[attr-defined]
    running.run_job(body["job"]["id"])
    return Scan.objects.get(pk=body["scan"]["id"])


def test_the_ports_of_a_host(api: APIClient, ours: Prefix, network: str, listener: int) -> None:
    ports = f"{listener - 3}-{listener + 3}"
    scan = run(api.post("/api/v1/scans/?wait=0", {"target": f"{network}7", "kind": "ports", "ports": ports}))
    assert (scan.status, scan.error_detail) == ("succeeded", "")
    assert (scan.hosts_up, scan.open_ports, scan.hosts_done, scan.probes_done) == (1, 1, 1, 7)
    body = api.get(f"/api/v1/scans/{scan.pk}/hosts/").json()["results"]
    (host,) = body
    (port,) = host["open_ports"]
    assert (port["port"], port["service"]) == (listener, "ssh") and port["banner"].startswith("SSH-2.0-OpenSSH")
    assert host["closed"] and host["is_up"] and host["reasons"] == {"closed: rst": 6, "open: syn-ack": 1}
    assert Job.objects.get(pk=scan.job_id).result == {"scan": scan.pk, "hosts_up": 1, "open_ports": 1}


def test_a_network_is_swept_and_who_is_there_is_asked(
    api: APIClient, ours: Prefix, network: str, listener: int
) -> None:
    body = {"target": f"{network}6-8", "kind": "network", "ports": str(listener), "reason": "agreed"}
    scan = run(api.post("/api/v1/scans/?wait=0", body))
    assert scan.status == "succeeded" and scan.hosts_up == 3, "all of loopback answers"
    assert list(ScanHost.objects.filter(scan=scan, ports__isnull=False).values_list("address", flat=True)) == [
        f"{network}7"
    ]
    seen = SeenHost.objects.get(address=f"{network}7")
    assert seen.review == "new" and seen.is_present and seen.periods.count() == 1
    assert {change["kind"] for change in scan.notes["changes"]} == {"new_host"}
    found = api.get("/api/v1/discoveries/?known=false").json()
    assert found["count"] == 3


def test_a_dry_run_touches_nothing(api: APIClient, ours: Prefix, network: str) -> None:
    answer = api.post("/api/v1/scans/", {"target": f"{network}0/24", "ports": "web", "dry_run": True})
    assert answer.status_code == 200 and not Scan.objects.exists()
    assert answer.json()["hosts"] == 254 and answer.json()["probes"] == 254 * 12


def test_two_scans_of_the_same_addresses_do_not_run_at_once(api: APIClient, ours: Prefix, network: str) -> None:
    first = api.post("/api/v1/scans/?wait=0", {"target": f"{network}0/24", "kind": "ping"})
    again = api.post("/api/v1/scans/?wait=0", {"target": f"{network}7", "kind": "ping"})
    assert (first.status_code, again.status_code) == (202, 409)
    assert again.json()["code"] == "already_running" and f"Scan {first.json()['scan']['id']}" in again.json()["detail"]


def test_a_cancelled_scan_ends_at_once_and_keeps_what_it_found(api: APIClient, ours: Prefix, network: str) -> None:
    answer = api.post("/api/v1/scans/?wait=0", {"target": f"{network}0/24", "kind": "ping"})
    scan = Scan.objects.get(pk=answer.json()["scan"]["id"])
    body = api.post(f"/api/v1/scans/{scan.pk}/cancel/").json()
    assert body["status"] == "cancelled"
    running.run_job(scan.job_id or 0)
    scan.refresh_from_db()
    assert scan.status == "cancelled" and scan.hosts_done == 0


def test_another_worker_goes_on_where_one_was_lost(api: APIClient, ours: Prefix, network: str, listener: int) -> None:
    body = {"target": f"{network}1-{network}40", "kind": "network", "ports": f"{listener},{listener + 1}"}
    answer = api.post("/api/v1/scans/?wait=0", body)
    scan = Scan.objects.get(pk=answer.json()["scan"]["id"])
    job = jobs.claim(scan.job_id or 0)
    assert job is not None
    Scan.objects.filter(pk=scan.pk).update(checkpoint={"phase": "sweep", "swept": [f"{network}1-{network}20"]})
    Job.objects.filter(pk=job.pk).update(deadline_at="2020-01-01T00:00Z")
    assert jobs.reconcile()["resumed"] == 1
    running.run_job(job.pk)
    scan.refresh_from_db()
    assert scan.status == "succeeded" and scan.notes["resumed"] == 1
    assert scan.hosts_done == 40 and scan.hosts.count() == 20, "what was swept is not swept again"
    with pytest.raises(jobs.Cancelled):
        jobs.progress(job, 1)


def test_a_ping(api: APIClient, ours: Prefix, network: str, monkeypatch: object) -> None:
    from scanning import api as doors

    monkeypatch.setattr(doors.jobs, "wait", lambda job, seconds: running.run_job(job.pk))  # type: ignore[attr-defined]
    answer = api.post("/api/v1/ping/", {"target": f"{network}7"})
    assert answer.status_code == 200, answer.json()
    body = answer.json()
    assert body["is_up"] and body["method"] == "icmp" and body["rtt_ms"] >= 0 and body["address"] == f"{network}7"
