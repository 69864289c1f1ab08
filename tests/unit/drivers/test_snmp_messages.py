"""Messages to bytes and back; bytes made to hurt raise ProtocolError and nothing else."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netmon.drivers.errors import ProtocolError
from netmon.drivers.snmp.messages import open_community, seal_community
from netmon.drivers.snmp.types import Kind, Request, SnmpType
from netmon.drivers.snmp.usm import Clock, Sealed
from netmon.drivers.snmp.usm_crypto import auth_key, decrypt, encrypt, mac, priv_key
from netmon.drivers.targets import PRIV_PROTOCOLS, Secret, SnmpTarget
from netmon.lab import ber

SYS_NAME = (1, 3, 6, 1, 2, 1, 1, 5, 0)
REQUEST = Request(Kind.GET, (SYS_NAME,))


def response(*var_binds, version=1, community=b"public", request_id=77, tag=0xA2, status=0):
    body = b"".join(ber.tlv(ber.SEQUENCE, ber.tlv(6, ber.oid_body(oid)) + value) for oid, value in var_binds)
    pdu = ber.integer(request_id) + ber.integer(status) + ber.integer(0) + ber.tlv(ber.SEQUENCE, body)
    return ber.tlv(ber.SEQUENCE, ber.integer(version) + ber.tlv(4, community) + ber.tlv(tag, pdu))


@pytest.mark.parametrize(
    ("encoded", "kind", "value"),
    [
        (ber.integer(-5), SnmpType.Integer, -5),
        (ber.tlv(4, b"\xff\0x"), SnmpType.OctetString, b"\xff\0x"),
        (ber.tlv(6, ber.oid_body((1, 3, 6, 4_294_967_295))), SnmpType.Oid, (1, 3, 6, 4_294_967_295)),
        (ber.tlv(0x40, bytes((192, 0, 2, 1))), SnmpType.IpAddress, "192.0.2.1"),
        (ber.integer(2**32 - 1, ber.COUNTER32), SnmpType.Counter32, 2**32 - 1),
        (ber.integer(0, ber.GAUGE32), SnmpType.Gauge32, 0),
        (ber.integer(2**32 - 1, ber.TIME_TICKS), SnmpType.TimeTicks, 2**32 - 1),
        (ber.integer(2**64 - 1, ber.COUNTER64), SnmpType.Counter64, 2**64 - 1),
        (ber.tlv(0x44, b"\x9f\x78"), SnmpType.Opaque, b"\x9f\x78"),
        (b"\x05\x00", SnmpType.Null, None),
        (b"\x80\x00", SnmpType.NoSuchObject, None),
        (b"\x81\x00", SnmpType.NoSuchInstance, None),
        (b"\x82\x00", SnmpType.EndOfMibView, None),
    ],
)
def test_every_type_keeps_its_name_and_value(encoded, kind, value):
    found = open_community("2c", "public", response((SYS_NAME, encoded)), 77)
    assert found is not None
    assert (found.var_binds[0].type, found.var_binds[0].value) == (kind, value)


def test_v1_answers_are_read_too():
    found = open_community("1", "public", response((SYS_NAME, ber.integer(9, ber.COUNTER32)), version=0), 77)
    assert found is not None and found.var_binds[0].type is SnmpType.Counter32


@pytest.mark.parametrize("over", [{"version": 0}, {"community": b"other"}, {"request_id": 78}])
def test_an_answer_to_somebody_else_is_not_ours(over):
    assert open_community("2c", "public", response((SYS_NAME, ber.integer(1)), **over), 77) is None


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x30",
        b"0" * 60_000,
        b"\x30\x80" * 5_000,
        b"\x30\x84\xff\xff\xff\xff",
        response((SYS_NAME, ber.integer(1))) + b"\0",
        response((SYS_NAME, ber.integer(1)))[:-1],
        response((SYS_NAME, ber.integer(1)), tag=0xA0),
        response((SYS_NAME, ber.tlv(0x40, b"abc"))),
        response(((1, 3, *range(1, 200)), ber.integer(1))),
    ],
)
def test_garbage_is_a_protocol_error(datagram):
    with pytest.raises(ProtocolError):
        open_community("2c", "public", datagram, 77)


def test_requests_beyond_127_are_encoded():
    request = Request(Kind.GETBULK, tuple((1, 3, 6, n) for n in range(1, 140)), 130, 200)
    sealed = seal_community("2c", "public", request, 0x7FFFFFFF)
    _, inner, _ = ber.read(sealed, 0)
    assert sealed[inner : inner + 3] == b"\x02\x01\x01"
    assert ber.integer(130) + ber.integer(200) in sealed


valid = response((SYS_NAME, ber.text("core-1")), (SYS_NAME, ber.integer(2**40, ber.COUNTER64)))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutated_answers_are_read_or_refused(data):
    datagram = bytearray(valid)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(datagram) - 1))
        datagram[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        datagram = datagram or bytearray(b"0")
    for version in ("1", "2c"):
        with contextlib.suppress(ProtocolError):
            open_community(version, "public", bytes(datagram), 77)
    user = SnmpTarget(address="192.0.2.1", version="3", username="netmon")
    with contextlib.suppress(ProtocolError):
        Sealed(user, Clock(b"engine-1", 1, 1, 0.0, True), REQUEST).open(bytes(datagram))


ENGINE_ID = bytes.fromhex("000000000000000000000002")


@pytest.mark.parametrize(
    ("protocol", "key"),
    [
        ("MD5", "526f5eed9fcce26f8964c2930787d82b"),
        ("SHA", "6695febc9288e36282235fc7151f128497b38f3f"),
    ],
)
def test_keys_are_those_of_rfc_3414_a_3(protocol, key):
    assert auth_key(protocol, Secret("maplesyrup"), ENGINE_ID).hex() == key


def test_codes_have_the_length_of_their_protocol():
    lengths = {"MD5": 12, "SHA": 12, "SHA-224": 16, "SHA-256": 24, "SHA-384": 32, "SHA-512": 48}
    assert {name: len(mac(name, b"k" * 64, b"message")) for name in lengths} == lengths


@pytest.mark.parametrize("protocol", PRIV_PROTOCOLS)
@pytest.mark.parametrize("auth", ["MD5", "SHA", "SHA-512"])
def test_what_is_encrypted_is_decrypted(auth, protocol):
    key = priv_key(auth, protocol, Secret("a passphrase"), ENGINE_ID)
    one, salt = encrypt(protocol, key, 3, 1000, b"some octets")
    other, other_salt = encrypt(protocol, key, 3, 1000, b"some octets")
    assert decrypt(protocol, key, 3, 1000, salt, one).startswith(b"some octets")
    assert (one, salt) != (other, other_salt)


def test_the_two_key_extensions_differ_only_where_the_digest_is_short():
    secret = Secret("a passphrase")
    assert priv_key("SHA", "AES-256", secret, ENGINE_ID) != priv_key("SHA", "AES-256-C", secret, ENGINE_ID)
    assert priv_key("SHA-256", "AES-256", secret, ENGINE_ID) == priv_key("SHA-256", "AES-256-C", secret, ENGINE_ID)


USER = SnmpTarget(
    address="192.0.2.1",
    version="3",
    username="netmon",
    auth_protocol="SHA-256",
    auth_key=Secret("auth-passphrase"),
    priv_protocol="AES",
    priv_key=Secret("priv-passphrase"),
)


def test_a_v3_request_shows_no_secret_and_is_no_answer():
    sealed = Sealed(USER, Clock(ENGINE_ID, 1, 100, 0.0, True), REQUEST)
    assert b"passphrase" not in sealed.payload
    assert bytes((43, 6, 1, 2, 1, 1, 5, 0)) not in sealed.payload
    with pytest.raises(ProtocolError):
        sealed.open(sealed.payload)


def test_a_v3_answer_without_its_protection_is_refused():
    clock = Clock(ENGINE_ID, 1, 100, 0.0, True)
    sealed = Sealed(USER, clock, REQUEST)
    pdu = ber.integer(sealed._request_id) + ber.integer(0) + ber.integer(0) + ber.tlv(0x30, b"")
    scoped = ber.tlv(0x30, ber.tlv(4, ENGINE_ID) + ber.tlv(4, b"") + ber.tlv(0xA2, pdu))
    header = ber.integer(sealed._message_id) + ber.integer(65_507) + ber.tlv(4, b"\0") + ber.integer(3)
    security = ber.tlv(4, ENGINE_ID) + ber.integer(1) + ber.integer(100) + ber.tlv(4, b"netmon") + b"\4\0\4\0"
    plain = ber.tlv(0x30, ber.integer(3) + ber.tlv(0x30, header) + ber.tlv(4, ber.tlv(0x30, security)) + scoped)
    with pytest.raises(ProtocolError, match="less protected"):
        sealed.open(plain)
