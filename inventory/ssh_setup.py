"""How a device is made ready for netmon: a read-only account, written from the very tables that netmon asks by, so that
what is allowed and what is asked cannot drift apart. Text only; nothing here talks to a device.
"""

import re
import shlex
from dataclasses import dataclass, field

from inventory.models import ManagementEndpoint
from inventory.ssh_setup_vendors import VENDORS, vendor_text
from netmon.common.errors import NotConfigured
from netmon.drivers.platforms import clock, frr, frr_routes, linux, vendors, vyos
from netmon.drivers.ssh.detect import PROBES
from netmon.drivers.ssh.script import Command

HOSTS = ("linux", "frr", "vyos")
PLATFORMS = (*HOSTS, *VENDORS)
# What useradd takes everywhere, and what neither sshd's patterns nor a vendor's command line read otherwise.
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}")
PUBLIC_KEY = re.compile(r"(ssh-[a-z0-9]{1,20}|ecdsa-sha2-nistp\d{3}) ([A-Za-z0-9+/]+={0,2})(?: .*)?")
ALLOWLIST, VYOS_ALLOWLIST = "/usr/local/bin/netmon-ro", "/config/scripts/netmon-ro"
CONSOLE_KEY = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"


class SetupUnknown(NotConfigured):
    """There is no text for this platform or for this account."""

    code = "setup_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """`script` is for a root shell on hosts, for the command line of a vendor's device elsewhere; `notes` say why.

    `is_tried` tells whether it was run against real software, or written from the vendor's documentation only.
    """

    platform: str
    username: str
    script: str
    notes: tuple[str, ...] = field(default=())
    is_tried: bool = False


def commands(platform: str) -> tuple[str, ...]:
    """Every command line that is asked there, vtysh's apart. Raises SetupUnknown."""
    if platform not in HOSTS:
        raise SetupUnknown(f"{platform}: no host of a known kind; take one of {', '.join(HOSTS)}.")
    tables = [PROBES, linux.COMMANDS, clock.COMMANDS]
    if platform == "frr":
        tables.append({"counters": frr.COUNTERS, "startup_config": frr.STARTUP_CONFIG})
    if platform == "vyos":
        tables.append(vyos.COMMANDS)
    return tuple(dict.fromkeys(Command(tuple(argv)).line for table in tables for argv in table.values()))


def vtysh_lines(platform: str) -> tuple[str, ...]:
    """Every line that is asked of vtysh there; none on a plain host."""
    if platform == "linux":
        return ()
    lines = [*frr.COMMANDS.values(), *frr.COMMANDS_DEFAULT_VRF.values(), *frr_routes.protocol_commands()]
    return tuple(dict.fromkeys(lines))


def allowlist(platform: str) -> str:
    """The forced command: POSIX sh that runs exactly what netmon asks and refuses the rest with status 126."""
    entries = "\n".join(f"  {shlex.quote(line)}) exec {line} ;;" for line in commands(platform))
    lines = vtysh_lines(platform)
    routing = _VTYSH.format(lines="|\\\n      ".join(shlex.quote(line) for line in lines)) if lines else ""
    return _ALLOWLIST.format(entries=entries, routing=routing)


_ALLOWLIST = """#!/bin/sh
# netmon-ro: the commands of netmon, and no others. For sshd, as the forced command of netmon's account.
# No word of the request reaches a shell but where it equals one of the literals below.
LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
exec </dev/null
asked=${{SSH_ORIGINAL_COMMAND-}}
refuse() {{
  logger -t netmon-ro -- "refused" >/dev/null 2>&1
  echo "netmon-ro: refused" >&2
  exit 126
}}
case "$asked" in
{entries}
esac
{routing}refuse
"""
# netmon asks several lines in one vtysh: each is looked up by itself.
_VTYSH = """case "$asked" in
  "vtysh -c '"*"'") ;;
  *) refuse ;;
esac
rest=${{asked#vtysh}}
set --
while [ -n "$rest" ]; do
  case "$rest" in
    " -c '"*"'"*) ;;
    *) refuse ;;
  esac
  rest=${{rest#" -c '"}}
  line=${{rest%%"'"*}}
  rest=${{rest#*"'"}}
  case "$line" in
      {lines}) ;;
    "show ip route "*" json"|"show ipv6 route "*" json")
      # One address or prefix, which consists of these signs only.
      sought=${{line#"show ip route "}}
      sought=${{sought#"show ipv6 route "}}
      sought=${{sought%" json"}}
      case "$sought" in
        ""|*[!0-9a-f:./]*) refuse ;;
      esac ;;
    *) refuse ;;
  esac
  set -- "$@" -c "$line"
done
exec vtysh "$@"
"""


