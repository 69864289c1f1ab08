"""What a channel needs to know, by its kind: checked on the way in, sealed as a whole, shown without its secrets."""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from monitoring.models.delivery import Channel
from netmon.common.secrets import open_secret

SECURITY = ("starttls", "tls", "none")
MAX_TEXT = 2000
SECRET_PREFIX = "whsec_"  # noqa: S105  # Standard Webhooks: what follows is the key, base64
SECRET_BYTES = 32
# Services whose address apprise knows, and those whose host stands in the URL: that one is judged before each send.
# What is in neither list is refused: syslog, dbus and such reach this machine, json, xml, form, mailto and slack would
# do without a guard what netmon's own channels do with one, and a new release may bring anything.
HOSTED_SCHEMAS = frozenset(
    {
        "discord", "gchat", "guilded", "ifttt", "line", "opsgenie", "pagerduty", "pagertree", "pbul",
        "pover", "prowl", "pushy", "signl4", "spike", "splunk", "tgram", "twilio", "victorops", "vonage",
        "wxteams",
    }
)  # fmt: skip
HOST_SCHEMAS = frozenset(
    {
        "gotify", "gotifys", "matrix", "matrixs", "mmost", "mmosts", "ncloud", "nclouds", "nctalk", "nctalks", "ntfy",
        "ntfys", "rocket", "rockets", "signal", "signals", "synology", "synologys", "workflow", "workflows", "zulip",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a configuration. `is_secret` ones are write-only: shown as `name_set`."""

    name: str
    label: str
    kind: type = str
    default: Any = None
    is_secret: bool = False
    choices: tuple[str, ...] = ()
    help: str = ""
    minimum: int = 0
    maximum: int = 65535

    @property
    def is_required(self) -> bool:
        return self.default is None


FIELDS: dict[str, tuple[Field, ...]] = {
    "email": (
        Field("host", "Mail server", help="Such as smtp.example.com."),
        Field("port", "Port", int, 587, minimum=1),
        Field("security", "Encryption", str, "starttls", choices=SECURITY),
        Field("username", "User", str, ""),
        Field("password", "Password", str, "", is_secret=True),
        Field("from_address", "Sender", help="Such as netmon@example.com."),
        Field("verify", "Check the server's certificate", bool, True),
    ),
    "slack": (
        Field("webhook_url", "Incoming webhook", str, "", is_secret=True, help="https://hooks.slack.com/services/..."),
        Field("token", "Bot token", str, "", is_secret=True, help="xoxb-...: messages are updated in place."),
        Field("channel", "Channel id", str, "", help="With a token: such as C0123456789."),
        Field("api_url", "API address", str, "https://slack.com/api", help="Of a compatible service."),
    ),
    "webhook": (
        Field("url", "Address", help="https://..."),
        Field("secret", "Signing secret", str, "", is_secret=True, help="Empty: one is made and shown once."),
        Field("previous_secret", "Secret before", str, "", is_secret=True, help="Signed with as well, for a rotation."),
        Field("verify", "Check the server's certificate", bool, True),
    ),
    "apprise": (
        Field("url", "Service address", is_secret=True, help="As apprise writes it: tgram://..., ntfys://..."),
    ),
}
Check = Callable[[dict[str, Any]], None]


def merge(kind: str, given: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A whole configuration from what was given and, for what was left out, what was there before.

    Raises ValidationError by field, naming the remedy.
    """
    if kind not in FIELDS:
        raise ValidationError({"kind": f"The kind is one of {', '.join(FIELDS)}."})
    known = {field.name: field for field in FIELDS[kind]}
    errors: dict[str, str] = {
        name: f"A channel of kind {kind} has no {name[:40]!r}; it has {', '.join(known)}."
        for name in given
        if name not in known
    }
    config: dict[str, Any] = {}
    for name, field in known.items():
        value = given[name] if name in given else (before or {}).get(name, field.default)
        try:
            config[name] = _value(field, value)
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise ValidationError(errors)
    CHECKS[kind](config)
    return config


def _value(field: Field, value: Any) -> Any:
    if value is None:
        raise ValueError(f"{field.label}: this is needed.")
    if field.kind is bool:
        if not isinstance(value, bool):
            raise ValueError("Write true or false.")
        return value
    if field.kind is int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("Write a whole number.")
        if not field.minimum <= value <= field.maximum:
            raise ValueError(f"Between {field.minimum} and {field.maximum}.")
        return value
    if not isinstance(value, str):
        raise ValueError("Write a text.")
    text = value.strip()
    if len(text) > MAX_TEXT or not text.isprintable():
        raise ValueError("One line of at most 2000 characters.")
    if field.is_required and not text:
        raise ValueError(f"{field.label}: this is needed.")
    if field.choices and text not in field.choices:
        raise ValueError(f"One of {', '.join(field.choices)}.")
    return text


def check_url(text: str, schemes: tuple[str, ...] = ("https", "http")) -> str:
    """An address that may be posted to; where it leads is checked when it is used. Raises ValueError."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("This is not an address.") from None
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"Write an address that begins with {' or '.join(f'{one}://' for one in schemes)}.")
    if parts.username or parts.password:
        raise ValueError("No user or password in the address: they would stand in logs.")
    if parts.fragment:
        raise ValueError("No # part: it is never sent.")
    if port == 0:
        raise ValueError("Port 0 is none.")
    return text


def _check_email(config: dict[str, Any]) -> None:
    try:
        validate_email(config["from_address"])
    except ValidationError:
        raise ValidationError({"from_address": "This is not an e-mail address."}) from None
    if bool(config["username"]) != bool(config["password"]):
        missing = "password" if config["username"] else "username"
        raise ValidationError({missing: "User and password go together."})
    if config["password"] and config["security"] == "none":
        raise ValidationError({"security": "A password is not sent without encryption: choose starttls or tls."})


def _check_slack(config: dict[str, Any]) -> None:
    if config["token"]:
        if not config["channel"]:
            raise ValidationError({"channel": "With a token the channel's id is needed."})
        _url(config, "api_url")
    elif config["webhook_url"]:
        _url(config, "webhook_url")
    else:
        raise ValidationError({"webhook_url": "Give an incoming webhook, or a token and a channel."})


def make_secret() -> str:
    """A new signing secret of a webhook, in the form of Standard Webhooks."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signing_key(secret: str) -> bytes:
    """The bytes that a secret signs with: decoded after `whsec_`, else as they are. Raises ValueError."""
    if secret.startswith(SECRET_PREFIX):
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    return secret.encode()


def _check_webhook(config: dict[str, Any]) -> None:
    _url(config, "url")
    for name in ("secret", "previous_secret"):
        if config[name] and len(config[name]) < 24:
            raise ValidationError({name: "A secret has 24 characters or more; leave it empty to have one made."})
        try:
            signing_key(config[name])
        except ValueError:
            raise ValidationError({name: f"What follows {SECRET_PREFIX} is base64."}) from None


def _url(config: dict[str, Any], name: str) -> None:
    try:
        check_url(config[name])
    except ValueError as error:
        raise ValidationError({name: str(error)}) from None


def _check_apprise(config: dict[str, Any]) -> None:
    schema, separator, rest = config["url"].partition("://")
    if not separator or not rest or not schema.isalnum():
        raise ValidationError({"url": "Write an address as apprise does, such as ntfys://host/topic."})
    if schema.lower() not in HOSTED_SCHEMAS | HOST_SCHEMAS:
        known = ", ".join(sorted(HOSTED_SCHEMAS | HOST_SCHEMAS))
        raise ValidationError({"url": f"{schema[:20]}:// is not allowed here. Allowed are {known}."})


CHECKS: dict[str, Check] = {
    "email": _check_email,
    "slack": _check_slack,
    "webhook": _check_webhook,
    "apprise": _check_apprise,
}


def opened(channel: Channel) -> dict[str, Any]:
    """The configuration with its secrets, and whose it is. For sending and for merging a change into it."""
    text = open_secret(channel, "config") if channel.config else ""
    return {**json.loads(text), "tenant_id": channel.tenant_id} if text else {}


def seal(channel: Channel, config: Mapping[str, Any]) -> None:
    """Put a merged configuration on the row (not saved), and what may be seen of it."""
    channel.config = json.dumps(config, sort_keys=True)
    channel.shown = shown(channel.kind, config)


def public(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """What an admin sees of a configuration: secrets only as whether they are set."""
    found: dict[str, Any] = {}
    for field in FIELDS[kind]:
        value = config.get(field.name, field.default)
        if field.is_secret:
            found[f"{field.name}_set"] = bool(value)
        else:
            found[field.name] = value
    return found


def shown(kind: str, config: Mapping[str, Any]) -> str:
    """One line for lists: the service, and of a secret address its last four characters."""
    if kind == "email":
        return f"{config.get('from_address', '')} by {config.get('host', '')}:{config.get('port', '')}"[:200]
    if kind == "slack":
        if config.get("token"):
            return f"{config.get('channel', '')}, token …{str(config['token'])[-4:]}"[:200]
        return f"{_host(config.get('webhook_url', ''))} …{str(config.get('webhook_url', ''))[-4:]}"[:200]
    if kind == "webhook":
        return _host(config.get("url", ""))[:200]
    url = str(config.get("url", ""))
    return f"{url.partition('://')[0]}://…{url[-4:]}"[:200]


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
