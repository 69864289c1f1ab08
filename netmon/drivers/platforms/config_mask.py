"""Secrets in configurations made unreadable, while a change of one stays visible.

A mask holds eight hexadecimal digits of an HMAC: equal secrets have equal masks under one key, another secret another
one, and without the key nobody can try guesses against it. Rather too much is masked than too little.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from netmon.drivers.platforms.text import clean

_MASKED: Final = re.compile(r"<masked:[0-9a-f]{8}>")
_TYPES: Final = (
    r"(?:(?:level \d{1,2}|encrypted|cipher|simple|irreversible-cipher|plain-text|plain|plaintext|ciphertext|clear|hash"
    r"|scrypt|pbkdf2|md5|cmac-[\w-]{1,20}|hmac-[\w-]{1,20}|sha\d{0,3}|sha-\d{3}|ascii|ascii-text|hexadecimal|hex|auth-key|string|text|local"
    r"|remote|set-key|enc|\d{1,2}(?= +\S)) +)*"
)
_KEYWORDS: Final = (
    # ends of words too: encrypted-password, plaintext-password, domain-password
    r"[\w-]{0,40}?password|[\w-]{0,40}?passphrase|(?:[\w-]{0,40}-)?secret|key-string|(?:[\w-]{0,40}-)?pre-?shared-key"
    r"|pre-shared-secret|authentication-key|private-key|server-key|shared-key|md5-key|tcp-md5-key|wpa-psk|psk"
    r"|message-digest-key \d{1,3}(?: (?:md5|sha\d{0,3}|hmac-[\w-]{1,20}))?|authentication (?:string|text|key|token)"
    r"|authentication-code|auth-password|priv-password|passwd|psksecret|(?:auth|priv)-pwd|cak|key-octet-string"
    r"|isakmp key|(?:tacacs|radius)(?:-server)?(?: [\w.:-]{1,80}){0,6} key|server-private(?: [\w.:-]{1,80}){1,8} key"
    r"|private key|otp key|pac key|failover key|nhrp authentication|config-key (?:password-encrypt|newpass|ascii)"
    r"|algorithm [\w-]{1,20} key|key (?:authentication|accounting|authorization)|api keys id \S{1,80} key"
    r"|neighbor [\w.:%-]{1,80} (?:tcp-)?md5|authentication-mode (?:simple|md5|hmac-[\w-]{1,20})(?: \d{1,3}(?= +\S))?"
)
# What may stand behind a secret; anything else there belongs to it, since several systems allow spaces in secrets.
_BEHIND: Final = re.compile(
    r"\s+(?:encrypted|pbkdf2|nt-encrypted|mschap|privilege|role|address|hostname|level|localizedkey|priv|auth|access|view"
    r"|ro|rw|group|version|timeout|port|service-type|auth-port|acct-port|retransmit|\{|#|/\*|[\w-]{1,40}=)"
)
_VALUE: Final = r"""(?P<secret>"[^"]*"|'[^']*'|\S+?)(?=;?(?:\s|$))"""
_AFTER_KEYWORD: Final = re.compile(rf"(?P<head>(?<![\w-])(?:{_KEYWORDS}) +{_TYPES}){_VALUE}", re.IGNORECASE)
# a block of an AAA server or a key chain: `key 7 0822...`; a bare number is a key's name, and so is the hexadecimal
# number before the type in MACsec's `key 0102 7 0822...`
_KEY_LINE: Final = re.compile(
    r"(?P<head>^\s+key +(?:(?:[0-9A-Fa-f]{2,64} +)?\d{1,2} +(?=\S)|(?!\d+\s*\Z)))"
    rf"(?!(?:chain|config-key|key-string|authentication|accounting|authorization) ){_VALUE}"
)
# VyOS quotes values; public keys and the key of a tunnel's packets are no secrets
_SET_KEY: Final = re.compile(
    r"(?P<head>^set (?!.{0,400}\b(?:public|public-keys \S{1,200}|parameters ip|tunnel) key )\S.{0,400}? key +)"
    r"""(?P<secret>"[^"]*"|'[^']*')"""
)
# Huawei and H3C put it before what is encrypted; elsewhere the word stands before the name of an algorithm
_CIPHER: Final = re.compile(
    r"(?P<head>(?<![\w-])(?<!ssh )(?<!ssl )(?<!server )(?<!client )(?:irreversible-)?cipher +)"
    r"(?!['\"]?(?:(?:gcm-)?aes-?\d{3}|(?:3des|des|des-cbc|3des-cbc|none|null|chacha20-poly1305)['\";,]{0,2}(?:\s|\Z)))"
    rf"{_VALUE}"
)
_FIRST_HOP: Final = re.compile(
    r"(?P<head>\b(?:standby|vrrp|glbp)(?: \d{1,4})? authentication +)"
    rf"(?!(?:md5|text|ietf-md5|type|password|plaintext-password|key-chain)\b){_VALUE}"
)
_AAA_HOST: Final = re.compile(
    rf"(?P<head>^aaa-server \S{{1,80}}(?: \(\S{{1,80}}\))? host \S{{1,255}} +)(?!timeout ){_VALUE}"
)
# behind an algorithm, as IPsec of OSPFv3 has them
_HEX: Final = re.compile(
    r"(?P<head>\b(?:md5|sha-?\d{1,3}|3des|des|aes-cbc(?: \d{3})?) +(?:[067] +)?)(?P<secret>[0-9A-Fa-f]{16,256})(?!\S)"
)
_SNMP_PRIV: Final = re.compile(
    r"(?P<head>\bsnmp-server user .{0,400}? priv +)(?!(?:3?des\d{0,3}|aes[\w-]{0,8})(?:\s|\Z))" rf"{_VALUE}"
)
_TELEMETRY: Final = re.compile(r"(?P<head>-(?:ingest|cv)auth=(?:key|token),)(?P<secret>[^\s,]+)")
_OSPF6_KEY: Final = re.compile(rf"(?P<head>\bhash-algo [\w-]{{1,20}} key +){_VALUE}")
_COMMUNITY: Final = re.compile(
    r"(?P<head>\b(?:snmp-server|snmp-agent|snmp|snmpv3)\b.{0,80}?\bcommunity +(?:(?:read|write|cipher|simple|\d) +)*)"
    rf"{_VALUE}"
)
_COMMUNITY_LINE: Final = re.compile(rf"(?P<head>^\s*(?:set snmp |snmp )?community +){_VALUE}")
_TRAP_HOST: Final = re.compile(
    r"(?P<head>\bsnmp-server host [\w.:%-]{1,80}(?: (?:traps|informs))?"
    r"(?: version \S{1,3}(?: (?:auth|noauth|priv))?)? +)(?!version|traps|informs)(?P<secret>\S+)"
)
_SNMP_USER: Final = re.compile(
    r"(?P<head>\b(?:auth(?:entication-mode)?|priv(?:acy-mode)?) +"
    r"(?:md5|sha[\w-]{0,8}|3?des\d{0,3}|aes[\w-]{0,8}(?: \d{3})?) +"
    r"(?:(?:cipher|simple|plain|encrypted|clear|\d{1,3}(?= +(?:cipher|plain|simple))) +)*)"
    rf"{_VALUE}",
    re.IGNORECASE,
)
# RouterOS: name=value; values with spaces are quoted, and a backslash at the end carries on in the next line
_ASSIGNMENT: Final = (
    r"(?P<head>(?<![\w-])[\w-]{0,40}?(?:password|secret|passphrase|pre-?shared-key|private-key|authentication-key|auth-key"
    r"|md5-key|community|cak|static-key-\d|sim-pin|api-key|token)=)"
)
_ASSIGNED: Final = re.compile(_ASSIGNMENT + r'(?P<secret>"[^"]*"|[^\s"]\S*)')
_CARRIED: Final = re.compile(_ASSIGNMENT + r'(?P<secret>"[^"]{0,4096}|[^\s"]{0,4096})\\\Z')
_CARRIED_ON: Final = re.compile(r'(?P<head>\s*)(?P<secret>"[^"]*"?|[^\s"]+)')
_QUOTED_ON: Final = re.compile(r'(?P<head>\s*)(?P<secret>[^"]*"?)')
_COMMUNITY_NAME: Final = re.compile(
    r"(?P<head>^(?:/snmp community )?(?:add|set)\b.{0,200}?\bname=)(?P<secret>\"[^\"]*\"|\S+)"
)
_URL: Final = re.compile(r"(?P<head>\b[a-z][a-z0-9+.-]{1,15}://[^\s/:@]{1,128}:)(?P<secret>[^\s@]{1,256})(?=@)")
_HASH: Final = re.compile(r"(?P<head>(?:^|(?<=[\s\"'=])))(?P<secret>\$[0-9a-zA-Z]{1,12}\$[^\s\"';]+)")
_FLAGGED: Final = re.compile(r"(?P<head>)(?P<secret>\"[^\"]*\")(?=; ## SECRET-DATA)")
_LINE_RULES: Final = (
    _AFTER_KEYWORD,
    _KEY_LINE,
    _SET_KEY,
    _CIPHER,
    _FIRST_HOP,
    _AAA_HOST,
    _HEX,
    _TELEMETRY,
    _OSPF6_KEY,
    _COMMUNITY,
    _COMMUNITY_LINE,
    _TRAP_HOST,
    _SNMP_USER,
    _SNMP_PRIV,
    _ASSIGNED,
    _URL,
    _FLAGGED,
    _HASH,
)
_WORDS: Final = re.compile(
    r"pass|secret|key|psk|communit|snmp|auth|priv|://|\$|string|cak|cipher|aaa-server|md5|sha|aes|des|token|sim-pin",
    re.IGNORECASE,
)  # a line without any of them holds no secret: most lines


