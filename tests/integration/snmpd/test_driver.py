"""The SNMP driver against a real net-snmp agent: same values as its own client, and every kind of wrong credential."""

from __future__ import annotations

import asyncio

import pytest

from netmon.drivers.errors import AuthenticationFailed, DeadlineExceeded
from netmon.drivers.snmp import SnmpSession, SnmpType, VarBind, diagnose
from netmon.drivers.targets import Secret
from tests.daemons.snmpd import DEFAULT_USERS, V3User

pytestmark = pytest.mark.integration

SYSTEM = (1, 3, 6, 1, 2, 1, 1)
SYS_NAME, SYS_UP_TIME = (*SYSTEM, 5, 0), (*SYSTEM, 3, 0)
IF_TABLE, SNMP_ENGINE = (1, 3, 6, 1, 2, 1, 2, 2, 1), (1, 3, 6, 1, 6, 3, 10, 2, 1)
AUTH_PRIV = V3User("SHA-256", "AES")
AUTH_ONLY = V3User("SHA-256")
QUICK = {"timeout_seconds": 0.2, "retries": 1}


def get(target, *oids):
    async def ask():
        async with SnmpSession(target) as session:
            return await session.get(oids)

    return asyncio.run(ask())


def walk(target, root):
    async def ask():
        async with SnmpSession(target) as session:
            return await session.walk(root)

    return asyncio.run(ask())


def text(oid):
    return "." + ".".join(map(str, oid))


def as_net_snmp_prints(var_bind: VarBind) -> str:
    """The value as `snmpbulkwalk -Ont -OU -Oe` prints it."""
    names = {SnmpType.Integer: "INTEGER", SnmpType.Gauge32: "Gauge32", SnmpType.Counter32: "Counter32"}
    if var_bind.type in names:
        return f"{names[var_bind.type]}: {var_bind.value}"
    if var_bind.type is SnmpType.Counter64:
        return f"Counter64: {var_bind.value}"
    if var_bind.type is SnmpType.TimeTicks:
        return str(var_bind.value)
    if var_bind.type is SnmpType.Oid:
        return f"OID: {text(var_bind.value)}"
    if var_bind.type is SnmpType.IpAddress:
        return f"IpAddress: {var_bind.value}"
    assert isinstance(var_bind.value, bytes)
    if not var_bind.value:
        return '""'
    # A MAC address drawn at random may be text, line ends included: net-snmp asks isprint() and isspace().
    if all(32 <= octet < 127 or 9 <= octet <= 13 for octet in var_bind.value):
        escaped = var_bind.value.decode().replace("\\", "\\\\").replace('"', '\\"')
        return f'STRING: "{escaped}"'
    return "Hex-STRING: " + " ".join(f"{octet:02X}" for octet in var_bind.value)


@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize(
    "root", [(*SYSTEM, 1), (*SYSTEM, 2), (*SYSTEM, 4), (*SYSTEM, 9), (*IF_TABLE, 2), (*IF_TABLE, 6)]
)
def test_a_walk_finds_what_snmpbulkwalk_finds(agent, version, root):
    found = {text(var_bind.oid): as_net_snmp_prints(var_bind) for var_bind in walk(agent.target(version), root)}
    expected = {oid: value.strip() for oid, value in agent.snmpbulkwalk(text(root)).items()}
    assert found and found == expected


def test_a_get_finds_what_snmpget_finds(agent):
    oids = [SYS_NAME, (*SYSTEM, 6, 0), (*SNMP_ENGINE, 2, 0)]
    found = [as_net_snmp_prints(var_bind) for var_bind in get(agent.target(), *oids)]
    assert found == agent.snmpget(*map(text, oids))


def test_a_missing_object_is_a_value_in_v2c(agent):
    found = get(agent.target(), (*SYSTEM, 99, 0), SYS_NAME, (*SYSTEM, 5, 7))
    assert [var_bind.type for var_bind in found] == [
        SnmpType.NoSuchObject,
        SnmpType.OctetString,
        SnmpType.NoSuchInstance,
    ]


@pytest.mark.parametrize("user", DEFAULT_USERS, ids=lambda user: user.name)
def test_every_pair_of_v3_protocols_reads_the_same(agent, user):
    assert get(agent.target("3", user), SYS_NAME)[0].value == b"snmpd-test"
    expected = [var_bind.oid for var_bind in walk(agent.target(), SYSTEM)]
    assert [var_bind.oid for var_bind in walk(agent.target("3", user), SYSTEM)] == expected


@pytest.mark.parametrize(
    ("user", "over", "reason"),
    [
        (AUTH_PRIV, {"username": "nobody"}, "unknown user name"),
        (AUTH_PRIV, {"auth_key": Secret("not the passphrase")}, "wrong digest"),
        (AUTH_PRIV, {"auth_protocol": "SHA-512"}, "wrong digest"),
        (AUTH_ONLY, {"priv_protocol": "AES", "priv_key": Secret("not-known-there")}, "unsupported security level"),
        (AUTH_PRIV, {"priv_protocol": None, "priv_key": None}, "authorizationError"),
        (AUTH_PRIV, {"priv_protocol": None, "auth_protocol": None}, "authorizationError"),
    ],
)
def test_the_agent_says_what_is_wrong_with_a_credential(agent, user, over, reason):
    target = agent.target("3", user, **(QUICK | over))
    with pytest.raises(AuthenticationFailed, match=reason):
        get(target, SYS_NAME)
    assert reason in asyncio.run(diagnose(target))


@pytest.mark.parametrize("over", [{"priv_key": Secret("not the passphrase")}, {"priv_protocol": "DES"}])
def test_wrong_privacy_is_silence_that_a_diagnosis_explains(agent, over):
    target = agent.target("3", AUTH_PRIV, **(QUICK | over))
    with pytest.raises(DeadlineExceeded):
        get(target, SYS_NAME)
    assert "privacy" in asyncio.run(diagnose(target))


def test_a_diagnosis_finds_the_other_key_extension(agent):
    target = agent.target("3", V3User("SHA", "AES-256"), **(QUICK | {"priv_protocol": "AES-256-C"}))
    assert "AES-256:" in asyncio.run(diagnose(target))


def test_a_diagnosis_tells_a_good_credential_and_a_wrong_community(agent):
    assert asyncio.run(diagnose(agent.target("3", AUTH_PRIV))) == "The device answers."
    assert "community" in asyncio.run(diagnose(agent.target(community=Secret("wrong"), **QUICK)))


def test_a_restarted_agent_is_followed_through_its_new_boot(agent):
    target = agent.target("3", AUTH_PRIV)
    boots = (*SNMP_ENGINE, 2, 0)
    before = get(target, boots)[0].value
    agent.stop()
    agent.start()
    assert get(target, boots)[0].value == before + 1