def setup(platform: str, *, username: str, public_key: str = "") -> Setup:
    """The text for one device; `public_key` is netmon's own, "" where it logs in with a password.

    Raises SetupUnknown: for a platform nothing is known about, and for a name or key that cannot be written safely.
    """
    if platform not in PLATFORMS:
        raise SetupUnknown(f"There is no set-up text for {platform or 'this'}: choose one of {', '.join(PLATFORMS)}.")
    if not username or not username.isprintable():
        raise SetupUnknown("The credential has no user name that can be written down: give it one.")
    key = _checked(public_key)
    if platform in ("linux", "frr"):
        return _host(platform, username, key)
    if not PLAIN_NAME.fullmatch(username):
        raise SetupUnknown(
            f"The user name is not one that {platform} takes unquoted: use letters, digits, dot, dash and underscore."
        )
    if platform == "vyos":
        return _vyos(username, key)
    script, notes = vendor_text(platform, username, key, vendors.COMMANDS[platform])
    return Setup(platform=platform, username=username, script=script, notes=(FROM_DOCUMENTS, *notes))


FROM_DOCUMENTS = "Written from the vendor's documentation and not tried on a device: read it before you type it."


def _checked(public_key: str) -> str:
    """Type and base64, without the comment: it may hold anything."""
    if not public_key:
        return ""
    match = PUBLIC_KEY.fullmatch(public_key.strip())
    if match is None:
        raise SetupUnknown("The credential's public key is not one line of a known type: make the key anew.")
    return f"{match[1]} {match[2]}"


def _host(platform: str, username: str, key: str) -> Setup:
    """For a root shell. Values stand in quotes once, at the top, and in double quotes from there on."""
    parts = [
        "#!/bin/sh",
        "# A read-only account for netmon. Run it as root; it may be run again.",
        "set -eu",
        f"user={shlex.quote(username)}",
        'id -u -- "$user" >/dev/null 2>&1 || useradd --system --create-home --shell /bin/sh -- "$user"',
    ]
    if platform == "frr":
        parts += [
            "# vtysh talks to FRR's daemons as a member of frrvty. That group may configure them too: what keeps the",
            "# account to reading is the allowlist below.",
            'usermod -a -G frrvty -- "$user"',
            "# Only to compare the running configuration with the saved one: the group frr may read /etc/frr.",
            "# Without it everything else works. Take the # away if you want it.",
            '# usermod -a -G frr -- "$user"',
        ]
    parts += [
        f"install -o root -g root -m 0755 /dev/stdin {ALLOWLIST} <<'NETMON_RO'",
        allowlist(platform).rstrip("\n"),
        "NETMON_RO",
    ]
    parts += _login_by_key(key) if key else _login_by_password(username)
    parts += [
        "# The host key, to compare with what netmon shows before it is approved:",
        CONSOLE_KEY,
    ]
    return Setup(
        platform=platform, username=username, script="\n".join(parts) + "\n", notes=_host_notes(platform, key),
        is_tried=True,
    )  # fmt: skip


def _login_by_key(key: str) -> list[str]:
    line = f'restrict,command="{ALLOWLIST}" {key} netmon'
    return [
        "# The key file belongs to root: the account cannot give itself more.",
        'home=$(getent passwd "$user" | cut -d: -f6)',
        'install -d -o root -g root -m 0755 "$home/.ssh"',
        f"printf '%s\\n' {shlex.quote(line)} |",
        '  install -o root -g root -m 0644 /dev/stdin "$home/.ssh/authorized_keys"',
        '# No password opens it; an account that is locked with "!" would be refused with a key too.',
        "usermod -p '*' -- \"$user\"",
    ]


