"""Configurations of devices: kept once per change, shown masked, given whole to those who may see secrets."""

import base64
import hashlib
import hmac
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Max

from inventory.models import Device, ManagementEndpoint
from monitoring.models import Check, ConfigVersion, DeviceEvent
from monitoring.modules import Collected
from monitoring.modules.config_backup import Backup, ConfigText
from monitoring.runner import Result
from monitoring.services import polling, ssh_results
from netmon.audit import services as audit
from netmon.audit.context import acting
from netmon.audit.models import AuditEvent
from netmon.common.errors import NetmonError, NoEndpoint, NotConfigured
from netmon.common.permissions import has_role
from netmon.common.queue import RUN_BACKUP_JOB
from netmon.common.secrets import Undecryptable, keyed, open_secret
from netmon.drivers.errors import NotSupported, ProtocolError
from netmon.drivers.platforms import config_check, config_diff, config_text
from netmon.jobs import services as jobs
from netmon.jobs.models import Job

MODULE = "config.backup"
JOB_SECONDS = 120.0
RUN_SECONDS = 90.0
SHOWN_ROWS = 5000  # of a diff; more is two other configurations, not a change
CONFIGURED = "configure"  # in the record: netmon itself changed the device's configuration
SAVED = "saved"  # among what is prepared: whether all is saved, and what is not
Kind = ConfigVersion.Kind


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of one text: the version that stands for it, and whether it is new."""

    version: ConfigVersion
    is_new: bool
    before: ConfigVersion | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known of one text before it is kept: compared with version `latest`, as a version's own columns."""

    latest: int | None
    is_same: bool
    digest: str
    values: dict[str, Any] = field(repr=False)
    old_line: str = field(repr=False)


# --- keeping ----------------------------------------------------------------------------------------------------------


def context(check: Check) -> Mapping[str, Any]:
    """What the module wants to know: what the device turned out to be, and what it bears."""
    return ssh_results.routing_context(check)


def note(check: Check, result: Result) -> None:
    """Before the transaction: the host keys that were shown, and all that is worked out of the texts."""
    ssh_results.note_host_key(check, result)
    if isinstance(result.collected, Backup) and result.collected.configs:
        result.collected.prepared.update(prepare(check.endpoint.device_id, result.collected))


def store(check: Check, collected: Collected) -> None:
    """Keep what a run brought home, in its transaction: a version per change, events, whether all is saved."""
    if not isinstance(collected, Backup):
        return
    ssh_results.remember(check, collected)
    check.memory = {**check.memory, "nothing": collected.nothing}
    if collected.configs:
        keep(check.endpoint.device, collected, datetime.fromtimestamp(collected.collected_at, UTC))


@transaction.atomic
def keep(device: Device, backup: Backup, at: datetime) -> list[Kept]:
    """The versions that the texts of a backup are, new ones made. Newest versions tell what is saved."""
    kept = {
        config.kind: _keep(device, backup.platform, config, at, backup.prepared.get(config.kind))
        for config in backup.configs
    }
    is_saved, unsaved = backup.prepared.get(SAVED) or _is_saved(device.pk, backup)
    running, startup = kept.get(Kind.RUNNING), kept.get(Kind.STARTUP)
    for one in (running, startup):
        if one and one.is_new:
            prune_of(device.pk, one.version.kind, one.version.number)
    if running is not None:
        before = running.before if running.is_new else running.version
        was_saved = before.is_saved if before else None
        ConfigVersion.objects.filter(pk=running.version.pk).update(is_saved=is_saved)
        running.version.is_saved = is_saved
        _tell(device, at, running, startup, was_saved, is_saved, unsaved)
    return list(kept.values())


def prepare(device_id: int, backup: Backup) -> dict[str, Any]:
    """What `keep` would work out of the texts: large ones take seconds, which nobody is to wait for behind a lock."""
    found: dict[str, Any] = {}
    for config in backup.configs:
        rows = ConfigVersion.objects.filter(device=device_id, kind=config.kind)
        found[config.kind] = _prepare(device_id, backup.platform, config, rows.order_by("-number").first())
    return found | {SAVED: _is_saved(device_id, backup)}


