"""The people every address is tried by: vera (viewer), omar (operator), ada (admin), and nobody."""

from dataclasses import dataclass
from typing import Any

from rest_framework.test import APIClient

from netmon.accounts.models import User

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Cast:
    vera: User
    omar: User
    ada: User

    def by_role(self, role: str) -> User | None:
        return {"viewer": self.vera, "operator": self.omar, "admin": self.ada}.get(role)


def make_person(username: str, role: str, **over: object) -> User:
    values: dict[str, object] = {"email": f"{username}@example.net", "role": role, **over}
    return User.objects.create_user(username=username, password=PASSWORD, **values)


def make_cast() -> Cast:
    return Cast(
        vera=make_person("vera", "viewer"),
        omar=make_person("omar", "operator"),
        ada=make_person("ada", "admin", is_staff=True, is_superuser=True),
    )


class Client(APIClient):
    """Speaks JSON to the API and forms to pages, unless a call says otherwise."""

    def post(self, path: str, data: Any = None, format: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if format is None and not (args or kwargs.get("content_type")) and not path.startswith("/api/"):
            format = "multipart"
        return super().post(path, data, format, *args, **kwargs)


def client_for(user: User | None) -> APIClient:
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


class Walker:
    """Calls one route after the other as one person; None is nobody.

    It logs in anew only after a write that was taken: such a one may have ended every session.
    """

    def __init__(self, user: User | None) -> None:
        self.user = user
        self.client = client_for(user)

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        answer = getattr(self.client, method)(path, **options)
        if self.user is not None and method != "get" and answer.status_code < 400:
            self.user.refresh_from_db()
            self.client = client_for(self.user)
        return answer
