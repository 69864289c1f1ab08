from __future__ import annotations

import json
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netmon.drivers.errors import NotSupported, ProtocolError
from netmon.drivers.platforms.config_diff import opcodes
from netmon.drivers.platforms.config_text import diff_words, mask, normalise, summary, unsaved
from tests.unit.drivers.platforms.captures import r1

KEY = b"a key of the test"
FRR = r1("show_running-config.txt").stdout

# Each line holds the secret `S3cr3t/+x` once, and what stands around it has to stay.
SECRET = "S3cr3t/+x"
LINES = [
    "enable secret 5 {}",
    "enable password {}",
    "enable password level 15 {}",
    "username bob privilege 15 secret 9 {}",
    "username bob password 0 {}",
    "username bob password {} encrypted privilege 15",
    "username admin password 5 {}  role network-admin",
    "username bob privilege 15 role network-admin secret sha512 {}",
    " neighbor 10.0.0.1 password {}",
    " neighbor 10.0.0.1 password 7 {}",
    " ip ospf authentication-key {}",
    " ip ospf message-digest-key 1 md5 {}",
    " area 0 virtual-link 1.1.1.1 message-digest-key 1 md5 7 {}",
    " ip rip authentication string {}",
    "  key-string {}",
    "  key-string 7 {}",
    " ipv6 ospf6 authentication key-id 1 hash-algo hmac-sha-256 key {}",
    " isis password md5 {}",
    " domain-password clear {}",
    "snmp-server community {} RO 10",
    "snmp-server host 10.0.0.1 version 2c {}",
    "snmp-server host 10.0.0.1 {}",
    "snmp-server user u g v3 auth sha {}",
    "snmp-server user u g v3 priv aes 128 {}",
    "snmp-agent community read cipher {}",
    "crypto isakmp key {} address 10.0.0.1",
    " pre-shared-key local {}",
    "tacacs-server key 7 {}",
    "tacacs-server host 10.0.0.1 key 7 {}",
    "radius-server host 10.0.0.1 auth-port 1812 acct-port 1813 key {}",
    " key 7 {}",
    " wpa-psk ascii 0 {}",
    " ppp chap password 0 {}",
    "set system login user bob authentication plaintext-password '{}'",
    "set system login user bob authentication encrypted-password '{}'",
    "set vpn ipsec site-to-site peer x authentication pre-shared-secret '{}'",
    "set service snmp community '{}' authorization 'ro'",
    "set interfaces wireguard wg0 private-key '{}'",
    "set protocols bgp neighbor 10.0.0.1 password '{}'",
    '        encrypted-password "{}"; ## SECRET-DATA',
    '        authentication-key "{}"; ## SECRET-DATA',
    '        pre-shared-key ascii-text "{}"; ## SECRET-DATA',
    "    secret {};",
    '        unheard-of "{}"; ## SECRET-DATA',
    "    community {} {{",
    "add name=x password={} service=pptp",
    'set wpa2-pre-shared-key="{}" mode=dynamic-keys',
    " archive path scp://bob:{}@10.0.0.1/config",
    "local-user bob password irreversible-cipher {}",
    " ospf authentication-mode md5 1 cipher {}",
    "set interfaces wireguard wg0 peer a preshared-key '{}'",
    "set pki certificate c private key '{}'",
    "set pki ca c private key '{}'",
    "set pki key-pair c private key '{}'",
    "set pki openvpn s key '{}'",
    "set service https api keys id K key '{}'",
    "set system login user bob authentication otp key '{}'",
    "set vpn openconnect authentication local-users username bob otp key '{}'",
    "set interfaces macsec macsec1 security mka cak '{}'",
    "set interfaces macsec macsec1 security static key '{}'",
    "set interfaces macsec macsec1 security static peer p key '{}'",
    "set system login radius server 10.0.0.1 key '{}'",
    "set service monitoring telegraf influxdb authentication token '{}'",
    "set high-availability vrrp group g authentication password '{}'",
    'add name=x preshared-key="{}" public-key="P="',
    "add name=x cak={} ckn=01",
    "set security.passphrase={} disabled=no",
    "snmp-server user u network-admin auth md5 {} priv <masked:01234567> localizedkey",
    "snmp-server user u network-admin auth md5 <masked:01234567> priv {} localizedkey",
    "snmp-server user u network-admin auth sha <masked:01234567> priv aes-128 {} localizedkey",
    "snmp-server user u g v3 auth sha encrypted {}",
    " ip ospf message-digest-key 1 sha512 7 {}",
    " isis authentication key 7 {}",
    " isis authentication key 7 {} level-1",
    " authentication key-id 1 algorithm sha-1 key 7 {}",
    "   key 0102 7 {}",
    "   key 0102 7 {} fallback",
    " key {}",
    " standby 1 authentication {}",
    " standby 1 authentication text {}",
    " standby 1 authentication md5 key-string 7 {}",
    " vrrp 1 authentication text {}",
    " vrrp 1 authentication {}",
    " glbp 1 authentication text {}",
    "  authentication text {}",
    " ip nhrp authentication {}",
    " pac key 7 {}",
    "key config-key password-encrypt {}",
    "passwd {} encrypted",
    "failover key {}",
    "failover key hex {}",
    "failover ipsec pre-shared-key {}",
    "aaa-server G (inside) host 10.0.0.1 {}",
    "aaa-server G (inside) host 10.0.0.1 {} timeout 5",
    "aaa-server G host 10.0.0.1 {}",
    " isis authentication-mode simple cipher {}",
    " ospf authentication-mode hmac-md5 1 cipher {}",
    " ospf authentication-mode hmac-sha256 1 plain {}",
    " authentication-mode simple {}",
    " some-thing cipher {}",
    " some-thing irreversible-cipher {} more",
    " peer 10.0.0.1 password cipher {}",
    " key authentication cipher {}",
    " radius-server shared-key cipher {}",
    "enable secret 9 {}",
    "enable algorithm-type scrypt secret 9 {}",
    "username a secret 5 {}",
    "username a secret 9 {}",
    " server-private 1.2.3.4 key {}",
    " server-private 1.2.3.4 auth-port 1812 acct-port 1813 key 7 {}",
    " client 1.2.3.4 server-key 7 {}",
    "crypto isakmp key 6 {} hostname x",
    " ppp chap password 7 {}",
    " ppp pap sent-username u password 7 {}",
    " mpls ldp neighbor 10.0.0.1 password 7 {}",
    " neighbor 10.0.0.1 md5 {}",
    "/routing bgp connection add name=x tcp-md5-key={} templates=default",
    "ntp authentication-key 1 md5 {}",
    "ntp authentication-key 1 cmac-aes-128 {}",
    " security wpa akm psk set-key ascii 0 {}",
    "   key-octet-string 7 {}",
    "   exec /usr/bin/TerminAttr -ingestauth=key,{} -ingestvrf=M",
    "        set passwd ENC {}",
    "        set psksecret ENC {}",
]


