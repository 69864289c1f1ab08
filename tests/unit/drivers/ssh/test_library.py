"""The private names of netmiko and paramiko that `netmon.drivers.ssh.library` leans on, in the installed versions."""

from __future__ import annotations

import inspect
import logging

import netmiko
import paramiko
import pytest
from netmiko.base_connection import BaseConnection
from netmiko.channel import SSHChannel
from netmiko.ssh_autodetect import SSHDetect
from netmiko.ssh_dispatcher import CLASS_MAPPER
from paramiko.auth_handler import AuthHandler

from netmon.drivers.ssh import library
from netmon.drivers.targets import HOST_KEY_TYPES, SSH_EXEC_PLATFORMS, SSH_PLATFORMS, SSH_SHELL_PLATFORMS


def connection(device_type: str = "linux") -> BaseConnection:
    return library.new_connection(
        device_type, address="192.0.2.1", port=22, username="u", sock=object(), client=object(), seconds=3.0
    )


def test_netmikos_parameters_are_paramikos_and_hold_no_file_and_no_agent():
    params = connection()._connect_params_dict()
    assert set(params) <= set(inspect.signature(paramiko.SSHClient.connect).parameters)
    assert not params["look_for_keys"] and not params["allow_agent"] and not params["key_filename"]
    assert params["password"] is None and params["pkey"] is None and params["timeout"] == 3.0
    assert {"auth_strategy", "transport_factory"} <= set(inspect.signature(paramiko.SSHClient.connect).parameters)


def test_no_filter_stays_on_netmikos_logger():
    for _ in range(3):
        connection()
    assert logging.getLogger("netmiko").filters == []


def test_the_client_is_asked_of_the_method_that_we_replace():
    assert "_build_ssh_client()" in inspect.getsource(BaseConnection.establish_connection)
    source = inspect.getsource(BaseConnection._open)
    assert [line.strip() for line in source.splitlines()[-3:]] == [
        "self._modify_connection_params()",
        "self.establish_connection()",
        "self._try_session_preparation()",
    ]


@pytest.mark.parametrize("device_type", SSH_SHELL_PLATFORMS)
def test_every_platform_is_one_of_netmikos_and_opens_as_the_base_does(device_type):
    cls = CLASS_MAPPER[device_type]
    assert cls._open is BaseConnection._open
    assert isinstance(connection(device_type), netmiko.BaseConnection)


def test_platforms_are_named_once():
    assert len(set(SSH_PLATFORMS)) == len(SSH_PLATFORMS) == 1 + len(SSH_EXEC_PLATFORMS) + len(SSH_SHELL_PLATFORMS)


def test_paramikos_names():
    for name in ("_parse_disconnect", "get_exception", "start_client", "stop_thread", "close"):
        assert callable(getattr(paramiko.Transport, name))
    assert "self._parse_disconnect(m)" in inspect.getsource(paramiko.Transport.run)
    for name in ("_request_auth", "_parse_service_accept", "wait_for_response", "auth_interactive"):
        assert callable(getattr(AuthHandler, name))
    source = inspect.getsource(AuthHandler)
    assert library.ABORTED in source and library.TIMED_OUT in source
    assert library.UNPROVEN in inspect.getsource(paramiko.Transport)
    assert callable(paramiko.packet.Packetizer.complete_handshake)
    source = inspect.getsource(paramiko.Channel)
    assert all(name in source for name in ("eof_received", "status_event", "exit_status"))


def test_algorithms_are_those_paramiko_knows():
    known = set(paramiko.Transport._preferred_keys)
    named = {name for key_type in HOST_KEY_TYPES for name in library.SIGNATURES.get(key_type, (key_type,))}
    assert named == known
    assert set(library.LEGACY["ciphers"]) < set(paramiko.Transport._preferred_ciphers)
    assert set(library.LEGACY["macs"]) < set(paramiko.Transport._preferred_macs)
    disabled = library.disabled_algorithms(key_types=("ssh-rsa",))
    assert set(disabled["keys"]) == known - {"rsa-sha2-512", "rsa-sha2-256"}
    assert library.disabled_algorithms(legacy=True) == {}


def test_sha1_is_gone_from_the_engine():
    """Once it is back, the target's docstring and the errors tell something that is no longer true."""
    assert not [name for name in paramiko.Transport._preferred_kex if name.endswith("sha1")]


def test_netmikos_channel_and_guesser():
    assert (
        "remote_conn" in inspect.signature(SSHChannel.__init__).parameters
        or "conn" in inspect.signature(SSHChannel.__init__).parameters
    )
    assert set(SSHDetect.__init__.__code__.co_names) >= {"connection", "initial_buffer", "potential_matches"}
    assert "_results_cache" in inspect.getsource(SSHDetect)