def _login_by_password(username: str) -> list[str]:
    parts = [
        "# netmon logs in with a password: set the one of its credential. A key is the better way.",
        'passwd -- "$user"',
    ]
    if not PLAIN_NAME.fullmatch(username):
        return [*parts, "# sshd's patterns cannot name this account, so nothing would restrict it: take a plain name."]
    block = [
        f"Match User {username}",
        f"  ForceCommand {ALLOWLIST}",
        "  PermitTTY no",
        "  DisableForwarding yes",
        "Match all",
    ]
    return [
        *parts,
        "install -o root -g root -m 0644 /dev/stdin /etc/ssh/sshd_config.d/netmon-ro.conf <<'NETMON_RO'",
        *block,
        "NETMON_RO",
        "sshd -t  # then reload sshd, such as: systemctl reload ssh",
    ]


def _host_notes(platform: str, key: str) -> tuple[str, ...]:
    notes = [
        "No sudo is needed. Should you write a rule nevertheless, name whole commands: a star at the end of "
        "`vtysh -c show *` lets a second -c through.",
        "The allowlist takes exact commands only, so netmon opens a channel for each of them: sshd's MaxSessions "
        "of 10 is enough. MaxStartups matters only where many logins come at once.",
        f"Read the host key at the console with `{CONSOLE_KEY}`, and enter or approve it in netmon.",
    ]
    if platform == "frr":
        notes.insert(
            0,
            "A backup needs `vtysh -c 'show running-config'`, which shows neighbours' passwords; membership in frrvty "
            "is enough for it. `vtysh -u` is no way out: it refuses `show running-config`, and is no boundary.",
        )
    if not key:
        notes.append("With a password the restriction stands in sshd's configuration; with a key it stands by the key.")
    return tuple(notes)


def _vyos(username: str, key: str) -> Setup:
    login = f"set system login user {username}"
    if key:
        kind, _, text = key.partition(" ")
        access = [
            f"{login} authentication public-keys netmon type {kind}",
            f"{login} authentication public-keys netmon key {text}",
            f"{login} authentication public-keys netmon options 'restrict,command=\"{VYOS_ALLOWLIST}\"'",
        ]
    else:
        access = [f"{login} authentication plaintext-password '<the password of netmon's credential>'"]
    parts = [
        "# In a shell of the router: the allowlist, in /config so that it stays when the system is upgraded.",
        f"sudo install -m 0755 /dev/stdin {VYOS_ALLOWLIST} <<'NETMON_RO'",
        allowlist("vyos").rstrip("\n"),
        "NETMON_RO",
        "# Then:",
        "configure",
        *access,
        "commit",
        "save",
        "exit",
        "# The host key, to compare with what netmon shows before it is approved:",
        CONSOLE_KEY,
    ]
    notes = [
        FROM_DOCUMENTS,
        "Every login of VyOS may configure: what keeps this one to reading is the allowlist by its key."
        if key
        else "With a password nothing restricts the account: every login of VyOS may configure. Use a key.",
        "A backup asks `show configuration commands`, which shows secrets; no other right is needed for it.",
    ]
    return Setup(platform="vyos", username=username, script="\n".join(parts) + "\n", notes=tuple(notes))


def setup_for(endpoint: ManagementEndpoint, platform: str = "") -> Setup:
    """The text for an endpoint as it stands: its account, netmon's public key if it logs in with one, its platform.

    `platform` wins over what is known of the endpoint and its device; nothing known means a Linux host. Raises
    SetupUnknown.
    """
    if endpoint.protocol != ManagementEndpoint.Protocol.SSH:
        raise SetupUnknown(f"A {endpoint.protocol} endpoint needs no account: ask for an SSH one.")
    options = endpoint.options if isinstance(endpoint.options, dict) else {}
    known = (platform, str(options.get("platform", "")), endpoint.device.platform)
    chosen = platform or next((name for name in known if name in PLATFORMS), "linux")
    credential = endpoint.credential
    username = credential.username if credential and credential.username else "netmon"
    return setup(chosen, username=username, public_key=credential.public_key if credential else "")