@pytest.mark.parametrize("line", LINES)
def test_secrets_are_masked_and_nothing_else(line):
    text = line.format(SECRET)
    masked = mask("any", text, KEY)
    assert SECRET not in masked, masked
    before, after = line.replace("{{", "{").split("{}")
    assert masked.startswith(before.rstrip("\"'")) and masked.endswith(after.lstrip("\"'")), masked
    assert mask("any", masked, KEY) == masked
    # another secret has another mask, another key too
    assert mask("any", text.replace(SECRET, "0ther"), KEY) != masked != mask("any", text, b"another key")
    assert mask("any", text, KEY) == mask("any", text, KEY.decode())


def test_too_much_rather_than_too_little():
    for line in (
        "enable secret my long phrase",
        "  key-string two words",
        "snmp-server user u g v3 auth md5 0xS3cr3t priv aes 128 0xabc",
        "password $6$salt$hash/hash",
        "user x $y$j9T$abc/def",
        "snmp-server user u network-admin auth md5 0xS3cr3t priv 0xabc localizedkey",
        " key 7 070123456",
        " ipv6 ospf encryption ipsec spi 9 esp aes-cbc 128 7 0123456789abcdef0123456789abcdef sha1 0123456789abcdef01",
    ):
        masked = mask("any", line, KEY)
        assert "<masked:" in masked
        assert not any(word in masked for word in ("phrase", "words", "S3cr3t", "hash", "abc", "0123")), masked


@pytest.mark.parametrize(
    "line",
    [
        "service password-encryption",
        " ip ospf authentication message-digest",
        "key chain RIP",
        " key 1",
        " neighbor 10.0.0.1 remote-as 65001",
        " neighbor 10.0.0.1 send-community both",
        "ip ssh version 2",
        "snmp-server location Rack 1",
        " set community 65001:100 additive",
        " description password reset desk"[:15],
        "no ip domain lookup",
        "aaa authentication login default group tacacs+ local",
        " key 0102",
        " key chain RIP",
        " tunnel key 10",
        " ip ospf authentication key-chain RIP",
        " isis authentication key-chain RIP",
        " standby 1 authentication md5 key-chain RIP",
        " vrrp 1 authentication",
        "aaa-server G protocol radius",
        "aaa-server G (inside) host 10.0.0.1",
        " mac security cipher aes256-gcm",
        "ssh cipher encryption high",
        "ssh server cipher aes256_ctr",
        "set interfaces openvpn vtun0 encryption cipher 'aes256'",
        "set interfaces macsec macsec1 security cipher 'gcm-aes-128'",
        "set interfaces macsec macsec1 security mka ckn '0102'",
        "set interfaces tunnel tun0 parameters ip key '10'",
        "set interfaces wireguard wg0 peer a public-key 'P='",
        "set system login user bob authentication public-keys k key 'AAAA'",
        "set pki key-pair k public key 'AAAA'",
        "ntp trusted-key 1",
        "snmp-server group g v3 priv read all",
        " ip nhrp network-id 1",
    ],
)
def test_other_lines_stay(line):
    assert mask("any", line, KEY) == line