def mask(platform: str, text: str, key: bytes | str = b"") -> str:
    """The text with each secret as `<masked:1a2b3c4d>`: HMAC-SHA256 under `key`, eight digits of it.

    Passwords, keys, communities, hashes of passwords, private key blocks and credentials in addresses. `platform` is a
    netmiko name, "frr" or "vyos". Lines and their order stay, but for private key blocks, which become one line.
    Idempotent: a mask is not masked again.
    """
    secret_key = key.encode() if isinstance(key, str) else key
    found: list[str] = []
    block: list[str] | None = None
    section = ""
    carried: re.Pattern[str] | None = None
    for line in clean(text).split("\n"):
        if block is not None:
            block.append(line.strip())
            if "-----END" in line:
                found.append(_mask_of("\n".join(block[:-1]), secret_key))
                found.append(line)
                block = None
            continue
        if line.startswith("/"):
            section = line
        if "-----BEGIN" in line and "PRIVATE KEY" in line:
            found.append(line)
            block = []
            continue
        start, rest = "", line
        if carried is not None and (match := carried.match(line)):
            start, rest, carried = _carry_on(match, secret_key)
        if rest.endswith("\\") and len(rest) <= 4096 and (match := _CARRIED.search(rest)):
            masked = _mask_half(match["secret"], secret_key)
            start += _mask_line(rest[: match.start()], secret_key, section) + match["head"] + masked + "\\"
            rest, carried = "", _QUOTED_ON if match["secret"].startswith('"') else _CARRIED_ON
        found.append(start + _mask_line(rest, secret_key, section))
    if block:  # a block without an end: nothing of it may leak
        found.append(_mask_of("\n".join(block), secret_key))
    return "\n".join(found)


