import pytest

from inventory import panels


@pytest.fixture(autouse=True)
def _own_register(monkeypatch):
    monkeypatch.setattr(panels, "PANELS", [])


def test_panels_keep_their_order():
    panels.register("Alerts", "device-alerts")
    panels.register("Config", "device-config")
    assert [panel.label for panel in panels.PANELS] == ["Alerts", "Config"]


@pytest.mark.parametrize(("label", "url_name"), [("Alerts", "other"), ("Other", "device-alerts")])
def test_a_second_owner_is_refused(label, url_name):
    panels.register("Alerts", "device-alerts")
    with pytest.raises(ValueError, match="registered already"):
        panels.register(label, url_name)
