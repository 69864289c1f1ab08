"""In what an alert is searched: the same for the list of alerts and for the search over everything."""

import pytest

from monitoring.alerting import searching
from monitoring.models import Alert, AlertRule
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("text", "is_found"),
    [("flood", True), ("PUMP", True), ("eth7", True), ("Edge-ÄÖ", True), ("Water in the cell", True), ("%", False)],
)
def test_a_text_is_looked_for_in_words_object_device_and_rule(text: str, is_found: bool) -> None:
    rule = AlertRule.objects.create(name="water in the CELLAR", source="device.down")
    device = make.make_device(name="edge-äö-1")
    Alert.objects.create(
        rule=rule,
        device=device,
        source="device.down",
        subject="eth7",
        fingerprint="f",
        summary="flooded",
        detail="pump",
    )
    Alert.objects.create(source="manual", fingerprint="g", summary="other")
    assert [row.summary for row in Alert.objects.filter(searching.matching(text))] == ["flooded"] * is_found
