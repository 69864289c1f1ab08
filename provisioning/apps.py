"""Changes the network: VyOS DHCP mappings, port forwards and guarded actions."""

from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    name = "provisioning"
