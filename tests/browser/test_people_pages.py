"""The pages about people in a real browser: accessible, fitting, and usable to the end."""

import re

import pytest
from playwright.sync_api import expect

from netmon.accounts.models import ApiKey, User
from netmon.accounts.services import invites, keys
from tests import factories, people
from tests.browser.helpers import VARIANTS
from tests.unit.accounts.conftest import code_at, with_totp


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_every_page_about_people_is_accessible_and_fits(visit, cast, width, theme):
    factories.make_tenant().members.add(cast.vera)
    with_totp(cast.omar)
    made, _ = keys.make(user=cast.ada, name="a key with a long name", scopes=["read"], allowed_networks=["10.0.0.0/8"])
    keys.make(user=cast.ada, name="another", scopes=["inventory:read", "monitoring:write", "jobs:read"])
    keys.revoke(key=made)
    _, token = invites.make(by=cast.ada, role="viewer", email="somebody.with.a.long.name@example.net")
    visitor = visit("ada", width=width, theme=theme)

    def look(what: str) -> None:
        assert visitor.accessibility_faults() == [], what
        assert visitor.overflow() == 0, what
        if width < 700:
            assert visitor.small_targets() == [], what

    for path in ("/account/", "/account/keys/", "/people/", f"/people/{cast.omar.pk}/", "/account/totp/"):
        visitor.open(path)
        look(path)
    page = visitor.page
    page.fill("#id_e-password", people.PASSWORD)
    page.click("text=Set it up")
    expect(page.locator("svg.qr")).to_be_visible()
    look("enrolment")
    page.fill("#id_code", code_at(cast.ada))
    page.click("text=Switch on")
    expect(page.locator("#codes li")).to_have_count(10)
    look("recovery codes")
    visitor.open("/account/totp/")
    look("second factor on")
    visitor.open("/account/keys/")
    page.fill("#id_name", "backup")
    page.click("text=Make the key")
    expect(page.locator("#new-key")).to_have_text(re.compile(r"nm_[A-Za-z0-9]{8}_[\w-]{43}"))
    look("new key")
    page.fill("#id_name", "backup")
    page.click("text=Make the key")
    expect(page.locator("[role=alert]")).to_be_visible()
    look("refused key")
    visitor.open("/people/")
    page.click("text=Make the link")
    expect(page.locator("#new-link")).to_have_text(re.compile(r"/invite/[\w-]{43}/"))
    look("new invite")
    guest = visit("", width=width, theme=theme)
    guest.open(f"/invite/{token}/")
    assert guest.accessibility_faults() == [] and guest.overflow() == 0
    if width < 700:
        assert guest.small_targets() == []


def test_somebody_is_invited_takes_a_key_and_changes_the_password(visit, cast):
    host = visit("ada")
    host.page.click("[popovertarget=user-menu]")
    host.page.click("#user-menu >> text=People")
    host.page.select_option("#id_role", "operator")
    host.page.click("text=Make the link")
    link = host.page.locator("#new-link").inner_text()
    guest = visit("")
    page = guest.page
    page.goto(link)
    page.fill("#id_username", "ivo")
    page.fill("#id_password", "a long pass phrase 1")
    page.fill("#id_again", "a long pass phrase 1")
    page.click("text=Make the account")
    expect(page.locator("h1")).to_have_text("Overview")
    page.click("[popovertarget=user-menu]")
    page.click("#user-menu >> text=API keys")
    page.fill("#id_name", "script")
    page.click("text=Make the key")
    page.click("[data-copy=new-key]")
    expect(page.locator("#announce")).not_to_be_empty()
    page.click("text=Revoke")
    expect(page.locator(".list.keys")).to_contain_text("Revoked")
    assert ApiKey.objects.get().revoked_at is not None
    guest.open("/account/")
    page.fill("#id_current_password", "a long pass phrase 1")
    page.fill("#id_new_password", "another pass phrase 2")
    page.fill("#id_again", "another pass phrase 2")
    page.click("text=Change the password")
    expect(page.locator(".banner")).to_contain_text("Your password is changed")
    assert User.objects.get(username="ivo").check_password("another pass phrase 2")


def test_the_second_step_of_the_log_in(visit, cast):
    codes = with_totp(cast.omar)
    visitor = visit("omar", width=390)
    page = visitor.page
    expect(page.locator("h1")).to_have_text("Your code")
    assert visitor.accessibility_faults() == [] and visitor.small_targets() == [] and visitor.overflow() == 0
    page.fill("#id_code", "000000")
    page.click("button[type=submit]")
    expect(page.locator("[role=alert]")).to_contain_text("correct username and password")
    page.fill("#id_code", codes[0])
    page.click("button[type=submit]")
    expect(page.locator("h1")).to_have_text("Overview")
    assert people.PASSWORD not in page.content()