def test_a_private_key_becomes_one_line():
    text = "a\n-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\nBBBB\n-----END OPENSSH PRIVATE KEY-----\nb\n"
    masked = mask("any", text, KEY)
    assert "AAAA" not in masked and masked.startswith("a\n-----BEGIN") and masked.endswith("KEY-----\nb\n")
    assert mask("any", masked, KEY) == masked
    cut = mask("any", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\nBBBB", KEY)
    assert "AAAA" not in cut and "BBBB" not in cut and mask("any", cut, KEY) == cut


def test_routeros_names_communities():
    text = "/snmp community\nset [ find default=yes ] addresses=::/0 name=S3cr3t\n/interface\nset name=ether1\n"
    masked = mask("mikrotik_routeros", text, KEY)
    assert "S3cr3t" not in masked and "name=ether1" in masked and mask("mikrotik_routeros", masked, KEY) == masked


@pytest.mark.parametrize(
    "text",
    [
        'add name=wg1 private-key=\\\n    "S3cr3t" mtu=1420\nadd name=b\n',
        "add name=wg1 private-key=\\\n    S3cr3t mtu=1420\nadd name=b\n",
        'add name=wg1 password="S3cr3t \\\n    S3cr3t" mtu=1420\nadd name=b\n',
        'add name=wg1 password=S3cr3t private-key="S3cr3t\\\n    S3cr3t\\\n    S3cr3t" mtu=1420\nadd name=b\n',
        'add name=wg1 private-key=\\\n    "S3cr3t" mtu=1420 preshared-key=\\\n    S3cr3t\\\n    S3cr3t\nadd name=b\n',
    ],
)
def test_routeros_carries_secrets_on_in_the_next_line(text):
    masked = mask("mikrotik_routeros", text, KEY)
    assert "S3cr3t" not in masked and "name=wg1" in masked and "mtu=1420" in masked and "\nadd name=b\n" in masked
    assert masked.count("\n") == text.count("\n") and mask("mikrotik_routeros", masked, KEY) == masked


def test_masking_frr_leaves_it_alone():
    assert mask("frr", FRR, KEY) == FRR


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.sampled_from([line.format(SECRET) for line in LINES]), st.text(max_size=60)), max_size=8))
def test_mask_and_normalise_are_idempotent(some):
    text = "\n".join(some)
    once = mask("any", text, KEY)
    assert mask("any", once, KEY) == once
    try:
        stable = normalise("any", text)
    except ProtocolError:
        return
    assert normalise("any", stable) == stable


def test_normalise_drops_what_changes_by_itself():
    one = "\r\nBuilding configuration...\r\n\r\nCurrent configuration : 1234 bytes\r\n!\r\n"
    one += (
        "! Last configuration change at 10:00:00 UTC\r\nhostname r1   \r\nntp clock-period 36029056\r\n!\r\nend\r\nr1#"
    )
    other = one.replace("1234", "999").replace("10:00:00", "11:11:11").replace("36029056", "1")
    assert normalise("cisco_ios", one) == normalise("cisco_ios", other) == "!\nhostname r1\n!\nend\n"
    assert normalise("frr", FRR).startswith("!\nfrr version 8.4.4\n")
    xr = "Mon Dec 18 11:13:26.959 UTC\n!! Last configuration change at Mon\nhostname x\n"
    assert normalise("cisco_xr", xr) == "hostname x\n"
    mikrotik = "# 2026-11-22 10:00:00 by RouterOS 7.1\n# software id = AB\n/ip address\n"
    assert normalise("mikrotik_routeros", mikrotik) == "/ip address\n"
    assert normalise("huawei_vrp", "#\nsysname x\n#\nreturn\n<x>") == "#\nsysname x\n#\nreturn\n"
    for nothing in ("", "\n\n", "r1#"):
        with pytest.raises(ProtocolError):
            normalise("frr", nothing)


