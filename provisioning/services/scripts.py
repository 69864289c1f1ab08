"""The files behind actions: where they are, whether they may run, and that they are still those that were approved."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from netmon.audit import services as audit
from netmon.common.errors import ActionUnavailable, Conflict
from netmon.drivers import process
from netmon.drivers.errors import LocalFault
from netmon.drivers.process import Account, Refused, Script
from provisioning.models import Action


class ScriptRefused(Conflict):
    """The file is not what may be run, or not what was approved."""

    code = "script_refused"


def is_on() -> bool:
    """Whether this installation runs actions at all."""
    return settings.ACTIONS_DIR is not None


def directory() -> Path:
    """Raises ActionUnavailable."""
    if settings.ACTIONS_DIR is None:
        raise ActionUnavailable(
            "Actions are switched off here: an admin sets NETMON_ACTIONS_DIR to the directory with their scripts."
        )
    return Path(settings.ACTIONS_DIR)


def owners() -> tuple[int, ...]:
    """Whose files may run: root's; netmon's own only where a setting says so, for it could change them."""
    uid = os.geteuid()
    if settings.ACTIONS_TRUST_OWNER:
        return (0, uid)
    return (0,) if uid == 0 else _not_mine(uid)


def _not_mine(uid: int) -> tuple[int, ...]:
    """Without root's rights: root, and the directory's owner as long as that is not netmon."""
    try:
        owner = directory().lstat().st_uid
    except OSError:
        return (0,)
    return (0,) if owner == uid else (0, owner)


def account() -> Account:
    """Raises ActionUnavailable."""
    try:
        return process.account_of(settings.ACTIONS_USER)
    except LocalFault as error:
        raise ActionUnavailable(f"{error.detail} (NETMON_ACTIONS_USER)") from None


def notes() -> tuple[str, ...]:
    """What of the confinement is not as it should be, in sentences."""
    try:
        return process.confinement(settings.ACTIONS_USER).notes
    except LocalFault as error:
        return (error.detail,)


def open_script(name: str) -> Script:
    """Raises ActionUnavailable and ScriptRefused."""
    try:
        return process.open_script(directory(), name, owners=owners(), is_for_others=account().uid is not None)
    except Refused as error:
        raise ScriptRefused(error.detail, reason=error.reason) from None


def open_approved(action: Action) -> Script:
    """Raises as `open_script`, and ScriptRefused for a script that nobody approved, or that has changed since."""
    script = open_script(action.executable)
    if script.sha256 == action.approved_sha256:
        return script
    script.close()
    if not action.approved_sha256:
        raise ScriptRefused(f"Nobody has approved the script {action.executable} yet: an admin looks at it and does.")
    raise ScriptRefused(
        f"The script {action.executable} has changed since it was approved: an admin approves it again.",
        reason="changed",
    )


def state_of(action: Action) -> dict[str, Any]:
    """For pages and API: `state` is approved, changed, unapproved or refused, `detail` says it in a sentence."""
    try:
        with open_script(action.executable) as script:
            found = script.sha256
    except (ScriptRefused, ActionUnavailable) as error:
        return {"state": "refused", "sha256": "", "detail": error.detail}
    if found == action.approved_sha256:
        return {"state": "approved", "sha256": found, "detail": ""}
    if action.approved_sha256:
        return {
            "state": "changed",
            "sha256": found,
            "detail": "It has changed since it was approved: nobody can run it.",
        }
    return {"state": "unapproved", "sha256": found, "detail": "Nobody has approved it yet: nobody can run it."}


def text_of(name: str, limit: int = 65536) -> str:
    """The script for people to read before they approve it. Raises as `open_script`."""
    with open_script(name) as script:
        return script.content()[:limit].decode(errors="replace").replace("\x00", "\ufffd")


def names() -> list[str]:
    """Files in the directory that may be run."""
    found = []
    try:
        candidates = sorted(path.name for path in directory().iterdir())
    except (OSError, ActionUnavailable):
        return []
    for name in candidates[:200]:
        try:
            open_script(name).close()
        except (ScriptRefused, ActionUnavailable):
            continue
        found.append(name)
    return found


@transaction.atomic
def approve(action: Action, *, sha256: str, user: Any) -> Action:
    """Let the script run as it is now, which must be what the admin looked at. Raises as `open_script`."""
    with open_script(action.executable) as script:
        if script.sha256 != sha256:
            raise ScriptRefused("The script is not the one that you looked at: look again.", reason="changed")
    before = audit.snapshot(action)
    action.approved_sha256, action.approved_by, action.approved_at = sha256, user, timezone.now()
    action.save(update_fields=["approved_sha256", "approved_by", "approved_at", "updated_at"])
    audit.record(
        "approve-script", action, before={"sha256": before.get("approved_sha256", "")}, after={"sha256": sha256}
    )
    return action


def forget_approval(action: Action) -> None:
    """Of an action that is to be saved: another file is another script."""
    if action.pk and Action.objects.filter(pk=action.pk).exclude(executable=action.executable).exists():
        action.approved_sha256, action.approved_by, action.approved_at = "", None, None
