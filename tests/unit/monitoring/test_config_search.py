"""The search over configurations: what is found, by whom, in bounded pieces; and that no mask is an oracle."""

import uuid
from typing import Any

import pytest

from inventory.models import Device, Tenant
from monitoring.models import ConfigVersion
from monitoring.services import config_search, configs
from tests import factories, people

pytestmark = pytest.mark.django_db
SECRET = "hush-hush-9"
URL = "/api/v1/config-search/"
HOSTILE = "<script>alert(1)</script>"


def make(name: str, text: str = factories.CONFIG, **over: Any) -> Device:
    device = factories.make_device(name=name, **over)
    factories.make_config(device, text)
    return device


def names(user: Any, q: str, **more: Any) -> list[str]:
    answer = people.client_for(user).get(URL, {"q": q, **more})
    assert answer.status_code == 200, answer.json()
    return [hit["device"]["name"] for hit in answer.json()["results"]]


def test_lines_with_their_context(cast: people.Cast) -> None:
    device = make("b-router")
    make("a-switch", "hostname a\n")
    body = people.client_for(cast.vera).get(URL, {"q": "Remote-AS"}).json()
    assert {name: body[name] for name in ("total", "searched", "offset", "next_offset", "unreadable")} == {
        "total": 2, "searched": 2, "offset": 0, "next_offset": None, "unreadable": 0,
    }  # fmt: skip
    (hit,) = body["results"]
    assert (hit["device"]["id"], hit["version"]["number"], hit["count"]) == (device.pk, 1, 1)
    (line,) = hit["lines"]
    assert (line["number"], line["text"]) == (5, " neighbor 192.0.2.2 remote-as 65002")
    assert [line["text"][start:end] for start, end in line["spans"]] == ["remote-as"]
    assert (line["before"], line["after"]) == (["!", "router bgp 65001"], ["exit", "!"])


class TestASecret:
    """A search must tell nothing that the masked text does not show."""

    @pytest.mark.parametrize("user", ["vera", "omar", "ada"])
    def test_its_value_and_parts_of_it_find_nothing(self, cast: people.Cast, user: str) -> None:
        make("r1")
        for guess in (SECRET, SECRET[:4], SECRET.upper(), f"password {SECRET}", "password h"):
            assert names(getattr(cast, user), guess) == [], guess
            page = people.client_for(getattr(cast, user)).get("/configurations/", {"q": guess}).content.decode()
            assert "0 devices found" in page and "<mark>" not in page, guess
        assert names(cast.vera, "password <masked:") == ["r1"], "the line is there, as everybody may read it"

    def test_no_answer_holds_it(self, cast: people.Cast) -> None:
        make("r1")
        for path in (URL, "/configurations/"):
            answer = people.client_for(cast.ada).get(path, {"q": "hostname"})
            assert "router bgp" not in answer.content.decode() and SECRET not in answer.content.decode()
            assert "masked:" in answer.content.decode() and answer["Cache-Control"] == "private, no-store"

    def test_two_devices_with_the_same_one_do_not_find_each_other(self, cast: people.Cast) -> None:
        masks = []
        for name in ("r1", "r2"):
            row = make(name).config_versions.get()
            masks.append(configs.text_of(row).split("<masked:")[1][:8])
        assert names(cast.vera, masks[0]) == ["r1"] and names(cast.vera, masks[1]) == ["r2"]


def test_only_what_runs_now_is_looked_at(cast: people.Cast) -> None:
    device = make("r1", "hostname old-name\n")
    factories.make_config(device, "hostname new-name\n", startup="hostname start-name\n")
    assert [names(cast.vera, word) for word in ("old-name", "start-name", "new-name")] == [[], [], ["r1"]]


def test_a_tenants_people_find_their_own(cast: people.Cast) -> None:
    ours, theirs = (Tenant.objects.create(name=name, slug=name) for name in ("ours", "theirs"))
    ours.members.add(cast.vera)
    make("mine", tenant=ours)
    make("foreign", tenant=theirs)
    make("nobodys")
    assert names(cast.vera, "hostname") == ["mine"]
    assert people.client_for(cast.vera).get(URL, {"q": "hostname"}).json()["total"] == 1
    assert "foreign" not in people.client_for(cast.vera).get("/configurations/", {"q": "hostname"}).content.decode()
    assert names(cast.omar, "hostname") == ["foreign", "mine", "nobodys"]


class TestInPieces:
    def walk(self, user: Any, **more: Any) -> tuple[list[list[str]], int]:
        pieces, offset, searched = [], 0, 0
        while offset is not None:
            body = people.client_for(user).get(URL, {"q": "hostname", "offset": offset, **more}).json()
            pieces.append([hit["device"]["name"] for hit in body["results"]])
            offset, searched = body["next_offset"], searched + body["searched"]
        return pieces, searched

    def test_by_the_number_of_hits(self, cast: people.Cast) -> None:
        for n in range(5):
            make(f"r{n}")
        assert self.walk(cast.vera, limit=2) == ([["r0", "r1"], ["r2", "r3"], ["r4"]], 5)

    def test_by_the_number_of_devices(self, cast: people.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(config_search, "MAX_DEVICES", 2)
        for n in range(5):
            make(f"r{n}", "interface lo\n" if n < 3 else factories.CONFIG)
        assert self.walk(cast.vera) == ([[], ["r3"], ["r4"]], 5)
        page = people.client_for(cast.vera).get("/configurations/", {"q": "hostname"}).content.decode()
        assert "0 devices found in configurations 1 to 2 of 5" in page and "offset=2" in page

    def test_by_the_size_of_the_texts(self, cast: people.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(config_search, "MAX_BYTES", 50)  # less than one has
        for n in range(3):
            make(f"r{n}")
        assert self.walk(cast.vera) == ([["r0"], ["r1"], ["r2"]], 3)

    def test_few_lines_of_few_characters(self, cast: people.Cast) -> None:
        make("r1", "".join(f"line {n} {'x' * 1000} needle\n" for n in range(9)))
        (hit,) = people.client_for(cast.vera).get(URL, {"q": "needle"}).json()["results"]
        assert (hit["count"], len(hit["lines"])) == (9, config_search.MAX_LINES)
        for line in hit["lines"]:
            assert len(line["text"]) <= config_search.SHOWN_CHARS
            assert [line["text"][start:end] for start, end in line["spans"]] == ["needle"]


@pytest.mark.parametrize("query", [{}, {"q": ""}, {"q": "x"}, {"q": "   "}, {"q": "x" * 201}, {"q": "ab", "page": 1}])
def test_refusals(cast: people.Cast, query: dict[str, Any]) -> None:
    assert people.client_for(cast.vera).get(URL, query).status_code == 400


def test_what_is_looked_for_is_no_pattern_and_no_markup(cast: people.Cast) -> None:
    make("r1", f"banner {HOSTILE} (a+)+$ \u0130\u0130needle\n")
    assert names(cast.vera, ".*") == [] and names(cast.vera, "(a+)+$") == names(cast.vera, "\u0130needle") == ["r1"]
    page = people.client_for(cast.vera).get("/configurations/", {"q": HOSTILE}).content.decode()
    assert HOSTILE not in page and "<mark>&lt;script&gt;" in page


def test_one_whose_key_is_gone_is_counted(cast: people.Cast) -> None:
    make("r1")
    lost = make("r2")
    ConfigVersion.objects.filter(device=lost).update(secret_ref=uuid.uuid4())  # what it is bound to
    body = people.client_for(cast.vera).get(URL, {"q": "hostname"}).json()
    assert (body["unreadable"], body["searched"], len(body["results"])) == (1, 2, 1)
