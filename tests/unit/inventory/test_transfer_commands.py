"""import_devices and export_devices as a person types them."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from inventory.models import Device
from netmon.audit.models import AuditEvent
from tests import factories, people

pytestmark = pytest.mark.django_db

LINES = "name,kind,ip,snmp_community\ncore-1,router,10.0.0.1,hidden word\ncore-2,switch,10.0.0.2,hidden word\n"


def run(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), err.getvalue()


@pytest.fixture
def file(tmp_path: Path, cast: people.Cast) -> Path:
    path = tmp_path / "devices.csv"
    path.write_text(LINES)
    return path


def test_a_file_is_imported_in_the_name_of_the_only_admin(file: Path) -> None:
    code, out, _ = run("import_devices", str(file), "--dry-run")
    assert code == 0 and "2 would be created" in out and not Device.objects.exists()
    code, out, err = run("import_devices", str(file))
    assert (code, err) == (0, "") and "2 created, 0 updated" in out
    event = AuditEvent.objects.filter(action="import").get()
    assert (event.username, event.via) == ("ada", "command")
    assert "hidden word" not in str(list(AuditEvent.objects.values()))


def test_a_wrong_line_stops_everything_unless_it_may_be_partly(file: Path) -> None:
    file.write_text(LINES + "core-3,teapot,10.0.0.3,x\n")
    code, out, err = run("import_devices", str(file))
    assert code == 1 and out == "Nothing was written.\n" and "line 4, kind" in err and not Device.objects.exists()
    code, out, err = run("import_devices", str(file), "--no-atomic", "--json")
    found = json.loads(out)
    assert code == 3 and (found["created"], found["error_count"]) == (2, 1)


def test_devices_that_are_there_are_refused_passed_over_or_changed(file: Path) -> None:
    run("import_devices", str(file))
    assert run("import_devices", str(file))[0] == 1
    code, out, _ = run("import_devices", str(file), "--existing", "skip")
    assert code == 0 and "2 passed over" in out
    file.write_text("name,location\ncore-1,rack 7\n")
    code, out, _ = run("import_devices", str(file), "--existing", "update")
    assert code == 0 and "1 updated" in out and Device.objects.get(name="core-1").location == "rack 7"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere.csv"], 2, "nowhere.csv"),
        (["FILE", "--user", "omar"], 2, "no admin"),
        (["FILE", "--user", "nobody"], 4, "nobody called"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], code: int, words: str, file: Path) -> None:
    found, _, err = run("import_devices", *[str(file) if word == "FILE" else word for word in arguments])
    assert found == code and words in err


def test_one_of_several_admins_is_named(file: Path) -> None:
    people.make_person("eva", "admin")
    code, _, err = run("import_devices", str(file))
    assert code == 2 and "--user" in err
    assert run("import_devices", str(file), "--user", "eva")[0] == 0
    assert AuditEvent.objects.get(action="import").username == "eva"


def test_what_is_exported_goes_in_again(file: Path, tmp_path: Path, capsys: Any) -> None:
    run("import_devices", str(file))
    code, out, _ = run("export_devices")
    assert code == 0 and len(out.splitlines()) == 3 and "hidden word" not in out
    target = tmp_path / "out.json"
    assert run("export_devices", "--json", "--output", str(target))[0] == 0
    assert [row["name"] for row in json.loads(target.read_text())] == ["core-1", "core-2"]
    assert AuditEvent.objects.filter(action="export", via="command").count() == 2
    factories.make_device(name="core-3")
    assert run("import_devices", str(target), "--existing", "skip")[0] == 0
    assert run("export_devices", "--output", str(tmp_path / "no" / "where"))[0] == 1
