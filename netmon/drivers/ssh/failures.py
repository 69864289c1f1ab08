"""Which of our errors a failure of the libraries is: decided by what happened and when, in one place.

A connection that is cut while a password is being checked is no wrong password; a server that hangs up before its
banner has too many guests (sshd's MaxStartups), while one that says nothing at all is only slow.
"""

from __future__ import annotations

import errno
import os
import socket

import paramiko

from netmon.drivers.errors import (
    AuthenticationFailed,
    Busy,
    DeadlineExceeded,
    DriverError,
    LocalFault,
    NotSupported,
    ProtocolError,
    Rejected,
    Unreachable,
    UntrustedPeer,
)
from netmon.drivers.ssh import library
from netmon.drivers.ssh.library import ABORTED, TIMED_OUT, AsksForMore, WireTransport

# What the libraries raise for anything that comes from the other end.
WIRE_ERRORS = (paramiko.SSHException, EOFError, OSError)
OUT_OF_SOCKETS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
NO_ROUTE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)
# RFC 4253 section 11.1; OpenSSH says the same with code 2 and a sentence
NO_MORE_AUTH_METHODS = 14
TOO_MANY = "too many authentication failures"
# RFC 4254 section 5.1
PROHIBITED, CONNECT_FAILED = 1, 2


def of_tcp(error: OSError, *, seconds: float) -> DriverError:
    """Of a TCP connection."""
    if isinstance(error, TimeoutError):
        text = f"Nothing answered the connection within {seconds:.3g} s; check address, port and firewalls."
        return DeadlineExceeded(text, reason="connect-timeout")
    if isinstance(error, ConnectionRefusedError):
        return Unreachable("The connection was refused; check the port, and whether SSH runs.", reason="refused")
    if isinstance(error, socket.gaierror):  # a zone such as %eth9 that does not exist
        return Unreachable(f"The address cannot be used: {error.strerror}.", reason="dns")
    why = os.strerror(error.errno) if error.errno else type(error).__name__
    if error.errno in NO_ROUTE:
        return Unreachable(f"There is no way to the address: {why}.", reason="no-route")
    if error.errno in OUT_OF_SOCKETS:
        return LocalFault(f"This machine has no socket left: {why}.", reason="no-socket")
    if isinstance(error, PermissionError):
        return LocalFault(f"This machine may not connect there: {why}; look at its firewall.", reason="forbidden")
    return Unreachable(f"The connection failed: {why}.", reason="network")


def of_handshake(error: BaseException, transport: WireTransport | None, *, seconds: float) -> DriverError:
    """Of banner and key exchange."""
    cause = error.__context__ if isinstance(error, paramiko.SSHException) and error.__context__ else error
    has_banner = transport is not None and bool(transport.remote_version)
    if isinstance(error, TimeoutError) or isinstance(cause, TimeoutError):
        text = f"The SSH server did not finish its greeting within {seconds:.3g} s; it may be overloaded."
        return DeadlineExceeded(text, reason="handshake-timeout" if has_banner else "banner-timeout")
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return _of_negotiation(str(error))
    if library.UNPROVEN in str(error):
        text = "The server shows a host key that it cannot prove to be its own: somebody may be in between."
        return UntrustedPeer(text, reason="hostkey-unproven")
    if isinstance(cause, EOFError | OSError):
        if has_banner:
            return ProtocolError("The server cut the connection during the key exchange.", reason="cut")
        text = "The server hung up before it greeted: it may serve too many already (sshd: MaxStartups), or bars us."
        return Busy(text, reason="no-banner")
    if has_banner:
        return ProtocolError("The server broke the rules of SSH during the key exchange.", reason="malformed")
    return ProtocolError("What answers there does not speak SSH; check the port.", reason="not-ssh")


def _of_negotiation(text: str) -> DriverError:
    if "kex" in text:
        told = (
            "The device offers only key exchanges of the old kind (SHA-1), which this version cannot speak any more; "
            "update the device's software, or reach it another way."
        )
        return NotSupported(told, reason="kex-incompatible")
    if "host key" in text:
        told = (
            "The device has no host key of a kind that can be trusted today (only ssh-dss or SHA-1); generate an "
            "ed25519, ECDSA or RSA key with SHA-2 on it."
        )
        return NotSupported(told, reason="hostkey-incompatible")
    if "cipher" in text or "mac" in text:
        told = "The device offers only old ciphers or MACs; set the option legacy_crypto, or update the device."
        return NotSupported(told, reason="cipher-incompatible")
    return NotSupported("The device and this version have no SSH version in common.", reason="version-incompatible")


