"""Devices as files: without secrets, safe in a spreadsheet, readable by an import."""

import csv
import io
import json

import pytest

from inventory.transfer import reading
from netmon.audit.models import AuditEvent
from tests import factories, people

pytestmark = pytest.mark.django_db


def text_of(answer):
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


def test_csv_and_json_hold_the_same_and_no_secret(api):
    tenant = factories.make_tenant()
    device = factories.make_flat(
        name="r1", tenant=tenant, site=factories.make_site(name="Harbour"), snmp_community="hush-hush",
        ssh_username="root", ssh_password="hush-too",
    )  # fmt: skip
    as_csv = text_of(api.get("/api/v1/devices/export/?format=csv"))
    as_json = text_of(api.get("/api/v1/devices/export/?format=json"))
    assert "hush" not in as_csv + as_json
    (row,) = csv.DictReader(io.StringIO(as_csv))
    (entry,) = json.loads(as_json)
    assert row["name"] == entry["name"] == "r1"
    assert row["site"] == entry["site"] == "Harbour" and row["tenant"] == entry["tenant"] == tenant.slug
    assert row["ip"] == entry["ip"] == device.primary_ip.address
    assert row["snmp_community_set"] == "yes" and entry["snmp_community_set"] is True
    assert AuditEvent.objects.filter(action="export").count() == 2


def test_filters_hold_and_an_empty_export_is_a_valid_file(api):
    factories.make_flat(name="r1")
    assert json.loads(text_of(api.get("/api/v1/devices/export/?name=other&format=json"))) == []
    assert len(text_of(api.get("/api/v1/routers/export/?format=csv")).splitlines()) == 2
    assert len(text_of(api.get("/api/v1/switches/export/?format=csv")).splitlines()) == 1
    assert api.get("/api/v1/devices/export/?nmae=x").status_code == 400
    assert api.get("/api/v1/devices/export/?format=xml").status_code == 400


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "'quoted", 'a,b;c"d'])
def test_a_formula_is_no_formula_and_comes_back_as_it_was(api, name):
    factories.make_device(name=name)
    text = text_of(api.get("/api/v1/devices/export/?format=csv"))
    cell = next(csv.DictReader(io.StringIO(text)))["name"]
    assert cell[0] not in "=+-@"
    (line,) = reading.read(text, "csv")
    assert line.values["name"] == name and not line.faults


def test_viewers_export_without_names_of_logins(cast, _clean_cache):
    factories.make_flat(ssh_username="root", ssh_password="hush-too")
    text = text_of(people.client_for(cast.vera).get("/api/v1/devices/export/?format=csv"))
    assert "root" not in text


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("", 1, "columns"),
        ("name,nmae\nx,y", 1, "Did you mean name"),
        ("name,name\n", 1, "twice"),
        ("kind\nrouter", 1, "needs a name"),
        ('name\n"x', 2, "breaks off"),
    ],
)
def test_a_file_that_is_none_says_why(text, line, word):
    with pytest.raises(reading.Unreadable, match=word) as caught:
        list(reading.read(text, "csv"))
    assert caught.value.fault.line == line


def test_lines_are_counted_as_an_editor_does():
    text = 'name;location\r\n\r\na;"two\r\nlines"\r\nb;x;y\r\n'
    first, second = reading.read(text, "csv")
    assert (first.number, first.values) == (3, {"name": "a", "location": "two\r\nlines"})
    assert (second.number, second.faults[0].line, second.faults[0].code) == (5, 5, "too_many_cells")


@pytest.mark.parametrize("data", [b"name\n\xff\xfe", "name\nx".encode("utf-16")])
def test_another_encoding_is_named(data):
    with pytest.raises(reading.Unreadable, match="UTF-8"):
        reading.decode(data)


@pytest.mark.parametrize("file_format", ["csv", "json"])
def test_a_hypervisor_of_another_tenant_is_not_named(file_format, cast, _clean_cache):
    ours = factories.make_tenant()
    ours.members.add(cast.omar)
    foreign = factories.make_device(name="secret-host", tenant=factories.make_tenant(), kind="computer")
    own = factories.make_device(name="own-host", tenant=ours, kind="computer")
    factories.make_device(name="a", tenant=ours, kind="vm", hypervisor=foreign)
    factories.make_device(name="b", tenant=ours, kind="vm", hypervisor=own)
    url = f"/api/v1/devices/export/?format={file_format}"
    text = text_of(people.client_for(cast.omar).get(url))
    assert "secret-host" not in text and text.count("own-host") == 2
    assert "secret-host" in text_of(people.client_for(cast.ada).get(url))
