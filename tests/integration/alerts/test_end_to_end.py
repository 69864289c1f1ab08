"""The whole way with real parts: an agent that stops, a product that watches it, three ways on which people hear of it.

One mail in a real mail server, one webhook whose signature somebody else's code verifies, one post in Slack's form; and
the same three when the agent is back, whatever is killed or flushed meanwhile.
"""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from standardwebhooks import Webhook

from tests.daemons import wait_until
from tests.daemons.receivers import Mailbox, Receiver, mail_server, receiving
from tests.daemons.snmpd import Agent, snmpd
from tests.product import Product, running
from tests.stack import is_production

pytestmark = [pytest.mark.integration]

SECRET = "whsec_bmV0bW9uLXRlc3RzLW9ubHktbmV0bW9u"
QUICK = {"NETMON_GROUP_WAIT_SECONDS": "0", "NETMON_SETTLE_SECONDS": "0", "NETMON_PUBLIC_URL": "https://netmon.example"}


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with snmpd(tmp_path_factory.mktemp("agent"), address="127.0.0.9", users=[]) as agent:
        yield agent


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory = tmp_path_factory.mktemp("alerts")
    with running(directory, redis_database=5, is_migrated=True, environment=QUICK) as product:
        yield product


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def slack() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as found:
        yield found


def made(product: Product, path: str, **body: Any) -> int:
    answer = product.post(f"/api/v1/{path}/", body)
    assert answer.status == 201, answer.body
    return int(answer.body["id"])


@pytest.fixture(scope="module")
def router(product: Product, agent: Agent, hook: Receiver, slack: Receiver, mailbox: Mailbox) -> int:
    channels = [
        made(
            product,
            "channels",
            name="mail",
            kind="email",
            config={
                "host": "127.0.0.1", "port": mailbox.port, "security": "none", "from_address": "netmon@example.com",
            },
        ),
        made(product, "channels", name="hook", kind="webhook", config={"url": hook.url, "secret": SECRET}),
        made(product, "channels", name="slack", kind="slack", config={"webhook_url": slack.url}),
    ]  # fmt: skip
    made(product, "contacts", name="Night shift", emails=["noc@example.com"], channels=channels)
    # Only what this is about: a restarted agent also tells of its restart.
    for rule in product.get("/api/v1/alert-rules/?limit=200").body["results"]:
        change = {"for_seconds": 5} if rule["source"] == "device.down" else {"is_enabled": False}
        assert product.call("PATCH", f"/api/v1/alert-rules/{rule['id']}/", change).status == 200
    device = made(
        product, "routers", name="edge-1", ip=agent.address, snmp_port=agent.port, snmp_community=agent.community
    )
    wait_until(lambda: product.state(device)["state"] == "up", seconds=40, what="a router that is up")
    return device


def alerts(product: Product, **filters: Any) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return list(product.get(f"/api/v1/alerts/?{query}").body["results"])


def flush(product: Product) -> None:
    """Every message that waits in the broker is gone."""
    if is_production():
        redis.Redis.from_url(product.environment["BROKER_URL"]).flushdb()
    else:
        for path in (Path(product.environment["NETMON_VAR_DIR"]) / "broker").rglob("*.msg"):
            path.unlink(missing_ok=True)


def test_everybody_hears_once_that_it_is_down_and_once_that_it_is_back(
    product: Product, router: int, agent: Agent, hook: Receiver, slack: Receiver, mailbox: Mailbox
) -> None:
    agent.stop()
    wait_until(lambda: alerts(product, state="firing"), seconds=90, what="a firing alert")
    [alert] = alerts(product, device=router, state="firing")
    assert alert["severity"] == "critical"
    heard = (mailbox.mails, hook.got, slack.got)
    wait_until(lambda: all(len(got) >= 1 for got in heard), seconds=30, what="three messages")
    flush(product)
    [worker] = product.pids("worker")
    os.kill(worker, signal.SIGKILL)
    agent.start()
    wait_until(lambda: not alerts(product, state="firing"), seconds=90, what="the end of the alert")
    wait_until(lambda: all(len(got) >= 2 for got in heard), seconds=60, what="three more messages")
    _nothing_more(product, alert["id"])
    assert [len(got) for got in heard] == [2, 2, 2]
    assert len(alerts(product)) == 1

    check_mail(mailbox)
    check_webhook(hook, alert)
    check_slack(slack)


def _nothing_more(product: Product, alert_id: int) -> None:
    """Every row of the outbox is settled."""

    def settled() -> bool:
        rows = product.get(f"/api/v1/notifications/?alert={alert_id}").body["results"]
        return len(rows) == 6 and all(row["status"] == "sent" for row in rows)

    wait_until(settled, seconds=30, what="six sent messages")


def check_mail(mailbox: Mailbox) -> None:
    down, back = (mail for _, _, mail in mailbox.mails)
    assert "edge-1" in down["Subject"] and "Resolved" in back["Subject"]
    assert back["References"] == down["Message-ID"] and back["Message-ID"] != down["Message-ID"]
    assert "https://netmon.example/alerts/" in down.get_body(("plain",)).get_content()


def check_webhook(hook: Receiver, alert: dict[str, Any]) -> None:
    kinds = []
    for got in hook.got:
        # Somebody else's code says that nobody but netmon wrote this.
        body = Webhook(SECRET).verify(got.body, got.headers)
        kinds.append(body["type"])
        assert [item["id"] for item in body["data"]["alerts"]] == [alert["id"]]
    assert kinds == ["alert.firing", "alert.resolved"]
    assert len({got.headers["Webhook-Id"] for got in hook.got}) == 2


def check_slack(slack: Receiver) -> None:
    down, back = (json.loads(got.body) for got in slack.got)
    assert "edge-1" in json.dumps(down) and down["blocks"]
    assert "Resolved" in json.dumps(back)


def test_no_secret_is_in_the_log_or_the_broker(product: Product, router: int) -> None:
    words = [SECRET, SECRET.removeprefix("whsec_")]
    log = product.log()
    assert not [word for word in words if word in log]
    var = Path(product.environment["NETMON_VAR_DIR"])
    for path in var.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [word for word in words if word.encode() in content], path