def _prepare(device_id: int, platform: str, config: ConfigText, latest: ConfigVersion | None) -> Prepared:
    normal = config_text.normalise(platform, config.text)
    digest = _digest(normal)
    old = "" if latest is None or latest.content_hash == digest else _open(latest)
    # The hash is the short cut: it changes with the key, and with what netmon holds for noise.
    is_same = latest is not None and (latest.content_hash == digest or bool(old and _normal(latest, old) == normal))
    values: dict[str, Any] = {} if is_same else {
        "content": _pack(config.text),
        "lines": normal.count("\n"),
        "size_bytes": len(config.text.encode()),
        "summary": _summary(device_id, platform, latest, old, normal),
    }  # fmt: skip
    return Prepared(latest.pk if latest else None, is_same, digest, values, config_check.last_change(old)[1])


def _keep(device: Device, platform: str, config: ConfigText, at: datetime, prepared: Prepared | None) -> Kept:
    latest = device.config_versions.filter(kind=config.kind).defer("content").order_by("-number").first()
    if prepared is None or prepared.latest != (latest.pk if latest else None):  # another backup came in between
        prepared = _prepare(device.pk, platform, config, latest)
    if latest is not None and prepared.is_same:
        seen = max(at, latest.last_seen_at)
        ConfigVersion.objects.filter(pk=latest.pk).update(last_seen_at=seen, content_hash=prepared.digest)
        latest.last_seen_at = seen
        return Kept(latest, False, None)
    version = ConfigVersion.objects.create(
        device=device,
        kind=config.kind,
        number=latest.number + 1 if latest else 1,
        platform=platform,
        content_hash=prepared.digest,
        collected_at=at,
        last_seen_at=at,
        changed_by=_who(device, config, latest, prepared.old_line, at),
        **prepared.values,
    )
    return Kept(version, True, latest)


def _summary(device_id: int, platform: str, latest: ConfigVersion | None, old: str, normal: str) -> str:
    if latest is None:
        return "First backup."
    if not old:
        return "The version before does not decrypt: what changed is not known."
    before, after = (_masked(device_id, platform, text) for text in (_normal(latest, old), normal))
    return config_text.summary(before, after)[:1000]


def _who(device: Device, config: ConfigText, latest: ConfigVersion | None, old_line: str, at: datetime) -> str:
    """Who the device says it was, if it says so of this change; else who changed it through netmon."""
    if config.changed_by and (latest is None or old_line != config.change_line):
        return config.changed_by
    if latest is None:
        return ""
    ours = AuditEvent.objects.filter(
        action=CONFIGURED,
        object_type=Device._meta.label_lower,
        object_id=str(device.pk),
        at__gt=latest.last_seen_at,
        at__lte=at,
    ).first()
    return f"{ours.username}, through netmon"[:150] if ours and ours.username else ""


def _is_saved(device_id: int, backup: Backup) -> tuple[bool | None, str]:
    """Whether the running configuration outlives a restart, and what of it does not; None where nobody can tell."""
    texts = {config.kind: config.text for config in backup.configs}
    if Kind.RUNNING not in texts or Kind.STARTUP not in texts or backup.platform == "vyos":
        return None, ""
    # Masks of one key are equal where the secrets are: they hide no difference.
    masked = [_masked(device_id, backup.platform, texts[kind]) for kind in (Kind.RUNNING, Kind.STARTUP)]
    try:
        found = config_text.unsaved(backup.platform, *masked)
    except NotSupported:
        return None, ""
    return (False, found["summary"]) if found["is_unsaved"] else (True, "")


