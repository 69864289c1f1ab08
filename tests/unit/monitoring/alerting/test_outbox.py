"""The outbox on a clock that the test turns, with a channel that does what the test says."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring import notifiers
from monitoring.alerting import actions, duties
from monitoring.models import Alert, Channel, Contact, Notification
from monitoring.notifiers import Failed, Outcome
from monitoring.notifying import outbox
from monitoring.notifying.messages import Message
from tests.fleet import START, make_channel, make_contact
from tests.stack import is_production

pytestmark = pytest.mark.django_db


class Post:
    """A channel: takes messages, or answers what it is told to."""

    def __init__(self) -> None:
        self.now = START
        self.taken: list[Message] = []
        self.answer: Callable[[Message], Outcome] | None = None

    def __call__(self, message: Message, config: Any) -> Outcome:
        if self.answer is not None:
            return self.answer(message)
        self.taken.append(message)
        return Outcome("200", provider_id=f"id-{len(self.taken)}")

    def refuse(self, **how: Any) -> None:
        def answer(message: Message) -> Outcome:
            raise Failed("No.", **how)

        self.answer = answer

    def run(self, seconds: float = 0.0) -> None:
        """Let time go by, then do what is due."""
        self.now += timedelta(seconds=seconds)
        outbox.recover(self.now)
        while rows := outbox.claim(self.now):
            outbox.send(rows)


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    post = Post()
    monkeypatch.setattr(timezone, "now", lambda: post.now)
    monkeypatch.setitem(notifiers.NOTIFIERS, "webhook", post)
    yield post


@pytest.fixture
def contact() -> Contact:
    return make_contact(make_channel(max_per_minute=600))


def raise_alert(n: int = 0, severity: str = "high") -> Alert:
    return actions.raise_by_hand(summary=f"fault {n}", severity=severity, user=None)


def rows() -> list[tuple[str, str]]:
    return list(Notification.objects.order_by("pk").values_list("kind", "status"))


def test_a_message_goes_out_once(post: Post, contact: Contact) -> None:
    alert = raise_alert()
    post.run()
    post.run(600)
    assert [message.items[0].alert_id for message in post.taken] == [alert.pk]
    row = Notification.objects.get()
    assert (row.status, row.attempt, row.last_code, row.provider_id) == ("sent", 1, "200", "id-1")
    assert row.message_key == row.dedupe_key == post.taken[0].key


def test_what_failed_is_tried_again_under_the_same_key(post: Post, contact: Contact) -> None:
    raise_alert()
    keys: list[str] = []

    def answer(message: Message) -> Outcome:
        keys.append(message.key)
        raise Failed("The server is busy.", code="451")

    post.answer = answer
    for wait in (0, 13, 37, 150, 730):
        post.run(wait)
    assert len(keys) == 5 and len(set(keys)) == 1
    row = Notification.objects.get()
    assert (row.status, row.attempt, row.last_code) == ("retry", 5, "451")
    assert [entry["code"] for entry in row.log] == ["451"] * 5
    post.answer = None
    post.run(2400)
    assert [message.key for message in post.taken] == keys[:1]
    assert post.taken[0].late_seconds > 600


def test_waits_grow_to_an_hour_and_end_after_a_day(post: Post, contact: Contact) -> None:
    raise_alert()
    post.refuse(code="503")
    waits = []
    while Notification.objects.get().status != "dead":
        row = Notification.objects.get()
        waits.append((row.next_at - post.now).total_seconds())
        post.run(max(0.0, (row.next_at - post.now).total_seconds()))
    planned = [10, 30, 120, 600, 1800]
    for wait, least in zip(waits[1:], planned, strict=False):
        assert least <= wait <= least * 1.2 + 1
    assert all(3600 <= wait <= 4321 for wait in waits[6:])
    assert timedelta(hours=23) < post.now - START < timedelta(hours=26)


def test_a_permanent_refusal_ends_at_once(post: Post, contact: Contact) -> None:
    raise_alert()
    post.refuse(code="550", is_permanent=True)
    post.run()
    row = Notification.objects.get()
    assert (row.status, row.attempt, row.last_error) == ("dead", 1, "No.")


def test_retry_after_holds_back_the_whole_channel(post: Post, contact: Contact) -> None:
    raise_alert(1)
    post.refuse(code="429", retry_after=400)
    post.run()
    post.answer = None
    raise_alert(2)
    post.run(300)
    assert post.taken == []
    post.run(110)
    assert len(post.taken) == 2


def test_a_worker_that_died_while_sending_leaves_a_repeat(post: Post, contact: Contact) -> None:
    raise_alert()
    [row] = outbox.claim(post.now)  # and then the power goes
    post.run(60)
    assert post.taken == []
    post.run(40)
    [message] = post.taken
    assert message.is_repeat and message.key == row.message_key
    assert Notification.objects.get().status == "sent"


def test_who_lost_the_lease_writes_nothing(post: Post, contact: Contact) -> None:
    raise_alert()
    slow = outbox.claim(post.now)
    post.run(100)  # another worker takes over and sends
    outbox.settle(slow, Failed("Too late."), 100.0)
    assert Notification.objects.get().status == "sent"


def test_two_workers_take_different_rows(post: Post, contact: Contact) -> None:
    for n in range(2):
        raise_alert(n)
    first, second = outbox.claim(post.now), outbox.claim(post.now)
    assert {row.pk for row in first}.isdisjoint(row.pk for row in second) and first and second
    assert outbox.claim(post.now) == []


def test_many_at_once_become_one_message(post: Post, contact: Contact) -> None:
    alerts = [raise_alert(n) for n in range(30)]
    post.run()
    [message] = post.taken
    assert {item.alert_id for item in message.items} == {alert.pk for alert in alerts}
    assert message.kind == "group" and "30 firing" in message.title
    assert set(Notification.objects.values_list("status", flat=True)) == {"sent"}


def test_a_group_is_repeated_as_the_same_group(post: Post, contact: Contact) -> None:
    for n in range(6):
        raise_alert(n)
    claimed = outbox.claim(post.now)
    assert len(claimed) == 6
    raise_alert(7)
    post.run(100)
    groups = [message for message in post.taken if message.kind == "group"]
    assert [len(message.items) for message in groups] == [6]
    assert len(post.taken) == 2


def test_the_gravest_goes_first(post: Post, contact: Contact) -> None:
    for severity in ("low", "critical", "medium"):
        raise_alert(severity=severity, n=hash(severity) % 1000)
    post.run()
    assert [message.items[0].severity for message in post.taken] == ["critical", "medium", "low"]


def test_a_channel_takes_no_more_than_its_messages_a_minute(post: Post) -> None:
    for n in range(5):
        make_contact(make_channel(max_per_minute=1) if n == 0 else Channel.objects.get())
    raise_alert()
    post.run()
    assert len(post.taken) == 1
    for _ in range(4):
        post.run(61)
    assert len(post.taken) == 5


def test_acknowledged_before_it_was_reminded_stops_the_reminder(post: Post, contact: Contact) -> None:
    alert = raise_alert(severity="critical")
    post.run()
    post.now += timedelta(hours=4, minutes=1)
    duties.remind(post.now, set())
    assert rows()[-1] == ("reminder", "pending")
    actions.acknowledge([alert], user=None)
    post.run()
    assert ("reminder", "superseded") in rows()
    assert [message.kind for message in post.taken] == ["firing", "acknowledged"]


def test_reminders_go_on_until_somebody_acknowledges(post: Post, contact: Contact) -> None:
    alert = raise_alert(severity="critical")
    post.run()
    for _ in range(3):
        post.now += timedelta(hours=4, minutes=1)
        duties.perform(post.now)
        post.run()
    assert [message.kind for message in post.taken] == ["firing", "reminder", "reminder", "reminder"]
    assert len({message.key for message in post.taken}) == 4
    actions.acknowledge([alert], user=None)
    post.now += timedelta(days=1)
    duties.perform(post.now)
    post.run()
    assert [message.kind for message in post.taken].count("reminder") == 3


def test_resolved_while_the_firing_is_retried_is_told_to_nobody(post: Post, contact: Contact) -> None:
    alert = raise_alert()
    post.refuse(code="503")
    post.run()
    actions.resolve(alert, user=None)
    post.answer = None
    post.run(60)
    assert post.taken == [] and rows() == [("firing", "superseded")]


def test_resolved_while_the_firing_is_on_its_way_waits_for_it(post: Post, contact: Contact) -> None:
    alert = raise_alert()
    claimed = outbox.claim(post.now)
    post.now += timedelta(minutes=6)
    Notification.objects.update(lease_until=post.now + timedelta(minutes=1))
    actions.resolve(alert, user=None)
    post.run()
    assert post.taken == []
    outbox.settle(claimed, Outcome("200"), 1.0)
    post.run(20)
    assert [message.kind for message in post.taken] == ["resolved"]


def test_resolved_while_the_firing_was_on_its_way_and_failed_is_told_to_nobody(post: Post, contact: Contact) -> None:
    alert = raise_alert()
    claimed = outbox.claim(post.now)
    actions.resolve(alert, user=None)
    outbox.settle(claimed, Failed("No.", code="503"), 1.0)
    for seconds in (60, 600):
        post.run(seconds)
    assert post.taken == [] and rows() == [("firing", "superseded"), ("resolved", "superseded")]


def test_what_failed_for_long_and_is_over_meanwhile_is_one_message(post: Post, contact: Contact) -> None:
    alert = raise_alert()
    post.refuse(code="503")
    for wait in (0, 13, 37, 150, 730):
        post.run(wait)
    post.now += timedelta(hours=1)
    claimed = outbox.claim(post.now)
    actions.resolve(alert, user=None)
    outbox.settle(claimed, Failed("No.", code="503"), 1.0)
    post.answer = None
    for _ in range(3):
        post.run(3600)
    assert [message.kind for message in post.taken] == ["combined"]
    assert rows() == [("combined", "sent"), ("resolved", "superseded")]


def test_acknowledged_while_a_step_is_retried_stops_it(post: Post, contact: Contact) -> None:
    alert = raise_alert(severity="critical")
    post.run()
    post.now += timedelta(hours=4, minutes=1)
    duties.remind(post.now, set())
    post.refuse(code="503")
    post.run()
    assert rows()[-1] == ("reminder", "retry")
    actions.acknowledge([alert], user=None)
    post.answer = None
    post.run(600)
    assert ("reminder", "superseded") in rows()
    assert [message.kind for message in post.taken] == ["firing", "acknowledged"]


def test_what_waited_for_a_digest_is_retried_for_a_day_and_is_not_late(post: Post) -> None:
    make_contact(make_channel(), digest="daily", summary_hour=11)
    raise_alert(severity="low")
    post.now = Notification.objects.get().next_at
    assert post.now - START == timedelta(hours=23)
    post.refuse(code="503")
    post.run(3601)
    assert rows() == [("firing", "retry")]
    post.answer = None
    post.run(60)
    assert [message.late_seconds for message in post.taken] == [60.0]


def test_a_group_is_looked_at_again_in_the_same_number_of_queries(post: Post, contact: Contact) -> None:
    counts = []
    for size in (5, 40):
        alerts = [raise_alert(1000 * size + n) for n in range(size)]
        post.run(3600)
        for alert in alerts:
            actions.resolve(alert, user=None)
        with CaptureQueriesContext(connection) as queries:
            post.run(3600)
        counts.append(len(queries))
        assert post.taken[-1].kind == "group" and len(post.taken[-1].items) == size
    assert counts[0] == counts[1]


@pytest.mark.skipif(not is_production(), reason="SQLite has one writer at a time: nobody waits for anybody's row")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_group", [False, True])
def test_a_worker_waits_for_no_row_of_another(post: Post, contact: Contact, is_group: bool) -> None:
    """Two that each hold one row of a message and wait for the other's would wait for ever."""
    for n in range(6):
        raise_alert(n)
    if is_group:
        post.refuse(code="503")
        post.run()
        Notification.objects.update(next_at=post.now)
    other, held, done = Notification.objects.order_by("pk").values_list("pk", flat=True)[3], Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            Notification.objects.select_for_update().get(pk=other)
            held.set()
            done.wait(60)
        connection.close()

    holder = Thread(target=hold)
    holder.start()
    try:
        assert held.wait(30)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '5s'")
            claimed = outbox.claim(post.now)
    finally:
        done.set()
        holder.join()
    # Part of a message that went out before is left to who holds the rest of it.
    assert len(claimed) == (0 if is_group else 5)
    assert other not in {row.pk for row in claimed}


