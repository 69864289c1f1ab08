"""What the session makes of agents that behave and of those that do not, without a wire."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netmon.drivers.errors import AuthenticationFailed, DeadlineExceeded, ProtocolError
from netmon.drivers.snmp import ErrorStatus, SnmpLoop, SnmpSession, SnmpType, TooBig, VarBind
from netmon.drivers.snmp.types import Kind, Request, Response
from netmon.drivers.targets import Secret, SnmpTarget

UP = (1, 3, 6, 1, 2, 1, 1, 3, 0)
A, B, C = (1, 3, 9, 1), (1, 3, 9, 2), (1, 3, 9, 3)
ports = itertools.count(1)


class ScriptedAgent:
    """An engine that is its own agent. `spoil(request, response)` may return another response, or raise."""

    def __init__(self, oids, spoil=None, is_v1=False):
        self.oids = sorted(oids)
        self.spoil = spoil or (lambda request, response: response)
        self.is_v1 = is_v1
        self.requests: list[Request] = []

    def slot(self):
        return _Free()

    async def request(self, request, waits):
        self.requests.append(request)
        return self.spoil(request, self.answer(request))

    def answer(self, request):
        if request.kind is Kind.GET:
            found = [
                VarBind(oid, SnmpType.Integer, oid[-1])
                if oid in self.oids
                else VarBind(oid, SnmpType.NoSuchInstance, None)
                for oid in request.oids
            ]
        else:
            found = []
            cursors = list(request.oids)
            for row in range(max(1, request.max_repetitions)):
                for n, oid in enumerate(cursors):
                    if row and n < request.non_repeaters:
                        continue
                    after = next((known for known in self.oids if known > oid), None)
                    found.append(
                        VarBind(oid, SnmpType.EndOfMibView, None)
                        if after is None
                        else VarBind(after, SnmpType.Integer, after[-1])
                    )
                    cursors[n] = after or oid
        if self.is_v1:
            for n, var_bind in enumerate(found, 1):
                if var_bind.type.is_exception:
                    return Response(2, n, tuple(VarBind(oid, SnmpType.Null, None) for oid in request.oids))
        return Response(0, 0, tuple(found), 0.001)


class _Free:
    async def __aenter__(self):
        return None

    async def __aexit__(self, *_):
        return None


def session(agent, version="2c", **over):
    # each test has a port of its own, since habits are remembered by (address, port)
    port = next(ports)
    if version == "3":
        values = {"version": "3", "username": "netmon"}
    else:
        values = {"version": version, "community": Secret("public")}
    return SnmpSession(SnmpTarget(address="192.0.2.1", port=port, **(values | over)), agent)


def table_of(rows, *columns):
    return [(*column, n) for column in columns for n in range(1, rows + 1)]


def run(coroutine):
    return asyncio.run(coroutine)


def test_get_keeps_order_and_shows_what_is_missing():
    agent = ScriptedAgent([(*A, 1), (*B, 1)])
    found = run(session(agent).get([(*B, 1), (*C, 1), (*A, 1)]))
    assert [var_bind.type for var_bind in found] == [SnmpType.Integer, SnmpType.NoSuchInstance, SnmpType.Integer]


def test_get_in_v1_asks_again_without_what_is_missing():
    agent = ScriptedAgent(table_of(4, A), is_v1=True)
    oids = [(*C, 9), (*A, 1), (*C, 8), (*A, 2)]
    found = run(session(agent, "1").get(oids))
    assert [var_bind.oid for var_bind in found] == oids
    assert [var_bind.type.is_exception for var_bind in found] == [True, False, True, False]


def test_get_in_v1_of_nothing_that_exists():
    found = run(session(ScriptedAgent([(*A, 1)], is_v1=True), "1").get([(*B, 1), (*C, 1)]))
    assert all(var_bind.type is SnmpType.NoSuchInstance for var_bind in found)


def test_get_refuses_an_answer_to_another_question():
    def swap(request, response):
        return Response(0, 0, tuple(reversed(response.var_binds)))

    with pytest.raises(ProtocolError):
        run(session(ScriptedAgent(table_of(2, A), swap)).get([(*A, 1), (*A, 2)]))


def test_get_of_many_is_cut_to_size():
    agent = ScriptedAgent(table_of(100, A))
    found = run(session(agent, max_var_binds=30).get(table_of(100, A)))
    assert len(found) == 100
    assert [len(request.oids) for request in agent.requests] == [30, 30, 30, 10]


@pytest.mark.parametrize("version", ["1", "2c"])
def test_a_table_has_its_rows_whatever_the_version(version):
    agent = ScriptedAgent([*table_of(7, A, B), (*C, 3)], is_v1=version == "1")
    rows = run(session(agent, version).table([A, B, C]))
    assert list(rows) == [(n,) for n in range(1, 8)]
    assert set(rows[(3,)]) == {A, B, C} and set(rows[(4,)]) == {A, B}


def test_requests_stay_within_the_limit_and_carry_the_scalar():
    agent = ScriptedAgent([UP, *table_of(9, A, B)])
    rows = run(session(agent, max_var_binds=9).table([A, B], scalar=UP))
    assert all(rows[(n,)][UP].oid == UP for n in range(1, 10))
    for request in agent.requests:
        assert request.non_repeaters == 1 and request.oids[0] == UP[:-1]
        assert 1 + (len(request.oids) - 1) * request.max_repetitions <= 9


def test_a_walk_stays_below_its_root():
    assert len(run(session(ScriptedAgent(table_of(5, A, B))).walk(A))) == 5
    assert run(session(ScriptedAgent(table_of(5, A))).walk(C)) == []


def test_more_columns_than_fit_are_asked_in_turns():
    agent = ScriptedAgent(table_of(5, A, B, C))
    rows = run(session(agent, max_var_binds=2).table([A, B, C]))
    assert sum(map(len, rows.values())) == 15


def test_too_big_halves_the_request_and_is_remembered():
    def refuse(request, response):
        return Response(1, 0, ()) if len(response.var_binds) > 10 else response

    agent = ScriptedAgent(table_of(40, A, B), refuse)
    this = session(agent)
    assert len(run(this.table([A, B]))) == 40
    before = len(agent.requests)
    again = SnmpSession(this._target, agent)
    run(again.get([(*A, 1), (*A, 2)]))
    assert max(len(request.oids) * max(1, request.max_repetitions) for request in agent.requests[before:]) <= 10


def test_too_big_for_a_single_variable_is_an_error():
    with pytest.raises(TooBig) as error:
        run(session(ScriptedAgent([(*A, 1)], lambda *_: Response(1, 0, ()))).get([(*A, 1)]))
    assert error.value.code == "too_big"


def test_gen_err_on_getbulk_falls_back_to_getnext():
    def refuse(request, response):
        return Response(5, 1, ()) if request.kind is Kind.GETBULK else response

    agent = ScriptedAgent(table_of(6, A, B), refuse)
    assert len(run(session(agent).table([A, B]))) == 6
    assert [request.kind for request in agent.requests].count(Kind.GETBULK) == 1


def test_other_errors_carry_their_name_and_index():
    with pytest.raises(ErrorStatus) as error:
        run(session(ScriptedAgent([(*A, 1)], lambda *_: Response(13, 1, ()))).get([(*A, 1)]))
    assert (error.value.name, error.value.index, error.value.code) == ("resourceUnavailable", 1, "rejected")
    with pytest.raises(ErrorStatus, match="error-status 99"):
        run(session(ScriptedAgent([(*A, 1)], lambda *_: Response(99, 0, ()))).get([(*A, 1)]))


def test_authorization_error_is_a_matter_of_credentials_in_v3():
    with pytest.raises(AuthenticationFailed):
        run(session(ScriptedAgent([(*A, 1)], lambda *_: Response(16, 0, ())), "3").get([(*A, 1)]))


@pytest.mark.parametrize("version", ["1", "2c"])
def test_an_oid_that_does_not_increase_ends_the_walk(version):
    def loop(request, response):
        return Response(0, 0, tuple(VarBind((*A, 3), SnmpType.Integer, 3) for _ in response.var_binds))

    with pytest.raises(SnmpLoop) as error:
        run(session(ScriptedAgent(table_of(9, A), loop), version).walk(A))
    assert error.value.code == "loop"


def test_an_answer_cut_short_is_gone_on_with():
    def cut(request, response):
        return Response(0, 0, response.var_binds[:3])

    agent = ScriptedAgent([UP, *table_of(11, A, B)], cut)
    rows = run(session(agent).table([A, B], scalar=UP))
    assert sum(len(row) - 1 for row in rows.values()) == 22


@pytest.mark.parametrize("count", [0, 200])
def test_no_variables_or_too_many_are_refused(count):
    def spoil(request, response):
        return Response(0, 0, tuple(VarBind((*A, n), SnmpType.Integer, n) for n in range(1, count + 1)))

    with pytest.raises(ProtocolError):
        run(session(ScriptedAgent(table_of(3, A), spoil), max_var_binds=60).walk(A))


def test_an_endless_table_ends():
    counter = itertools.count(1)

    def endless(request, response):
        many = len(request.oids) * request.max_repetitions
        return Response(0, 0, tuple(VarBind((*A, next(counter)), SnmpType.Integer, 1) for _ in range(many)))

    with pytest.raises(ProtocolError, match="more than"):
        run(session(ScriptedAgent([(*A, 1)], endless), max_var_binds=500).walk(A))


@pytest.mark.parametrize("index", [0, 7, -1])
def test_a_no_such_name_without_a_name_is_refused(index):
    for ask in (lambda this: this.get([(*A, 1)]), lambda this: this.walk(A)):
        with pytest.raises(ProtocolError):
            run(ask(session(ScriptedAgent([(*A, 1)], lambda *_: Response(2, index, ())), "1")))


def test_the_deadline_bounds_all_requests_together():
    class Slow(ScriptedAgent):
        async def request(self, request, waits):
            await asyncio.sleep(0.04)
            return await super().request(request, waits)

    async def ask():
        async with session(Slow(table_of(50, A)), max_var_binds=1, deadline_seconds=0.2) as this:
            started = asyncio.get_running_loop().time()
            with pytest.raises(DeadlineExceeded):
                await this.walk(A)
            return asyncio.get_running_loop().time() - started

    assert run(ask()) < 1.0


def test_silence_after_a_large_request_makes_it_smaller():
    def lose(request, response):
        if len(response.var_binds) > 20:
            raise DeadlineExceeded("No answer.")
        return response

    agent = ScriptedAgent([UP, *table_of(60, A)], lose)

    async def ask():
        this = session(agent)
        await this.get([UP])
        return await this.walk(A)

    assert len(run(ask())) == 60


def test_silence_of_a_device_that_never_answered_is_believed_at_once():
    def lose(request, response):
        raise DeadlineExceeded("No answer.")

    agent = ScriptedAgent(table_of(60, A), lose)
    with pytest.raises(DeadlineExceeded):
        run(session(agent).walk(A))
    assert len(agent.requests) == 1


def test_waits_grow_by_half():
    this = session(ScriptedAgent([]), timeout_seconds=1.0, retries=2)
    assert this._waits == [1.0, 1.5, 2.25]


hostile = st.lists(
    st.builds(
        VarBind,
        st.lists(st.integers(0, 2**32 - 1), min_size=0, max_size=6).map(tuple),
        st.sampled_from(SnmpType),
        st.none() | st.integers() | st.binary(max_size=4),
    ),
    max_size=8,
).map(tuple)


@settings(max_examples=200, deadline=None)
@given(answers=st.lists(st.builds(Response, st.integers(-1, 20), st.integers(-2, 9), hostile), max_size=20))
def test_no_answer_whatsoever_makes_it_hang_or_raise_anything_else(answers):
    script = iter(answers)

    def spoil(request, response):
        try:
            return next(script)
        except StopIteration:
            raise DeadlineExceeded("No answer.") from None

    for version in ("1", "2c"):
        this = session(ScriptedAgent([], spoil), version)
        with contextlib.suppress(DeadlineExceeded, ProtocolError, ErrorStatus):
            run(this.table([A, B], scalar=UP))
        with contextlib.suppress(DeadlineExceeded, ProtocolError, ErrorStatus):
            run(this.get([(*A, 1), (*B, 1)]))