def _tell(
    device: Device, at: datetime, running: Kept, startup: Kept | None,
    was_saved: bool | None, is_saved: bool | None, unsaved: str,
) -> None:  # fmt: skip
    """The events of a backup: what changed, and what began or ceased to be saved."""
    version = running.version
    if running.is_new and running.before is not None:
        data = {"from": running.before.pk, "to": version.pk, "who": version.changed_by}
        _event(device, at, "config_changed", "running", version.summary, data)
    if is_saved is False and was_saved is not False:
        detail = f"A restart would lose changes: {unsaved}"
        _event(device, at, "config_unsaved", "running", detail, {"version": version.pk}, severity="warning")
    is_saved_now = is_saved is True and was_saved is False
    if is_saved_now or (is_saved is None and startup and startup.is_new and startup.before):
        detail = "The running configuration is saved." if is_saved_now else startup.version.summary if startup else ""
        _event(device, at, "config_saved", "startup", detail, {"version": version.pk})


def _event(
    device: Device, at: datetime, kind: str, subject: str, detail: str, data: dict[str, Any], severity: str = "info"
) -> None:
    source = DeviceEvent.Source.CONFIG
    DeviceEvent.objects.create(
        device=device,
        at=at,
        source=source,
        kind=kind,
        severity=severity,
        subject=subject,
        detail=detail[:500],
        data=data,
    )


def prune_of(device_id: int, kind: str, newest: int) -> int:
    """Drop the oldest versions of a device beyond what the setting keeps; the newest two stay in any case."""
    kept = max(2, settings.CONFIG_VERSIONS)
    old = ConfigVersion.objects.filter(device_id=device_id, kind=kind, number__lte=newest - kept)
    return old.delete()[0]


def prune() -> int:
    """The same of all devices, after the setting was lowered. Returns how many went."""
    groups = ConfigVersion.objects.order_by().values_list("device_id", "kind")
    many = groups.annotate(count=Count("pk"), newest=Max("number")).filter(count__gt=max(2, settings.CONFIG_VERSIONS))
    return sum(prune_of(device_id, kind, newest) for device_id, kind, _, newest in list(many))


# --- reading ----------------------------------------------------------------------------------------------------------


def text_of(version: ConfigVersion, *, reveal_to: Any = None) -> str:
    """The configuration without noise and with its secrets masked; whole and as the device gave it for `reveal_to`.

    Seeing secrets needs the role of an operator and leaves an event in the record. Raises PermissionDenied,
    Undecryptable.
    """
    if reveal_to is None:
        return _masked(version.device_id, version.platform, _normal(version, whole_of(version)))
    if not has_role(reveal_to, "operator"):
        raise PermissionDenied("Secrets of a configuration are for operators and admins.")
    text = whole_of(version)
    audit.record("reveal", version, user=reveal_to)
    return text


def whole_of(version: ConfigVersion) -> str:
    """The text as the device gave it, with its secrets: for callers that put on record who gets it."""
    return _unpack(open_secret(version, "content"))


def latest(device: Device, kind: str) -> ConfigVersion | None:
    """The newest version of a kind."""
    return device.config_versions.filter(kind=kind).order_by("-number").first()


def before(version: ConfigVersion) -> ConfigVersion | None:
    """The version that this one followed, if it is still kept."""
    rows = ConfigVersion.objects.filter(device=version.device_id, kind=version.kind, number__lt=version.number)
    return rows.order_by("-number").first()


def compare(old: ConfigVersion, new: ConfigVersion) -> dict[str, Any]:
    """The difference of two versions with their secrets masked: counts, a summary in words, and hunks of rows.

    Raises NotSupported where the two texts have different forms (VyOS, running and startup).
    """
    if old.kind != new.kind and "vyos" in (old.platform, new.platform):
        raise NotSupported("VyOS writes its running and its saved configuration in different forms.")
    texts = text_of(old), text_of(new)
    found = config_diff.diff_words(*texts)
    hunks, left = [], SHOWN_ROWS
    for hunk in found["hunks"]:
        if left <= 0:
            break
        hunks.append({**hunk, "rows": hunk["rows"][:left]})
        left -= len(hunk["rows"])
    return {**found, "hunks": hunks, "is_cut": left < 0, "summary": config_text.summary(*texts)}


def file_name(name: str) -> str:
    """A file name that no shell, browser or file system misreads; two devices may have the same."""
    kept = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:80]
    return kept or "device"


# --- running ----------------------------------------------------------------------------------------------------------