def test_addresses_that_were_put_off_are_tried_again_alone(post: Post) -> None:
    make_contact(make_channel(), emails=["a@example.com", "b@example.com", "c@example.com"])
    alert = raise_alert(severity="critical")
    post.answer = lambda message: Outcome("250", "Not to b@example.com (450 full)", deferred=("b@example.com",))
    post.run()
    assert rows() == [("firing", "sent"), ("firing", "retry")]
    first, again = Notification.objects.order_by("pk")
    assert again.last_error == "Not to b@example.com (450 full)"
    post.answer = None
    post.run(20)
    [message] = post.taken
    assert message.emails == ("b@example.com",) and message.key == first.message_key
    assert not message.is_repeat and rows() == [("firing", "sent")] * 2
    # It counts neither as a reminder nor against one.
    post.now += timedelta(hours=4, minutes=1)
    duties.perform(post.now)
    post.run()
    assert post.taken[-1].kind == "reminder" and len(post.taken[-1].emails) == 3
    actions.resolve(alert, user=None)
    post.run(3600)
    assert post.taken[-1].kind == "resolved" and len(post.taken[-1].emails) == 3


def test_an_address_that_was_put_off_until_the_end_hears_nothing_at_all(post: Post) -> None:
    make_contact(make_channel(), emails=["a@example.com", "b@example.com"])
    alert = raise_alert()
    post.answer = lambda message: Outcome("250", "Not to b", deferred=("b@example.com",))
    post.run()
    actions.resolve(alert, user=None)
    post.answer = None
    post.run(3600)
    assert [(message.kind, message.emails) for message in post.taken] == [("resolved", ("a@example.com",))]


