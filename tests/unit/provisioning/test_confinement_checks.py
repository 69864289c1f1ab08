"""What `manage.py check` and `doctor` say of actions."""

import os
from typing import Any

import pytest

from netmon import checks, doctor
from tests.unit.provisioning.conftest import Place


def ids(found: Any) -> set[str]:
    return {message.id for message in found}


def test_without_a_directory_there_is_nothing_to_say(settings: Any) -> None:
    settings.ACTIONS_DIR = None
    assert checks.actions_directory(None) == []
    assert [one.state for one in doctor.actions()] == ["ok"]


def test_a_directory_that_others_write_is_an_error(place: Place, settings: Any) -> None:
    place.path.chmod(0o777)
    assert "netmon.E006" in ids(checks.actions_directory(None))
    place.path.chmod(0o755)
    assert "netmon.E006" not in ids(checks.actions_directory(None))
    settings.ACTIONS_TRUST_OWNER = False
    assert ("netmon.E006" in ids(checks.actions_directory(None))) == (os.geteuid() != 0)


def test_an_account_that_is_not_there_is_an_error(place: Place, settings: Any) -> None:
    settings.ACTIONS_USER = "no-such-account-here"
    assert "netmon.E006" in ids(checks.actions_directory(None))
    assert [one.state for one in doctor.actions()] == ["fail"]


@pytest.mark.django_db
def test_no_account_of_its_own_is_a_warning(place: Place) -> None:
    place.put()
    assert "netmon.W003" in ids(checks.actions_directory(None))
    (found,) = doctor.actions()
    assert found.state == "warn" and "1 scripts" in found.detail


@pytest.mark.django_db
def test_without_root_the_remedy_is_one_that_is_possible(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    (found,) = doctor.actions()
    assert found.state == "warn" and "netmon's own user" in found.detail
    assert "run the runner apart" in found.remedy and "CAP_SYS_ADMIN" not in found.remedy
    assert "netmon.W003" in ids(checks.actions_directory(None))
