from django.apps import AppConfig


class InventoryConfig(AppConfig):
    name = "inventory"

    def ready(self) -> None:
        from inventory import panels, search

        panels.register("Host keys", "device-host-keys", role="operator")
        panels.register("History", "device-history", role="operator")
        search.register("devices", "Devices", search.devices)
        search.register("addresses", "Addresses", search.addresses)
        search.register("interfaces", "Interfaces", search.interfaces)
        search.register("sites", "Sites", search.sites)
        search.register("prefixes", "Prefixes", search.prefixes)