def test_a_deleted_contact_or_channel_ends_its_messages(post: Post, contact: Contact) -> None:
    raise_alert()
    contact.delete()
    post.run()
    assert rows() == [("firing", "dead")]


def test_three_given_up_in_a_row_are_an_alert_told_by_another_way(post: Post) -> None:
    broken, good = make_channel(max_per_minute=600), make_channel(max_per_minute=600, min_severity="high")
    make_contact(broken, good)
    bad = {broken.pk}
    sent: list[int] = []

    def answer(message: Message) -> Outcome:
        row = Notification.objects.filter(message_key=message.key).first()
        assert row is not None
        if row.channel_id in bad:
            raise Failed("Gone.", code="410", is_permanent=True)
        sent.append(row.channel_id or 0)
        return Outcome("200")

    post.answer = answer
    for n in range(3):
        raise_alert(n, severity="low")
        post.run(20)
    from monitoring.alerting import engine

    post.now += timedelta(seconds=1)
    engine.advance(post.now)
    [alert] = Alert.objects.filter(source="channel.failing")
    assert alert.state == "firing"
    post.run(60)
    told = Notification.objects.filter(alert=alert)
    assert [row.channel_id for row in told] == [good.pk] and sent == [good.pk]
    # It works again: that is told, too.
    bad.clear()
    raise_alert(9, severity="low")
    post.run(400)
    engine.advance(post.now)
    assert Alert.objects.get(pk=alert.pk).state == "resolved"