def _mask_of(secret: str, key: bytes) -> str:
    if _MASKED.fullmatch(secret):
        return secret
    return f"<masked:{hmac.new(key, secret.encode(), hashlib.sha256).hexdigest()[:8]}>"


def _mask_half(secret: str, key: bytes) -> str:
    bare = secret.strip('"')
    return _mask_of(bare, key) if bare else ""


def _carry_on(match: re.Match[str], key: bytes) -> tuple[str, str, re.Pattern[str] | None]:
    """What a secret begun in the line before becomes here, the rest of the line, and how the next line goes on."""
    secret, rest = match["secret"], match.string[match.end() :]
    if rest or not secret.endswith("\\"):
        return match["head"] + _mask_half(secret, key), rest, None
    is_quoted = match.re is _QUOTED_ON or secret.startswith('"')
    return match["head"] + _mask_half(secret[:-1], key) + "\\", "", _QUOTED_ON if is_quoted else _CARRIED_ON


def _mask_line(line: str, key: bytes, section: str) -> str:
    if len(line) > 16384:
        return _mask_of(line, key)  # no command is as long; rules would take their time
    if section.startswith("/snmp") and (line.startswith(("add", "set", "/snmp community"))):
        line = _replace(_COMMUNITY_NAME, line, key)
    if _WORDS.search(line):
        for rule in _LINE_RULES:
            line = _replace(rule, line, key)
    return line


def _replace(rule: re.Pattern[str], line: str, key: bytes) -> str:
    parts, at = [], 0
    while match := rule.search(line, at):
        secret, end = match["secret"], match.end("secret")
        quoted = secret[:1] in "\"'"
        if not quoted and rule is _AFTER_KEYWORD and not _MASKED.match(secret) and not line[end:].startswith(";"):
            rest = line[end:]
            if rest.strip() and not _BEHIND.match(rest):
                secret, end = line[match.start("secret") :], len(line)
        bare = secret[1:-1] if quoted and len(secret) > 1 else secret
        parts += [line[at : match.start("secret")], _mask_of(bare, key) if bare else secret]
        at = end
    return "".join([*parts, line[at:]]) if parts else line
