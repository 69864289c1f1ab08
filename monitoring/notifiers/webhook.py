"""A signed POST in the form of Standard Webhooks. `docs/reference/webhook-payload.md` describes what is posted."""

import base64
import hashlib
import hmac
import json
import math
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from monitoring.notifiers import Failed, Outcome, carrying, telling
from monitoring.notifying import configs
from monitoring.notifying.messages import Item, Message

VERSION = 1
ABOUT_ALERTS = "alert."


def send(message: Message, config: Mapping[str, Any]) -> Outcome:
    """Raises Failed."""
    secrets = [secret for secret in (config.get("secret"), config.get("previous_secret")) if secret]
    if not secrets:
        raise Failed("The channel has no signing secret: give it one, or let one be made.", is_permanent=True)
    body = json.dumps(payload(message), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    headers = {"Content-Type": "application/json", **signed(message.key, int(time.time()), body, secrets)}
    answer = carrying.post(config["url"], body, headers, config, message)
    carrying.check_status(answer)
    return Outcome(str(answer.status))


def signed(key: str, at: int, body: bytes, secrets: list[str]) -> dict[str, str]:
    """The three headers: one signature for each secret, for receivers that know only one of them."""
    content = f"{key}.{at}.".encode() + body
    marks = [
        base64.b64encode(hmac.digest(configs.signing_key(secret), content, hashlib.sha256)).decode()
        for secret in secrets
    ]
    return {
        "Webhook-Id": key,
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": " ".join(f"v1,{mark}" for mark in marks),
    }


def payload(message: Message) -> dict[str, Any]:
    """What is posted, as JSON-able values."""
    return {
        "type": f"{ABOUT_ALERTS}{message.kind}" if message.items else message.kind,
        "version": VERSION,
        "timestamp": _moment(message.made_at or timezone.now()),
        "data": {
            "title": telling.title(message),
            "to": message.to,
            "is_repeat": message.is_repeat,
            "late_seconds": round(message.late_seconds, 1),
            "body": message.body,
            "alerts": [_alert(item) for item in message.items],
        },
    }


def _alert(item: Item) -> dict[str, Any]:
    return {
        "id": item.alert_id,
        "fingerprint": item.fingerprint,
        "kind": item.kind,
        "severity": item.severity,
        "state": item.state,
        "device": {"id": item.device_id, "name": item.device} if item.device_id is not None else None,
        "tenant": item.tenant,
        "site": item.site,
        "subject": item.subject,
        "summary": item.summary,
        "detail": item.detail,
        "event": item.text,
        "started_at": _moment(item.started_at),
        "fired_at": _moment(item.fired_at),
        "resolved_at": _moment(item.resolved_at),
        "acknowledged_by": item.acknowledged_by,
        "comment": item.comment,
        "note": item.note,
        "in_maintenance": item.was_in_maintenance,
        "value": item.value if item.value is not None and math.isfinite(item.value) else None,
        "behind": item.behind,
        "behind_names": list(item.behind_names),
        "changes": [
            {"at": _moment(change.at), "device": change.device, "text": change.text, "by": change.by}
            for change in item.changes
        ],
        "labels": dict(item.labels),
        "url": item.url,
    }


def _moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at is not None else None