def test_send_again_is_a_row_of_its_own(post: Post, contact: Contact) -> None:
    raise_alert()
    post.run()
    row = Notification.objects.get()
    for _ in range(2):
        outbox.resend(row)
        post.run(1)
    assert len({message.key for message in post.taken}) == 3
    assert rows() == [("firing", "sent")] * 3


def test_a_fault_of_ours_holds_up_no_other_message(
    post: Post, contact: Contact, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(message: Message) -> Outcome:
        if message.items[0].summary == "fault 1":
            raise ZeroDivisionError
        post.taken.append(message)
        return Outcome("200")

    post.answer = answer
    raise_alert(1, severity="critical")
    raise_alert(2)
    post.run()
    assert [message.items[0].summary for message in post.taken] == ["fault 2"]
    assert rows() == [("firing", "retry"), ("firing", "sent")]
    assert Notification.objects.order_by("pk")[0].last_code == "internal"
    assert "ZeroDivisionError" in caplog.text


def test_a_configuration_whose_key_is_lost_waits_for_it(post: Post, contact: Contact) -> None:
    raise_alert()
    # A sealed value is bound to its row: under another reference no key opens it.
    Channel.objects.update(secret_ref="00000000-0000-4000-8000-000000000000")
    post.run()
    assert post.taken == []
    assert Notification.objects.get().status == "retry"


@pytest.mark.parametrize("step", [-7 * 86400, -3 * 3600, 3 * 3600, 7 * 86400])
def test_a_clock_that_is_set_loses_nothing_and_repeats_nothing(post: Post, contact: Contact, step: int) -> None:
    """Set while one message is on its way, one waits for a retry, and one was just sent."""
    raise_alert(1)
    post.run()
    raise_alert(2)
    post.refuse(code="503")
    post.run()
    post.answer = None
    raise_alert(3, severity="critical")
    [leased] = outbox.claim(post.now)
    post.now += timedelta(seconds=step)
    for _ in range(3 * 60 + 10):
        post.run(60)
    told = [message.items[0].summary for message in post.taken]
    assert sorted(told) == ["fault 1", "fault 2", "fault 3"]
    [repeat] = [message for message in post.taken if message.items[0].summary == "fault 3"]
    assert repeat.is_repeat and repeat.key == leased.message_key
    assert set(Notification.objects.values_list("status", flat=True)) == {"sent"}
