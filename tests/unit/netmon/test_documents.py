"""The reference pages, held against the code they describe."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
import rest_framework.exceptions
import rest_framework_simplejwt.exceptions
from django.apps import apps
from django.core.management import get_commands

import netmon
from monitoring import metrics, modules
from netmon import processes
from netmon.common import schedules
from netmon.common.errors import NetmonError
from netmon.drivers.errors import DriverError
from tests.documents import REPOSITORY, page, rows_of, setting_names

DOCS = REPOSITORY / "docs"
# Raised by libraries with a code of their own, and by the runs that are no request.
LIBRARY_CODES = {
    "no_active_account",
    "bad_authorization_header",
    "user_not_found",
    "user_inactive",
    "password_changed",
    "token_revoked",
    "worker_lost",
}
OUR_APPS = ("netmon", "inventory", "monitoring", "scanning", "provisioning")
FIELD_CODES = re.compile(r"""code="([a-z_]+)"|ErrorDetail\([^)]*,\s*"([a-z_]+)"\s*\)""")


def import_all() -> None:
    for package in (netmon, *(importlib.import_module(name) for name in OUR_APPS[1:])):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.rpartition(".")[2] not in ("asgi", "wsgi") and ".lab" not in module.name:
                importlib.import_module(module.name)


def descendants(base: type) -> set[type]:
    return {base}.union(*(descendants(child) for child in base.__subclasses__()))


def codes() -> set[str]:
    import_all()
    found = {cls.code for base in (NetmonError, DriverError) for cls in descendants(base)}  # type: ignore[attr-defined]
    for cls in descendants(rest_framework.exceptions.APIException):
        if cls.__module__.startswith(("rest_framework", "netmon")):
            found.add(cls.default_code)  # type: ignore[attr-defined]
    tree = ast.parse(page("netmon/common/exception_handler.py"))
    for node in ast.walk(tree):
        is_problem = isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("problem", "_json")
        if is_problem and isinstance(node, ast.Call):
            found |= {arg.value for arg in node.args[1:3] if isinstance(arg, ast.Constant) and _is_code(arg.value)}
    for folder in OUR_APPS:
        for path in (REPOSITORY / folder).rglob("*.py"):
            for match in FIELD_CODES.finditer(path.read_text()):
                found.add(match[1] or match[2])
    # Django's words, `required` among them, are Django's to explain. 500 is told by the problem, not by DRF.
    return (found | LIBRARY_CODES) - {"required"}


def _is_code(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z_]+", value) is not None


def test_every_error_code_has_an_anchor_a_meaning_and_a_remedy() -> None:
    text = page("docs/reference/errors.md")
    anchors = re.findall(r'<a id="([a-z_]+)"></a>`([a-z_]+)`', text)
    assert all(anchor == shown for anchor, shown in anchors)
    named = [anchor for anchor, _ in anchors]
    assert len(named) == len(set(named))
    assert set(named) == codes()
    assert rest_framework_simplejwt.exceptions.InvalidToken.default_code in named
    for row in rows_of(text):
        assert all(cell for cell in row), row


def test_every_driver_error_stands_beside_its_class() -> None:
    rows = {row[0].rpartition("`")[0].rpartition("`")[2]: row for row in rows_of(page("docs/reference/errors.md"))}
    import_all()
    for cls in descendants(DriverError):
        assert f"`{cls.__name__}`" in rows[cls.code][1]  # type: ignore[attr-defined]


def test_every_setting_is_explained_and_none_else() -> None:
    rows = rows_of(page("docs/reference/settings.md"))
    assert {row[0].strip("`") for row in rows} == setting_names()
    assert len(rows) == len(setting_names())
    assert all(row[1] and row[2] for row in rows)


def test_defaults_agree_with_the_example_environment() -> None:
    example = page(".env.example")
    for name, default, _ in rows_of(page("docs/reference/settings.md")):
        if re.fullmatch(r"`\w+`", default):
            before = example.partition(f"#{name.strip('`')}=")[0].splitlines()[-1]
            assert f"Default: {default.strip('`')}." in before, name


# Actions are told of in paragraphs.
IN_PARAGRAPHS = {"provisioning.Action", "provisioning.ActionSecret", "provisioning.ActionRun"}


@pytest.mark.parametrize("label", ["accounts", "inventory", "monitoring", "scanning", "provisioning"])
def test_every_model_and_field_is_named(label: str) -> None:
    text = page("docs/reference/models.md")
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    models = {f"{label}.{model.__name__}": model for model in apps.get_app_config(label).get_models()}
    models = {name: model for name, model in models.items() if name not in IN_PARAGRAPHS}
    assert {name for name in sections if name.startswith(label)} == set(models)
    common = {"id", "created_at", "updated_at"}
    for name, model in models.items():
        heads = [line[2:].partition(":")[0] for line in sections[name].splitlines() if line.startswith("- ")]
        named = {field for head in heads for field in re.findall(r"`(\w+)`", head)}
        fields = {field.name for field in model._meta.fields}
        is_stamped = common <= fields
        assert named - {"id"} == fields - (common if is_stamped else {"id"}), name


def test_every_column_and_module_is_in_the_metrics() -> None:
    text = page("docs/reference/metrics.md")
    for metric_set in metrics.SETS.values():
        section = text.partition(f"## `{metric_set.key}`")[2].partition("\n## ")[0]
        for column in metric_set.names:
            assert f"`{column}`" in section, f"{metric_set.key}.{column}"
    for module in modules.MODULES.values():
        assert module.key in page("docs/reference/models.md")


def test_every_command_process_and_schedule_is_named() -> None:
    named = page("docs/reference/commands.md")
    own = {
        name
        for name, app in get_commands().items()
        if app.split(".")[0] in ("netmon", "inventory", "monitoring", "scanning")
    }
    for command in own:
        assert f"`{command}" in named, command
    table = page("docs/reference/processes.md")
    for process in (*processes.all_processes("127.0.0.1:1"), processes.fleet(1, "x")):
        assert f"| `{process.name}` |" in table
    for name in schedules.SCHEDULES:
        assert f"| {name} |" in table


def pages() -> list[Path]:
    roots = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    return [*roots, *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_files_that_pages_name_exist(path: Path) -> None:
    top = {entry.name for entry in REPOSITORY.iterdir() if entry.is_dir()} - {"var"}
    for named in re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|md|yml|txt|toml|in|html|js))`", path.read_text()):
        if named.split("/")[0] in top:
            assert (REPOSITORY / named).exists(), named


def test_every_page_is_in_the_index() -> None:
    index = page("docs/README.md")
    for path in DOCS.rglob("*.md"):
        if path != DOCS / "README.md":
            assert f"({path.relative_to(DOCS)})" in index, path
