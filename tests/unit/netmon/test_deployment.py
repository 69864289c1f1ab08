"""Dockerfile, compose file and .env.example, held against the code: no container runs where the tests do."""

import ast
import json
import re
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.urls import resolve

from netmon import healthcheck, processes
from tests.documents import REPOSITORY, page, rows_of, setting_names

REQUIRED = {"NETMON_SECRET_KEY", "NETMON_FERNET_KEYS", "NETMON_API_KEY_PEPPERS", "POSTGRES_PASSWORD"}
OWN = ("migrate", "web", "worker", "runner", "beat")
# What only the compose file knows: where to publish, and the database server's own password.
COMPOSE_ONLY = {"POSTGRES_PASSWORD", "NETMON_PUBLISH"}
# The compose file says itself where data and messages are; debug pages are for development.
COMPOSE_DECIDES = {"DATABASE_URL", "BROKER_URL", "NETMON_VAR_DIR", "NETMON_DEBUG"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load(page("docker-compose.yml"))["services"])


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, arguments)."""
    text = re.sub(r"^#.*\n", "", page("Dockerfile"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in text.splitlines() if line.strip()]


def with_defaults(argument: str) -> str:
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", argument)


def test_every_process_has_a_service_with_its_command(services: dict[str, Any]) -> None:
    for process in processes.all_processes("0.0.0.0:8000"):
        command = [with_defaults(argument) for argument in services[process.name]["command"]]
        assert command == ["python", *process.argv[1:]]


def test_the_schema_comes_before_every_process(services: dict[str, Any]) -> None:
    assert services["migrate"]["command"][:3] == ["python", "manage.py", "migrate"]
    assert services["migrate"]["restart"] == "no"
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for process in processes.all_processes("0.0.0.0:8000"):
        assert services[process.name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "redis": {"condition": "service_healthy"},
        }


def test_the_settings_read_every_variable(services: dict[str, Any]) -> None:
    for name in OWN:
        assert set(services[name]["environment"]) <= setting_names()
    interpolated = set(re.findall(r"\$\{(\w+)", page("docker-compose.yml")))
    assert interpolated - COMPOSE_ONLY <= setting_names()


def test_every_setting_reaches_every_process_with_its_default(services: dict[str, Any]) -> None:
    defaults = {row[0].strip("`"): row[1].strip("`") for row in rows_of(page("docs/reference/settings.md"))}
    for name in OWN:
        for setting in setting_names() - COMPOSE_DECIDES - REQUIRED:
            given = re.search(rf"\$\{{{setting}:-(.*)\}}$", services[name]["environment"].get(setting, ""))
            assert given, f"{setting} of {name}"
            assert given[1] in ("", defaults[setting]), setting


def test_no_secret_has_a_default() -> None:
    text = page("docker-compose.yml")
    for name in REQUIRED:
        uses = re.findall(rf"\$\{{{name}([^}}]*)\}}", text)
        assert uses and all(use.startswith(":?") and use[2:] for use in uses), name


def test_images_are_pinned(services: dict[str, Any], instructions: list[tuple[str, str]]) -> None:
    images = [service["image"] for service in services.values()]
    images += [arguments.split()[0] for name, arguments in instructions if name == "FROM"]
    for image in images:
        assert re.fullmatch(r"[a-z]+:\d+\.\d+[\w.-]*", image), image
    assert {image for image in images if image.startswith("netmon:")} == {f"netmon:{settings.VERSION}"}


def test_every_service_is_confined(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"] and "cap_add" not in service and not service.get("privileged"), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    for name in (*OWN, "redis"):
        assert services[name]["read_only"] is True, name
    for name in ("worker", "runner"):
        assert "net.ipv4.ping_group_range" in services[name]["sysctls"]


def test_only_the_web_is_published_and_only_here(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["web"]
    assert [with_defaults(port) for port in services["web"]["ports"]] == ["127.0.0.1:8000:8000"]
    networks = yaml.safe_load(page("docker-compose.yml"))["networks"]
    assert networks["inside"] == {"internal": True}
    assert services["postgres"]["networks"] == services["redis"]["networks"] == ["inside"]


def test_the_health_check_asks_an_address_that_exists(
    services: dict[str, Any], instructions: list[tuple[str, str]]
) -> None:
    (check,) = [arguments for name, arguments in instructions if name == "HEALTHCHECK"]
    assert json.loads(check.partition("CMD ")[2]) == ["python", "-m", "netmon.healthcheck"]
    assert resolve("/" + healthcheck.URL.split("/", 3)[3]).url_name == "health"
    assert healthcheck.URL.startswith("http://127.0.0.1:8000/")
    assert services["web"]["environment"]["NETMON_ALLOWED_HOSTS"].split(",")[0] == "127.0.0.1"
    # The image's check asks the web process: other services would fail it.
    assert all(services[name]["healthcheck"] == {"disable": True} for name in OWN if name != "web")
    assert all("test" in services[name]["healthcheck"] for name in ("postgres", "redis"))
    for module in ast.walk(ast.parse(page("netmon/healthcheck.py"))):
        if isinstance(module, ast.Import):
            assert all(alias.name in ("os", "sys", "urllib.error", "urllib.request") for alias in module.names)


def test_the_image_runs_as_nobody_special(instructions: list[tuple[str, str]]) -> None:
    names = [name for name, _ in instructions]
    (user,) = [arguments for name, arguments in instructions if name == "USER"]
    assert user == "netmon"
    (command,) = [json.loads(arguments) for name, arguments in instructions if name == "CMD"]
    assert command == ["python", "manage.py", "run", "--bind", "0.0.0.0:8000"]
    assert names.index("USER") < names.index("CMD") and "VOLUME" not in names
    assert ("COPY", "requirements/base.txt /tmp/base.txt") in instructions
    assert any(name == "RUN" and "--require-hashes" in arguments for name, arguments in instructions)


def test_the_image_holds_what_the_product_needs_and_no_more() -> None:
    lines = [line for line in page(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    apps = {app.split(".")[0] for app in settings.INSTALLED_APPS if (REPOSITORY / app.split(".")[0]).is_dir()}
    assert let_in == {
        *apps,
        "actions",
        "templates",
        "manage.py",
        "CHANGELOG.md",
        "LICENSE",
        "requirements",
        "docs/reference/errors.md",
    }
    assert all((REPOSITORY / name).exists() for name in let_in)


def test_the_example_environment_names_every_variable_with_its_default() -> None:
    named: dict[str, str] = {}
    comment: list[str] = []
    for line in page(".env.example").splitlines():
        if match := re.fullmatch(r"#([A-Z0-9_]+)=.*", line):
            assert match[1] not in named, match[1]
            named[match[1]], comment = " ".join(comment), []
        elif line.startswith("# "):
            comment.append(line[2:])
        else:
            assert line == "", "nothing is set by the example"
            comment = []
    assert set(named) == setting_names()
    for name, text in named.items():
        assert "Default:" in text, name


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (None, "127.0.0.1"),
        ("", "127.0.0.1"),
        ("*", "127.0.0.1"),
        ("netmon.example.net", "netmon.example.net"),
        (" .example.net, 127.0.0.1", "example.net"),
    ],
)
def test_the_health_check_names_an_allowed_host(
    monkeypatch: pytest.MonkeyPatch, allowed: str | None, expected: str
) -> None:
    monkeypatch.delenv("NETMON_ALLOWED_HOSTS", raising=False)
    if allowed is not None:
        monkeypatch.setenv("NETMON_ALLOWED_HOSTS", allowed)
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Host"])
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        assert healthcheck.main(f"http://127.0.0.1:{server.server_port}/") == 0
        thread.join()
    assert asked == [expected]


def test_a_health_check_fails_when_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    assert healthcheck.main("http://127.0.0.1:1/") == 1
    assert capsys.readouterr().err
