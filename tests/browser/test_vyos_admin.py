"""What is set up and shown of VyOS in the admin, in a real browser."""

import pytest
from django.utils import timezone

from provisioning.models import RunningConfig
from tests import machines
from tests.browser.helpers import VARIANTS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "set nat destination rule 10000 description 'netmon:web-1 " + "x" * 200 + "'"
SECRET = "hush-hush-of-the-configuration"


@pytest.mark.parametrize(("width", "theme"), VARIANTS)
def test_the_admin_of_vyos_is_accessible_keeps_the_policy_and_fits(visit, cast, width, theme):
    estate = machines.make_estate(word="web", owner=cast.omar)
    change = estate["config-changes"]
    change.lines, change.diff, change.undo = [LONG, "set <b>bold</b>"], ["+ a rule"], []
    change.save()
    change.items.update(error_code="failed", error_detail="<i>why</i>")
    router = estate["vyos-routers"]
    running = RunningConfig.objects.create(router=router, read_at=timezone.now(), nat={"pass": SECRET})
    rows = [*estate.values(), running, router.drift_items.get(), estate["port-forwards"].port_claims.get()]
    visitor = visit("ada", width=width, theme=theme)
    for row in rows:
        name = row._meta.model_name
        for path in (f"{name}/", f"{name}/{row.pk}/change/"):
            visitor.tolerate()
            page = visitor.open(f"/admin/provisioning/{path}")
            assert visitor.faults == [], path
            visitor.tolerate("Applying inline style")  # axe's own, while it looks at labels
            assert visitor.accessibility_faults() == [], path
            assert visitor.overflow() == 0, path
            assert SECRET not in page.content(), path
    page = visitor.open(f"/admin/provisioning/configchange/{change.pk}/change/")
    assert LONG in page.locator("pre.code").all_inner_texts()[1]
    assert "set <b>bold</b>" in page.locator("pre.code").all_inner_texts()[1]