def check_of(device: Device) -> Check:
    """The check that backs the device up, made if need be. Raises NoEndpoint, NotConfigured."""
    endpoint = ManagementEndpoint.objects.filter(device=device, protocol="ssh", is_enabled=True).order_by("pk").first()
    if endpoint is None:
        raise NoEndpoint(f"{device.name} has no SSH endpoint that is enabled: add one with a credential.")
    found = Check.objects.filter(endpoint=endpoint, module=MODULE).first()
    if found is None:
        found, _ = Check.objects.get_or_create(endpoint=endpoint, module=MODULE, defaults={"interval_seconds": 86400})
    if found.status == Check.Status.PAUSED:
        raise NotConfigured(f"The check {MODULE} of {device.name} is paused: resume it first.")
    return found


def backup_now(device: Device, *, user: Any) -> Job:
    """Start a backup, or join the one under way. Raises NoEndpoint, NotConfigured: a refusal needs no worker."""
    check_of(device)
    job, _ = jobs.start(
        kind=MODULE,
        key=str(device.pk),
        task=RUN_BACKUP_JOB,
        user=user,
        deadline_seconds=JOB_SECONDS,
        arguments={"device": device.pk},
    )
    return job


def run_job(job_id: int) -> None:
    """The task behind `backup_now`."""
    job = jobs.claim(job_id)
    if job is None:
        return
    with jobs.ending(job):
        device = Device.objects.filter(pk=job.arguments["device"]).first()
        if device is None:
            jobs.finish(job, error_code="not_found", error_detail="The device is gone.")
            return
        try:
            with acting(job.requested_by, "job"):
                jobs.finish(job, result=backup(device))
        except NetmonError as error:
            jobs.finish(job, error_code=error.code, error_detail=error.detail)


def backup(device: Device) -> dict[str, Any]:
    """Back up now and wait for it: what the run came to, and the newest versions. Raises NoEndpoint, NotConfigured."""
    check = check_of(device)
    old = {version.kind: version.pk for version in newest(device)}
    ((_, entry),) = polling.run_now(Check.objects.filter(pk=check.pk), seconds=RUN_SECONDS)
    check.refresh_from_db()
    versions = newest(device)
    running = next((version for version in versions if version.kind == Kind.RUNNING), None)
    return {
        **{name: entry[name] for name in ("ok", "ran", "error_code", "error_detail", "duration_ms", "at")},
        "nothing": check.memory.get("nothing", "") if entry["ok"] else "",
        "is_saved": running.is_saved if running else None,
        "changed": any(old.get(version.kind) != version.pk for version in versions),
        "versions": [
            {
                "id": version.pk,
                "kind": version.kind,
                "number": version.number,
                "is_new": old.get(version.kind) != version.pk,
                "summary": version.summary,
                "changed_by": version.changed_by,
            }
            for version in versions
        ],
    }


def newest(device: Device) -> list[ConfigVersion]:
    """The newest version of each kind, without its text."""
    found = []
    for kind in Kind.values:
        row = device.config_versions.filter(kind=kind).defer("content").order_by("-number").first()
        found += [row] if row else []
    return found


# --- texts ------------------------------------------------------------------------------------------------------------


def _digest(text: str) -> str:
    return hmac.new(keyed("config.hash"), text.encode(), hashlib.sha256).hexdigest()


def _masked(device_id: int, platform: str, text: str) -> str:
    # A key for each device: nobody learns from masks that two devices share a password.
    return config_text.mask(platform, text, keyed(f"config.mask:{device_id}"))


def _normal(version: ConfigVersion, text: str) -> str:
    try:
        return config_text.normalise(version.platform, text)
    except ProtocolError:  # by the rules of today it holds nothing: show it as it is
        return text


def _pack(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _unpack(packed: str) -> str:
    return zlib.decompress(base64.b64decode(packed)).decode()


def _open(version: ConfigVersion) -> str:
    """The text, or "" where its key is gone: a new backup must not fail for that."""
    try:
        return whole_of(version)
    except Undecryptable:
        return ""
