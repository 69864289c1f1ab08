"""Changes the network: VyOS DHCP mappings, port forwards and guarded actions."""

from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    name = "provisioning"

    def ready(self) -> None:
        from provisioning import registrations

        registrations.register_all()
