"""Read-only accounts in the words of vendors' command lines: from their documentation, never tried on a device here."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Text = tuple[list[str], list[str]]  # lines to type, notes
SECRET = "<the password of netmon's credential>"  # noqa: S105 - what a person puts there
RSA_ONLY = "Many of these systems take RSA keys only, of 2048 bits or more; where ed25519 is refused, use another key."
BACKUP_RIGHTS = (
    "The backup of the configuration asks `{line}`, which needs {right}; leave that out if you want no backup."
)


def _ios(user: str, key: str, lines: Sequence[str]) -> Text:
    access = [f"username {user} privilege 1 algorithm-type scrypt secret {SECRET}"]
    if key:
        blocks = [f"   {part}" for part in textwrap.wrap(key.partition(" ")[2], 100)]
        access = [
            f"username {user} privilege 1 nopassword", "ip ssh pubkey-chain", f" username {user}", "  key-string",
            *blocks, "  exit", " exit", "exit",
        ]  # fmt: skip
    rights = [
        f"privilege exec level 1 {line}" for line in lines if line in ("show running-config", "show startup-config")
    ]
    text = ["configure terminal", "ip ssh version 2", *access, *rights, "end", "write memory"]
    return text, [
        RSA_ONLY,
        "IOS shows an account only those lines of the running configuration that its level could write: for a whole "
        "backup give the account level 15 and let a TACACS+ server permit the commands below only.",
    ]


def _xr(user: str, key: str, lines: Sequence[str]) -> Text:
    text = ["configure", f"username {user}", " group operator", f" secret {SECRET}", "exit", "commit", "end"]
    if key:
        text.append(f"crypto key import authentication rsa username {user} disk0:/netmon.pub")
    return text, [
        RSA_ONLY,
        BACKUP_RIGHTS.format(line="show running-config", right="the task `config-services` to read"),
    ]


def _nxos(user: str, key: str, lines: Sequence[str]) -> Text:
    access = [f"username {user} password {SECRET} role network-operator"]
    if key:
        access = [f"username {user} role network-operator", f"username {user} sshkey {key}"]
    return ["configure terminal", "feature ssh", *access, "end", "copy running-config startup-config"], [
        "network-operator reads everything, the configuration included, and changes nothing.",
    ]


def _asa(user: str, key: str, lines: Sequence[str]) -> Text:
    text = [
        "configure terminal", f"username {user} password {SECRET} privilege 5", "aaa authentication ssh console LOCAL",
        "aaa authorization command LOCAL",
        *(f"privilege show level 5 mode exec command {line.split()[1]}" for line in lines if line.startswith("show ")),
        "end", "write memory",
    ]  # fmt: skip
    if key:
        kept = f" ssh authentication publickey {key.partition(' ')[2]}"
        text[2:2] = [f"username {user} attributes", kept, "exit"]
    return list(dict.fromkeys(text)), [
        RSA_ONLY,
        "Admit netmon's address with `ssh ADDRESS 255.255.255.255 INTERFACE`. Before `aaa authorization command LOCAL` "
        "see to it that your own account has level 15.",
    ]


def _eos(user: str, key: str, lines: Sequence[str]) -> Text:
    access = [f"username {user} privilege 15 role network-operator secret {SECRET}"]
    if key:
        access = [
            f"username {user} privilege 15 role network-operator nopassword", f"username {user} ssh-key {key}",
        ]  # fmt: skip
    return ["configure", *access, "end", "write memory"], [
        "The role network-operator changes nothing; level 15 is what `show running-config` needs.",
    ]


def _junos(user: str, key: str, lines: Sequence[str]) -> Text:
    login = f"set system login user {user}"
    allowed = "|".join(dict.fromkeys(f"({line.partition(' |')[0]})" for line in lines))
    text = [
        "configure", "set system login class netmon-ro permissions [ view view-configuration ]",
        f'set system login class netmon-ro allow-commands "{allowed}"', f"{login} class netmon-ro",
    ]  # fmt: skip
    if key:
        text.append(f'{login} authentication {key.partition(" ")[0]} "{key}"')
    else:
        text.append(f"{login} authentication plain-text-password")
    return [*text, "commit and-quit"], [
        BACKUP_RIGHTS.format(
            line="show configuration", right="`view-configuration`; without `secret` passwords stay hidden"
        ),
    ]


def _routeros(user: str, key: str, lines: Sequence[str]) -> Text:
    text = [
        "/user group add name=netmon-ro policy=ssh,read",
        f"/user add name={user} group=netmon-ro password={SECRET}",
    ]
    if key:
        text.append(f"/user ssh-keys import public-key-file=netmon.pub user={user}")
    return text, [
        "Put the public key on the router as netmon.pub first." if key else "Bind the account with `address=`.",
        "Without the policy `sensitive` an export hides passwords.",
    ]


def _procurve(user: str, key: str, lines: Sequence[str]) -> Text:
    text = ["configure terminal", f'password operator user-name "{user}" plaintext {SECRET}', "end", "write memory"]
    return text, [
        BACKUP_RIGHTS.format(line="show running-config", right="the manager's login"),
        "Keys are given to operators with `copy tftp pub-key-file ADDRESS netmon.pub operator`.",
    ]


def _aoscx(user: str, key: str, lines: Sequence[str]) -> Text:
    rules = [f'    {10 * number} permit cli command "{line}"' for number, line in enumerate(lines, 1)]
    text = [
        "configure terminal", "user-group netmon-ro", *rules, "    exit",
        f"user {user} group netmon-ro password plaintext {SECRET}",
    ]  # fmt: skip
    if key:
        text.append(f"user {user} authorized-key {key}")
    return [*text, "end", "write memory"], ["The group permits exactly what netmon asks, the configuration included."]


def _huawei(user: str, key: str, lines: Sequence[str]) -> Text:
    text = [
        "system-view", "aaa", f" local-user {user} password irreversible-cipher {SECRET}",
        f" local-user {user} privilege level 1", f" local-user {user} service-type ssh", " quit",
        f"ssh user {user} authentication-type {'rsa' if key else 'password'}", f"ssh user {user} service-type stelnet",
    ]  # fmt: skip
    if key:
        text.append(f"ssh user {user} assign rsa-key netmon")
    backup = [line for line in lines if line.endswith("-configuration")]
    text += [f"command-privilege level 1 view shell {line}" for line in backup]
    return [*text, "return", "save"], [
        RSA_ONLY,
        *(["Enter the key before, as `rsa peer-public-key netmon`."] if key else []),
        BACKUP_RIGHTS.format(line="display current-configuration", right="the `command-privilege` lines"),
    ]


Writer = Callable[[str, str, Sequence[str]], Text]
# By netmiko's names: the writer, and how a comment begins there.
VENDORS: Mapping[str, tuple[Writer, str]] = {
    "cisco_ios": (_ios, "!"),
    "cisco_xe": (_ios, "!"),
    "cisco_xr": (_xr, "!"),
    "cisco_asa": (_asa, "!"),
    "cisco_nxos": (_nxos, "!"),
    "arista_eos": (_eos, "!"),
    "juniper_junos": (_junos, "#"),
    "mikrotik_routeros": (_routeros, "#"),
    "hp_procurve": (_procurve, ";"),
    "aruba_osswitch": (_procurve, ";"),
    "aruba_aoscx": (_aoscx, "!"),
    "huawei": (_huawei, "#"),
    "huawei_vrp": (_huawei, "#"),
    "huawei_vrpv8": (_huawei, "#"),
}


def vendor_text(platform: str, user: str, key: str, table: Mapping[Any, Sequence[Any]]) -> tuple[str, list[str]]:
    """The text and its notes; `table` is what is asked of the platform, which the text lists.

    `user` is plain (letters, digits, dot, dash, underscore), `key` two words or "".
    """
    write, mark = VENDORS[platform]
    lines = list(dict.fromkeys(ask.line for asks in table.values() for ask in asks))
    typed, notes = write(user, key, lines)
    asked = [f"{mark} netmon asks, and nothing else:", *(f"{mark}   {line}" for line in lines)]
    begin = [f"{mark} A read-only account for netmon on {platform}."]
    if key:
        begin.append(f"{mark} Its public key: {key}")
    return "\n".join([*begin, *typed, *asked]) + "\n", notes