def of_login(error: BaseException, transport: WireTransport, *, method: str, seconds: float) -> DriverError:
    """Of one try to log in. Only what the server said in so many words counts as a refusal."""
    if isinstance(error, paramiko.BadAuthenticationType):
        offered = ", ".join(name for name in error.allowed_types if name.isascii() and name.isprintable())[:200]
        text = f"The device does not accept a login by {method}; it accepts {offered or 'nothing'}."
        return AuthenticationFailed(text, reason="auth-method")
    if isinstance(error, AsksForMore):
        text = (
            "The device asks for more than a password, such as a one-time code; give it a key, or an account without."
        )
        return AuthenticationFailed(text, reason="auth-method")
    if TIMED_OUT in str(error):
        text = f"The device did not check the login within {seconds:.3g} s; its AAA server may be slow."
        return DeadlineExceeded(text, reason="auth-timeout")
    code, said = transport.farewell or (0, "")
    if code == NO_MORE_AUTH_METHODS or TOO_MANY in said.lower():
        return _refused(method)
    if isinstance(error, paramiko.AuthenticationException) and ABORTED not in str(error):
        return _refused(method)
    text = "The connection was cut during the login, so whether the credential is right is not known."
    return Unreachable(text, reason="auth-aborted")


def _refused(method: str) -> DriverError:
    what = "key" if method == "publickey" else "user name or password"
    text = f"The device refused our {what}. It is not tried again by itself, as that could lock the account."
    return AuthenticationFailed(text, reason="auth-failed")


def of_channel(error: BaseException, *, seconds: float) -> DriverError:
    """Of opening a channel or starting a command on an open connection."""
    if isinstance(error, paramiko.ChannelException):
        text = "The device opens no further session for us (sshd: MaxSessions, or this account may not)."
        return Busy(text, reason="no-channel")
    if "Timeout opening" in str(error):
        text = f"The device opened no session within {seconds:.3g} s."
        return DeadlineExceeded(text, reason="channel-timeout")
    return cut()


def of_jump(error: BaseException, *, where: str, seconds: float) -> DriverError:
    """Of the way from a jump host to `where`."""
    if isinstance(error, paramiko.ChannelException):
        if error.code == CONNECT_FAILED:
            return Unreachable(f"The jump host cannot reach {where}.", reason="refused")
        if error.code == PROHIBITED:
            text = f"The jump host forbids to go on to {where} (sshd: AllowTcpForwarding, PermitOpen)."
            return Rejected(text, reason="jump-forbidden")
    if "Timeout opening" in str(error):
        text = f"The jump host did not reach {where} within {seconds:.3g} s."
        return DeadlineExceeded(text, reason="connect-timeout")
    return cut()


def cut() -> DriverError:
    """The connection, or the command, ended without saying how."""
    text = "The connection was cut, or the command was killed, in the middle of an answer; what came was thrown away."
    return ProtocolError(text, reason="cut")


def no_exec() -> DriverError:
    """The device refused to start any command."""
    text = "The device starts no command outside its interactive shell; set its platform, so that the shell is used."
    return NotSupported(text, reason="no-exec")


def no_shell() -> DriverError:
    """The device refused its interactive shell."""
    return NotSupported("The device opens no interactive shell for this account.", reason="no-shell")


def no_prompt(seconds: float) -> DriverError:
    """The interactive shell never became ready."""
    text = f"The device's shell showed no prompt within {seconds:.3g} s; check the platform that is set for it."
    return DeadlineExceeded(text, reason="prompt-timeout")


def command_timeout(seconds: float) -> DriverError:
    """A command did not end, and the session with it."""
    return DeadlineExceeded(f"A command did not end within {seconds:.3g} s.", reason="command-timeout")


def deadline(seconds: float) -> DriverError:
    """The whole session took too long."""
    return DeadlineExceeded(f"The device did not finish within its {seconds:g} s.", reason="deadline")