def test_a_change_is_shown_word_by_word_and_told():
    after = FRR.replace("remote-as 65099", "remote-as 65098").replace(
        "  network 198.18.1.0/24\n", "  network 198.18.1.0/24\n  network 198.18.9.0/24\n"
    )
    after = after.replace(" description link to-r3\n", "")
    told = summary(FRR, after)
    assert told == "1 line removed in `interface to-r3`; 1 line added, 1 line changed in `router bgp 65001`."
    difference = diff_words(FRR, after)
    assert (difference["added"], difference["removed"], difference["changed"]) == (1, 1, 1)
    (changed,) = [row for hunk in difference["hunks"] for row in hunk["rows"] if row["kind"] == "changed"]
    (span,) = changed["before_spans"]
    assert changed["before"][slice(*span)] == "65099"
    assert changed["after"][slice(*changed["after_spans"][0])] == "65098"
    lines = FRR.splitlines()
    assert all(
        lines[row["before_number"] - 1] == row["before"]
        for hunk in difference["hunks"]
        for row in hunk["rows"]
        if row["before_number"]
    )
    assert difference["hunks"][0]["section"] == "interface to-r3"
    assert json.loads(json.dumps(difference)) == difference
    assert diff_words(FRR, FRR) == {"is_equal": True, "added": 0, "removed": 0, "changed": 0, "hunks": []}
    assert summary(FRR, FRR) == "No difference."


def test_set_commands_and_top_level():
    before = "set system host-name 'a'\nset protocols bgp 65001 neighbor 10.0.0.1 remote-as '1'\n"
    assert "`set protocols bgp`" in summary(before, before.replace("remote-as '1'", "remote-as '2'"))
    assert summary("hostname a\n", "hostname a\nip route x\n") == "1 line added at the top level."


@settings(max_examples=150, deadline=None)
@given(*[st.lists(st.sampled_from(["a", " b", " c", "!", "d e f", ""]), max_size=40)] * 2)
def test_a_difference_loses_no_line(old, new):
    found = opcodes(old, new)
    assert [line for _, a0, a1, _, _ in found for line in old[a0:a1]] == old
    assert [line for _, _, _, b0, b1 in found for line in new[b0:b1]] == new
    assert all(old[a0:a1] == new[b0:b1] for kind, a0, a1, b0, b1 in found if kind == "equal")


def test_twenty_thousand_lines_take_seconds_at_worst():
    noise = random.Random(5)
    lines = [f" rule {n} permit ip host 10.{n >> 8 & 255}.{n & 255}.{noise.randrange(256)} any" for n in range(20_000)]
    few = lines[:]
    for _ in range(200):
        few[noise.randrange(len(few))] = " rule changed"
    texts = ["\n".join(lines), "\n".join(few), "\n".join(noise.sample(lines, len(lines)))]
    texts += ["\n".join(noise.choice(["a", "b", " c"]) for _ in range(20_000)) for _ in range(2)]
    started = time.process_time()
    assert diff_words(texts[0], texts[1])["changed"] > 100
    diff_words(texts[0], texts[2])
    diff_words(texts[3], texts[4])
    mask("any", texts[0] + "\n" + "password " * 1800, KEY)
    normalise("any", texts[0])
    assert time.process_time() - started < 8


@pytest.mark.parametrize(
    "piece",
    [
        "password ",
        "key ",
        'secret "',
        "community ",
        "://a:",
        "$1$",
        "md5 ",
        " 7",
        "'",
        "snmp ",
        "set x key ",
        " key 01 7 ",
        "cipher ",
        "set ",
        "neighbor a md5 ",
        "server-private a b key ",
        "snmp-server user priv ",
        "aes-cbc 1",
        "cak=",
        'token="',
    ],
)
def test_masking_hostile_lines_is_linear(piece):
    started = time.process_time()
    mask("any", "\n".join([piece * (16000 // len(piece))] * 5), KEY)
    mask("any", "\n".join([piece * (4000 // len(piece)) + "\\"] * 5), KEY)
    assert time.process_time() - started < 3


def test_unsaved():
    startup = "!\nfrr version 8.4.4\nhostname r1\n!\nrouter bgp 65001\n neighbor 10.0.0.1 remote-as 1\nexit\n"
    running = "Building configuration...\n\nCurrent configuration:\n" + startup.replace("exit\n", "") + "end\n"
    assert unsaved("frr", running, startup) == {
        "is_unsaved": False,
        "summary": "No difference.",
        "added": 0,
        "removed": 0,
    }
    found = unsaved("frr", running.replace("remote-as 1\n", "remote-as 1\n neighbor 10.0.0.2 remote-as 2\n"), startup)
    assert found["is_unsaved"] and found["summary"] == "1 line added in `router bgp 65001`."
    with pytest.raises(NotSupported):
        unsaved("vyos", "set x\n", "x {\n}\n")
