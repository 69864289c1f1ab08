"""A clock that tests move, and ways to log in."""

from datetime import datetime, timedelta
from typing import Any

import pyotp
import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from netmon.accounts.models import Totp, User
from netmon.accounts.services import totp
from tests import people

LOGIN = "/api/v1/auth/token/"


class Clock:
    def __init__(self) -> None:
        self.now = timezone.now()

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stands still until a test moves it."""
    found = Clock()
    monkeypatch.setattr("django.utils.timezone.now", found)
    return found


@pytest.fixture
def unthrottled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the five a minute of the address, which would answer before the lock-out does."""
    monkeypatch.setattr("netmon.accounts.api.LoginView.throttle_classes", [])


@pytest.fixture
def nobody(cast: people.Cast, _clean_cache: None) -> APIClient:
    return people.client_for(None)


def token_login(client: APIClient, username: str = "omar", password: str = people.PASSWORD, **more: str) -> Any:
    address = more.pop("address", "192.0.2.1")
    return client.post(LOGIN, {"username": username, "password": password, **more}, format="json", REMOTE_ADDR=address)


def code_at(user: User, moment: datetime | None = None, steps: int = 0) -> str:
    """The authenticator's code, `steps` periods away."""
    generator = pyotp.TOTP(totp.clear_secret(Totp.objects.get(user=user)))
    return generator.at(int((moment or timezone.now()).timestamp()) + 30 * steps)


def with_totp(user: User) -> list[str]:
    """Switch the second factor on; the recovery codes."""
    totp.enrol(user=user)
    codes = totp.confirm(user=user, code=code_at(user, steps=-1))
    user.refresh_from_db()
    return codes
